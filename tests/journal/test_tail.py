"""Following the journal: every entry after one's position, once, in order, whatever happens to the store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise

import pytest
import structlog.testing

from relay.errors import DrainingError, StoreUnavailableError
from relay.journal import tail as tail_module
from relay.journal.ids import is_after
from relay.journal.journal import Journal
from relay.journal.record import Entry
from relay.journal.store import Store
from relay.journal.tail import Tail
from tests.engines import Server
from tests.journal.records import Collecting, account_in, append
from tests.waiting import eventually

PARTITION = 7
ACCOUNT = account_in(PARTITION)

pytestmark = pytest.mark.usefixtures("quick_checks")


async def test_a_listener_gets_every_entry_after_its_position_in_order(tail: Tail, journal: Journal) -> None:
    """What was there before the position does not come; all that follows does, in the journal's order."""
    before = await append(journal, ACCOUNT, 3)
    listener = Collecting()
    position = await tail.listen(PARTITION, listener).ready()
    assert position == before[-1]
    after = await append(journal, ACCOUNT, 1200)
    await eventually(lambda: len(listener.ids) >= 1200)
    assert listener.ids == after


async def test_a_partition_without_entries_is_followed_from_its_first(tail: Tail, journal: Journal) -> None:
    """A stream that does not exist yet has the position before every id."""
    listener = Collecting()
    assert await tail.listen(PARTITION, listener).ready() == "0-0"
    written = await append(journal, ACCOUNT)
    assert await eventually(lambda: listener.ids) == written


async def test_a_trimmed_partition_is_followed_from_its_last_id(
    tail: Tail, journal: Journal, store: Store
) -> None:
    """The position is the last generated id, even where every entry has been trimmed."""
    [last] = await append(journal, ACCOUNT)
    await store.call("XTRIM", store.keys_at(PARTITION).events, "MAXLEN", 0)
    assert await tail.listen(PARTITION, Collecting()).ready() == last


async def test_other_partitions_entries_do_not_come(tail: Tail, journal: Journal) -> None:
    """A listener follows its partition only."""
    listener, other = Collecting(), Collecting()
    await tail.listen(PARTITION, listener).ready()
    await tail.listen(PARTITION + 1, other).ready()
    await append(journal, account_in(PARTITION + 1))
    await eventually(lambda: other.ids)
    assert listener.ids == []


async def test_an_entry_that_is_none_of_relays_is_skipped_and_counted(
    tail: Tail, journal: Journal, store: Store
) -> None:
    """Missing fields and unknown kinds are logged by id; their neighbours come."""
    listener = Collecting()
    await tail.listen(PARTITION, listener).ready()
    events = store.keys_at(PARTITION).events
    with structlog.testing.capture_logs() as logs:
        [first] = await append(journal, ACCOUNT)
        broken = [
            await store.call("XADD", events, "*", "nonsense", "1"),
            await store.call("XADD", events, "*", "k", "unknown", "a", ACCOUNT, "d", "{}"),
            await store.call("XADD", events, "*", "k", "unknown", "d", "secret {"),
        ]
        [last] = await append(journal, ACCOUNT)
        await eventually(lambda: len(listener.ids) == 2)
    assert listener.ids == [first, last]
    assert tail.malformed == 3
    skipped = [entry for entry in logs if entry["event"] == "entry skipped"]
    assert [entry["id"].encode() for entry in skipped] == broken
    assert "secret" not in repr(skipped)


async def test_a_listener_that_raises_does_not_stop_the_others(tail: Tail, journal: Journal) -> None:
    """A listener's exception is logged; it and the others get what follows."""

    class Raising(Collecting):
        def entries(self, partition: int, batch: Sequence[Entry]) -> None:
            super().entries(partition, batch)
            raise RuntimeError("a listener's fault")

    raising, listener = Raising(), Collecting()
    await tail.listen(PARTITION, raising).ready()
    await tail.listen(PARTITION, listener).ready()
    with structlog.testing.capture_logs() as logs:
        first = await append(journal, ACCOUNT)
        await eventually(lambda: listener.ids == first)
        second = await append(journal, ACCOUNT)
        await eventually(lambda: listener.ids == first + second)
    assert raising.ids == first + second
    assert [entry["event"] for entry in logs] == ["listener failed"] * 2


