"""A call's user data: what it may hold, and what is made of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from relay.calls.commands import (
    AttachUserData,
    DeleteUserData,
    DeleteUserDataPair,
    SetDisposition,
    UpdateUserData,
    UserDataAction,
)

MAX_USER_DATA: Final = 16 * 1024
"""Bytes of a call's user data as JSON: every event of the call carries it."""

MAX_NESTING: Final = 32
"""Levels of user data: whoever reads an event later must be able to, however deep their own stack is."""


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
        case SetDisposition():
            return {**user_data, action.key: action.disposition}


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
