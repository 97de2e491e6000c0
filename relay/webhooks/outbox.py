"""One subscription's way out: what its requests are made of, and its lanes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

from relay.subscriptions.model import Subscription
from relay.subscriptions.rendering import Rendered
from relay.webhooks.lanes import Lanes
from relay.webhooks.manners import Manner
from relay.webhooks.references import Reference
from relay.webhooks.sender import Request


class Rules(NamedTuple):
    """What holds for subscriptions that do not say otherwise."""

    retries: Sequence[float]
    """Seconds between attempts."""
    timeout: float
    """Seconds for one attempt."""


class Failing(NamedTuple):
    """A run of attempts that failed, without a success in between."""

    since: float
    """When the first was concluded, by the monotonic clock."""
    complaint: str
    """What the last one came to."""


@final
class Outbox:
    """An active subscription that has, or lately had, something to deliver."""

    __slots__ = (
        "_composer",
        "_rules",
        "_timeout",
        "closed",
        "failing",
        "feeding",
        "lanes",
        "manner",
        "retries",
        "subscription",
        "waiting",
    )

    def __init__(self, subscription: Subscription, rules: Rules, manner: Manner) -> None:
        self._rules = rules
        self.lanes: Lanes[Reference] = Lanes(subscription.max_in_flight)
        self.adopt(subscription, manner)
        #: Nothing more is sent: it is deleted, disabled, or no longer this owner's.
        self.closed = False
        #: It waits for a place among the process's requests.
        self.waiting = False
        #: Somebody is loading what is queued.
        self.feeding = False
        #: Since when, and why, it has got nothing but failures; None after a success.
        self.failing: Failing | None = None

    def adopt(self, subscription: Subscription, manner: Manner) -> None:
        """Go by what the subscription is now, from the next request on."""
        rules = self._rules
        self.subscription = subscription
        self.manner = manner
        self.lanes.limit(subscription.max_in_flight)
        self.retries = rules.retries if subscription.retries is None else subscription.retries
        self._timeout = rules.timeout if subscription.timeout is None else subscription.timeout
        self._composer = manner.composer(subscription)

    def __repr__(self) -> str:
        return f"Outbox({self.subscription!r}, {self.lanes!r}{', closed' if self.closed else ''})"

    @property
    def id(self) -> str:
        """The subscription's id."""
        return self.subscription.id

    def request(self, reference: Reference, event: Rendered, now: float) -> Request:
        """Make the request of an attempt at ``now`` (seconds since the epoch)."""
        return self._composer.compose(reference.entry, event, now, self._timeout)
