"""What waits in the store for the subscriptions of owned partitions, read when somebody asks for metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from relay.journal.keys import Keys
from relay.journal.link import StoreCommandError
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.webhooks.references import time_of

MOST_SURVEYED: Final = 10_000
"""Subscriptions with work, or with dead letters, that are looked at in a partition; of more, those beyond are
not in the sums."""
PAGE: Final = 100
"""Subscriptions that one script looks at: it runs for a few milliseconds at most."""
SAMPLE: Final = 100
"""Failing calls of a subscription whose waiting events are counted; of more they are estimated."""

_WAITING: Final = Script("waiting")
_DEAD: Final = Script("dead_count")


class Survey(NamedTuple):
    """The sums over some partitions. Ages are in seconds, 0 where nothing waits."""

    queued: int = 0
    """Events in queues; those that wait behind a failing head of their call are not among them."""
    behind: int = 0
    """Events that wait behind a failing head of their call."""
    due: int = 0
    """Calls that wait for a retry of their head."""
    oldest_queued: float = 0.0
    """Age of the oldest event in a queue."""
    oldest_due: float = 0.0
    """For how long the most overdue retry has been due."""
    errands: int = 0
    """Resends, tests and recoveries asked for and not done."""
    dead: int = 0
    """Dead letters that are kept."""

    def __or__(self, other: Survey) -> Survey:
        """Add another partition's."""
        return Survey(
            self.queued + other.queued,
            self.behind + other.behind,
            self.due + other.due,
            max(self.oldest_queued, other.oldest_queued),
            max(self.oldest_due, other.oldest_due),
            self.errands + other.errands,
            self.dead + other.dead,
        )


async def survey(store: Store, partitions: Collection[int]) -> Survey:
    """Look at some partitions; one whose keys are broken is left out. Raises StoreUnavailableError."""
    now = await store.time_ms() / 1000
    answers = await asyncio.gather(
        *(_partition(store, store.keys_at(partition), now) for partition in partitions),
        return_exceptions=True,
    )
    found = Survey()
    for one in answers:
        if isinstance(one, Survey):
            found |= one
        elif not isinstance(one, StoreCommandError):
            raise one
    return found


async def _partition(store: Store, keys: Keys, now: float) -> Survey:
    ready, with_dead, due, first, errands = await store.fetch(
        [
            ("SRANDMEMBER", keys.ready, MOST_SURVEYED),
            ("SRANDMEMBER", keys.with_dead, MOST_SURVEYED),
            ("ZCARD", keys.due),
            ("ZRANGE", keys.due, 0, 0, "WITHSCORES"),
            ("HLEN", keys.errands),
        ]
    )
    waiting, dead = await asyncio.gather(
        _waiting(store, keys, _pages(ready)), _dead(store, keys, _pages(with_dead))
    )
    oldest = min((time_of(int(place)) for _, place, _ in waiting if place), default=now)
    return Survey(
        queued=sum(queued for queued, _, _ in waiting),
        behind=sum(behind for _, _, behind in waiting),
        due=due,
        oldest_queued=max(0.0, now - oldest),
        oldest_due=max(0.0, now - first[0][1] / 1000) if first else 0.0,
        errands=errands,
        dead=sum(dead),
    )


def _pages(members: Sequence[bytes]) -> list[list[str]]:
    return [
        [member.decode(errors="replace") for member in members[first : first + PAGE]]
        for first in range(0, len(members), PAGE)
    ]


async def _waiting(store: Store, keys: Keys, pages: Sequence[Sequence[str]]) -> list[tuple[int, bytes, int]]:
    """Return for each page what is queued, the place of the oldest of it, and what waits behind heads."""
    named = [[key for one in page for key in (keys.queue(one), keys.lanes(one))] for page in pages]
    return list(await asyncio.gather(*(store.run(_WAITING, some, [SAMPLE]) for some in named)))


async def _dead(store: Store, keys: Keys, pages: Sequence[Sequence[str]]) -> list[int]:
    """Return the dead letters of each page."""
    named = [[keys.with_dead, *(keys.dead(one) for one in page)] for page in pages]
    counts = (store.run(_DEAD, some, page) for some, page in zip(named, pages, strict=True))
    return list(await asyncio.gather(*counts))
