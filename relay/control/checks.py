"""What a command must fulfil before the switch is asked. Pure."""

from __future__ import annotations

from typing import Any

from relay.calls.capabilities import Operation, capabilities
from relay.calls.commands import DTMF, MAX_NESTING, MAX_USER_DATA, Action, SendDtmf, user_data_fits
from relay.calls.model import Party
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


def check_allowed(party: Party, operation: Operation) -> None:
    """Check that the leg allows the operation in its present state; NotAllowedNowError if not."""
    allowed = capabilities(party)
    if operation not in allowed:
        raise NotAllowedNowError(operation, allowed)
