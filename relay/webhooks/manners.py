"""Manners: by whose rules requests are made, answers judged, and an endpoint given up.

relay's own is that of Standard Webhooks. Dialects with rules of their own bring theirs, like their renderers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from relay import __version__
from relay.journal.record import Entry
from relay.subscriptions.model import STANDARD, Subscription
from relay.subscriptions.rendering import Rendered
from relay.webhooks.attempts import Attempt
from relay.webhooks.policy import Verdict, judge
from relay.webhooks.sender import Request
from relay.webhooks.sending.targets import Target
from relay.webhooks.signing import Signer

PATIENCE: Final = 5 * 86_400.0
"""Seconds of nothing but failures after which a subscription is disabled."""
SPREAD: Final = 43_200.0
"""Seconds between the first and last of these failures: one that was sent nothing since is not given up."""
USER_AGENT: Final = f"relay/{__version__}"


class Composer(Protocol):
    """Makes the requests of one subscription."""

    def compose(self, entry: Entry, event: Rendered, now: float, timeout: float) -> Request:
        """Make the request of an attempt at ``now`` (seconds since the epoch), given so many seconds."""
        ...


class Manner(Protocol):
    """The rules that hold for a subscription."""

    @property
    def patience(self) -> float | None:
        """Seconds of nothing but failures after which a subscription is disabled; None: it never is."""
        ...

    @property
    def spread(self) -> float:
        """Seconds that must lie between the first of the failures and the last for patience to end."""
        ...

    def composer(self, subscription: Subscription) -> Composer:
        """Return what makes a subscription's requests."""
        ...

    def judge(self, status: int | None) -> Verdict:
        """Tell what an answer's status means; None is no answer."""
        ...

    def complaint(self, attempt: Attempt) -> str:
        """Return the reason that is shown where this attempt was the last that a subscription got."""
        ...


Manners = Mapping[str, Manner]
"""By the name that subscriptions have."""


class _StandardComposer:
    """Signs each request with every secret of its subscription."""

    __slots__ = ("_signer", "_to")

    def __init__(self, subscription: Subscription) -> None:
        self._signer = Signer(subscription.secrets, subscription.retired)
        own = {"Content-Type": "application/json", "User-Agent": USER_AGENT}
        self._to = Target(subscription.url, {**subscription.headers, **own})

    def compose(self, entry: Entry, event: Rendered, now: float, timeout: float) -> Request:
        event_id = str(entry.id).encode()
        signature = self._signer.sign(event_id, now, event.body)
        fields = b"webhook-id: %b\r\nwebhook-timestamp: %d\r\nwebhook-signature: %b\r\n"
        return Request(self._to, fields % (event_id, now, signature), event.body, timeout)


class StandardManner:
    """Standard Webhooks 1.0.0."""

    patience: float | None = PATIENCE
    spread: float = SPREAD

    def __repr__(self) -> str:
        return "StandardManner()"

    def composer(self, subscription: Subscription) -> Composer:
        """Return what signs a subscription's requests."""
        return _StandardComposer(subscription)

    def judge(self, status: int | None) -> Verdict:
        """Tell what an answer's status means."""
        return judge(status)

    def complaint(self, attempt: Attempt) -> str:
        """Return ``gone`` where the endpoint said so itself, otherwise ``failing``."""
        return "gone" if self.judge(attempt.status_code) is Verdict.GONE else "failing"


_STANDARD: Final = StandardManner()

STANDARD_MANNERS: Final[Manners] = {STANDARD: _STANDARD}
"""relay's own alone."""


def manner_of(subscription: Subscription, manners: Manners) -> Manner:
    """Return the rules for a subscription; where they are not known here, relay's own."""
    return manners.get(subscription.manner, _STANDARD)
