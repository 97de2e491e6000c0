"""The one writer of a partition's queues and deliveries: in order, in batches, for the lease's owner only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple, final

from relay.errors import StoreUnavailableError
from relay.journal.leases import Lease, run_owned
from relay.journal.link import Argument, StoreCommandError
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.telemetry import log
from relay.webhooks.mending import mending
from relay.webhooks.operations import Change, Operations, Settled
from relay.webhooks.policy import DEADLINE
from relay.webhooks.stats import Stats

FLUSH_AFTER: Final = 0.003
"""Seconds that outcomes are collected: a call of the store costs several times what one outcome does."""
BATCH: Final = 100
"""Operations in one script: it runs for about a millisecond."""
RETRY_PAUSE: Final = 0.5
"""Seconds until something is written again after the store did not answer."""

_SCRIPT: Final = Script("deliveries")
_log: Final = log.get("webhooks")


class Retention(NamedTuple):
    """How long deliveries are kept, in seconds from their event."""

    attempts: float

    def arguments(self) -> tuple[Argument, ...]:
        """Return what the script is told: a dead letter is kept that long after its last possible attempt."""
        kept = round(self.attempts * 1000)
        return (kept, kept + round(DEADLINE * 1000), kept)


async def apply(store: Store, lease: Lease, retention: Retention, batch: Sequence[Change]) -> None:
    """Store operations in order, all at once.

    Raises:
        LeaseLostError: the partition has another owner; nothing was written.
        StoreUnavailableError: no answer; the same batch may be applied again.
        StoreCommandError: the store holds something that does not fit.

    """
    keys = store.keys_at(lease.partition)
    named, arguments = Operations(keys).call(batch)
    shared = (keys.ready, keys.due, keys.subs, keys.events, keys.with_dead)
    await run_owned(store, _SCRIPT, lease, (*shared, *named), (*retention.arguments(), *arguments))


@final
class Ledger:
    """Stores operations in the order they are written, and tells each when it is stored.

    It holds no more than what is in flight plus what one read of queue or journal brings.
    """

    def __init__(self, store: Store, lease: Lease, retention: Retention, stats: Stats) -> None:
        self._store = store
        self._lease = lease
        self._retention = retention
        self._stats = stats
        self._waiting: deque[Change] = deque()
        self._wake = asyncio.Event()

    def __repr__(self) -> str:
        return f"Ledger({len(self._waiting)} waiting for {self._lease!r})"

    def write(self, operation: Change) -> None:
        """Have an operation stored soon."""
        self._waiting.append(operation)
        self._wake.set()

    async def written(self, operations: Sequence[Change]) -> None:
        """Have operations stored, and wait until they are."""
        if not operations:
            return
        stored = asyncio.Event()
        for operation in operations[:-1]:
            self.write(operation)
        self.write(operations[-1]._replace(then=stored.set))
        await stored.wait()

    async def run(self) -> None:
        """Store what is written, until cancelled; raises LeaseLostError and SetAsideError."""
        while await self._wake.wait():
            await asyncio.sleep(FLUSH_AFTER)
            self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Store everything that waits; not while `run` does."""
        while self._waiting:
            batch = list(islice(self._waiting, BATCH))
            try:
                await self._apply(batch)
            except StoreUnavailableError:  # perhaps it took effect all the same: repeating it changes nothing
                await asyncio.sleep(RETRY_PAUSE)
                continue
            for _ in batch:
                operation = self._waiting.popleft()
                if operation.then is not None:
                    operation.then()

    async def _apply(self, batch: Sequence[Change]) -> None:
        """Store a batch, or what can be stored of it: one broken key must not stop a partition.

        Raises SetAsideError if it is a key of the whole partition: the batch can be stored then.
        """
        try:
            async with mending(self._store, self._lease, self._stats):
                await apply(self._store, self._lease, self._retention, batch)
        except StoreCommandError as error:
            _log.warning("outcomes refused, storing them one by one", error=str(error))
        else:
            return
        for operation in batch:
            try:
                await apply(self._store, self._lease, self._retention, [operation])
            except StoreCommandError as error:
                self._stats.refused += 1
                name = "settled" if isinstance(operation, Settled) else operation.arguments[0]
                _log.error("outcome not stored", operation=name, error=str(error))
