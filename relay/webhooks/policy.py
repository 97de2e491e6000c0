"""What an attempt's outcome means, and when the next one is made. Pure: clock and chance are arguments."""

from __future__ import annotations

import email.utils
from collections.abc import Sequence
from datetime import UTC
from enum import Enum, StrEnum, auto
from typing import Final, NamedTuple

JITTER: Final = 0.2
"""Share by which a pause may be shorter or longer, so that retries of one outage do not come all at once."""
LONGEST_HINT: Final = 86_400.0
"""Seconds that Retry-After may ask for at most."""
DEADLINE: Final = 72 * 3600.0
"""Seconds after its event when a delivery is given up, however long the pauses: it bounds what is kept."""

GONE: Final = 410


class Verdict(Enum):
    """What an answer means (Standard Webhooks 1.0.0: 2xx is success, 410 ends the subscription)."""

    SUCCESS = auto()
    FAILURE = auto()
    GONE = auto()


class Reason(StrEnum):
    """Why a delivery was given up."""

    EXHAUSTED = "exhausted"
    """The schedule is used up."""
    DEADLINE = "deadline"
    """The next attempt would come after the deadline."""
    GONE = "gone"
    """The endpoint said so, with 410."""
    BODY_MISSING = "body_missing"
    """Neither the journal nor what is kept for retries has the event any more."""
    UNREADABLE = "unreadable"
    """The event cannot be rendered any more."""


class Retry(NamedTuple):
    """Another attempt, so many seconds from now."""

    pause: float


class GiveUp(NamedTuple):
    """No further attempt, and why."""

    reason: Reason


def judge(status: int | None) -> Verdict:
    """Tell what an answer's status means; None is no answer. A redirect is a failure: none is followed."""
    if status is None:
        return Verdict.FAILURE
    if 200 <= status <= 299:
        return Verdict.SUCCESS
    return Verdict.GONE if status == GONE else Verdict.FAILURE


def decide(
    schedule: Sequence[float],
    made: int,
    *,
    hint: float | None,
    age: float,
    chance: float,
    gone: bool = False,
) -> Retry | GiveUp:
    """Decide on a failed delivery after ``made`` attempts, ``age`` seconds after its event.

    ``gone`` says that the endpoint wants no more, ``hint`` is what Retry-After asked for in seconds,
    ``chance`` a random number from 0 to 1. A pause is never shorter than a hint, and never ends after the
    deadline.
    """
    if gone:
        return GiveUp(Reason.GONE)
    if made > len(schedule):
        return GiveUp(Reason.EXHAUSTED)
    pause = schedule[made - 1] * (1 + JITTER * (2 * chance - 1))
    pause = max(pause, asked_pause(hint))
    if age + pause > DEADLINE:
        return GiveUp(Reason.DEADLINE)
    return Retry(pause)


def asked_pause(hint: float | None) -> float:
    """Return the seconds for which a failure's answer asked to be left alone; 0 if it did not."""
    return 0.0 if hint is None else min(hint, LONGEST_HINT)


def retry_after(value: str | None, now: float) -> float | None:
    """Read a Retry-After header: seconds, or an HTTP date. None if absent, past or not readable.

    ``now`` is seconds since the epoch.
    """
    if value is None:
        return None
    value = value.strip()
    try:
        seconds = float(value) if value[:1].isdigit() else _until(value, now)
    except (ValueError, TypeError, OverflowError):
        return None
    return seconds if 0 < seconds < float("inf") else None


def _until(date: str, now: float) -> float:
    moment = email.utils.parsedate_to_datetime(date)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
