"""The ledger: in order, repeatable, and not stopped by what the store holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from relay.journal.ids import parse
from relay.journal.keys import Keys
from relay.journal.leases import Lease, LeaseLostError, Leases
from relay.journal.store import Store
from relay.webhooks.attempts import Attempt, Delivery, ErrorCode, Status, encode, readable
from relay.webhooks.ledger import BATCH, Ledger, Retention, apply
from relay.webhooks.operations import Change, Operation, Operations, Settled
from relay.webhooks.references import Missing, place
from relay.webhooks.stats import Stats

SUB = "sub_" + "0" * 32
OTHER = "sub_" + "1" * 32
RETENTION = Retention(60)


@pytest.fixture
async def lease(store: Store) -> Lease:
    """Give the lease of a partition in which two subscriptions exist."""
    for subscription in (SUB, OTHER):
        await store.call("HSET", store.keys_at(1).subs, subscription, "1-0 1-0 {}")
    taken = await Leases(store, "owner").acquire(1)
    assert taken is not None
    return taken


@pytest.fixture
async def keys(store: Store) -> Keys:
    """Give the partition's keys."""
    return store.keys_at(1)


@pytest.fixture
async def ledger(store: Store, lease: Lease) -> AsyncIterator[Ledger]:
    """Give a ledger that is being stored."""
    made = Ledger(store, lease, RETENTION, Stats())
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def queued(store: Store, count: int, subscription: str = SUB) -> list[Missing]:
    """Queue events of one call, and return them."""
    keys = store.keys_at(1)
    found = []
    for _ in range(count):
        event = (await store.call("XADD", keys.events, "*", "k", "call", "a", "account", "d", "{}")).decode()
        found.append(Missing(event, place(parse(event)), "call-1"))
        await store.call("ZADD", keys.queue(subscription), found[-1].score, event)
    await store.call("SADD", keys.ready, subscription)
    return found


def settled(keys: Keys, one: Missing, subscription: str = SUB, *, dead: bool = False) -> Change:
    """Return the end of a delivery."""
    if dead:
        return Operations(keys).died(subscription, one, Delivery(status=Status.DEAD, type="t"), None)
    return Settled(subscription, one, encode(Delivery(status=Status.SUCCEEDED, type="t")))


def failed(keys: Keys, one: Missing, behind: list[Missing], *, made: int = 1) -> Operation:
    """Return a failed attempt."""
    delivery = Delivery(status=Status.FAILED, type="t")
    return Operations(keys).failed(SUB, one, delivery, made=made, pause=5, behind=behind, then=None)


async def dump(store: Store) -> dict[bytes, object]:
    """Return what the partition's queues hold."""
    found: dict[bytes, object] = {}
    for key in sorted(await store.call("KEYS", "relay:{p01}:*")):
        if key.endswith((b":lease", b":epoch", b":events")):
            continue
        kind = await store.call("TYPE", key)
        command = {
            b"zset": ("ZRANGE", key, 0, -1),
            b"set": ("SMEMBERS", key),
            b"hash": ("HGETALL", key),
            b"string": ("GET", key),
        }
        found[key] = await store.call(*command[kind])
    return found


async def test_each_is_told_when_stored_in_order(store: Store, keys: Keys, ledger: Ledger) -> None:
    """More than a batch of operations are stored in their order, each told of after it is."""
    events = await queued(store, 2 * BATCH + 7)
    told: list[str] = []
    for one in events:
        ledger.write(settled(keys, one)._replace(then=note(told, one.event)))
    await ledger.written([Operations(keys).park(SUB, events[0].event)])

    assert told == [one.event for one in events]
    assert not await store.call("EXISTS", keys.queue(SUB), keys.ready)


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_a_repeated_batch_changes_nothing(store: Store, keys: Keys, lease: Lease, count: int) -> None:
    """After an answer that was lost the same batch is applied again, to the same end."""
    first, second, third, fourth = await queued(store, 4)
    operations = Operations(keys)
    batches: list[list[Change]] = [
        [failed(keys, first, [second]), operations.behind(SUB, third)],
        [failed(keys, first, [], made=2), operations.behind(SUB, fourth)],
        [settled(keys, first), settled(keys, second, dead=True)],
    ]
    for batch in batches[:count]:
        await apply(store, lease, RETENTION, batch)
    once = await dump(store)
    due = await store.call("ZCARD", keys.due)

    await apply(store, lease, RETENTION, batches[count - 1])

    assert await dump(store) == once
    assert await store.call("ZCARD", keys.due) == due


