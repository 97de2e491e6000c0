"""Repair, as users ask for it on any process: send again, put dead letters back, drop them."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Collection
from typing import Any, Final, final

import msgspec

from relay.errors import InvalidFieldError, NotFoundError, RefusedError
from relay.journal.ids import parse
from relay.journal.journal import Journal
from relay.journal.operational import OperationalEvent, OperationalType
from relay.journal.record import Record, RecordKind
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.subscriptions.model import Status, Subscription, SubscriptionChanged
from relay.subscriptions.store import Subscriptions
from relay.webhooks import recoveries
from relay.webhooks.attempts import Delivery, encode, readable
from relay.webhooks.attempts import Status as DeliveryStatus
from relay.webhooks.deliveries import Deliveries, Found
from relay.webhooks.errands import Errand, ErrandKind, ask
from relay.webhooks.records import Records
from relay.webhooks.recoveries import Recovery
from relay.webhooks.references import DeliveryId, place
from relay.webhooks.unfit import of_subscription, set_unfit_aside

PAGE: Final = 100
"""Dead letters handled by one script."""

_REDRIVE: Final = Script("dead_redrive")
_PURGE: Final = Script("dead_purge")
_encoder: Final = msgspec.json.Encoder()


class SubscriptionDisabledError(RefusedError):
    """The subscription is disabled: nothing is sent for it."""


class BodyExpiredError(RefusedError):
    """The event is kept nowhere any more."""


@final
class Repair:
    """Repairs deliveries; every call raises StoreUnavailableError without an answer."""

    def __init__(
        self, store: Store, subscriptions: Subscriptions, deliveries: Deliveries, *, retention: float
    ) -> None:
        """Serve repairs; ``retention`` is how many seconds attempts are kept."""
        self._store = store
        self._journal = Journal(store)
        self._subscriptions = subscriptions
        self._deliveries = deliveries
        self._retention = round(retention * 1000)

    def __repr__(self) -> str:
        return f"Repair({self._store!r})"

    async def resend(self, account: str, delivery_id: str, *, user_id: str | None = None) -> Found:
        """Have a delivery's event sent once more, outside its call's order; return how it stands now.

        Raises:
            NotFoundError: there is no such delivery, or it is another user's.
            SubscriptionDisabledError: its subscription is disabled.
            BodyExpiredError: its event is gone.
            LimitReachedError: too many resends wait.

        """
        found = await self._deliveries.get(account, delivery_id, user_id=user_id)
        subscription = await self._active(account, found.id.subscription, user_id)
        event = found.id.event
        if event not in await Records(self._store, found.id.partition).load([event]):
            raise BodyExpiredError("the event is not kept any more, so it cannot be sent again")
        await ask(self._store, subscription, Errand(subscription.id, event))
        return found

    async def test(self, account: str, subscription_id: str, *, user_id: str | None = None) -> Found:
        """Have a subscription's endpoint sent a test event, once; return the delivery.

        Raises:
            NotFoundError: there is no such subscription, or it is another user's.
            SubscriptionDisabledError: it is disabled.
            LimitReachedError: too many errands wait.

        """
        subscription = await self._active(account, subscription_id, user_id)
        event = OperationalEvent(
            type=OperationalType.TEST,
            account=account,
            subscription=subscription.id,
            user_id=subscription.user_id,
            time=time.time_ns() // 1_000_000,
        )
        record = Record(RecordKind.TEST, account, _encoder.encode(event))
        [made] = await self._journal.append(account, [record])
        found = Found(
            DeliveryId(self._store.keys(account).partition, subscription.id, made),
            Delivery(status=DeliveryStatus.PENDING, type=event.type),
        )
        kept = f"{made} ".encode() + encode(found.delivery)
        errand = Errand(subscription.id, made, ErrandKind.TEST)
        await ask(self._store, subscription, errand, found.id.place, kept, self._retention)
        return found

    async def recover(
        self,
        account: str,
        subscription_id: str,
        since: int,
        until: int | None = None,
        *,
        undelivered: bool = False,
        user_id: str | None = None,
    ) -> tuple[str, Recovery]:
        """Have past events that a subscription wants delivered to it again; return its id and itself.

        Times are milliseconds since the epoch; the range ends now unless it is to end earlier. With
        ``undelivered``, what was delivered is left out.

        Raises:
            InvalidFieldError: the range ends before it begins, or begins in the future.
            NotFoundError: there is no such subscription, or it is another user's.
            SubscriptionDisabledError: it is disabled.
            LimitReachedError: too many errands wait.

        """
        subscription = await self._active(account, subscription_id, user_id)
        now = await self._store.time_ms()
        until = now if until is None else min(until, now)
        if since > now:
            raise InvalidFieldError("since", "must not be in the future")
        if until < since:
            raise InvalidFieldError("until", "must not be before since")
        wanted = max(since, parse(subscription.from_id).ms)
        oldest = await recoveries.trimmed_to(self._store, account)
        recovery = Recovery(
            since=since,
            until=until,
            begins=max(wanted, oldest),
            complete=oldest <= wanted,
            undelivered=undelivered,
        )
        recovery_id = secrets.token_hex(12)
        await recoveries.begin(self._store, subscription, recovery_id, recovery, self._retention)
        errand = Errand(subscription.id, kind=ErrandKind.RECOVER)
        await ask(self._store, subscription, errand, errand_id=recovery_id)
        return recovery_id, recovery

    async def recovery(
        self, account: str, subscription_id: str, recovery_id: str, *, user_id: str | None = None
    ) -> Recovery:
        """Return how far a recovery is.

        Raises:
            NotFoundError: there is none of this id, or it is another user's.

        """
        subscription = await self._own(account, subscription_id, user_id)
        return await recoveries.find(self._store, subscription, recovery_id)

    async def redrive(
        self,
        account: str,
        subscription_id: str,
        deliveries: Collection[str] | None = None,
        *,
        user_id: str | None = None,
    ) -> int:
        """Queue a subscription's dead letters again, all or those named; return how many.

        They begin their schedule anew. Those whose event is gone stay dead.

        Raises:
            NotFoundError: there is no such subscription, or one of the ids is none of its deliveries'.
            SubscriptionDisabledError: it is disabled.

        """
        subscription = await self._active(account, subscription_id, user_id)
        wanted = None if deliveries is None else _events(subscription, deliveries)
        keys, count = self._store.keys(account), 0
        record = _encoder.encode(SubscriptionChanged(subscription.id, refilled=True))
        async for letters in self._letters(subscription, wanted):
            arguments: list[str | bytes | int] = [account, subscription.id, record, self._retention]
            for event, delivery, letter in letters:
                pending = Delivery(
                    status=DeliveryStatus.PENDING, type=delivery.type, attempts=delivery.attempts
                )
                arguments += (event, place(parse(event)), letter, encode(pending))
            queued = await self._store.run(
                _REDRIVE,
                [
                    *(keys.events, keys.subs, keys.ready, keys.queue(subscription.id)),
                    *(keys.attempts(subscription.id), keys.dead(subscription.id)),
                    *(keys.parked(event) for event, _, _ in letters),
                ],
                arguments,
            )
            if queued < 0:
                raise NotFoundError("there is no such subscription")
            count += queued
        return count

    async def purge(self, account: str, subscription_id: str, *, user_id: str | None = None) -> int:
        """Drop a subscription's dead letters; return how many.

        Raises:
            NotFoundError: there is no such subscription.

        """
        subscription = await self._own(account, subscription_id, user_id)
        keys, count = self._store.keys(account), 0
        async for letters in self._letters(subscription, None):
            count += await self._store.run(
                _PURGE,
                [keys.dead(subscription.id), *(keys.parked(event) for event, _, _ in letters)],
                [subscription.id, *(letter for _, _, letter in letters)],
            )
        return count

    async def _letters(
        self, subscription: Subscription, wanted: set[str] | None
    ) -> AsyncIterator[list[tuple[str, Delivery, bytes]]]:
        """Give the dead letters as they are now, oldest first, in pages; each is seen once."""
        keys = self._store.keys(subscription.account)
        dead = keys.dead(subscription.id)
        await set_unfit_aside(self._store, keys, of_subscription(keys, subscription.id))
        after = "-inf"
        while True:
            found: list[tuple[bytes, Any]] = await self._store.call(
                "ZRANGE", dead, after, "+inf", "BYSCORE", "LIMIT", 0, PAGE, "WITHSCORES"
            )
            letters = [(*one, letter) for letter, _ in found for one in readable([letter])]
            page = [one for one in letters if wanted is None or one[0] in wanted]
            if page:
                yield page
            if len(found) < PAGE:
                return
            after = f"({int(found[-1][1])}"

    async def _own(self, account: str, subscription_id: str, user_id: str | None) -> Subscription:
        subscription = await self._subscriptions.get(account, subscription_id)
        if user_id not in (None, subscription.user_id):
            raise NotFoundError("there is no such subscription")
        return subscription

    async def _active(self, account: str, subscription_id: str, user_id: str | None) -> Subscription:
        subscription = await self._own(account, subscription_id, user_id)
        if subscription.status is not Status.ACTIVE:
            raise SubscriptionDisabledError("the subscription is disabled: enable it first")
        return subscription


def _events(subscription: Subscription, deliveries: Collection[str]) -> set[str]:
    ids = [DeliveryId.parse(one) for one in deliveries]
    if any(one.subscription != subscription.id for one in ids):
        raise NotFoundError("there is no such delivery of this subscription")
    return {one.event for one in ids}
