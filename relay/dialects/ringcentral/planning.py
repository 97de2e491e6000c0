"""One partition's subscriptions of RingCentral's, in memory, by what is due for each next."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Sequence
from itertools import count
from typing import Final, NamedTuple, final

import msgspec

from relay.dialects.ringcentral.lifecycle import Step, What, next_step
from relay.dialects.ringcentral.subscriptions import MANNER
from relay.errors import UnavailableError
from relay.journal.record import Entry, RecordKind
from relay.journal.store import Store
from relay.subscriptions.index import SCAN
from relay.subscriptions.model import Subscription, SubscriptionChanged
from relay.subscriptions.stored import decode
from relay.telemetry import log

POLL: Final = 1.0
"""Seconds after which the clock is looked at again at the latest, should it have been set meanwhile."""
TAKEN_OVER: Final = 10_000
"""Milliseconds a partition may be without an owner: reminders due since then are sent, perhaps again."""

_changed: Final = msgspec.json.Decoder(SubscriptionChanged)
_log: Final = log.get("ringcentral")


class Due(NamedTuple):
    """Something that is due."""

    subscription: Subscription
    step: Step


@final
class Plan:
    """A listener on the tail: whatever changes a subscription changes what is due for it."""

    def __init__(self, store: Store, partition: int, *, recheck: float) -> None:
        self._store = store
        self._subs = store.keys_at(partition).subs
        self._recheck = recheck
        self._known: dict[str, Subscription] = {}
        self._heap: list[tuple[int, int, Due]] = []
        self._order = count()
        self._news: set[str] = set()
        self._wake = asyncio.Event()

    def __repr__(self) -> str:
        return f"Plan({len(self._known)} subscriptions, {len(self._heap)} steps)"

    def entries(self, partition: int, batch: Sequence[Entry]) -> None:
        """Note which subscriptions have changed. Called by the tail."""
        for entry in batch:
            if entry.kind is RecordKind.SUBSCRIPTION:
                try:
                    self._news.add(_changed.decode(entry.data).subscription)
                except msgspec.DecodeError:
                    _log.debug("subscription record skipped", partition=partition)  # webhooks report it
        if self._news:
            self._wake.set()

    def reset(self, partition: int, position: str) -> None:
        """Look at all that is known again: the store lost records. Called by the tail."""
        del partition, position
        self._news.update(self._known)
        self._wake.set()

    async def load(self) -> None:
        """Read every subscription; raises StoreUnavailableError."""
        cursor: bytes | int = 0
        while True:
            cursor, found = await self._store.call("HSCAN", self._subs, cursor, "COUNT", SCAN)
            for id_, stored in zip(found[::2], found[1::2], strict=True):
                self._learn(id_.decode(), stored, now() - TAKEN_OVER)
            if int(cursor) == 0:
                return

    async def take(self) -> Due | None:
        """Return something that is due, and plan what follows it; None where nothing is.

        Raises StoreUnavailableError, with nothing taken.
        """
        self._wake.clear()
        while self._news:
            id_ = self._news.pop()  # before it is read: it may change again under the reading
            try:
                stored = await self._store.call("HGET", self._subs, id_)
            except UnavailableError:
                self._news.add(id_)
                raise
            self._learn(id_, stored, now())
        while self._heap and self._heap[0][0] <= now():
            _, _, due = heapq.heappop(self._heap)
            known = self._known.get(due.subscription.id)
            if known is not None and known.rev == due.subscription.rev:
                if due.step.what is not What.EXPIRE:
                    self._add(next_step(known, due.step.at, recheck=self._recheck), known)
                return due
        return None

    def put_back(self, due: Due, pause: float) -> None:
        """Have something that could not be done be due again after so many seconds."""
        heapq.heappush(self._heap, (now() + round(pause * 1000), next(self._order), due))

    async def wait(self) -> None:
        """Wait until there may be something to take."""
        pause = (self._heap[0][0] - now()) / 1000 if self._heap else POLL
        try:
            async with asyncio.timeout(min(max(pause, 0.0), POLL)):
                await self._wake.wait()
        except TimeoutError:
            return

    def _learn(self, id_: str, stored: bytes | None, after: int) -> None:
        known = self._known.pop(id_, None)
        try:
            found = None if stored is None else decode(stored)
        except ValueError:
            found = None  # webhooks report it
        if found is not None and found.manner == MANNER:
            self._known[id_] = found
            if known is not None and known.rev == found.rev:
                return  # it was read before the record of its change came
            self._add(next_step(found, after, recheck=self._recheck), found)

    def _add(self, step: Step | None, one: Subscription) -> None:
        if step is not None:
            heapq.heappush(self._heap, (step.at, next(self._order), Due(one, step)))


def now() -> int:
    """Return milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
