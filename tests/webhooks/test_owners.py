"""Owners that stop, die, freeze or lose their store: nothing lost, and little repeated."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from functools import partial
from random import Random

import pytest
from aiohttp import web

from relay.errors import StoreUnavailableError
from relay.journal.journal import Journal
from relay.journal.leases import LeaseLostError, Leases, run_owned
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.subscriptions.model import NewSubscription
from relay.subscriptions.store import Subscriptions
from relay.webhooks import mending
from tests.calls.calling import ACCOUNT
from tests.conftest import OpenStore
from tests.engines import Server
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import SHORT_TTL, Process, StartProcess, Subscribe, nothing_left
from tests.webhooks.receiving import Gate, Received, Receiver, always


async def test_retries_survive_an_owner_change(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """The next owner knows how often a delivery failed, and when it is due; it does not begin again."""
    receiver.answers["/hook"] = always(500)
    await subscribe(retries=(1.5, 1000.0))
    first = await start_process()
    began = time.monotonic()
    await Line(journal).tones(3)
    await eventually(lambda: first.duty.stats.failed == 1)
    await first.stop()

    second = await start_process()
    await eventually(lambda: second.duty.stats.failed == 1)

    assert time.monotonic() - began >= 0.8 * 1.5
    assert [one.sequence for one in receiver.requests] == [2, 2]

    async def due_as_the_schedule_says() -> bool:
        [[_, due]] = await store.call("ZRANGE", store.keys(ACCOUNT).due, 0, -1, "WITHSCORES")
        return bool(790_000 < due - await store.time_ms() <= 1_200_000)

    await eventually(due_as_the_schedule_says)


async def test_a_dead_owner_loses_nothing(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """An owner killed with requests on their way: each event still comes, repeats under the same id."""
    gate = Gate()
    receiver.answers["/hook"] = gate
    await subscribe(max_in_flight=5)
    first = await start_process(lease_ttl=SHORT_TTL)
    lines = [Line(journal) for _ in range(10)]
    for line in lines:
        await line.tones(4)
    await eventually(lambda: receiver.in_flight["/hook"] == 5)
    await first.kill()
    gate.open()

    await start_process(lease_ttl=SHORT_TTL)
    await eventually(lambda: len(set(receiver.ids())) == 40)
    await eventually(lambda: nothing_left(store))

    repeats = {one: count for one, count in Counter(receiver.ids()).items() if count > 1}
    assert set(repeats.values()) <= {2}
    assert len(repeats) <= 5
    assert all(sequences == [2, 3, 4, 5] for sequences in receiver.by_call().values())


async def test_owners_that_keep_dying_lose_nothing(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """With failures, a backlog and eight deaths at random moments, all come, each call's first in order."""
    chance = Random(7)

    async def moody(received: Received) -> web.Response:
        await asyncio.sleep(chance.uniform(0, 0.01))
        return web.Response(status=500 if chance.random() < 0.1 else 204)

    receiver.answers["/hook"] = moody
    await subscribe("/hook", retries=(0.05,) * 20)
    await subscribe("/other")
    lines = [Line(journal) for _ in range(25)]
    for _ in range(8):
        for line in lines:
            await line.tones(2)
        process = await start_process(lease_ttl=1)
        enough = len(receiver.requests) + chance.randrange(60)
        await eventually(lambda enough=enough: len(receiver.requests) > enough)  # type: ignore[misc]
        await process.kill()
    await start_process(lease_ttl=1)

    await eventually(lambda: len(set(receiver.ids())) == 400, within=30)
    await eventually(lambda: len(set(receiver.ids("/other"))) == 400, within=30)
    await eventually(lambda: nothing_left(store), within=30)
    for path in ("/hook", "/other"):
        assert all(sequences == list(range(2, 18)) for sequences in receiver.by_call(path).values())


