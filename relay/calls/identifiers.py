"""Ids of commands, sessions and legs.

A call's ids follow from the command that places it, so that a repeated command addresses the same call.
"""

from __future__ import annotations

import os
import uuid
from hashlib import sha1
from typing import Final

_NAMESPACE: Final = uuid.UUID("3f0d7a56-9f0c-5d0e-8a4e-6c1f3f1f8f52")
"""Own namespace (RFC 9562, section 5.5): no other system derives the same ids from the same names."""


_VARIANT: Final = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""First digit of a UUID's fourth group by what it would be at random: two of its bits are fixed."""


def new_command_id() -> str:
    """Return an id for a command that came without one: a random UUID."""
    return _uuid(os.urandom(16), 4)


def session_id(account: str, asked_by: str, command_id: str) -> str:
    """Return the id of the call that a command places.

    Command ids may be a client's own choice: the account and who asks keep one user's from meeting another's.
    """
    return _named(f"{account}\n{asked_by}\n{command_id}")


def leg_id(session: str, ordinal: int) -> str:
    """Return the id of a session's leg; the caller's is number 1, further legs count on."""
    return _named(f"{session}\n{ordinal}")


def recording_id(leg: str, ordinal: int) -> str:
    """Return the id of a leg's recording, counted from 1: decimal digits, as every dialect can show it."""
    return str(uuid.uuid5(_NAMESPACE, f"{leg}\nrecording {ordinal}").int % 10**15)


def _named(name: str) -> str:
    """Return the UUID of a name, as `uuid.uuid5` makes it in a third of the time."""
    digest = sha1(_NAMESPACE.bytes + name.encode(), usedforsecurity=False).digest()
    return _uuid(digest[:16], 5)


def _uuid(source: bytes, version: int) -> str:
    """Return 16 bytes as a UUID of that version (RFC 9562, section 4)."""
    digits = source.hex()
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-{version}{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
