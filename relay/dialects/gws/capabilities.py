"""What a GWS call allows now, by GWS's own names and in the order its server lists them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cache
from typing import Final

from relay.calls.capabilities import Operation, capabilities
from relay.calls.lines import Line
from relay.calls.model import Party, PartyState, Role, Session
from relay.dialects.gws.operations import CALL_OPERATIONS


class CallState(StrEnum):
    """The states a GWS call shows; each device sees its own."""

    DIALING = "Dialing"
    RINGING = "Ringing"
    ESTABLISHED = "Established"
    HELD = "Held"
    RELEASED = "Released"


_FIRST: Final[dict[CallState, tuple[str, ...]]] = {
    CallState.DIALING: (
        "SendDtmf", "DeleteUserData", "AttachUserData", "DeleteUserDataPair", "Hangup", "UpdateUserData",
    ),
    CallState.RINGING: (
        "Answer", "UpdateUserData", "DeleteUserData", "DeleteUserDataPair", "AttachUserData", "Hangup",
    ),
    CallState.ESTABLISHED: (
        "UpdateUserData", "SendDtmf", "InitiateConference", "Hold", "SingleStepTransfer", "InitiateTransfer",
        "AttachUserData", "DeleteUserDataPair", "SingleStepConference", "DeleteUserData", "Hangup",
    ),
    CallState.HELD: (
        "SingleStepTransfer", "InitiateConference", "Retrieve", "SingleStepConference", "InitiateTransfer",
        "DeleteUserData", "AttachUserData", "DeleteUserDataPair", "Hangup", "UpdateUserData",
    ),
    CallState.RELEASED: (),
}  # fmt: skip
"""What a state lists first, as published; whatever else follows in the order of `CALL_OPERATIONS`."""


def call_state(party: Party) -> CallState:
    """Return the state GWS shows for a leg."""
    if party.state.final:
        return CallState.RELEASED
    if party.state is PartyState.ANSWERED:
        return CallState.ESTABLISHED
    if party.state in (PartyState.HELD, PartyState.PARKED):
        return CallState.HELD
    return CallState.DIALING if party.role is Role.CALLER else CallState.RINGING


def listed(session: Session, party: Party, beside: Sequence[Line] = ()) -> tuple[str, ...]:
    """Return the names of the operations the leg takes now; empty once it is released.

    `beside` are the other live legs at its device.
    """
    return _names(call_state(party), capabilities(session, party, beside))


def names(allowed: Iterable[str]) -> tuple[str, ...]:
    """Return GWS's names of what a leg allows."""
    operations = frozenset(allowed)
    return tuple(name for name, one in CALL_OPERATIONS.items() if one.action.operation in operations)


@cache  # every event lists them, and there are few different lists
def _names(state: CallState, allowed: frozenset[Operation]) -> tuple[str, ...]:
    order = dict.fromkeys((*_FIRST[state], *CALL_OPERATIONS))
    return tuple(name for name in order if CALL_OPERATIONS[name].action.operation in allowed)
