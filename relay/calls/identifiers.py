"""Ids of commands, sessions and legs.

A call's ids follow from the command that places it, so that a repeated command addresses the same call.
"""

from __future__ import annotations

import uuid
from typing import Final

_NAMESPACE: Final = uuid.UUID("3f0d7a56-9f0c-5d0e-8a4e-6c1f3f1f8f52")
"""Own namespace (RFC 9562, section 5.5): no other system derives the same ids from the same names."""


def new_command_id() -> str:
    """Return an id for a command that came without one."""
    return str(uuid.uuid4())


def session_id(account: str, asked_by: str, command_id: str) -> str:
    """Return the id of the call that a command places.

    Command ids may be a client's own choice: the account and who asks keep one user's from meeting another's.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{account}\n{asked_by}\n{command_id}"))


def leg_id(session: str, ordinal: int) -> str:
    """Return the id of a session's leg; the caller's is number 1, further legs count on."""
    return str(uuid.uuid5(_NAMESPACE, f"{session}\n{ordinal}"))


def recording_id(leg: str, ordinal: int) -> str:
    """Return the id of a leg's recording, counted from 1: decimal digits, as every dialect can show it."""
    return str(uuid.uuid5(_NAMESPACE, f"{leg}\nrecording {ordinal}").int % 10**15)