async def test_what_is_canceled_keeps_its_attempts(store: Store, keys: Keys, lease: Lease) -> None:
    """A failing lane's events and those in the queue, once, however often the batch is applied."""
    first, second, third = await queued(store, 3)
    operations = Operations(keys)
    attempt = Attempt(at=1_763_717_404_218, duration_ms=3, status_code=500, error=ErrorCode.HTTP_STATUS)
    tried = Delivery(status=Status.FAILED, type="t", attempts=(attempt,), next_attempt_at=5)
    await apply(
        store,
        lease,
        RETENTION,
        [operations.failed(SUB, first, tried, made=1, pause=5, behind=[second], then=None)],
    )
    batch = [
        operations.abandon(SUB, first.lane, [first.event, second.event]),
        operations.cancel(SUB, third.event),
    ]
    for _ in range(2):
        await apply(store, lease, RETENTION, batch)
        kept = dict(readable(await store.call("ZRANGE", keys.attempts(SUB), 0, -1)))
        untried = Delivery(status=Status.CANCELED, type="")
        assert kept == {
            first.event: Delivery(status=Status.CANCELED, type="t", attempts=(attempt,)),
            second.event: untried,
            third.event: untried,
        }
        assert list(await dump(store)) == [keys.attempts(SUB).encode(), keys.subs.encode()]


async def test_a_lane_waits_and_comes_back(store: Store, keys: Keys, lease: Lease) -> None:
    """What is behind a failing head leaves the queue with it, and is queued again once it is settled."""
    first, second, third, fourth = await queued(store, 4)
    operations = Operations(keys)

    await apply(store, lease, RETENTION, [failed(keys, first, [second]), operations.behind(SUB, third)])
    assert await store.call("ZRANGE", keys.queue(SUB), 0, -1) == [fourth.event.encode()]
    assert await store.call("HGETALL", keys.lanes(SUB)) == {
        b"call-1": f"1 {first.event} {second.event} {third.event}".encode()
    }
    assert await store.call("ZRANGE", keys.due, 0, -1) == [f"{SUB} call-1".encode()]
    for one in (first, second, third):
        assert await store.call("HGET", keys.parked(one.event), SUB) == b"live"

    await apply(store, lease, RETENTION, [settled(keys, first)])
    waiting = [one.event.encode() for one in (second, third, fourth)]
    assert await store.call("ZRANGE", keys.queue(SUB), 0, -1) == waiting
    assert not await store.call("EXISTS", keys.lanes(SUB), keys.due, keys.parked(first.event))

    await apply(store, lease, RETENTION, [settled(keys, one) for one in (second, third, fourth)])
    assert list(await dump(store)) == [keys.attempts(SUB).encode(), keys.subs.encode()]


