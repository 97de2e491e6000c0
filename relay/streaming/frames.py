"""SSE framing by the WHATWG event stream format, and HTTP/1.1 chunks. Pure.

Every frame ends with the blank line that dispatches it, so frames can be joined and written in any number.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

import msgspec

GAP: Final = "relay.gap"
"""Event type that tells of lost history."""
RECONNECT_MS: Final = 2000
"""What a client is asked to wait before it reconnects, in milliseconds."""
HEARTBEAT: Final = b":\n\n"
"""A comment: it keeps proxies from closing a quiet stream, and finds dead peers."""

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_BREAKS_FIELD: Final = re.compile(r"[\r\n\0]")
_encode: Final = msgspec.json.Encoder().encode


class Framing(StrEnum):
    """How frames travel in the body of a response."""

    CHUNKED = "chunked"
    """HTTP/1.1: the body is chunked."""
    PLAIN = "plain"
    """HTTP/1.0: the body ends with the connection."""

    def apply(self, frames: bytes) -> bytes:
        """Return frames as they go to the socket."""
        return chunk(frames) if self is Framing.CHUNKED else frames


def event(event_type: str, data: bytes, *, stream_id: str | None = None) -> bytes:
    """Frame one event; without a stream id the client's last event id stays as it was.

    Raises:
        ValueError: a type or id holds a line break or NUL, which would end the field or void the id.

    """
    if _BREAKS_FIELD.search(event_type) or (stream_id is not None and _BREAKS_FIELD.search(stream_id)):
        raise ValueError("an event's type and id must not hold line breaks or NUL")
    head = f"event: {event_type}\n" if stream_id is None else f"id: {stream_id}\nevent: {event_type}\n"
    if b"\n" in data or b"\r" in data:
        data = _LINE_END.sub(b"\ndata: ", data)
    return b"%bdata: %b\n\n" % (head.encode(), data)


def position(stream_id: str) -> bytes:
    """Set the client's last event id without an event: from there it resumes if none comes."""
    return b"id: %b\n\n" % stream_id.encode()


def retry(milliseconds: int) -> bytes:
    """Ask the client to wait so long before it reconnects; takes effect without an event."""
    return b"retry: %d\n\n" % milliseconds


def gap(after: str, oldest: str | None) -> bytes:
    """Tell the client that events after the id it asked for are lost, and which is the first id left.

    It has no id: a client that reconnects before the next event asks, and is told, the same again.
    """
    return event(GAP, _encode({"type": GAP, "after": after, "oldest": oldest}))


def chunk(data: bytes) -> bytes:
    """Return data as one chunk of a chunked body (RFC 9112, section 7.1). Data must not be empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


OPENING: Final = retry(RECONNECT_MS) + HEARTBEAT
"""First bytes of every stream: proxies and clients see at once that it is open."""