async def test_one_reader_serves_a_partition_from_its_first_listener_to_its_last(
    tail: Tail, journal: Journal
) -> None:
    """However many listen, there is one reader; it ends after the last has closed, and one starts afresh."""
    listenings = [tail.listen(PARTITION, Collecting()) for _ in range(5)]
    assert len({await listening.ready() for listening in listenings}) == 1
    assert repr(tail) == "Tail(partition 7 at 0-0, 5 listening)"
    for listening in listenings:
        listening.close()
    await eventually(lambda: repr(tail) == "Tail(nobody listens)")
    listener = Collecting()
    await tail.listen(PARTITION, listener).ready()
    written = await append(journal, ACCOUNT)
    await eventually(lambda: listener.ids == written)


async def test_a_closed_listening_gets_nothing_more(tail: Tail, journal: Journal) -> None:
    """Closing takes effect at once, in the middle of a batch too."""
    second = Collecting()

    class Closing(Collecting):
        def entries(self, partition: int, batch: Sequence[Entry]) -> None:
            super().entries(partition, batch)
            closed.close()

    first = Closing()
    await tail.listen(PARTITION, first).ready()
    closed = tail.listen(PARTITION, second)
    await closed.ready()
    written = await append(journal, ACCOUNT)
    await eventually(lambda: first.ids == written)
    assert second.ids == []


async def test_stopping_leaves_nobody_waiting(store: Store, make_tail: Callable[[Store], Tail]) -> None:
    """Whoever waits for a position, or wants to listen, learns that the tail has stopped."""
    tail = make_tail(store)
    listening = tail.listen(PARTITION, Collecting())
    waiting = asyncio.create_task(listening.ready())
    await asyncio.sleep(0)  # lets it begin to wait
    await tail.stop()
    with pytest.raises(DrainingError):
        await waiting
    with pytest.raises(DrainingError):
        tail.listen(PARTITION, Collecting())
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("tail-")]


async def test_a_killed_and_restarted_server_costs_listeners_nothing(
    faulty_server: Server, make_tail: Callable[[Store], Tail], open_store: Callable[[str], Awaitable[Store]]
) -> None:
    """What was written before and after a crash of the server comes once, and nothing is reset."""
    store = await open_store(faulty_server.url)
    journal, listener = Journal(store), Collecting()
    await make_tail(store).listen(PARTITION, listener).ready()
    before = await append(journal, ACCOUNT, 700)
    faulty_server.kill()
    await eventually(lambda: not store.available)
    faulty_server.start()
    after = await eventually(lambda: append(journal, ACCOUNT, 3))
    await eventually(lambda: len(listener.ids) >= 703)
    assert listener.ids == before + after
    assert listener.resets == []


