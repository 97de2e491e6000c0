"""The states agents are in, by GWS's own names and ids, and the operations that lead there. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from marshmallow import Schema

from relay.calls.agents import (
    AgentAction,
    AgentState,
    AgentStatus,
    BeNotReady,
    BeReady,
    LogOut,
    WorkMode,
)
from relay.dialects.gws import schemas

VOICE: Final = "voice"
"""The only medium relay has."""

CHANNEL_MEMBERS: Final = frozenset({"channel"})
"""Members of a channel that a list can be filtered by."""


class _BuiltIn(NamedTuple):
    """One of the states every server of GWS has."""

    id: str
    name: str
    operation: str
    listed: str
    """``state`` in the list of states."""
    reported: str
    """``state`` of who is in it."""


_BUILT_IN: Final[dict[tuple[AgentStatus, WorkMode | None], _BuiltIn]] = {
    (AgentStatus.READY, None): _BuiltIn(
        "9430250E-0A1B-421F-B372-F29E69366DED", "Ready", "Ready", "Ready", "Ready"
    ),
    (AgentStatus.NOT_READY, None): _BuiltIn(
        "900D55CC-2BB0-431F-8BF9-D3525B383BE6", "Not Ready", "NotReady", "NotReady", "NotReady"
    ),
    (AgentStatus.NOT_READY, WorkMode.AFTER_CALL_WORK): _BuiltIn(
        "D3663509-3D82-4DD3-A82E-2EA8EFA02AEF", "AfterCallWork", "AfterCallWork", "NotReady", "NotReady"
    ),
    (AgentStatus.NOT_READY, WorkMode.AUX_WORK): _BuiltIn(
        "2B36138D-C564-4562-A8CB-3C32D564F296", "AuxWork", "AuxWork", "NotReady", "NotReady"
    ),
    (AgentStatus.LOGGED_OUT, None): _BuiltIn(
        "0F7F5003-EF26-4D13-A6Ef-D0C7EC819BEB", "Offline", "Offline", "Logout", "LoggedOut"
    ),
}

_WORK_MODES: Final = {WorkMode.AFTER_CALL_WORK: "AfterCallWork", WorkMode.AUX_WORK: "AuxWork"}


class StateOperation(NamedTuple):
    """One operation on a user's state."""

    schema: Schema
    action: Callable[..., AgentAction]
    """What it asks for; its parameters are the schema's."""


_NOTHING: Final = schemas.Operation()

STATE_OPERATIONS: Final[dict[str, StateOperation]] = {
    "Ready": StateOperation(_NOTHING, BeReady),
    "NotReady": StateOperation(schemas.Reason(), BeNotReady),
    "AfterCallWork": StateOperation(_NOTHING, lambda: BeNotReady(work_mode=WorkMode.AFTER_CALL_WORK)),
    "AuxWork": StateOperation(_NOTHING, lambda: BeNotReady(work_mode=WorkMode.AUX_WORK)),
    "Offline": StateOperation(_NOTHING, LogOut),
}
"""Every operation a channel takes by POST; each is taken in every state."""


def user_state(state: AgentState) -> dict[str, Any]:
    """Return the state a user is in, as devices and channels show it."""
    known = _BUILT_IN[state.status, state.work_mode]
    shown = {"id": known.id, "displayName": known.name, "state": known.reported}
    if state.reason is not None:
        shown["reason"] = state.reason
    return shown | _work_mode(state.work_mode)


def agent_states() -> list[dict[str, Any]]:
    """Return the states a user can be in, each with the operation that leads there."""
    return [
        {
            "id": known.id,
            "displayName": known.name,
            "operationName": known.operation,
            "state": known.listed,
            **_work_mode(mode),
        }
        for (_, mode), known in _BUILT_IN.items()
    ]


def channel(state: AgentState) -> dict[str, Any]:
    """Return the channel of voice, which is in the state that its user is in."""
    return {"channel": VOICE, "userState": user_state(state)}


def _work_mode(mode: WorkMode | None) -> dict[str, str]:
    return {} if mode is None else {"workMode": _WORK_MODES[mode]}
