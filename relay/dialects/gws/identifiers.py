"""GWS's names of a session, ``callUuid`` (also the call's ``id``) and ``connId``: made from its id alone."""

from __future__ import annotations

import base64
import re
import uuid
from functools import lru_cache
from typing import Final

_CALL_ID: Final = re.compile(r"([0-9A-V]{24})00000([0-9]{3})")


@lru_cache(maxsize=1024)  # a call's events come close together, and each names it
def call_id(session_id: str) -> str:
    """Return the 32 characters GWS calls a session by.

    The UUID's first 15 bytes are 24 characters of base32hex (RFC 4648, section 7); its last byte is the
    eight-digit counter such an id ends with.
    """
    octets = bytes.fromhex(session_id.replace("-", ""))
    return f"{base64.b32hexencode(octets[:15]).decode()}{octets[15]:08d}"


def session_id(call: str) -> str | None:
    """Return the id of the session that `call_id` names so, or None where no session can have that name."""
    parts = _CALL_ID.fullmatch(call)
    if parts is None or (last := int(parts[2])) > 255:
        return None
    return str(uuid.UUID(bytes=base64.b32hexdecode(parts[1]) + bytes([last])))


def connection_id(session_id: str) -> str:
    """Return the 16 lower-case hexadecimal digits of ``connId``: the random half of the session's UUID."""
    return session_id.replace("-", "")[16:].lower()
