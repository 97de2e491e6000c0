"""Fan-out's own bookkeeping: no entry between its cursor and the tail is passed over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from relay.journal.ids import parse
from relay.journal.journal import Journal
from relay.journal.leases import Lease, Leases
from relay.journal.record import Entry
from relay.journal.store import Store
from relay.journal.tail import Listening, Tail
from relay.subscriptions.index import Index
from relay.subscriptions.store import Subscriptions
from relay.webhooks import fanout
from relay.webhooks.courier import Courier
from relay.webhooks.errands import Errands
from relay.webhooks.fanout import FanOut
from relay.webhooks.guard import Guard
from relay.webhooks.ledger import Ledger, Retention
from relay.webhooks.outbox import Rules
from relay.webhooks.parts import Parts
from relay.webhooks.records import Records
from relay.webhooks.sending.client import HttpSender
from relay.webhooks.slots import Slots
from relay.webhooks.stats import Stats
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import RENDERERS, Subscribe


class Bench:
    """A fan-out of the tests' account whose courier sends nothing, so that queues show what it did."""

    def __init__(self, store: Store, lease: Lease) -> None:
        self.sender = HttpSender(Guard())
        stats = Stats()
        parts = Parts(
            store=store,
            subscriptions=Subscriptions(store, formats=("v3",), limit=10),
            renderers=RENDERERS,
            sender=self.sender,
            rules=Rules((), 1),
            retention=Retention(60),
            slots=Slots(0),
            stats=stats,
        )
        self.records = Records(store, lease.partition)
        self.index = Index(store, store.keys(ACCOUNT))
        ledger = Ledger(store, lease, parts.retention, stats)
        self.courier = Courier(parts, lease, self.records, ledger)
        self.courier.stop()
        errands = Errands(parts, lease, self.index, self.records, ledger, self.courier)
        self.fan_out = FanOut(parts, lease, self.index, self.records, self.courier, errands)

    async def run(self, listening: Listening) -> asyncio.Task[None]:
        """Start fanning out."""
        await self.fan_out.start(listening)
        await self.index.load()
        return asyncio.create_task(self.fan_out.run())


async def entries(store: Store, ids: Sequence[str]) -> list[Entry]:
    """Return entries as the tail brings them."""
    return await Journal(store).entries(ACCOUNT, ids)


async def queue(store: Store, subscription: str) -> list[str]:
    """Return what is queued."""
    found = await store.call("ZRANGE", store.keys(ACCOUNT).queue(subscription), 0, -1)
    return [event.decode() for event in found]


@pytest.fixture
async def lease(store: Store) -> Lease:
    """Give the lease of the tests' account's partition."""
    taken = await Leases(store, "owner").acquire(store.keys(ACCOUNT).partition)
    assert taken is not None
    return taken


async def test_entries_that_come_before_the_position_is_known_hide_nothing(
    journal: Journal, store: Store, subscribe: Subscribe, lease: Lease
) -> None:
    """A tail that others follow delivers at once; what lies between the cursor and it is still read."""
    subscription = await subscribe()
    ids = await Line(journal).tones(6)
    bench = Bench(store, lease)
    listening = Listening(bench.fan_out)
    bench.fan_out.entries(lease.partition, await entries(store, ids[4:]))
    listening.start(ids[3])

    task = await bench.run(listening)

    async def queued() -> bool:
        return await queue(store, subscription.id) == ids

    await eventually(queued)
    task.cancel()
    await bench.sender.close()


async def test_more_than_may_wait_is_read_again(
    journal: Journal,
    store: Store,
    subscribe: Subscribe,
    lease: Lease,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A burst beyond what is kept of the tail is dropped there and read from the journal, in order."""
    monkeypatch.setattr(fanout, "MAX_PENDING", 4)
    monkeypatch.setattr(fanout, "PAGE", 3)
    subscription = await subscribe()
    line = Line(journal)
    ids = await line.tones(5)
    bench = Bench(store, lease)
    listening = Listening(bench.fan_out)
    listening.start("0-0")
    bench.fan_out.entries(lease.partition, await entries(store, ids))
    ids += (later := await line.tones(2))
    bench.fan_out.entries(lease.partition, await entries(store, later))

    task = await bench.run(listening)

    async def queued() -> bool:
        return await queue(store, subscription.id) == ids

    await eventually(queued)
    task.cancel()
    await bench.sender.close()


async def test_a_cursor_beyond_the_journal_is_taken_back(
    journal: Journal, store: Store, subscribe: Subscribe, lease: Lease
) -> None:
    """After a failover that lost entries, fan-out goes on from the journal's end, not from where it was."""
    subscription = await subscribe()
    line = Line(journal)
    [first] = await line.tones(1)
    beyond = parse(first)._replace(ms=parse(first).ms + 10**6)
    await store.call("SET", store.keys(ACCOUNT).cursor, str(beyond))
    bench = Bench(store, lease)
    tail = Tail(store)

    task = await bench.run(tail.listen(lease.partition, bench.fan_out))
    [second] = await line.tones(1)

    async def queued() -> bool:
        return await queue(store, subscription.id) == [second]

    await eventually(queued)
    task.cancel()
    await tail.stop()
    await bench.sender.close()
