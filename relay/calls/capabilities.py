"""Which operations a leg allows now. Dialects list these; control refuses everything else."""

from __future__ import annotations

from enum import StrEnum

from relay.calls.model import Party, PartyState, Role


class Operation(StrEnum):
    """What can be asked of a leg."""

    ANSWER = "answer"
    REJECT = "reject"
    HANGUP = "hangup"
    SEND_DTMF = "send-dtmf"
    SET_USER_DATA = "set-user-data"


_CALLER_SETUP = frozenset({Operation.HANGUP, Operation.SEND_DTMF, Operation.SET_USER_DATA})
_CALLEE_ALERTED = frozenset({Operation.ANSWER, Operation.REJECT, Operation.HANGUP, Operation.SET_USER_DATA})
_ANSWERED = frozenset({Operation.HANGUP, Operation.SEND_DTMF, Operation.SET_USER_DATA})
_NONE: frozenset[Operation] = frozenset()


def capabilities(party: Party) -> frozenset[Operation]:
    """Return the operations that party's leg allows in its present state; empty once it has ended."""
    if party.state.final:
        return _NONE
    if party.state is PartyState.ANSWERED:
        return _ANSWERED
    return _CALLER_SETUP if party.role is Role.CALLER else _CALLEE_ALERTED
