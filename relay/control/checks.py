"""What a command must fulfil before the switch is asked. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from relay.calls.capabilities import Operation, capabilities
from relay.calls.commands import DTMF, Action, Park, Reply, SendDtmf, TransferToOrbit
from relay.calls.lines import Line
from relay.calls.model import Address, Party, Session
from relay.calls.numbers import canonical
from relay.calls.parking import MAX_PARKED, ORBITS
from relay.calls.user_data import MAX_NESTING, MAX_USER_DATA, user_data_fits
from relay.errors import InvalidFieldError, NotAllowedNowError

MAX_CONFERENCE: Final = 10
"""People in a conference that was placed as one, as published for RingCentral."""

MAX_REPLY: Final = 1000
"""Characters of a message read to a caller: about a minute of speech."""


def check_parameters(action: Action) -> None:
    """Check what can be checked without knowing the call; InvalidFieldError tells what is wrong."""
    if isinstance(action, SendDtmf):
        check_digits(action.digits)
    if isinstance(action, Reply) and not 0 < len(action.text) <= MAX_REPLY:
        raise InvalidFieldError("text", f"must be 1 to {MAX_REPLY} characters")


def check_digits(digits: str) -> None:
    """Check tones; InvalidFieldError if they are none, or too many."""
    if not DTMF.fullmatch(digits):
        raise InvalidFieldError("digits", "must be 1 to 64 of 0-9, *, # and A-D")


def check_user_data(user_data: dict[str, Any]) -> None:
    """Check what a call would carry in all; InvalidFieldError if it cannot."""
    if not user_data_fits(user_data):
        raise InvalidFieldError(
            "user_data",
            f"must be at most {MAX_USER_DATA} bytes a call as JSON, nested at most {MAX_NESTING} levels",
        )


def check_allowed(session: Session, party: Party, beside: Sequence[Line], operation: Operation) -> None:
    """Check that the leg allows the operation as its calls now are; NotAllowedNowError if not."""
    allowed = capabilities(session, party, beside)
    if operation not in allowed:
        raise NotAllowedNowError(operation, allowed)


def check_destination(session: Session, destination: Address) -> None:
    """Check that a call in progress can be led there; InvalidFieldError if that phone is in it already."""
    live = (party.address.device_id for party in session.parties if party.live)
    if destination.ours and destination.device_id in live:
        raise InvalidFieldError("destination", "must be someone who is not in the call")


def check_phone(session: Session, party: Party, phone: Address) -> None:
    """Check that one's own phone can take a leg's place; NotAllowedNowError if it is in the call already."""
    others = session.live_others(party)
    if any(other.ours and other.address.device_id == phone.device_id for other in others):
        raise NotAllowedNowError("a second leg at one phone", ())


def check_parking(action: Park | TransferToOrbit, parked: Collection[str]) -> None:
    """Check that a call can be parked.

    Raises:
        InvalidFieldError: there is no such parking place.
        NotAllowedNowError: it is taken, or as many are as may be.

    """
    if isinstance(action, TransferToOrbit) and action.orbit not in ORBITS:
        raise InvalidFieldError("orbit", f"must be from {ORBITS[0]} to {ORBITS[-1]}")
    taken = isinstance(action, TransferToOrbit) and action.orbit in parked
    if taken or len(parked) >= MAX_PARKED:
        raise NotAllowedNowError("parking there", ())


def check_room(session: Session, party: Party, donor: tuple[Session, Party]) -> None:
    """Check that a conference has room for the others of a call; NotAllowedNowError if not."""
    people = [one for one in session.live_others(party) if one.monitors is None]
    comers = [one for one in donor[0].live_others(donor[1]) if one.monitors is None]
    if 1 + len(people) + len(comers) > MAX_CONFERENCE:
        raise NotAllowedNowError("bringing in more", ())


def participant(session: Session, party: Party, wanted: str) -> Party:
    """Return another live leg by its id, extension or number; InvalidFieldError if the call has none."""
    names = {wanted, canonical(wanted)}
    for other in session.participants(party):
        if not names.isdisjoint({other.id, other.address.extension, other.address.number}):
            return other
    raise InvalidFieldError("participant", "must be the leg, extension or number of someone in the call")
