"""What relay tells of its own deliveries, beside what it tells of calls."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class OperationalType(StrEnum):
    """What an operational event is about, as every dialect that shows it names it."""

    DISABLED = "subscription.disabled"
    """A subscription is delivered to no more, whoever or whatever has ended that."""
    EXHAUSTED = "delivery.exhausted"
    """A delivery was given up while its subscription goes on."""
    TEST = "subscription.test"
    """Somebody wants to see that an endpoint takes what it is sent."""


class OperationalEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operational event: the data of a journal record of kind operational or test."""

    type: OperationalType
    account: str
    subscription: str
    """The subscription it is about."""
    user_id: str
    """Whose subscription that is."""
    time: int
    """Milliseconds since the epoch."""
    reason: str | None = None
    delivery: str | None = None
    """Id of the delivery that was given up."""
    event_id: str | None = None
    event_type: str | None = None
    """What was to be delivered."""
    attempts: int = 0
