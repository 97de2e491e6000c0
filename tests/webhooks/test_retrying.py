"""Deliveries that fail: when they are tried again, what waits for them, and where they end."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from aiohttp import web

from relay.journal.ids import parse
from relay.journal.journal import Journal
from relay.journal.keys import Keys
from relay.journal.operational import OperationalEvent
from relay.journal.store import Store
from relay.journal.trim import Trimming
from relay.subscriptions.model import NewSubscription
from relay.subscriptions.model import Status as SubscriptionStatus
from relay.webhooks.attempts import ErrorCode, Status
from relay.webhooks.deliveries import Deliveries
from relay.webhooks.references import DeliveryId, place
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import RENDERERS, Process, StartProcess, Subscribe, leftovers, nothing_left
from tests.webhooks.receiving import Received, Receiver, always, failing


@pytest.fixture
def keys(store: Store) -> Keys:
    """Give the keys of the tests' account."""
    return store.keys(ACCOUNT)


def deliveries(process: Process) -> Deliveries:
    """Return what tells of a process's deliveries."""
    return Deliveries(process.store, process.subscriptions, RENDERERS)


async def test_a_retry_is_never_overtaken(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Later events of a call wait for its failing one, those already queued and those that come meanwhile."""
    receiver.answers["/hook"] = failing(2)
    await subscribe()
    await start_process()
    lines = [Line(journal) for _ in range(4)]
    for _ in range(3):
        for line in lines:
            await line.tones(2)

    await eventually(lambda: len(receiver.requests) == 4 * 6 * 3)
    by_call: dict[str, list[int]] = {}
    for one in receiver.requests:
        by_call.setdefault(one.call, []).append(one.sequence)
    assert all(got == [n for n in range(2, 8) for _ in range(3)] for got in by_call.values())
    assert all(count == 3 for count in Counter(receiver.ids()).values())
    assert receiver.overlaps == 0
    await eventually(lambda: nothing_left(store))


async def test_the_schedule_is_kept(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Pauses are those of the subscription, within a fifth and the time it takes a busy machine to send."""
    times: list[float] = []

    async def timed(received: Received) -> web.Response:
        times.append(time.monotonic())
        return web.Response(status=500)

    receiver.answers["/hook"] = timed
    await subscribe(retries=(0.3, 0.6))
    process = await start_process(retries=(100.0,))
    await Line(journal).tones(1)

    await eventually(lambda: process.duty.stats.dead == 1)
    first, second = times[1] - times[0], times[2] - times[1]
    assert 0.24 <= first < 0.36 + 3
    assert 0.48 <= second < 0.72 + 3


async def test_each_attempt_is_signed_anew_under_the_same_id(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Id and body stay; timestamp and signature are the attempt's."""
    receiver.answers["/hook"] = failing(1)
    await subscribe(retries=(1.3,))
    await start_process()
    await Line(journal).tones(1)

    await eventually(lambda: len(receiver.requests) == 2)
    first, second = receiver.requests
    assert (first.id, first.body) == (second.id, second.body)
    assert first.headers["webhook-timestamp"] < second.headers["webhook-timestamp"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


async def test_failing_calls_do_not_hold_up_the_others(
    journal: Journal, keys: Keys, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """With more failing calls than the window holds, other calls of the endpoint still go on."""
    bad = {f"bad-{number}" for number in range(100)}

    async def picky(received: Received) -> web.Response:
        return web.Response(status=500 if received.event["user_data"].get("name") in bad else 204)

    receiver.answers["/hook"] = picky
    await subscribe(retries=(1000.0,))
    process = await start_process(opens_after=1000)
    for name in bad:
        await Line(journal, user_data={"name": name}).tones(3)
    good = Line(journal)
    await good.tones(20)

    await eventually(lambda: process.duty.stats.succeeded == 20)
    await eventually(lambda: process.duty.stats.failed == 100)
    assert await process.store.call("ZCARD", keys.due) == 100


async def test_an_exhausted_delivery_is_dead_and_its_call_goes_on(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """After the last retry the event is a dead letter with its attempts; the call's next event is sent."""
    line = Line(journal)

    async def refuses_one(received: Received) -> web.Response:
        return web.Response(status=500 if received.sequence == 3 else 204, text="no")

    receiver.answers["/hook"] = refuses_one
    subscription = await subscribe()
    process = await start_process()
    ids = await line.tones(4)

    await eventually(lambda: process.duty.stats.dead == 1)
    await eventually(lambda: len(receiver.requests) == 3 + 3)
    assert [one.sequence for one in receiver.requests] == [2, 3, 3, 3, 4, 5]
    keys = store.keys(ACCOUNT)
    assert await store.call("ZCARD", keys.dead(subscription.id)) == 1
    parked = f"relay:{{p{keys.partition:02d}}}:parked:{ids[1]}"

    async def only_its_record_is_left() -> bool:  # kept for a resend; it goes by itself
        return await leftovers(store) == [parked]

    await eventually(only_its_record_is_left)
    assert 0 < await store.call("PTTL", parked) <= 60_000
    found = await deliveries(process).get(ACCOUNT, str(DeliveryId(keys.partition, subscription.id, ids[1])))
    assert (found.delivery.status, found.delivery.reason) == (Status.DEAD, "exhausted")
    assert [one.status_code for one in found.delivery.attempts] == [500] * 3
    assert {one.error for one in found.delivery.attempts} == {ErrorCode.HTTP_STATUS}
    assert found.delivery.attempts[0].response == "no"


async def test_without_retries_the_first_failure_is_the_last(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """`retries: []` gives each event one attempt."""
    receiver.answers["/hook"] = always(500)
    await subscribe(retries=())
    process = await start_process()
    await Line(journal).tones(3)

    await eventually(lambda: process.duty.stats.dead == 3)
    assert len(receiver.requests) == 3


async def test_retry_after_is_honoured(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """A busy endpoint is not asked again before it said, whatever failure it says that with."""
    times: dict[str, list[float]] = {f"/{status}": [] for status in (302, 404, 429, 500, 502, 503)}

    async def busy(received: Received) -> web.Response:
        times[received.path].append(time.monotonic())
        status = int(received.path[1:]) if len(times[received.path]) == 1 else 204
        return web.Response(status=status, headers={"Retry-After": "1"})

    for path in times:
        receiver.answers[path] = busy
        await subscribe(path)
    await start_process()
    await Line(journal).tones(1)

    await eventually(lambda: all(len(seen) == 2 for seen in times.values()))
    assert all(later - first > 0.99 for first, later in times.values()), times


async def test_an_endpoint_that_is_away_fails_alone(
    journal: Journal,
    store: Store,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    unused_tcp_port: int,
) -> None:
    """Refused connections are recorded as such, and another endpoint gets its events."""
    await subscribe()
    process = await start_process()
    nowhere = NewSubscription(url=f"http://127.0.0.1:{unused_tcp_port}/")
    away = await process.subscriptions.create(ACCOUNT, "admin", nowhere)
    [event] = await Line(journal).tones(1)

    async def refused() -> bool:
        found = await deliveries(process).get(
            ACCOUNT, str(DeliveryId(store.keys(ACCOUNT).partition, away.id, event))
        )
        errors = [one.error for one in found.delivery.attempts]
        return found.delivery.status is Status.DEAD and errors == [ErrorCode.CONNECTION_REFUSED] * 3

    await eventually(refused)
    assert len(receiver.requests) == 1


async def test_410_ends_the_subscription(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """An endpoint that says it is gone is disabled: nothing more is sent, and what is queued is canceled."""
    receiver.answers["/gone"] = always(410)
    gone = await subscribe("/gone", max_in_flight=1)
    await subscribe("/there")
    process = await start_process()
    lines = [Line(journal) for _ in range(20)]
    for line in lines:
        await line.tones(10)

    await eventually(lambda: len(receiver.at("/there")) == 200)

    async def disabled() -> bool:
        found = await process.subscriptions.get(ACCOUNT, gone.id)
        return (found.status, found.reason) == (SubscriptionStatus.DISABLED, "gone")

    await eventually(disabled)
    await lines[0].tones(1)
    await eventually(lambda: len(receiver.at("/there")) == 201)
    await eventually(lambda: only_dead(store))
    assert len(receiver.at("/gone")) == 1
    found = (await deliveries(process).list(ACCOUNT, subscription=gone.id, limit=1000)).deliveries
    [dead] = [one.delivery for one in found if one.delivery.status is not Status.CANCELED]
    assert (dead.status, dead.reason) == (Status.DEAD, "gone")


async def test_deletion_stops_and_leaves_nothing(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Deleting a subscription with a backlog, failing calls and dead letters clears all its keys."""

    async def mixed(received: Received) -> web.Response:
        return web.Response(status=(204, 500, 500)[int(received.call.split("-")[1]) % 3])

    receiver.answers["/mixed"] = mixed
    short = await subscribe("/mixed", retries=())
    long = await subscribe("/mixed", retries=(1000.0,))
    kept = await subscribe("/kept")
    process = await start_process()
    lines = [Line(journal) for _ in range(9)]
    for line in lines:
        await line.tones(5)
    await eventually(lambda: process.duty.stats.dead == 30)
    await eventually(lambda: process.duty.stats.failed == 6)

    await process.subscriptions.delete(ACCOUNT, short.id)
    await process.subscriptions.delete(ACCOUNT, long.id)

    await eventually(lambda: nothing_left(store))
    assert not await keys_of(store, short.id)
    assert not await keys_of(store, long.id)
    seen = len(receiver.at("/mixed"))
    for line in lines:
        await line.tones(1)
    await eventually(lambda: len(receiver.at("/kept")) == 9 * 6)
    assert len(receiver.at("/mixed")) == seen
    assert await keys_of(store, kept.id)


async def test_deletion_while_nobody_delivers_is_caught_up_with(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """What was queued when the owner stopped is cleared by the next one if the subscription is gone."""
    receiver.answers["/hook"] = always(500)
    subscription = await subscribe(retries=(1000.0,))
    process = await start_process()
    for _ in range(5):
        await Line(journal).tones(5)
    await eventually(lambda: process.duty.stats.failed == 5)
    await process.stop()
    await process.subscriptions.delete(ACCOUNT, subscription.id)
    assert not await nothing_left(store)

    await start_process()

    await eventually(lambda: nothing_left(store))
    assert not await keys_of(store, subscription.id)


async def test_retries_outlive_the_journal(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Failing, waiting and not yet tried events are delivered although the journal was cut meanwhile."""
    down = True

    async def down_at_first(received: Received) -> web.Response:
        return web.Response(status=500 if down else 204)

    receiver.answers["/hook"] = down_at_first
    await subscribe(max_in_flight=1, retries=(0.2,) * 20)
    process = await start_process()
    lines = [Line(journal) for _ in range(30)]
    for line in lines:
        await line.tones(5)
    await eventually(lambda: process.duty.stats.failed >= 3)
    [held] = [
        held for held in process.ownership._holdings.values()
        if held.lease.partition == store.keys(ACCOUNT).partition
    ]  # fmt: skip
    keys = store.keys(ACCOUNT)
    trimming = Trimming(store, retention=0.001, max_bytes=10**9, before_cut=process.duty.before_cut)

    async def cut() -> bool:
        await trimming.trim(held.lease)
        return bool(await store.call("XLEN", keys.events) == 0)

    await eventually(cut)
    await process.stop()
    down = False
    await start_process()

    await eventually(lambda: len(set(receiver.ids())) == 150)
    await eventually(lambda: nothing_left(store))
    assert all(sequences == list(range(2, 7)) for sequences in receiver.by_call().values())


async def test_an_event_that_is_kept_nowhere_is_given_up(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """A reference to nothing, or to what is no call event, is a dead letter and holds up nothing."""
    subscription = await subscribe()
    keys = store.keys(ACCOUNT)
    gone = parse(f"{await store.time_ms() - 1000}-0")
    for reference in (gone, parse(subscription.from_id)):
        await store.call("ZADD", keys.queue(subscription.id), place(reference), str(reference))
    await store.call("SADD", keys.ready, subscription.id)
    process = await start_process()
    await Line(journal).tones(2)

    await eventually(lambda: len(receiver.requests) == 2)
    await eventually(lambda: process.duty.stats.missing == 2)
    await eventually(lambda: nothing_left(store))
    dead = (await deliveries(process).list(ACCOUNT, status=Status.DEAD)).deliveries
    assert [one.delivery.reason for one in dead] == ["body_missing"] * 2
    told = [one.told for one in (await journal.history(ACCOUNT, None, limit=100)).entries]
    said = [one for one in told if isinstance(one, OperationalEvent)]
    assert {one.delivery for one in said} == {str(one.id) for one in dead}


async def keys_of(store: Store, subscription: str) -> list[bytes]:
    """Return the keys that are about a subscription."""
    return list(await store.call("KEYS", f"*{subscription}*"))


async def only_dead(store: Store) -> bool:
    """Tell whether only records of dead letters are left."""
    return all(":parked:" in key for key in await leftovers(store))
