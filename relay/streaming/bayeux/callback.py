"""The callback-polling transport (JSONP): what its requests hold, and an answer that is safe to run. Pure.

Any page can make a browser send such requests with its cookies, and run the answer: so it is off by default.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl

from relay.streaming.bayeux.messages import MAX_MESSAGES, MalformedPayloadError, Message, bounded, messages_in

CALLBACK_POLLING: Final = "callback-polling"
"""The connection type's name."""
CONTENT_TYPE: Final = "text/javascript"
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Content-Disposition": "attachment; filename=f.txt",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""So that the answer is taken for nothing but a script, and not shown if somebody is led to it."""

_DEFAULT: Final = "jsonpcallback"
_NAME: Final = re.compile(r"[A-Za-z0-9._$-]{1,64}", re.ASCII)


def from_query(query: str) -> tuple[str, list[Message]]:
    """Read the name of the callback, and the messages.

    Raises:
        MalformedPayloadError: the name cannot be one, or there are no messages that can be read.

    """
    try:
        fields = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_MESSAGES, errors="strict")
    except ValueError as error:
        raise MalformedPayloadError("the query cannot be read") from error
    name = next((text for field, text in fields if field == "jsonp"), _DEFAULT)
    if _NAME.fullmatch(name) is None:
        raise MalformedPayloadError("jsonp must name a function")
    found = [
        message for field, text in fields if field == "message" for message in messages_in(text.encode())
    ]
    return name, bounded(found)


def script(name: str, payload: bytes) -> bytes:
    """Return the call of a callback. The comment keeps the name from being read as another kind of file."""
    safe = payload.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return b"/**/%b(%b);" % (name.encode(), safe)
