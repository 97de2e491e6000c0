"""Ending subscriptions: given up after what an endpoint did, or cleared away once disabled or gone."""

from __future__ import annotations

import asyncio
import time
from typing import Final, final

import msgspec

from relay.calls.events import EventId
from relay.errors import NotFoundError, UnavailableError
from relay.journal.keys import Keys
from relay.journal.operational import OperationalEvent, OperationalType
from relay.subscriptions.model import Subscription
from relay.telemetry import log
from relay.webhooks.attempts import Delivery
from relay.webhooks.clearing import clear
from relay.webhooks.crew import Crew
from relay.webhooks.ledger import RETRY_PAUSE, Ledger
from relay.webhooks.operations import Operation, Operations
from relay.webhooks.outbox import Outbox
from relay.webhooks.parts import Parts
from relay.webhooks.policy import Reason
from relay.webhooks.references import DeliveryId

_OPERATIONAL: Final = frozenset(kind.value for kind in OperationalType)
_encoder: Final = msgspec.json.Encoder()
_log = log.get("webhooks")


@final
class Endings:
    """Ends subscriptions of one partition, however often the store must be asked."""

    def __init__(
        self, parts: Parts, keys: Keys, ledger: Ledger, operations: Operations, chores: Crew
    ) -> None:
        self._parts = parts
        self._keys = keys
        self._ledger = ledger
        self._operations = operations
        self._chores = chores

    def __repr__(self) -> str:
        return f"Endings({self._keys!r})"

    def give_up(self, outbox: Outbox, reason: str) -> None:
        """Send nothing more, and disable the subscription; its journal record then has its queue cleared."""
        if not outbox.closed:
            outbox.closed = True
            _log.warning("endpoint given up", subscription=outbox.id, reason=reason)
            self._chores.spawn(self._disable(outbox, outbox.subscription, reason))

    def given_up(
        self, subscription: Subscription, delivery: Delivery, event: str, died: Operation
    ) -> Operation:
        """Have the end of a delivery told of, unless its subscription ends too or it told of one itself."""
        if delivery.reason == Reason.GONE or delivery.type in _OPERATIONAL:
            return died
        partition = self._keys.partition
        notice = OperationalEvent(
            type=OperationalType.EXHAUSTED,
            account=subscription.account,
            subscription=subscription.id,
            user_id=subscription.user_id,
            time=round(time.time() * 1000),
            reason=delivery.reason,
            delivery=str(DeliveryId(partition, subscription.id, event)),
            event_id=str(EventId(partition, event)),
            event_type=delivery.type or None,
            attempts=len(delivery.attempts),
        )
        return self._operations.exhausted(died, subscription.account, _encoder.encode(notice))

    def clear(self, subscription: str, up_to: int) -> None:
        """Clear what is queued for a subscription up to a place."""
        self._chores.spawn(self._clear(subscription, up_to))

    async def _disable(self, outbox: Outbox, one: Subscription, reason: str) -> None:
        while outbox.closed:  # not once it leads elsewhere
            try:
                await self._parts.subscriptions.disable(one.account, one.id, reason, url=one.url)
            except NotFoundError:
                return
            except UnavailableError:
                await asyncio.sleep(RETRY_PAUSE)
            else:
                return

    async def _clear(self, subscription: str, up_to: int) -> None:
        while True:
            try:
                await clear(
                    self._parts.store, self._keys, self._ledger, self._operations, subscription, up_to
                )
            except UnavailableError:
                await asyncio.sleep(RETRY_PAUSE)
            else:
                return