async def test_a_stop_waits_for_what_ends_already(
    journal: Journal,
    store: Store,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A duty that is being ended to begin anew stores the outcomes of its requests though relay stops now."""
    monkeypatch.setattr(mending, "LOOK_EVERY", 0.05)
    gate = Gate()
    receiver.answers["/hook"] = gate
    await subscribe()
    process = await start_process()
    await Line(journal).tones(1)
    await eventually(lambda: receiver.in_flight["/hook"] == 1)
    keys = store.keys(ACCOUNT)
    await store.call("SET", keys.errands, "unfit")
    await eventually(lambda: keys.partition not in process.duty._serving)

    stopping = asyncio.create_task(process.stop())
    await asyncio.sleep(0.3)
    assert not stopping.done()
    gate.open()
    await stopping

    assert len(receiver.requests) == 1
    assert await nothing_left(store)
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("webhooks-")]


async def test_partitions_move_while_events_flow(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Two processes share the work, and handing over in good order repeats nothing."""
    accounts = [f"account-{number}" for number in range(8)]
    for account in accounts:
        await subscribe(f"/{account}", account=account)
    first = await start_process()
    lines = [Line(journal, account=account) for account in accounts]
    for _ in range(10):
        for line in lines:
            await line.tones(1)
    second = await start_process()
    await eventually(lambda: len(second.ownership.partitions) == len(first.ownership.partitions) == 1)
    for _ in range(10):
        for line in lines:
            await line.tones(1)
    await first.stop()

    await eventually(lambda: len(receiver.requests) >= 8 * 20)
    await eventually(lambda: nothing_left(store))
    assert len(receiver.requests) == len({(one.path, one.id) for one in receiver.requests}) == 8 * 20


async def test_the_scripts_refuse_whoever_is_not_the_owner(
    journal: Journal, store: Store, subscribe: Subscribe
) -> None:
    """A thawed owner can neither queue nor record: the store knows another token."""
    subscription = await subscribe()
    partition = store.keys(ACCOUNT).partition
    keys = store.keys_at(partition)
    stale = await Leases(store, "stale", ttl=0.05).acquire(partition)
    assert stale is not None
    await eventually(lambda: lease_is_free(store, partition))
    owner = await Leases(store, "owner").acquire(partition)
    assert owner is not None
    [event] = await Line(journal).tones(1)
    queue = keys.queue(subscription.id)
    named = [keys.cursor, keys.ready, keys.subs, queue]
    addition: list[str | int] = ["", event, subscription.id, 1, 4096, event]

    with pytest.raises(LeaseLostError):
        await run_owned(store, Script("fan_out"), stale, named, addition)
    touched = [keys.ready, keys.due, keys.subs, keys.events, keys.with_dead]
    with pytest.raises(LeaseLostError):
        await run_owned(store, Script("deliveries"), stale, touched, [1, 1, 1])
    assert not await store.call("EXISTS", queue, keys.cursor, keys.ready)
    assert await run_owned(store, Script("fan_out"), owner, named, addition) == [1]
    assert await run_owned(store, Script("fan_out"), owner, named, addition) == [0]
    assert await store.call("ZCARD", queue) == 1


async def test_a_frozen_owner_sends_nothing_when_it_thaws(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """An owner whose lease is past its time by its own clock makes no request, whatever it has loaded."""
    gate = Gate()
    receiver.answers["/hook"] = gate
    await subscribe(max_in_flight=1)
    process = await start_process()
    for line in [Line(journal) for _ in range(5)]:
        await line.tones(1)
    await eventually(lambda: receiver.in_flight["/hook"] == 1)
    for held in process.ownership._holdings.values():
        held.lease._clock = lambda: time.monotonic() + 10**6  # as after a long sleep

    gate.open()
    await eventually(lambda: process.duty.stats.unsent > 0 or not process.ownership.partitions)

    assert len(receiver.requests) == 1


async def test_a_fan_out_that_was_cut_short_goes_on_where_it_was(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """A cursor within an event means: those before it have it, the others get it."""
    made = sorted([await subscribe(f"/{number}") for number in range(5)], key=lambda one: one.id)
    [event, _] = await Line(journal).tones(2)
    await store.call("SET", store.keys(ACCOUNT).cursor, f"{event}:{made[2].id}")
    await start_process()

    await eventually(lambda: len(receiver.requests) == 2 + 5)
    had = {one.url.rpartition("/")[2] for one in made[:3]}
    assert {one.path[1:] for one in receiver.requests if one.sequence == 2} == set("01234") - had


async def test_a_restarted_store_is_delivered_from(
    faulty_server: Server, open_store: OpenStore, receiver: Receiver
) -> None:
    """The store dies under load and comes back: no manual step, nothing lost, order kept."""
    store = await open_store(faulty_server.url, partitions=2, timeout=1.0)
    subscriptions = Subscriptions(store, formats=("v3",), limit=10)
    await subscriptions.create(ACCOUNT, "admin", NewSubscription(url=receiver.url()))
    process = await Process(store).start()
    lines = [Line(process.journal) for _ in range(10)]
    for line in lines:
        await line.tones(5)
    await eventually(lambda: len(receiver.requests) > 10)

    faulty_server.kill()
    faulty_server.start()
    for line in lines:
        await eventually(partial(told, line))

    await eventually(lambda: len(set(receiver.ids())) == 60, within=30)
    await eventually(lambda: nothing_left(store), within=30)
    assert all(sequences == list(range(2, 8)) for sequences in receiver.by_call().values())
    await process.stop()


async def test_a_paused_store_is_waited_for(
    faulty_server: Server, open_store: OpenStore, receiver: Receiver
) -> None:
    """A store that freezes for longer than a lease: the owner stops sending, and all comes afterwards."""
    store = await open_store(faulty_server.url, partitions=2, timeout=1.0)
    subscriptions = Subscriptions(store, formats=("v3",), limit=10)
    await subscriptions.create(ACCOUNT, "admin", NewSubscription(url=receiver.url(), max_in_flight=2))
    process = await Process(store, lease_ttl=SHORT_TTL).start()
    lines = [Line(process.journal) for _ in range(10)]
    for line in lines:
        await line.tones(10)
    await eventually(lambda: len(receiver.requests) > 10)

    faulty_server.pause()
    await eventually(lambda: not process.ownership.partitions)
    faulty_server.resume()

    await eventually(lambda: len(set(receiver.ids())) == 100, within=30)
    await eventually(lambda: nothing_left(store), within=30)
    assert all(sequences == list(range(2, 12)) for sequences in receiver.by_call().values())
    await process.stop()


async def test_a_flushed_store_is_begun_anew(
    faulty_server: Server, open_store: OpenStore, receiver: Receiver
) -> None:
    """After a flush there are no subscriptions; a new one gets the events that come."""
    store = await open_store(faulty_server.url, partitions=2, check_interval=0.2)
    subscriptions = Subscriptions(store, formats=("v3",), limit=10)
    await subscriptions.create(ACCOUNT, "admin", NewSubscription(url=receiver.url("/before")))
    process = await Process(store).start()
    await Line(process.journal).tones(3)
    await eventually(lambda: len(receiver.requests) == 3)

    faulty_server.flush()
    await eventually(lambda: lease_is_held(store, store.keys(ACCOUNT).partition))
    await subscriptions.create(ACCOUNT, "admin", NewSubscription(url=receiver.url("/after")))
    await Line(process.journal).tones(3)

    await eventually(lambda: len(receiver.at("/after")) == 3, within=20)
    assert len(receiver.at("/before")) == 3
    await eventually(lambda: nothing_left(store))
    await process.stop()


async def told(line: Line) -> bool:
    """Commit one more event, unless the store is away."""
    try:
        await line.tones(1)
    except StoreUnavailableError:
        line.sent -= 1
        return False
    return True


async def lease_is_free(store: Store, partition: int) -> bool:
    """Tell whether nobody owns the partition."""
    return not await store.call("EXISTS", store.keys_at(partition).lease)


async def lease_is_held(store: Store, partition: int) -> bool:
    """Tell whether somebody owns the partition."""
    return not await lease_is_free(store, partition)
