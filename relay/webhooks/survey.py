"""What waits in the store for the subscriptions of owned partitions, read when somebody asks for metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final, NamedTuple

from relay.journal.store import Store
from relay.webhooks.references import time_of

MOST_SURVEYED: Final = 10_000
"""Subscriptions with work that are looked at in a partition; of more, those beyond are not in the sums."""


class Survey(NamedTuple):
    """The sums over some partitions. Ages are in seconds, 0 where nothing waits."""

    queued: int = 0
    """Events in queues; those that wait behind a failing head of their call are not among them."""
    due: int = 0
    """Calls that wait for a retry of their head."""
    oldest_queued: float = 0.0
    """Age of the oldest event in a queue."""
    oldest_due: float = 0.0
    """For how long the most overdue retry has been due."""
    errands: int = 0
    """Resends, tests and recoveries asked for and not done."""

    def __or__(self, other: Survey) -> Survey:
        """Add another partition's."""
        return Survey(
            self.queued + other.queued,
            self.due + other.due,
            max(self.oldest_queued, other.oldest_queued),
            max(self.oldest_due, other.oldest_due),
            self.errands + other.errands,
        )


async def survey(store: Store, partitions: Collection[int]) -> Survey:
    """Look at some partitions; raises StoreUnavailableError."""
    found = Survey()
    now = await store.time_ms() / 1000
    for one in await asyncio.gather(*(_partition(store, partition, now) for partition in partitions)):
        found |= one
    return found


async def _partition(store: Store, partition: int, now: float) -> Survey:
    keys = store.keys_at(partition)
    ready, due, first, errands = await store.fetch(
        [
            ("SRANDMEMBER", keys.ready, MOST_SURVEYED),
            ("ZCARD", keys.due),
            ("ZRANGE", keys.due, 0, 0, "WITHSCORES"),
            ("HLEN", keys.errands),
        ]
    )
    queues = [keys.queue(one.decode()) for one in ready]
    replies = await store.fetch(
        [command for queue in queues for command in (("ZCARD", queue), ("ZRANGE", queue, 0, 0, "WITHSCORES"))]
    )
    oldest = min((time_of(int(heads[0][1])) for heads in replies[1::2] if heads), default=now)
    return Survey(
        queued=sum(replies[::2]),
        due=due,
        oldest_queued=max(0.0, now - oldest),
        oldest_due=max(0.0, now - first[0][1] / 1000) if first else 0.0,
        errands=errands,
    )
