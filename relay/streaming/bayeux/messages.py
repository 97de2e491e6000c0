"""Reading what a client sent: a payload is an array of messages, each a JSON object with a channel. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from relay.errors import RefusedError

MAX_MESSAGES: Final = 256
"""Messages of one payload: a page's batch is far below, and each may cost a trip to the store."""
MAX_BODY: Final = 256 * 1024
"""Bytes of a payload: clients send control messages only."""
MAX_ID: Final = 64
"""Characters of a message's id, which is echoed."""

Message = dict[str, Any]
"""One message, as JSON has it."""


class MalformedPayloadError(RefusedError):
    """The payload is not messages: a fault of the transport, so no message can be answered."""


def from_json(body: bytes) -> list[Message]:
    """Read an array of messages; a lone message is taken for an array of one.

    Raises:
        MalformedPayloadError: it is neither, or it is empty or too long.

    """
    return bounded(messages_in(body))


def from_form(body: bytes) -> list[Message]:
    """Read the fields called ``message`` of a form, each an array of messages or a lone one.

    Raises:
        MalformedPayloadError: one of them is neither, or there are none or too many messages.

    """
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_MESSAGES)
    except ValueError as error:
        raise MalformedPayloadError("the form cannot be read") from error
    found = [message for name, text in fields if name == "message" for message in messages_in(text.encode())]
    return bounded(found)


def has_usable_id(message: Message) -> bool:
    """Tell whether a message's id can be echoed: a short string or an integer, or there is none."""
    given = message.get("id")
    if isinstance(given, str):
        return len(given) <= MAX_ID
    return given is None or (isinstance(given, int) and not isinstance(given, bool))


def encoded(message: Message) -> bytes:
    """Return a message as JSON."""
    return msgspec.json.encode(message)


def payload(parts: Iterable[bytes]) -> bytes:
    """Join encoded messages to a payload: events are spliced in as they were rendered."""
    return b"[" + b",".join(parts) + b"]"


def messages_in(body: bytes) -> list[Message]:
    """Read an array of messages or a lone one; there may be none, or too many.

    Raises:
        MalformedPayloadError: it is neither.

    """
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedPayloadError("not JSON") from error
    listed = found if isinstance(found, list) else [found]
    for message in listed:
        if not isinstance(message, dict):
            raise MalformedPayloadError("not an array of objects")
    return listed


def bounded(found: list[Message]) -> list[Message]:
    """Return messages if there are some, and not too many.

    Raises:
        MalformedPayloadError: there are none or too many.

    """
    if not found:
        raise MalformedPayloadError("no messages")
    if len(found) > MAX_MESSAGES:
        raise MalformedPayloadError(f"more than {MAX_MESSAGES} messages")
    return found
