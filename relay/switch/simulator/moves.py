"""What follows when a call is placed or a simulated phone moves. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from relay.calls.commands import Answer, Hangup, LegAction, Reject, SendDtmf
from relay.calls.happenings import (
    CallPlaced,
    DtmfSent,
    Happening,
    LegAnswered,
    LegEnded,
    LegMade,
    LegRinging,
)
from relay.calls.identifiers import leg_id
from relay.calls.model import Address, Cause, Party, Role, Session, call_type
from relay.switch.protocol import Dial
from relay.switch.simulator.phones import Move, rings

Happenings = tuple[Happening, ...]


class PhoneAction(StrEnum):
    """What a person can do at a simulated phone."""

    ANSWER = "answer"
    REJECT = "reject"
    BUSY = "busy"
    HANGUP = "hangup"
    DTMF = "dtmf"


_PRESSED: dict[PhoneAction, Move] = {
    PhoneAction.ANSWER: Move.ANSWER,
    PhoneAction.REJECT: Move.REJECT,
    PhoneAction.BUSY: Move.BUSY,
    PhoneAction.HANGUP: Move.HANG_UP,
}

_WHILE_RINGING = frozenset({PhoneAction.ANSWER, PhoneAction.REJECT, PhoneAction.BUSY, PhoneAction.HANGUP})
_OTHERWISE = frozenset({PhoneAction.HANGUP, PhoneAction.DTMF})
_NOTHING: frozenset[PhoneAction] = frozenset()


def placed(dial: Dial) -> Happenings:
    """Place a call: the caller's leg, and at once the callee's unless the caller's own phone rings first."""
    call = CallPlaced(
        session_id=dial.session_id,
        account=dial.account,
        type=call_type(dial.caller, dial.destination),
        caller_leg=leg_id(dial.session_id, 1),
        caller=dial.caller,
        destination=dial.destination,
        two_step=dial.two_step,
        user_data=dial.user_data,
    )
    if dial.two_step:
        return (call,)
    return (call, *_alerted(dial.session_id, dial.destination, dial.caller))


def moved(session: Session, party: Party, move: Move) -> Happenings:
    """Return what happens when the leg's phone does this."""
    match move:
        case Move.ANSWER:
            picked_up = LegAnswered(leg=party.id)
            if party.role is Role.CALLER:
                return (picked_up, *_alerted(session.id, party.far, party.address))
            return (picked_up,)
        case Move.BUSY:
            return (LegEnded(leg=party.id, cause=Cause.BUSY),)
        case Move.REJECT:
            return (LegEnded(leg=party.id, cause=Cause.REJECTED),)
        case Move.NO_ANSWER:
            return (LegEnded(leg=party.id, cause=Cause.NO_ANSWER),)
        case Move.HANG_UP:
            return (LegEnded(leg=party.id),)
        case _:
            assert_never(move)


def acted(session: Session, party: Party, action: LegAction) -> Happenings:
    """Return what happens when the leg's user asks this of the switch."""
    match action:
        case Answer():
            return moved(session, party, Move.ANSWER)
        case Reject():
            return moved(session, party, Move.REJECT)
        case Hangup():
            return moved(session, party, Move.HANG_UP)
        case SendDtmf():
            return (DtmfSent(leg=party.id, digits=action.digits),)
        case _:
            assert_never(action)


def possible(session: Session, party: Party) -> frozenset[PhoneAction]:
    """Return what can be done at the leg's phone now; nothing once the leg has ended."""
    if not party.live:
        return _NOTHING
    return _WHILE_RINGING if rings(session, party) else _OTHERWISE


def pressed(session: Session, party: Party, action: PhoneAction, digits: str) -> Happenings:
    """Return what happens when this is done at the leg's phone; ``digits`` is for dtmf alone."""
    if action is PhoneAction.DTMF:
        return (DtmfSent(leg=party.id, digits=digits),)
    return moved(session, party, _PRESSED[action])


def _alerted(session_id: str, callee: Address, caller: Address) -> Happenings:
    leg = leg_id(session_id, 2)
    return (LegMade(leg=leg, address=callee, far=caller), LegRinging(leg=leg))
