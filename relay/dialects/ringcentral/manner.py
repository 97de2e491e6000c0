"""RingCentral's manner of webhooks: its headers and envelope, 200 or nothing, and blacklisting."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from relay.dialects.ringcentral.envelopes import Addressee, Envelopes
from relay.dialects.ringcentral.handshake import HEADERS
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.subscriptions import shown_id
from relay.journal.record import Entry
from relay.subscriptions.model import Subscription
from relay.subscriptions.rendering import Rendered
from relay.webhooks.attempts import Attempt, ErrorCode
from relay.webhooks.manners import Composer
from relay.webhooks.policy import Verdict
from relay.webhooks.sender import Request
from relay.webhooks.sending.targets import Target

PATIENCE: Final = 600.0
"""Seconds of nothing but failures after which a subscription is blacklisted."""

VERIFICATION_TOKEN: Final = "Verification-Token"  # noqa: S105 - a header's name
"""Not Validation-Token: receivers take any request with that one for a handshake."""

_TIMEOUTS: Final = frozenset({ErrorCode.TIMEOUT_CONNECT, ErrorCode.TIMEOUT_READ})


class RingCentralManner:
    """The manner of the subscriptions that RingCentral's face makes."""

    spread: float = 0.0

    def __init__(self, identities: Identities, *, patience: float = PATIENCE) -> None:
        self._identities = identities
        self._envelopes = Envelopes(identities)
        self.patience: float | None = patience

    def __repr__(self) -> str:
        return f"<RingCentralManner patience={self.patience:g} s>"

    def composer(self, subscription: Subscription) -> Composer:
        """Return what makes a subscription's requests."""
        return _Composer(self._envelopes, self._identities, subscription)

    def judge(self, status: int | None) -> Verdict:
        """Tell what an answer's status means: exactly 200 is a success, and none ends the subscription."""
        return Verdict.SUCCESS if status == HTTPStatus.OK else Verdict.FAILURE

    def complaint(self, attempt: Attempt) -> str:
        """Return the reason of a blacklisting, in the words of the published service."""
        if attempt.status_code is None:
            details = "Read timed out" if attempt.error in _TIMEOUTS else str(attempt.error)
            return f"I/O operation is failed. Details: [{details}]"
        try:
            phrase = HTTPStatus(attempt.status_code).phrase
        except ValueError:
            phrase = ""
        return f"Webhook responses with code: [{attempt.status_code}], reason: [{phrase}]"


class _Composer:
    """Makes the requests of one subscription."""

    __slots__ = ("_addressee", "_envelopes", "_to")

    def __init__(self, envelopes: Envelopes, identities: Identities, subscription: Subscription) -> None:
        self._envelopes = envelopes
        owner = identities.extension_id(subscription.user_id) or ""
        self._addressee = Addressee(shown_id(subscription.id), owner, subscription.filters)
        token = subscription.verification_token
        own = {} if token is None else {VERIFICATION_TOKEN: token}
        self._to = Target(subscription.url, {**HEADERS, **own})

    def compose(self, entry: Entry, event: Rendered, now: float, timeout: float) -> Request:
        """Make the request of an attempt; each attempt is the same."""
        del now
        body = self._envelopes.enclose(entry, event, self._addressee)
        return Request(self._to, b"", body, timeout)
