"""Errands: what the owner of a partition is asked to do for a subscription, kept until it is done."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Final, NamedTuple, final

import msgspec

from relay.errors import LimitReachedError, NotFoundError, UnavailableError
from relay.journal.ids import parse
from relay.journal.leases import Lease
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.subscriptions.index import Index
from relay.subscriptions.model import Subscription, SubscriptionChanged
from relay.subscriptions.rendering import rendered
from relay.telemetry import log
from relay.webhooks.attempts import MANUAL, Delivery, Status, decode
from relay.webhooks.courier import Courier
from relay.webhooks.feeder import RETRY_PAUSE
from relay.webhooks.ledger import Ledger
from relay.webhooks.operations import Operations
from relay.webhooks.outbox import Outbox
from relay.webhooks.outcomes import attempt_of
from relay.webhooks.parts import Parts
from relay.webhooks.policy import Verdict
from relay.webhooks.records import Records
from relay.webhooks.references import Reference, place
from relay.webhooks.sender import Withheld

MOST_ERRANDS: Final = 1000
"""Errands of a partition that may wait."""
AT_A_TIME: Final = 8
"""Errands of a partition run at a time: an endpoint that hangs must not hold up those of others for long."""
SCAN: Final = 200
"""Errands read at a time when a partition is taken over."""

_PUT: Final = Script("errand_put")
_log: Final = log.get("webhooks")


class Errand(msgspec.Struct, frozen=True):
    """An event to be sent again."""

    subscription: str
    event: str


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Errand)


async def ask(store: Store, subscription: Subscription, errand: Errand) -> None:
    """Ask the owner of a subscription's partition to run an errand.

    Raises:
        NotFoundError: the subscription is gone.
        LimitReachedError: too many errands wait.
        StoreUnavailableError: no answer.

    """
    keys, errand_id = store.keys(subscription.account), secrets.token_hex(12)
    record = SubscriptionChanged(subscription.id, errand=errand_id)
    written = await store.run(
        _PUT,
        [keys.events, keys.subs, keys.errands],
        [
            *(subscription.account, subscription.id, errand_id),
            *(_encoder.encode(errand), _encoder.encode(record), MOST_ERRANDS),
        ],
    )
    if written == 0:
        raise NotFoundError("there is no such subscription")
    if written < 0:
        raise LimitReachedError("too many resends are waiting to be made")


class _Unsent(NamedTuple):
    """The request was not made, as the lease may be over: the errand is the next owner's."""


@final
class Errands:
    """Runs the errands of one partition under one lease."""

    def __init__(
        self, parts: Parts, lease: Lease, index: Index, records: Records, ledger: Ledger, courier: Courier
    ) -> None:
        self._parts = parts
        self._lease = lease
        self._index = index
        self._records = records
        self._ledger = ledger
        self._courier = courier
        self._keys = parts.store.keys_at(lease.partition)
        self._operations = Operations(self._keys)
        self._room = asyncio.Semaphore(AT_A_TIME)
        self._known: set[str] = set()

    def __repr__(self) -> str:
        return f"Errands({self._lease!r}, {len(self._known)} waiting or running)"

    async def resume(self) -> None:
        """Take up what an earlier owner left; raises StoreUnavailableError."""
        cursor: bytes | int = 0
        while True:
            cursor, found = await self._parts.store.call("HSCAN", self._keys.errands, cursor, "COUNT", SCAN)
            for errand_id, stored in zip(found[::2], found[1::2], strict=True):
                self._begin(errand_id.decode(), stored)
            if int(cursor) == 0:
                return

    async def hear(self, errand_id: str) -> None:
        """Run an errand that a record of the journal tells of; raises StoreUnavailableError."""
        stored = await self._parts.store.call("HGET", self._keys.errands, errand_id)
        if stored is not None:
            self._begin(errand_id, stored)

    def _begin(self, errand_id: str, stored: bytes) -> None:
        if errand_id in self._known:
            return
        try:
            errand = _decoder.decode(stored)
        except msgspec.DecodeError as error:
            _log.error("errand dropped", errand=errand_id, error=str(error))
            self._ledger.write(self._operations.done(errand_id))
            return
        self._known.add(errand_id)
        self._courier.chores.spawn(self._run(errand_id, errand))

    async def _run(self, errand_id: str, errand: Errand) -> None:
        try:
            async with self._room:
                while True:
                    if await self._resend(errand):
                        break
                    await asyncio.sleep(RETRY_PAUSE)
                await self._ledger.written([self._operations.done(errand_id)])
        finally:
            self._known.discard(errand_id)

    async def _resend(self, errand: Errand) -> bool:
        """Send an event again; False if it could not be sent now."""
        subscription = self._index.get(errand.subscription)
        if subscription is None:
            return True
        try:
            entry = (await self._records.load([errand.event])).get(errand.event)
        except UnavailableError:
            return False
        event = None if entry is None else rendered(entry, subscription.format, self._parts.renderers)
        if entry is None or event is None:
            _log.warning("nothing to send again", subscription=subscription.id, event_id=errand.event)
            return True
        outbox = self._courier.outbox(subscription)
        reference = Reference(entry, place(parse(errand.event)))
        began, started = time.time(), time.perf_counter()
        request = outbox.request(reference, event, began)
        answer = await self._parts.sender.send(request, self._lease.valid)
        if isinstance(answer, Withheld):
            return False
        attempt = attempt_of(answer, began, time.perf_counter() - started, outbox.manner, trigger=MANUAL)
        self._parts.stats.ended(attempt)
        self._parts.stats.resent += 1
        succeeded = outbox.manner.judge(attempt.status_code) is Verdict.SUCCESS
        resent = self._operations.resent(outbox.id, reference, event.type, attempt, succeeded=succeeded)
        await self._ledger.written([resent])
        if succeeded:
            await self._unblock(outbox, reference)
        return True

    async def _unblock(self, outbox: Outbox, reference: Reference) -> None:
        """Let a failing lane go on whose head was just delivered, unless the head is on its way anyway."""
        lanes = outbox.lanes
        if outbox.closed or not lanes.withdraw(reference.lane):
            return
        try:
            state, kept = await self._parts.store.fetch(
                [
                    ("HGET", self._keys.lanes(outbox.id), reference.lane),
                    (
                        *("ZRANGE", self._keys.attempts(outbox.id), reference.score, reference.score),
                        "BYSCORE",
                    ),
                ]
            )
        except UnavailableError:
            self._restore(outbox, reference.lane)
            return
        made, head, *_ = state.decode().split(" ") if state else ("0", "")
        delivery = next((found for event, found in map(decode, kept) if event == reference.event), None)
        if head != reference.event or delivery is None:
            self._restore(outbox, reference.lane)
            return
        reference.attempts = int(made)
        settled = Delivery(status=Status.SUCCEEDED, type=delivery.type, attempts=delivery.attempts)
        self._courier.settle(outbox, reference, settled)

    def _restore(self, outbox: Outbox, lane: str) -> None:
        outbox.lanes.restore(lane)
        self._courier.agenda.add(0, outbox, lane)
