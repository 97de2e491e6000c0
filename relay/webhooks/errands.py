"""Errands: what the owner of a partition is asked to do for a subscription, kept until it is done."""

from __future__ import annotations

import asyncio
import secrets
from enum import StrEnum
from typing import Final, final
from weakref import WeakValueDictionary

import msgspec

from relay.errors import LimitReachedError, NotFoundError
from relay.journal.ids import parse
from relay.journal.leases import Lease
from relay.journal.link import Argument
from relay.journal.operational import OperationalType
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.subscriptions.index import Index
from relay.subscriptions.model import Subscription, SubscriptionChanged
from relay.telemetry import log
from relay.webhooks.attempts import Delivery, Status, encode
from relay.webhooks.courier import Courier
from relay.webhooks.ledger import RETRY_PAUSE, Ledger
from relay.webhooks.operations import Operations, Settled
from relay.webhooks.parts import Parts
from relay.webhooks.records import Records
from relay.webhooks.recovering import Recovering
from relay.webhooks.references import Missing, place
from relay.webhooks.resending import Resending

MOST_ERRANDS: Final = 1000
"""Errands of a partition that may wait."""
MOST_OF_ONE: Final = MOST_ERRANDS // 4
"""Those of one subscription: an endpoint that hangs must not keep others from being asked for anything."""
AT_A_TIME: Final = 32
"""Errands of a partition run at a time."""
AT_AN_ENDPOINT: Final = 2
"""Those of one subscription: an endpoint that hangs must not hold up the errands of others."""
RECOVERIES: Final = 2
"""Recoveries of a partition that go on at a time: what they read is rendered in the loop that serves all."""
SCAN: Final = 200
"""Errands read at a time when a partition is taken over."""

_PUT: Final = Script("errand_put")
_log: Final = log.get("webhooks")


class ErrandKind(StrEnum):
    """What is to be done."""

    RESEND = "resend"
    TEST = "test"
    RECOVER = "recover"
    """Its particulars are a recovery of the same id."""


class Errand(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something to be done for a subscription."""

    subscription: str
    event: str = ""
    """Stream id of the event to be sent, if it is one."""
    kind: ErrandKind = ErrandKind.RESEND


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Errand)


async def ask(
    store: Store, subscription: Subscription, errand: Errand, *kept: Argument, errand_id: str | None = None
) -> str:
    """Ask the owner of a subscription's partition to run an errand; return its id.

    ``kept`` has a delivery kept from now on: its place, its event and itself in one string, and for how many
    milliseconds.

    Raises:
        NotFoundError: the subscription is gone.
        LimitReachedError: too many errands wait.
        StoreUnavailableError: no answer.

    """
    keys, errand_id = store.keys(subscription.account), errand_id or secrets.token_hex(12)
    record = SubscriptionChanged(subscription.id, errand=errand_id)
    written = await store.run(
        _PUT,
        [keys.events, keys.subs, keys.errands, keys.attempts(subscription.id)],
        [
            *(subscription.account, subscription.id, errand_id),
            *(_encoder.encode(errand), _encoder.encode(record), MOST_ERRANDS, MOST_OF_ONE),
            *kept,
        ],
    )
    if written == 0:
        raise NotFoundError("there is no such subscription")
    if written < 0:
        raise LimitReachedError("too many errands are waiting to be run")
    return errand_id


@final
class Errands:
    """Runs the errands of one partition under one lease."""

    def __init__(
        self, parts: Parts, lease: Lease, index: Index, records: Records, ledger: Ledger, courier: Courier
    ) -> None:
        self._store = parts.store
        self._lease = lease
        self._index = index
        self._ledger = ledger
        self._courier = courier
        self._keys = parts.store.keys_at(lease.partition)
        self._operations = Operations(self._keys)
        self._resending = Resending(parts, lease, records, ledger, self._operations, courier)
        self._recovering = Recovering(parts, lease, index, courier)
        self._room = asyncio.Semaphore(AT_A_TIME)
        self._room_to_recover = asyncio.Semaphore(RECOVERIES)
        self._rooms: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._known: set[str] = set()

    def __repr__(self) -> str:
        return f"Errands({self._lease!r}, {len(self._known)} waiting or running)"

    async def resume(self) -> None:
        """Take up what an earlier owner left; raises StoreUnavailableError."""
        cursor: bytes | int = 0
        while True:
            cursor, found = await self._store.call("HSCAN", self._keys.errands, cursor, "COUNT", SCAN)
            for errand_id, stored in zip(found[::2], found[1::2], strict=True):
                self._begin(errand_id.decode(), stored)
            if int(cursor) == 0:
                return

    async def hear(self, errand_id: str) -> None:
        """Run an errand that a record of the journal tells of; raises StoreUnavailableError."""
        stored = await self._store.call("HGET", self._keys.errands, errand_id)
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
            if errand.kind is ErrandKind.RECOVER:
                async with self._room_to_recover:
                    await self._finish(errand_id, errand)
            else:
                async with self._room_at(errand.subscription), self._room:
                    await self._finish(errand_id, errand)
        finally:
            self._known.discard(errand_id)

    async def _finish(self, errand_id: str, errand: Errand) -> None:
        while True:
            if await self._try(errand_id, errand):
                break
            await asyncio.sleep(RETRY_PAUSE)
        await self._ledger.written([self._operations.done(errand_id)])

    def _room_at(self, subscription: str) -> asyncio.Semaphore:
        """Return the room that errands at a subscription's endpoint share, kept while one of them has it."""
        room = self._rooms.get(subscription)
        if room is None:
            room = self._rooms[subscription] = asyncio.Semaphore(AT_AN_ENDPOINT)
        return room

    async def _try(self, errand_id: str, errand: Errand) -> bool:
        """Do what is asked; False if it could not be done now."""
        if errand.kind is ErrandKind.RECOVER:
            return await self._recovering.recover(errand.subscription, errand_id)
        subscription = self._index.get(errand.subscription)
        if subscription is None:
            if errand.kind is ErrandKind.TEST:
                await self._cancel(errand)
            return True
        if errand.kind is ErrandKind.TEST:
            return await self._resending.test(subscription, errand.event)
        return await self._resending.resend(subscription, errand.event)

    async def _cancel(self, errand: Errand) -> None:
        """Note that a test is not sent: its subscription was disabled before."""
        canceled = Delivery(status=Status.CANCELED, type=OperationalType.TEST)
        reference = Missing(errand.event, place(parse(errand.event)))
        await self._ledger.written([Settled(errand.subscription, reference, encode(canceled))])
