"""What the tail tells where entries are gone: a flushed store, a failover, history that was trimmed."""

from __future__ import annotations

import pytest
import redis
import structlog.testing

from relay.journal import tail as tail_module
from relay.journal.ids import is_after
from relay.journal.journal import Journal
from relay.journal.store import Store
from relay.journal.tail import Tail
from tests.engines import Server
from tests.journal.records import Collecting, account_in, append
from tests.waiting import eventually

PARTITION = 7
ACCOUNT = account_in(PARTITION)

pytestmark = pytest.mark.usefixtures("quick_checks")


async def test_a_flushed_store_resets_listeners(tail: Tail, journal: Journal, server: Server) -> None:
    """When the store was emptied, listeners learn of it once and follow the new history."""
    await append(journal, ACCOUNT)
    listener = Collecting()
    await tail.listen(PARTITION, listener).ready()
    with structlog.testing.capture_logs() as logs:
        server.flush()
        await eventually(lambda: listener.resets)
    assert listener.resets == ["0-0"]
    assert "journal lost entries" in [entry["event"] for entry in logs]
    written = await append(journal, ACCOUNT, 2)
    await eventually(lambda: listener.ids == written)
    assert listener.resets == ["0-0"]


async def test_a_failover_that_lost_writes_resets_listeners(
    tail: Tail, journal: Journal, store: Store
) -> None:
    """When a listener's position is beyond the journal's last id, it goes on from the new end."""
    [first] = await append(journal, ACCOUNT)
    await append(journal, ACCOUNT)
    listener = Collecting()
    await tail.listen(PARTITION, listener).ready()
    events = store.keys_at(PARTITION).events
    await store.call("DEL", events)  # a replica took over that had the first entry only
    await store.call("XADD", events, first, "k", "subscription", "a", ACCOUNT, "d", "{}")
    await eventually(lambda: listener.resets)
    assert listener.resets == [first]
    written = await append(journal, ACCOUNT)
    await eventually(lambda: listener.ids == written)


def let_reads_end(client: redis.Redis) -> None:
    """Return when no read waits at the store; while this test does not await, none begins."""
    while client.info("clients")["blocked_clients"]:
        pass


async def test_a_reader_that_was_away_while_entries_were_trimmed_says_so(
    tail: Tail, journal: Journal, server: Server, store: Store
) -> None:
    """Who was stopped for longer than entries are kept goes on from the oldest left, and tells it."""
    listener, stream = Collecting(), store.keys_at(PARTITION).events
    await append(journal, ACCOUNT, 1)
    await tail.listen(PARTITION, listener).ready()
    [seen] = await append(journal, ACCOUNT, 1)
    await eventually(lambda: listener.ids == [seen])
    with server.client as client:
        [(_, fields)] = client.xrange(stream, seen, seen)
        let_reads_end(client)
        client.xadd(stream, fields)
        client.xtrim(stream, maxlen=0)
        left = [client.xadd(stream, fields).decode() for _ in range(2)]
    await eventually(lambda: listener.ids == [seen, *left])
    [position] = listener.resets
    assert is_after(position, seen)
    assert is_after(left[0], position)


async def test_a_reader_that_was_away_while_only_what_it_had_was_trimmed_goes_on(
    tail: Tail, journal: Journal, server: Server, store: Store
) -> None:
    """Nothing is lost to it, so nothing is told."""
    listener, stream = Collecting(), store.keys_at(PARTITION).events
    await tail.listen(PARTITION, listener).ready()
    seen = await append(journal, ACCOUNT, 3)
    await eventually(lambda: listener.ids == seen)
    with server.client as client:
        [(_, fields)] = client.xrange(stream, seen[0], seen[0])
        let_reads_end(client)
        client.xtrim(stream, maxlen=0)
        left = [client.xadd(stream, fields).decode() for _ in range(2)]
    await eventually(lambda: listener.ids == [*seen, *left])
    assert not listener.resets


async def test_entries_trimmed_between_two_reads_are_missed_by_the_next_check(
    tail: Tail, journal: Journal, server: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they went while the reader was busy, it is told as soon as entries are counted."""
    monkeypatch.setattr(tail_module, "CHECK_INTERVAL", 0.5)
    listener, stream = Collecting(), store.keys_at(PARTITION).events
    await tail.listen(PARTITION, listener).ready()
    [seen] = await append(journal, ACCOUNT, 1)
    await eventually(lambda: listener.ids == [seen])
    with server.client as client:
        [(_, fields)] = client.xrange(stream, seen, seen)
        let_reads_end(client)
        client.xadd(stream, fields)
        client.xtrim(stream, maxlen=0)
        left = client.xadd(stream, fields).decode()
    await eventually(lambda: listener.ids == [seen, left])
    await eventually(lambda: len(listener.resets) == 1)
    after = await append(journal, ACCOUNT, 1)
    await eventually(lambda: listener.ids == [seen, left, *after])
    assert listener.resets == [left]


async def test_a_listener_that_fails_to_reset_does_not_stop_the_others(
    tail: Tail, journal: Journal, server: Server
) -> None:
    """An exception while resetting is logged and stays with its listener."""

    class Raising(Collecting):
        def reset(self, partition: int, position: str) -> None:
            raise RuntimeError("a listener's fault")

    await append(journal, ACCOUNT)
    listener = Collecting()
    tail.listen(PARTITION, Raising())
    await tail.listen(PARTITION, listener).ready()
    with structlog.testing.capture_logs() as logs:
        server.flush()
        await eventually(lambda: listener.resets)
    assert "listener failed" in [entry["event"] for entry in logs]
