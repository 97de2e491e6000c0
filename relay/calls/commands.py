"""What can be asked of a leg, as values; who may ask it when is told by capabilities and control."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from relay.calls.capabilities import Operation

DTMF: Final = re.compile(r"[0-9*#A-D]{1,64}")
"""Tones of a telephone keypad with A to D (RFC 4733, section 3.2); 64 bounds how long one command plays."""

MAX_USER_DATA: Final = 16 * 1024
"""Bytes of a call's user data as JSON: every event of the call carries it."""

MAX_NESTING: Final = 32
"""Levels of user data: whoever reads an event later must be able to, however deep their own stack is."""


class Answer(msgspec.Struct, frozen=True):
    """Pick up a leg that is alerted."""

    operation: ClassVar[Operation] = Operation.ANSWER


class Reject(msgspec.Struct, frozen=True):
    """Refuse a leg that is alerted."""

    operation: ClassVar[Operation] = Operation.REJECT


class Hangup(msgspec.Struct, frozen=True):
    """Release the leg."""

    operation: ClassVar[Operation] = Operation.HANGUP


class SendDtmf(msgspec.Struct, frozen=True):
    """Send tones from the leg; `DTMF` is the grammar of the digits."""

    digits: str
    operation: ClassVar[Operation] = Operation.SEND_DTMF


class AttachUserData(msgspec.Struct, frozen=True):
    """Add user data. JSON holds a key once, so the last value given for a key stands."""

    user_data: dict[str, Any]
    operation: ClassVar[Operation] = Operation.SET_USER_DATA


class UpdateUserData(msgspec.Struct, frozen=True):
    """Set the given keys and keep the others; a null removes its key."""

    user_data: dict[str, Any]
    operation: ClassVar[Operation] = Operation.SET_USER_DATA


class DeleteUserDataPair(msgspec.Struct, frozen=True):
    """Remove one key."""

    key: str
    operation: ClassVar[Operation] = Operation.SET_USER_DATA


class DeleteUserData(msgspec.Struct, frozen=True):
    """Remove all user data."""

    operation: ClassVar[Operation] = Operation.SET_USER_DATA


UserDataAction = AttachUserData | UpdateUserData | DeleteUserDataPair | DeleteUserData
LegAction = Answer | Reject | Hangup | SendDtmf
Action = LegAction | UserDataAction


def merged(user_data: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return user data with the given keys set; a null is the absence of a value and removes its key."""
    return {key: value for key, value in {**user_data, **given}.items() if value is not None}


def user_data_after(user_data: Mapping[str, Any], action: UserDataAction) -> dict[str, Any]:
    """Return a call's user data as it is once the action is carried out."""
    match action:
        case AttachUserData() | UpdateUserData():
            return merged(user_data, action.user_data)
        case DeleteUserDataPair():
            return {key: value for key, value in user_data.items() if key != action.key}
        case DeleteUserData():
            return {}


def user_data_fits(user_data: Mapping[str, Any]) -> bool:
    """Tell whether a call can carry it: JSON of at most `MAX_USER_DATA` bytes and `MAX_NESTING` levels."""
    if not user_data:
        return True
    try:
        return _nests_within(user_data, MAX_NESTING) and len(msgspec.json.encode(user_data)) <= MAX_USER_DATA
    except (TypeError, ValueError):  # no JSON: an object of Python's own, half a surrogate pair
        return False


def _nests_within(value: Any, levels: int) -> bool:
    if isinstance(value, Mapping):
        return levels > 0 and all(_nests_within(inner, levels - 1) for inner in value.values())
    if isinstance(value, list | tuple):
        return levels > 0 and all(_nests_within(inner, levels - 1) for inner in value)
    return True
