"""One subscription's way out: what its requests are made of, and its lanes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

from relay.subscriptions.model import Subscription
from relay.subscriptions.rendering import Rendered
from relay.webhooks.condition import OPENS_AFTER, Condition
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
    opens_after: int = OPENS_AFTER
    """Failures in a row that open an endpoint's breaker."""


@final
class Outbox:
    """An active subscription that has, or lately had, something to deliver."""

    __slots__ = (
        "_composer",
        "_rules",
        "_timeout",
        "closed",
        "condition",
        "feeding",
        "lanes",
        "manner",
        "paused_until",
        "probe",
        "retries",
        "subscription",
        "waiting",
        "watched_until",
    )

    def __init__(self, subscription: Subscription, rules: Rules, manner: Manner) -> None:
        self._rules = rules
        self.lanes: Lanes[Reference] = Lanes(subscription.max_in_flight)
        #: How the endpoint is doing; another one has another condition.
        self.condition = Condition(opens_after=rules.opens_after)
        self.adopt(subscription, manner)
        #: Nothing more is sent: it is deleted, disabled, or no longer this owner's.
        self.closed = False
        #: For which places among the process's requests it waits: for a first one, for another.
        self.waiting: set[bool] = set()
        #: Somebody is loading what is queued.
        self.feeding = False
        #: The reference that is on its way as a probe.
        self.probe: Reference | None = None
        #: When it is looked at again that may send nothing now, by the monotonic clock.
        self.paused_until = 0.0
        #: When patience with its failures may be over, by the monotonic clock; None: nobody watches.
        self.watched_until: float | None = None

    def adopt(self, subscription: Subscription, manner: Manner) -> None:
        """Go by what the subscription is now, from the next request on."""
        rules = self._rules
        self.subscription = subscription
        self.manner = manner
        self.widen()
        self.condition.limit(subscription.rate_limit)
        self.retries = rules.retries if subscription.retries is None else subscription.retries
        self._timeout = rules.timeout if subscription.timeout is None else subscription.timeout
        self._composer = manner.composer(subscription)

    def widen(self) -> None:
        """Go by how many requests at a time the endpoint takes now."""
        self.lanes.limit(self.condition.throttle.width(self.subscription.max_in_flight))

    def move(self) -> None:
        """Begin anew with another endpoint: what was found of the former one says nothing of it."""
        self.condition = Condition(opens_after=self._rules.opens_after)
        self.condition.limit(self.subscription.rate_limit)
        self.probe, self.paused_until, self.watched_until = None, 0.0, None
        self.widen()

    def __repr__(self) -> str:
        return f"Outbox({self.subscription!r}, {self.lanes!r}{', closed' if self.closed else ''})"

    @property
    def id(self) -> str:
        """The subscription's id."""
        return self.subscription.id

    @property
    def first(self) -> bool:
        """Whether the next request is a first one: the endpoint is well, and no other is on its way."""
        return self.condition.failing is None and not self.lanes.in_flight

    def take(self, now: float) -> Reference:
        """Return the next reference to send at ``now`` (monotonic), where lanes and condition permit one."""
        reference = self.lanes.take()
        assert reference is not None, "asked only where lanes are ready"  # noqa: S101
        if self.condition.begin(now):
            self.probe = reference
        return reference

    def put_back(self, reference: Reference, now: float) -> None:
        """Give back what was taken and not sent."""
        if self.probe is reference:
            self.probe = None
            self.condition.unprobed(now)
        self.lanes.put_back(reference)

    def request(self, reference: Reference, event: Rendered, now: float) -> Request:
        """Make the request of an attempt at ``now`` (seconds since the epoch)."""
        return self._composer.compose(reference.entry, event, now, self._timeout)
