"""What follows when a call is placed or a simulated phone moves. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final, assert_never

from relay.calls.happenings import (
    CallPlaced,
    DtmfSent,
    Happening,
    LegAnswered,
    LegEnded,
    LegHeld,
    LegMade,
    LegRetrieved,
    LegRinging,
)
from relay.calls.identifiers import leg_id
from relay.calls.model import Address, CallType, Cause, Party, PartyState, Role, Session, call_type
from relay.switch.protocol import Dial, Route
from relay.switch.simulator.phones import Move, rings

Happenings = tuple[Happening, ...]


class PhoneAction(StrEnum):
    """What a person can do at a simulated phone."""

    ANSWER = "answer"
    REJECT = "reject"
    BUSY = "busy"
    HANGUP = "hangup"
    HOLD = "hold"
    RETRIEVE = "retrieve"
    DTMF = "dtmf"


_PRESSED: Final[dict[PhoneAction, Move]] = {
    PhoneAction.ANSWER: Move.ANSWER,
    PhoneAction.REJECT: Move.REJECT,
    PhoneAction.BUSY: Move.BUSY,
    PhoneAction.HANGUP: Move.HANG_UP,
}

_WHILE_RINGING: Final = frozenset(_PRESSED)
_WHILE_CALLING: Final = frozenset({PhoneAction.HANGUP, PhoneAction.DTMF})
_WHILE_TALKING: Final = frozenset({PhoneAction.HANGUP, PhoneAction.DTMF, PhoneAction.HOLD})
_LISTENING: Final = frozenset({PhoneAction.HANGUP})
_ON_HOLD: Final = frozenset({PhoneAction.HANGUP, PhoneAction.RETRIEVE})
_NOTHING: Final[frozenset[PhoneAction]] = frozenset()
_AWAY: Final = (PartyState.PARKED, PartyState.VOICEMAIL)
"""States of legs that no phone is at."""


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
    to = dial.to
    if to.address.device_id == dial.caller.device_id and to.address.ours:
        to = Route(to.address, refuses=True)
    return (call, *alerted(made(dial.session_id, 2, to, dial.shown_as or dial.caller), to))


def conferred(session_id: str, account: str, host: Address) -> Happenings:
    """Place a conference, which its owner's phone joins at once."""
    placed = CallPlaced(
        session_id=session_id,
        account=account,
        type=CallType.INTERNAL,
        caller_leg=leg_id(session_id, 1),
        caller=host,
        destination=Address(number="conference"),
        conference=True,
    )
    return (placed, LegAnswered(leg=placed.caller_leg))


def moved(session: Session, party: Party, move: Move, to: Route) -> Happenings:
    """Return what happens when the leg's phone does this; ``to`` is where the one it calls is found."""
    match move:
        case Move.ANSWER:
            picked_up = LegAnswered(leg=party.id)
            if party.role is Role.CALLER:
                to = reached(session, to)
                callee = made(session.id, len(session.parties) + 1, to, party.address)
                return (picked_up, *alerted(callee, to))
            return (picked_up,)
        case Move.BUSY:
            return (LegEnded(leg=party.id, cause=Cause.BUSY),)
        case Move.REJECT:
            return (LegEnded(leg=party.id, cause=Cause.REJECTED),)
        case Move.NO_ANSWER:
            return (LegEnded(leg=party.id, cause=Cause.NO_ANSWER),)
        case Move.FAIL:
            return (LegEnded(leg=party.id, cause=Cause.FAILED),)
        case Move.HANG_UP:
            return (LegEnded(leg=party.id),)
        case _:
            assert_never(move)


def possible(session: Session, party: Party) -> frozenset[PhoneAction]:
    """Return what can be done at the leg's phone now; nothing once it has left the leg."""
    if not party.live or party.state in _AWAY or party.replied_at is not None:
        return _NOTHING
    if party.monitors is not None:
        return _LISTENING
    if party.state is PartyState.ANSWERED:
        return _WHILE_TALKING
    if party.state is PartyState.HELD:
        return _ON_HOLD
    return _WHILE_RINGING if rings(session, party) else _WHILE_CALLING


def pressed(session: Session, party: Party, action: PhoneAction, digits: str, to: Route) -> Happenings:
    """Return what happens when this is done at the leg's phone; ``digits`` is for dtmf alone."""
    match action:
        case PhoneAction.DTMF:
            return (DtmfSent(leg=party.id, digits=digits),)
        case PhoneAction.HOLD:
            return (LegHeld(leg=party.id),)
        case PhoneAction.RETRIEVE:
            return (LegRetrieved(leg=party.id),)
        case _:
            return moved(session, party, _PRESSED[action], to)


def reached(session: Session, to: Route) -> Route:
    """Return a route as the call finds it: a phone of ours that is in it already takes no second leg."""
    inside = any(
        party.live and party.ours and party.address.device_id == to.address.device_id
        for party in session.parties
    )
    return Route(to.address, refuses=True) if inside else to


def made(session_id: str, ordinal: int, to: Route, far: Address, **options: Any) -> LegMade:
    """Return the making of a session's leg where the route leads, with `far` at its other end."""
    return LegMade(leg=leg_id(session_id, ordinal), address=to.address, far=far, **options)


def alerted(callee: LegMade, to: Route) -> Happenings:
    """Return the making of a leg and what comes of it at once: it rings, or is busy."""
    return (callee, outcome(callee, to))


def outcome(callee: LegMade, to: Route) -> Happening:
    """Return what comes of a leg at once when it is made."""
    return LegEnded(leg=callee.leg, cause=Cause.BUSY) if to.refuses else LegRinging(leg=callee.leg)
