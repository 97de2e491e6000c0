"""What a command must fulfil before the switch is asked. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relay.calls.capabilities import Operation, capabilities
from relay.calls.commands import DTMF, Action, SendDtmf
from relay.calls.lines import Line
from relay.calls.model import Address, Party, Session
from relay.calls.numbers import canonical
from relay.calls.user_data import MAX_NESTING, MAX_USER_DATA, user_data_fits
from relay.errors import InvalidFieldError, NotAllowedNowError


def check_parameters(action: Action) -> None:
    """Check what can be checked without knowing the call; InvalidFieldError tells what is wrong."""
    if isinstance(action, SendDtmf):
        check_digits(action.digits)


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


def participant(session: Session, party: Party, wanted: str) -> Party:
    """Return another live leg by its id, extension or number; InvalidFieldError if the call has none."""
    names = {wanted, canonical(wanted)}
    for other in session.participants(party):
        if not names.isdisjoint({other.id, other.address.extension, other.address.number}):
            return other
    raise InvalidFieldError("participant", "must be the leg, extension or number of someone in the call")