async def test_a_reader_goes_on_as_soon_as_the_store_answers_anybody(
    faulty_server: Server,
    make_tail: Callable[[Store], Tail],
    open_store: Callable[[str], Awaitable[Store]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long it would rest by now, a reader does not sleep on when others have found the store back."""
    monkeypatch.setattr(tail_module, "RETRY_PAUSES", (60.0, 60.0))
    store = await open_store(faulty_server.url)
    journal, listener = Journal(store), Collecting()
    await make_tail(store).listen(PARTITION, listener).ready()
    faulty_server.kill()
    await eventually(lambda: f"reader-{PARTITION}" in repr(store))
    with pytest.raises(StoreUnavailableError):
        await store.call("PING")
    faulty_server.start()
    written = await eventually(lambda: append(journal, ACCOUNT))
    await eventually(lambda: listener.ids == written)


async def test_a_reader_outlives_whatever_the_store_answers(
    tail: Tail, journal: Journal, store: Store
) -> None:
    """A fault nobody expected is logged, and the reader tries again until it is gone."""
    events = store.keys_at(PARTITION).events
    await store.call("SET", events, "no stream")
    listener = Collecting()
    with structlog.testing.capture_logs() as logs:
        listening = tail.listen(PARTITION, listener)
        await eventually(lambda: len(logs) >= 2)
        await store.call("DEL", events)
        await listening.ready()
    assert {entry["event"] for entry in logs} == {"reader failed"}
    written = await append(journal, ACCOUNT)
    await eventually(lambda: listener.ids == written)


async def test_a_listener_that_joins_while_the_store_is_away_starts_when_it_is_back(
    faulty_server: Server, make_tail: Callable[[Store], Tail], open_store: Callable[[str], Awaitable[Store]]
) -> None:
    """Its position is known once the store answers; nothing after it is missed."""
    store = await open_store(faulty_server.url)
    journal, listener = Journal(store), Collecting()
    [last] = await append(journal, ACCOUNT)
    faulty_server.stop()
    ready = asyncio.create_task(make_tail(store).listen(PARTITION, listener).ready())
    await eventually(lambda: not store.available)
    assert not ready.done()
    faulty_server.start()
    assert await asyncio.wait_for(ready, 10) == last
    written = await append(journal, ACCOUNT)
    await eventually(lambda: listener.ids == written)


class Churn:
    """Writers, listeners that stay, and listeners that come and go, with every delivery counted."""

    def __init__(self, tail: Tail, journal: Journal) -> None:
        self.tail = tail
        self.journal = journal
        self.writing = True
        self.delivered = 0
        self.visits = 0
        self.restarts = 0

    async def write(self, partition: int, batches: int) -> list[str]:
        """Write batches of 40 entries, and go on until readers have been restarted often enough."""
        ids: list[str] = []
        while batches > 0 or self.restarts < 10:
            ids += await append(self.journal, account_in(partition), 40)
            batches -= 1
        return ids

    async def visit(self, partition: int, entries: int) -> None:
        """Listen for some entries, and check that they are exactly those after the position."""
        listener = Collecting()
        listening = self.tail.listen(partition, listener)
        position = await listening.ready()
        await eventually(lambda: len(listener.ids) >= entries or not self.writing, every=0.001)
        listening.close()
        assert all(is_after(later, earlier) for earlier, later in pairwise([position, *listener.ids]))
        if listener.ids:
            stream = self.journal.store.keys_at(partition).events
            between = ("XRANGE", stream, f"({position}", listener.ids[-1])
            [expected] = await self.journal.store.fetch([between])
            assert listener.ids == [stream_id.decode() for stream_id, _ in expected]
        self.delivered += len(listener.ids)
        self.visits += 1

    async def come_and_go(self, partition: int) -> None:
        """Visit again and again, so that listeners join a reader at work."""
        while self.writing:
            await self.visit(partition, 300)

    async def come_alone(self, partition: int) -> None:
        """Visit a partition where nobody else listens, each time after its reader has ended."""
        while self.writing:
            await self.visit(partition, 1 + self.restarts % 50)
            await eventually(lambda: partition not in self.tail._readers, every=0.001)
            self.restarts += 1


async def test_nothing_is_lost_or_doubled_over_many_deliveries(tail: Tail, journal: Journal) -> None:
    """While commits land and readers end and start again, each listener gets what follows its position.

    Every entry of every listener is counted, over at least 100,000 deliveries.
    """
    churn = Churn(tail, journal)
    crowded, alone = (1, 4, 9, 14), (2, 3, 5)
    staying = [(partition, Collecting()) for partition in crowded for _ in range(4)]
    for partition, listener in staying:
        assert await tail.listen(partition, listener).ready() == "0-0"
    async with asyncio.TaskGroup() as visitors:
        for partition in crowded:
            visitors.create_task(churn.come_and_go(partition))
        for partition in alone:
            visitors.create_task(churn.come_alone(partition))
        async with asyncio.TaskGroup() as writers:
            writing = {
                partition: writers.create_task(churn.write(partition, 160))
                for partition in (*crowded, *alone)
            }
        churn.writing = False
    for partition, listener in staying:
        written = writing[partition].result()
        await eventually(lambda: len(listener.ids) >= len(written))  # noqa: B023 - awaited in its turn
        assert listener.ids == written
        churn.delivered += len(written)
    assert churn.delivered >= 100_000
    assert churn.visits > 20
    assert churn.restarts >= 10