async def test_a_batch_ends_as_its_operations_one_by_one(store: Store, keys: Keys, lease: Lease) -> None:
    """Although what leaves a subscription's queue is stored together."""
    operations = Operations(keys)
    first, second, third, alone, late, lost = mine = await queued(store, 6)
    others = await queued(store, 2, OTHER)
    changes: list[Change] = [
        settled(keys, alone._replace(lane="call-2")),
        settled(keys, others[0], OTHER),
        failed(keys, first, [second]),
        settled(keys, others[1]._replace(lane="call-3"), OTHER),
        operations.behind(SUB, third),
        settled(keys, first),
        settled(keys, late._replace(lane="call-4")),
        settled(keys, second),
        settled(keys, lost._replace(lane="call-5"), dead=True),
    ]

    ends = []
    for at_a_time in (len(changes), 4, 1):
        for subscription, events in ((SUB, mine), (OTHER, others)):
            await store.call("DEL", keys.attempts(subscription), keys.dead(subscription))
            await store.call("SADD", keys.ready, subscription)
            for one in events:
                await store.call("ZADD", keys.queue(subscription), one.score, one.event)
        for at in range(0, len(changes), at_a_time):
            await apply(store, lease, RETENTION, changes[at : at + at_a_time])
        ends.append(await dump(store))

    assert ends[0] == ends[1] == ends[2]
    assert await store.call("ZRANGE", keys.queue(SUB), 0, -1) == [third.event.encode()]


async def test_a_record_is_kept_while_anybody_needs_it(store: Store, keys: Keys, lease: Lease) -> None:
    """A parked record goes with its last delivery; after a dead letter, when that has expired."""
    [one] = await queued(store, 1)
    await store.call("ZADD", keys.queue(OTHER), one.score, one.event)
    operations = Operations(keys)
    parked = keys.parked(one.event)
    await apply(store, lease, RETENTION, [operations.park(SUB, one.event), operations.park(OTHER, one.event)])
    await store.call("XTRIM", keys.events, "MAXLEN", 0)

    await apply(store, lease, RETENTION, [settled(keys, one, dead=True)])
    assert await store.call("PTTL", parked) == -1
    assert await store.call("HGET", parked, "body") == b"{}"
    await apply(store, lease, RETENTION, [settled(keys, one, OTHER)])
    assert 0 < await store.call("PTTL", parked) <= 60_000
    await apply(store, lease, RETENTION, [operations.forget(SUB, one.event)])
    assert not await store.call("EXISTS", parked)


async def test_a_deleted_subscription_is_not_brought_back(store: Store, keys: Keys, lease: Lease) -> None:
    """Outcomes that come after the deletion leave no key behind."""
    first, second, third = await queued(store, 3)
    await store.call("HDEL", keys.subs, SUB)
    before = await dump(store)
    late = [
        failed(keys, first, [second]),
        settled(keys, second),
        Operations(keys).behind(SUB, third),
        Operations(keys).park(SUB, third.event),
    ]

    await apply(store, lease, RETENTION, late)

    assert await dump(store) == before


async def test_one_broken_key_does_not_stop_the_others(store: Store, keys: Keys, lease: Lease) -> None:
    """What the store refuses for a fault in what it holds is counted and left; the rest is stored."""
    stats = Stats()
    ledger = Ledger(store, lease, RETENTION, stats)
    events, others = await queued(store, 2), await queued(store, 2, OTHER)
    await store.call("SET", keys.attempts(SUB), "not a zset")
    told: list[str] = []
    for one, other in zip(events, others, strict=True):
        ledger.write(settled(keys, one)._replace(then=note(told, one.event)))
        ledger.write(settled(keys, other, OTHER)._replace(then=note(told, other.event)))

    await ledger.flush()

    assert stats.refused == 2
    assert len(told) == 4
    assert await store.call("ZCARD", keys.attempts(OTHER)) == 2


async def test_a_lost_lease_ends_it(store: Store, keys: Keys, lease: Lease) -> None:
    """Whoever is not the owner any more writes nothing, and hears so."""
    [one] = await queued(store, 1)
    await store.call("SET", keys.lease, "somebody else's")
    ledger = Ledger(store, lease, RETENTION, Stats())
    ledger.write(settled(keys, one))

    with pytest.raises(LeaseLostError):
        await ledger.flush()
    assert await store.call("ZCARD", keys.queue(SUB)) == 1


def note(told: list[str], what: str) -> Callable[[], None]:
    """Return what adds a word to a list."""
    return lambda: told.append(what)
