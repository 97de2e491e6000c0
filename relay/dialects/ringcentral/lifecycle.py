"""What is due for a subscription of RingCentral's by itself, and when. Pure; times in milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, NamedTuple

from relay.dialects.ringcentral.filters import reminder
from relay.subscriptions.model import Status, Subscription

RECHECK: Final = 900.0
"""Seconds after which a blacklisted address is asked again whether it wants notifications."""
OWNER: Final = "owner"
"""The reason of a subscription that was disabled by hand: it stays so."""


class What(Enum):
    """What is to be done."""

    REMIND = auto()
    RECHECK = auto()
    EXPIRE = auto()


class Step(NamedTuple):
    """The next thing that is due for a subscription."""

    at: int
    what: What
    source: str = ""
    """The filter that asks for a reminder."""


def next_step(one: Subscription, after: int, *, recheck: float = RECHECK) -> Step | None:
    """Return what is due first after a moment; None where nothing ever is."""
    return min(_steps(one, after, round(recheck * 1000)), key=lambda step: step.at, default=None)


def _steps(one: Subscription, after: int, recheck: int) -> Iterator[Step]:
    if one.expires_at is not None:
        yield Step(one.expires_at, What.EXPIRE)
    if one.status is Status.DISABLED:
        if one.reason != OWNER and one.disabled_at is not None:
            yield Step(_next(one.disabled_at + recheck, recheck, after), What.RECHECK)
        return
    for source in (wish.source for wish in one.filters):
        asked = reminder(source)
        if asked is not None and one.expires_at is not None:
            begins = one.expires_at - asked.threshold * 1000
            at = _next(begins, asked.interval * 1000, after)
            if at < one.expires_at:
                yield Step(at, What.REMIND, source)


def _next(first: int, interval: int, after: int) -> int:
    """Return the first moment after another of those that lie an interval apart."""
    return first if first > after else first + ((after - first) // interval + 1) * interval
