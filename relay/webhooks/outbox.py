"""One subscription's way out: what its requests are made of, and its lanes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, final

from relay import __version__
from relay.subscriptions.model import Subscription
from relay.subscriptions.rendering import Rendered
from relay.webhooks.lanes import Lanes
from relay.webhooks.references import Reference
from relay.webhooks.sender import Request
from relay.webhooks.signing import Signer

USER_AGENT: Final = f"relay/{__version__}"


class Rules(NamedTuple):
    """What holds for subscriptions that do not say otherwise."""

    retries: Sequence[float]
    """Seconds between attempts."""
    timeout: float
    """Seconds for one attempt."""


@final
class Outbox:
    """An active subscription that has, or lately had, something to deliver."""

    __slots__ = (
        "_headers",
        "_signer",
        "_timeout",
        "closed",
        "feeding",
        "lanes",
        "retries",
        "subscription",
        "waiting",
    )

    def __init__(self, subscription: Subscription, rules: Rules) -> None:
        self.subscription = subscription
        self.lanes: Lanes[Reference] = Lanes(subscription.max_in_flight)
        self.retries = rules.retries if subscription.retries is None else subscription.retries
        self._timeout = rules.timeout if subscription.timeout is None else subscription.timeout
        self._signer = Signer(subscription.secrets)
        self._headers = {
            **subscription.headers,
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
        }
        #: Nothing more is sent: it is deleted, disabled, or no longer this owner's.
        self.closed = False
        #: It waits for a place among the process's requests.
        self.waiting = False
        #: Somebody is loading what is queued.
        self.feeding = False

    def __repr__(self) -> str:
        return f"Outbox({self.subscription!r}, {self.lanes!r}{', closed' if self.closed else ''})"

    @property
    def id(self) -> str:
        """The subscription's id."""
        return self.subscription.id

    def request(self, reference: Reference, event: Rendered, now: float) -> Request:
        """Make the request of an attempt at ``now`` (seconds since the epoch), signed for it."""
        event_id, at = str(reference.entry.id), int(now)
        headers = {
            **self._headers,
            "webhook-id": event_id,
            "webhook-timestamp": str(at),
            "webhook-signature": self._signer.sign(event_id, at, event.body),
        }
        return Request(self.subscription.url, headers, event.body, self._timeout)
