"""What is said on a WebSocket: arrays of a head and, mostly, a body. Pure.

Every message of the server carries ``wsc``, by which its client recovers the session after a drop: how many
messages there were, and a token that tells up to which event they told of. So the store need not be told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from relay.errors import RefusedError
from relay.journal.ids import START

REQUEST: Final = "ClientRequest"
HEARTBEAT: Final = "Heartbeat"
NOTIFICATION: Final = "ServerNotification"
DETAILS: Final = "ConnectionDetails"
ERROR: Final = "Error"

LONGEST: Final = 64 * 1024
"""Bytes of one message of a client."""

_UNREADABLE: Final = "a message must be a JSON array of a head and a body"
_WSC: Final = re.compile(r"([0-9]{2,4}-[0-9a-f]{64})\.([0-9]{1,15})\.([0-9]{1,15}-[0-9]{1,15})", re.ASCII)

_encode = msgspec.json.Encoder().encode


class MalformedMessageError(RefusedError):
    """A message of a client cannot be read; the message says why."""


class Asked(NamedTuple):
    """A message of a client."""

    type: str
    message_id: str
    method: str
    path: str
    """Without query or trailing slash."""
    body: dict[str, Any]


class Place(NamedTuple):
    """How far a session is."""

    secret: str
    """By which it is found in the store."""
    sequence: int
    """Messages of the server so far."""
    position: str
    """Stream id up to which events were told."""

    @property
    def token(self) -> str:
        """The token of ``wsc``."""
        return f"{self.secret}.{self.sequence}.{self.position}"


def place(token: str) -> Place | None:
    """Return the place that a token of ``wsc`` tells; None for what is none."""
    found = _WSC.fullmatch(token)
    return Place(found[1], int(found[2]), found[3]) if found else None


def began(secret: str) -> Place:
    """Return the place of a new session."""
    return Place(secret, 0, START)


def read(text: bytes) -> Asked:
    """Read a message of a client.

    Raises:
        MalformedMessageError: it is no array of a head and a body, or the head says nothing usable.

    """
    try:
        head, *rest = _message.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise MalformedMessageError(_UNREADABLE) from None
    if not isinstance(head, dict) or len(rest) > 1:
        raise MalformedMessageError(_UNREADABLE)
    given = {name: head.get(name, "") for name in ("type", "messageId", "method", "path")}
    if not all(isinstance(value, str) for value in given.values()):
        raise MalformedMessageError("type, messageId, method and path must be strings")
    body = rest[0] if rest and rest[0] is not None else {}
    if not isinstance(body, dict):
        raise MalformedMessageError("a body must be an object")
    path = given["path"].partition("?")[0].rstrip("/")
    return Asked(given["type"], given["messageId"], given["method"].upper(), path, body)


def said(
    kind: str,
    message_id: str,
    at: Place | None,
    body: Any = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return a message of the server; ``body`` may be JSON already, and is left out where it is None.

    Without a place there is no session to recover.
    """
    shown: dict[str, Any] = {
        "type": kind,
        "messageId": message_id,
        "status": status,
        "headers": headers or {},
    }
    if at is not None:
        shown["wsc"] = {"token": at.token, "sequence": at.sequence}
    head = _encode(shown)
    if body is None:
        return b"[" + head + b"]"
    return b"[" + head + b"," + (body if isinstance(body, bytes) else _encode(body)) + b"]"


_message: Final = msgspec.json.Decoder(list[Any])
