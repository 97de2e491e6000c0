"""How simulated phones behave by themselves. Pure: what a phone does next follows from the session alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from relay.calls.model import Party, PartyState, Role, Session

EXTERNAL_DELAY: Final = 200
"""Milliseconds until a called external number answers, is busy or rejects."""

HANG_UP_AFTER: Final = 1000
"""Milliseconds after which the test number that hangs up by itself does so, counted from its answer."""

MESSAGE: Final = 3000
"""Milliseconds it takes to read a reply to the caller, who is released then."""

RECORDED: Final = 30_000
"""Milliseconds after which a mailbox has taken a message and hangs up."""

PATIENCE: Final = 60_000
"""Milliseconds after which outside phones hang up that wait in a parking place."""

LEFT_ALONE: Final = 30_000
"""Milliseconds after which outside phones hang up that a transfer left with each other: nobody else can."""

_FICTIONAL: Final = re.compile(r"\+1[2-9][0-9]{2}555(01[0-9]{2})")
"""Numbers of the North American plan that are never given to anyone: 555-0100 to 555-0199 of any area."""


class Phone(Protocol):
    """What the simulator must know of a device. Both delays are seconds; None is never."""

    @property
    def answer_after(self) -> float | None:
        """When it answers an incoming call by itself."""

    @property
    def pickup_after(self) -> float | None:
        """When it picks up its own click-to-dial."""


Phones = Callable[[str], Phone | None]
"""Find a device by its id."""


class Move(StrEnum):
    """What a phone can do about its leg, by itself or asked to."""

    ANSWER = "answer"
    BUSY = "busy"
    REJECT = "reject"
    HANG_UP = "hang_up"
    NO_ANSWER = "no_answer"
    """Nobody picked up within the ring timeout."""
    FAIL = "fail"
    """The call cannot be carried to it: a fault of the switch or of the network behind it."""


class NextMove(NamedTuple):
    """What a phone will do if nothing comes before; ``due`` in milliseconds since the epoch."""

    move: Move
    due: int


_TEST_NUMBERS: Final[dict[str, Move | None]] = {
    "0101": Move.BUSY,
    "0102": None,
    "0103": Move.REJECT,
    "0105": Move.FAIL,
}
"""What test numbers do when called, by their end; None is nothing. All others answer."""

_HANGS_UP: Final = "0104"


def rings(session: Session, party: Party) -> bool:
    """Tell whether the leg's phone rings: a callee's, or the caller's own in a click-to-dial."""
    if party.role is Role.CALLER:
        return session.two_step and party.state is PartyState.SETUP
    return party.alerted


def next_move(session: Session, party: Party, phones: Phones, ring_timeout: int) -> NextMove | None:
    """Return what the leg's phone does next by itself, or None if it waits to be told.

    A phone that rings always has an end to it: after ``ring_timeout`` milliseconds nobody is there.
    """
    if rings(session, party):
        given_up = NextMove(Move.NO_ANSWER, party.created_at + ring_timeout)
        own = _while_ringing(party, phones)
        return own if own is not None and own.due < given_up.due else given_up
    if party.replied_at is not None and party.live:
        return NextMove(Move.REJECT, party.replied_at + MESSAGE)
    if party.state is PartyState.VOICEMAIL:
        return NextMove(Move.HANG_UP, party.created_at + RECORDED)
    return _once_answered(session, party)


def _while_ringing(party: Party, phones: Phones) -> NextMove | None:
    if party.address.device_id is None:
        move = _TEST_NUMBERS.get(_fictional_end(party), Move.ANSWER)
        return NextMove(move, party.created_at + EXTERNAL_DELAY) if move else None
    phone = phones(party.address.device_id)
    if phone is None:
        return None
    delay = phone.pickup_after if party.role is Role.CALLER else phone.answer_after
    return NextMove(Move.ANSWER, party.created_at + round(delay * 1000)) if delay is not None else None


def _once_answered(session: Session, party: Party) -> NextMove | None:
    if party.ours or party.answered_at is None or not party.present:
        return None
    if party.role is Role.CALLEE and _fictional_end(party) == _HANGS_UP:
        return NextMove(Move.HANG_UP, party.answered_at + HANG_UP_AFTER)
    ours = [other for other in session.parties if other.ours]
    states = [other.state for other in session.parties]
    if any(other.live for other in ours) or PartyState.VOICEMAIL in states:
        return None
    if waits := [other.created_at for other in session.parties if other.state is PartyState.PARKED]:
        return NextMove(Move.HANG_UP, max(waits) + PATIENCE)
    alone_since = max((other.ended_at or 0 for other in ours), default=party.answered_at)
    return NextMove(Move.HANG_UP, alone_since + LEFT_ALONE)


def _fictional_end(party: Party) -> str:
    found = _FICTIONAL.fullmatch(party.address.number)
    return found[1] if found else ""
