"""What the webhook engine of one process has done so far, in plain numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from relay.telemetry.histogram import Histogram
from relay.webhooks.attempts import Attempt

_CLASSES: Final = tuple(f"{hundreds}xx" for hundreds in range(10))
"""Of statuses, which have three digits."""


@dataclass(slots=True)
class Stats:
    """Counters since start, and what is on its way now."""

    fanned_out: int = 0
    """Call events whose subscriptions were found."""
    queued: int = 0
    """References added to subscriptions' queues."""
    in_flight: int = 0
    """Requests on their way now."""
    attempts: int = 0
    """Requests that ended, however."""
    succeeded: int = 0
    """Deliveries that ended well."""
    failed: int = 0
    """Attempts that failed with another one to come."""
    resent: int = 0
    """Requests that somebody asked for, beside those that were due."""
    recovered: int = 0
    """References that recoveries added to queues."""
    probes: int = 0
    """Requests to endpoints whose breaker is open, to see whether they answer again."""
    opened: int = 0
    """Breakers that opened."""
    unreadable: int = 0
    """Journal entries, things in queues, and subscriptions, that could not be read."""
    missing: int = 0
    """References whose event is no longer kept anywhere."""
    refused: int = 0
    """What could not be queued or stored: the store holds something unfit, or the subscription is gone."""
    unsent: int = 0
    """Requests not made because the lease could no longer be relied on."""
    durations: Histogram = field(default_factory=Histogram)
    """How long requests took that ended."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Deliveries given up, by why: the `Reason`."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Ended requests by the class of their answer, ``2xx`` to ``5xx``, or by why there was none."""

    @property
    def dead(self) -> int:
        """Deliveries given up."""
        return self.reasons.total()

    def gave_up(self, reason: str | None) -> None:
        """Count a delivery that was given up."""
        self.reasons[str(reason)] += 1

    def ended(self, attempt: Attempt) -> None:
        """Count a request that ended."""
        status = attempt.status_code
        self.attempts += 1
        self.durations.add(attempt.duration_ms / 1000)
        self.outcomes[str(attempt.error) if status is None else _CLASSES[status // 100]] += 1
