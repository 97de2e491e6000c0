"""Ending the sessions whose clients were not heard of in time: a duty of the partition's owner."""

from __future__ import annotations

import asyncio
from typing import Final, final

from relay.journal.leases import Lease, run_owned
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.streaming.bayeux.stats import BayeuxStats

PERIOD: Final = 1.0
"""Seconds between two looks."""
BATCH: Final = 200
"""Sessions ended at a time, in one pipeline."""

_DUE: Final = Script("bayeux_due")
_EXPIRE: Final = Script("bayeux_expire")


@final
class BayeuxExpiry:
    """The duty that ends sessions which are past their time. ``grace`` and ``period`` are in seconds.

    It begins after a grace: while nobody owned the partition, or the store was away, clients could not show
    that they are alive.
    """

    name = "bayeux-expiry"

    def __init__(self, store: Store, stats: BayeuxStats, *, grace: float, period: float = PERIOD) -> None:
        self._store = store
        self._stats = stats
        self._grace = grace
        self._period = period

    def __repr__(self) -> str:
        return f"BayeuxExpiry(expired {self._stats.expired})"

    async def run(self, lease: Lease) -> None:
        """End sessions as they expire."""
        await asyncio.sleep(self._grace)
        while True:
            if await self.sweep(lease) < BATCH:
                await asyncio.sleep(self._period)

    async def sweep(self, lease: Lease) -> int:
        """End the sessions that are past their time, at most `BATCH`, and return how many there were.

        Raises:
            LeaseLostError: the partition has another owner.
            StoreUnavailableError: the store is away.

        """
        keys = self._store.keys_at(lease.partition)
        found = await run_owned(self._store, _DUE, lease, [keys.bayeux_due], [BATCH])
        clients = [client.decode() for client in found]
        ended = await asyncio.gather(
            *(
                run_owned(
                    self._store,
                    _EXPIRE,
                    lease,
                    [keys.bayeux(client), keys.bayeux_due, keys.bayeux_users, keys.events],
                    [client],
                )
                for client in clients
            )
        )
        self._stats.expired += sum(ended)
        return len(clients)
