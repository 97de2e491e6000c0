"""What a switch says happened: the only input, besides the session, that transitions take."""

from __future__ import annotations

from typing import Any

import msgspec

from relay.calls.model import Address, CallType, Cause


class CallPlaced(msgspec.Struct, frozen=True, kw_only=True):
    """A call begins: the caller's leg is made."""

    session_id: str
    account: str
    type: CallType
    caller_leg: str
    caller: Address
    destination: Address
    two_step: bool = False
    user_data: dict[str, Any] = {}


class LegMade(msgspec.Struct, frozen=True, kw_only=True):
    """The callee's leg is made; it does not ring yet."""

    leg: str
    address: Address
    far: Address


class LegRinging(msgspec.Struct, frozen=True, kw_only=True):
    """The callee is alerted."""

    leg: str


class LegAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """The leg's phone is picked up."""

    leg: str


class LegEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The leg is released. Without a cause, transitions find it from who ended what and when."""

    leg: str
    cause: Cause | None = None


class DtmfSent(msgspec.Struct, frozen=True, kw_only=True):
    """Tones were sent from the leg."""

    leg: str
    digits: str


class UserDataReplaced(msgspec.Struct, frozen=True, kw_only=True):
    """The session's user data is now this."""

    user_data: dict[str, Any]


Happening = CallPlaced | LegMade | LegRinging | LegAnswered | LegEnded | DtmfSent | UserDataReplaced
