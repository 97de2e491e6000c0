"""Agent states: whether a user is at work, and takes calls that are handed out. Pure.

They are told and kept; a call for a user's own number rings whatever the state is (see docs/gws.md).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, assert_never

import msgspec

from relay.calls.model import Address

MAX_REASON: Final = 256
"""Characters of a reason: it is a code or a short text that lists show."""


class AgentStatus(StrEnum):
    """What a user says of themselves."""

    LOGGED_OUT = "logged-out"
    READY = "ready"
    NOT_READY = "not-ready"


class WorkMode(StrEnum):
    """What a user does who is not ready."""

    AFTER_CALL_WORK = "after-call-work"
    AUX_WORK = "aux-work"


class AgentState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A user's state; work mode and reason only while not ready."""

    status: AgentStatus = AgentStatus.LOGGED_OUT
    work_mode: WorkMode | None = None
    reason: str | None = None


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """A user's state as the store has it."""

    state: AgentState = AgentState()
    revision: int = 0
    """Raised by every change."""


class LogIn(msgspec.Struct, frozen=True):
    """Begin to work, not ready at first; who is at work already goes on as they are."""


class LogOut(msgspec.Struct, frozen=True):
    """Stop working."""


class BeReady(msgspec.Struct, frozen=True):
    """Take calls."""


class BeNotReady(msgspec.Struct, frozen=True, kw_only=True):
    """Take no calls for now."""

    work_mode: WorkMode | None = None
    reason: str | None = None
    """At most `MAX_REASON` characters."""


AgentAction = LogIn | LogOut | BeReady | BeNotReady


def agent_state_after(state: AgentState, action: AgentAction) -> AgentState:
    """Return a user's state after an action; each is taken in every state, by who is logged out too."""
    match action:
        case LogIn():
            at_work = state.status is not AgentStatus.LOGGED_OUT
            return state if at_work else AgentState(status=AgentStatus.NOT_READY)
        case LogOut():
            return AgentState()
        case BeReady():
            return AgentState(status=AgentStatus.READY)
        case BeNotReady(work_mode=work_mode, reason=reason):
            return AgentState(status=AgentStatus.NOT_READY, work_mode=work_mode, reason=reason)
        case _:
            assert_never(action)


class AgentEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A change of a user's state: the data of a journal record of its own kind."""

    account: str
    user: Address
    """The user, by their first phone; its number is empty for who has none."""
    state: AgentState
    time: int
    """Milliseconds since the epoch."""
    command_id: str | None = None
    traceparent: str | None = None
