"""How an endpoint is doing, and when it may get another request. Pure: the clock is an argument.

All times are seconds of one clock that never goes back.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Final, NamedTuple, final

from relay.subscriptions.model import RateLimit
from relay.webhooks.throttle import Throttle

OPENS_AFTER: Final = 10
"""Failures in a row that open a breaker."""
FIRST_PROBE: Final = 0.5
"""Seconds from a breaker's opening to its first probe; pauses between probes are no shorter."""
SLOWEST_PROBE: Final = 5.0
"""Seconds between two probes at most: each pause is twice the one before: long outages cost little."""


class Breaker(StrEnum):
    """Whether an endpoint gets requests."""

    CLOSED = "closed"
    OPEN = "open"
    """None for now."""
    HALF_OPEN = "half_open"
    """A probe is on its way."""


class Failing(NamedTuple):
    """A run of attempts that failed, without a success in between."""

    since: float
    """When the first was concluded."""
    complaint: str
    """What the last one came to."""
    last: float | None = None
    """When the last one was concluded; None: an earlier owner knew, and there was none since."""

    def outlasts(self, patience: float, spread: float, now: float) -> bool:
        """Tell whether it goes on for longer than patience, its failures ``spread`` seconds apart or more."""
        last = self.since if self.last is None else self.last
        return now - self.since >= patience and last - self.since >= spread


@final
class Pace:
    """No more than so many requests in any window of so many seconds."""

    __slots__ = ("_begun", "_limit")

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._begun: deque[float] = deque(maxlen=limit.count)

    def __repr__(self) -> str:
        return f"Pace({self._limit.count} in {self._limit.per_seconds:g} s)"

    def wait(self, now: float) -> float:
        """Return the seconds until a request may be made."""
        if len(self._begun) < self._limit.count:
            return 0.0
        return max(0.0, self._begun[0] + self._limit.per_seconds - now)

    def begin(self, now: float) -> None:
        """Note that a request is made."""
        self._begun.append(now)


@final
class Condition:
    """What is known of one endpoint: its run of failures, its breaker, its throttle, and its pace."""

    __slots__ = (
        "_limit",
        "_opens_after",
        "_pace",
        "_pause",
        "_probe_at",
        "_run",
        "asked_until",
        "breaker",
        "failing",
        "throttle",
    )

    def __init__(self, *, opens_after: int = OPENS_AFTER) -> None:
        self._opens_after = opens_after
        self._run = 0
        self._probe_at = 0.0
        self._pause = FIRST_PROBE
        self._pace: Pace | None = None
        self._limit: RateLimit | None = None
        self.breaker = Breaker.CLOSED
        #: How many at a time it takes.
        self.throttle = Throttle()
        #: None after a success.
        self.failing: Failing | None = None
        #: Until when the endpoint asked to be left alone while its breaker was open: no probe comes earlier.
        self.asked_until = 0.0

    def __repr__(self) -> str:
        return f"Condition({self.breaker}, {self._run} failures in a row)"

    @property
    def forgettable(self) -> bool:
        """Whether nothing is known that may hold up a request: neither failures nor when others were made."""
        return self.failing is None and self._pace is None

    def limit(self, limit: RateLimit | None) -> None:
        """Go by a rate limit from now on; what was sent under the same one still counts."""
        if limit != self._limit:
            self._limit, self._pace = limit, None if limit is None else Pace(limit)

    def restore(self, failing: Failing, *, opened: bool, now: float, asked_until: float = 0.0) -> None:
        """Go on from what an earlier owner has found."""
        self.failing, self._run, self.asked_until = failing, 1, asked_until
        if opened:
            self._open(now)

    def wait(self, now: float) -> float:
        """Return the seconds until a request may be made; while a probe is on its way, those to the next."""
        pace = 0.0 if self._pace is None else self._pace.wait(now)
        if self.breaker is Breaker.CLOSED:
            return pace
        if self.breaker is Breaker.HALF_OPEN:
            return max(pace, FIRST_PROBE)
        return max(pace, self._probe_at - now, self.asked_until - now, 0.0)

    def begin(self, now: float) -> bool:
        """Note that a request is made, and tell whether it is a probe."""
        if self._pace is not None:
            self._pace.begin(now)
        if self.breaker is Breaker.CLOSED:
            return False
        self.breaker = Breaker.HALF_OPEN
        return True

    def unprobed(self, now: float) -> None:
        """Note that a probe was not made after all."""
        if self.breaker is Breaker.HALF_OPEN:
            self.breaker, self._probe_at = Breaker.OPEN, now + FIRST_PROBE

    def succeeded(self) -> bool:
        """Note a success; True if the endpoint was failing."""
        was, self.failing = self.failing is not None, None
        self.breaker, self._run, self._pause, self.asked_until = Breaker.CLOSED, 0, FIRST_PROBE, 0.0
        return was

    def failed(self, now: float, complaint: str, *, probe: bool, asked: float = 0.0) -> bool:
        """Note a failure; True if the next owner is to know: the first, or the breaker opens, or ``asked``.

        ``asked`` is for how many seconds the endpoint wants to be left alone, which holds for probes.
        """
        first = self.failing is None
        self.failing = Failing(now if self.failing is None else self.failing.since, complaint, now)
        self._run += 1
        opens = self.breaker is Breaker.CLOSED and self._run >= self._opens_after
        if probe:
            self._pause = min(2 * self._pause, SLOWEST_PROBE)
            self.breaker, self._probe_at = Breaker.OPEN, now + self._pause
        elif opens:
            self._open(now)
        asks = asked > 0 and self.breaker is not Breaker.CLOSED
        if asks:
            self.asked_until = max(self.asked_until, now + asked)
        return first or opens or asks

    def _open(self, now: float) -> None:
        self.breaker, self._pause = Breaker.OPEN, FIRST_PROBE
        self._probe_at = now + FIRST_PROBE
