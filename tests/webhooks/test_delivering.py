"""Delivering, on a real store, to a receiver that accounts for every request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from relay.journal.journal import Journal
from relay.journal.store import Store
from relay.subscriptions.store import Subscriptions
from relay.webhooks import courier
from relay.webhooks.lanes import WINDOW
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import StartProcess, Subscribe, leftovers, nothing_left
from tests.webhooks.receiving import Gate, Received, Receiver


async def test_events_are_delivered_in_order_per_call_and_nothing_is_left(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Every event of ten calls comes once, each call's in order, signed; then no queue is left."""
    subscription = await subscribe(headers={"X-Own": "mine"})
    await start_process()
    lines = [Line(journal) for _ in range(10)]
    for _ in range(5):
        for line in lines:
            await line.tones(4)

    await eventually(lambda: len(receiver.requests) >= 10 * 20)
    await eventually(lambda: nothing_left(store))

    assert len(receiver.requests) == len(set(receiver.ids())) == 10 * 20
    assert all(sequences == list(range(2, 22)) for sequences in receiver.by_call().values())
    assert receiver.overlaps == 0
    webhook = Webhook(subscription.secrets[0])
    for one in receiver.requests:
        webhook.verify(one.body, one.headers)
        assert one.event["event_id"] == one.id
        assert one.headers["Content-Type"] == "application/json"
        assert one.headers["X-Own"] == "mine"


async def test_calls_go_in_parallel_up_to_the_limit(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """An endpoint that answers slowly has as many requests at a time as it asked for, one per call."""
    gate = Gate()
    receiver.answers["/hook"] = gate
    await subscribe(max_in_flight=4)
    await start_process()
    for line in [Line(journal) for _ in range(8)]:
        await line.tones(2)

    await eventually(lambda: receiver.in_flight["/hook"] == 4)
    gate.open()
    await eventually(lambda: len(receiver.requests) == 16)

    assert receiver.most_in_flight["/hook"] == 4
    assert receiver.overlaps == 0


async def test_a_long_run_of_one_call_holds_up_no_other(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Calls queued behind hundreds of events of another go out beside them, and each call stays in order."""
    await subscribe()
    run, others = Line(journal), [Line(journal) for _ in range(3)]
    await run.tones(300)
    behind = {event for line in others for event in await line.tones(1)}
    await start_process()

    await eventually(lambda: len(receiver.requests) == 303)
    await eventually(lambda: nothing_left(store))

    assert behind <= {one.rpartition("_")[2] for one in receiver.ids()[:100]}
    assert all(sequences == sorted(sequences) for sequences in receiver.by_call().values())
    assert receiver.overlaps == 0


async def test_a_slow_endpoint_holds_up_no_other(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """While one endpoint does not answer, another one gets everything."""
    gate = Gate()
    receiver.answers["/slow"] = gate
    await subscribe("/slow")
    await subscribe("/quick")
    await start_process()
    lines = [Line(journal) for _ in range(20)]
    for _ in range(10):
        for line in lines:
            await line.tones(1)

    await eventually(lambda: len(receiver.at("/quick")) == 200)
    assert len(receiver.at("/slow")) == 10
    gate.open()
    await eventually(lambda: len(receiver.at("/slow")) == 200)


async def test_hanging_endpoints_beyond_the_process_limit_take_turns(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """With fewer places than endpoints want, each gets its turn and all is delivered."""
    for number in range(6):
        await subscribe(f"/hook-{number}")
    process = await start_process(max_in_flight=3)
    for line in [Line(journal) for _ in range(10)]:
        await line.tones(3)

    await eventually(lambda: len(receiver.requests) == 6 * 30)
    await eventually(lambda: process.duty.stats.succeeded == 6 * 30)
    assert max(receiver.most_in_flight.values()) <= 3


async def test_a_backlog_is_delivered_through_a_bounded_window(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """What was queued before anybody delivered comes in order, though only a window of it is ever loaded."""
    await subscribe()
    lines = [Line(journal) for _ in range(7)]
    for _ in range(10):
        for line in lines:
            await line.tones(10)
    await start_process()

    await eventually(lambda: len(receiver.requests) == 700 > 10 * WINDOW)
    assert all(sequences == list(range(2, 102)) for sequences in receiver.by_call().values())
    await eventually(lambda: nothing_left(store))


async def test_a_subscription_gets_later_events_only(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """One that is made between two events gets the second, also from an owner that comes later."""
    line = Line(journal)
    await line.tones(5)
    await subscribe("/before")
    await start_process()
    await line.tones(5)
    await subscribe("/after")
    await line.tones(5)

    await eventually(lambda: len(receiver.at("/before")) == 10)
    await eventually(lambda: len(receiver.at("/after")) == 5)
    assert [one.sequence for one in receiver.at("/before")] == list(range(7, 17))
    assert [one.sequence for one in receiver.at("/after")] == list(range(12, 17))


async def test_filters_are_kept(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Only events of the wanted types and extensions are sent."""
    await subscribe("/dtmf", types=("call.leg.dtmf",))
    await subscribe("/hungup", types=("call.leg.hungup",))
    await subscribe("/210", extensions=("210",))
    await subscribe("/200", extensions=("200",))
    await start_process()
    await Line(journal).tones(3)

    await eventually(lambda: len(receiver.at("/210")) == len(receiver.at("/dtmf")) == 3)
    assert not receiver.at("/hungup")
    assert not receiver.at("/200")


async def test_another_account_gets_nothing(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Subscriptions are their account's, also where accounts share a partition."""
    others = [f"account-{number}" for number in range(8)]
    for number, account in enumerate(others):
        await subscribe(f"/{number}", account=account)
    await subscribe()
    await start_process()
    await Line(journal).tones(3)
    for account in others:
        await Line(journal, account=account).tones(1)

    await eventually(lambda: len(receiver.requests) == 3 + 8)
    assert len(receiver.at()) == 3
    for number, account in enumerate(others):
        assert [one.event["tenant_id"] for one in receiver.at(f"/{number}")] == [account]


async def test_a_graceful_stop_finishes_what_is_on_its_way(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """A stopping process begins nothing new, waits for its requests, and stores their outcomes."""
    gate = Gate()
    receiver.answers["/hook"] = gate
    await subscribe(max_in_flight=3)
    process = await start_process()
    for line in [Line(journal) for _ in range(5)]:
        await line.tones(2)
    await eventually(lambda: receiver.in_flight["/hook"] == 3)

    stopping = asyncio.create_task(process.stop())
    await eventually(lambda: process.ownership.partitions == frozenset())
    gate.open()
    await stopping

    assert len(receiver.requests) == 3
    await start_process()
    await eventually(lambda: len(receiver.requests) == 10)
    assert len(set(receiver.ids())) == 10
    await eventually(lambda: nothing_left(store))


async def test_a_graceful_stop_ends_the_subscription_of_an_endpoint_that_says_it_is_gone(
    journal: Journal,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A 410 that comes while the process stops disables the subscription before it has stopped."""
    disable = Subscriptions.disable

    async def disable_slowly(*given: Any, **named: Any) -> None:
        await asyncio.sleep(0.3)
        await disable(*given, **named)

    monkeypatch.setattr(Subscriptions, "disable", disable_slowly)
    gate = Gate(410)
    receiver.answers["/hook"] = gate
    made = await subscribe()
    process = await start_process()
    await Line(journal).tones(1)
    await eventually(lambda: receiver.in_flight["/hook"] == 1)

    stopping = asyncio.create_task(process.stop())
    await eventually(lambda: process.ownership.partitions == frozenset())
    gate.open()
    await stopping

    assert (await process.subscriptions.get(ACCOUNT, made.id)).reason == "gone"


async def test_a_stop_does_not_wait_longer_than_it_may(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """A request that does not end within the drain timeout is left to the next owner."""
    receiver.answers["/hook"] = Gate()
    await subscribe()
    process = await start_process(drain_timeout=0.2)
    await Line(journal).tones(1)
    await eventually(lambda: receiver.in_flight["/hook"] == 1)

    async with asyncio.timeout(10):
        await process.stop()

    del receiver.answers["/hook"]
    await start_process()
    await eventually(lambda: len(receiver.requests) == 2)
    assert len(set(receiver.ids())) == 1


async def test_an_outbox_that_was_let_go_of_takes_no_other_with_it(
    journal: Journal,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever looks at it later leaves its successor alone: a call's events still go one after another."""
    monkeypatch.setattr(courier, "KEPT", 0)
    gate = Gate()
    receiver.answers["/hook"] = gate
    made = await subscribe()
    process = await start_process()
    partition = process.store.keys(ACCOUNT).partition
    serving, _ = await eventually(lambda: process.duty._serving.get(partition))
    before = serving.outbox(made)
    serving.serve(before)
    line = Line(journal)
    await line.tones(1)
    await eventually(lambda: receiver.in_flight["/hook"] == 1)

    serving.serve(before)
    await line.tones(1)
    await eventually(lambda: process.duty.stats.queued == 2)
    await asyncio.sleep(0.1)

    assert receiver.in_flight["/hook"] == 1
    gate.open()
    await eventually(lambda: len(receiver.requests) == 2)


async def test_one_event_for_more_subscriptions_than_a_script_takes(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Fan-out goes in chunks: each of 601 subscriptions gets each event once."""
    for number in range(601):
        await subscribe(f"/{number}")
    process = await start_process()
    await Line(journal).tones(3)

    await eventually(lambda: process.duty.stats.succeeded == 3 * 601, within=90)
    assert len(receiver.requests) == 3 * 601
    assert len({(one.path, one.id) for one in receiver.requests}) == 3 * 601
    await eventually(lambda: nothing_left(store))


async def test_an_event_that_cannot_be_read_is_passed_over(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """A broken record is skipped, and those around it are delivered."""
    subscription = await subscribe()
    line = Line(journal)
    keys = store.keys(subscription.account)
    await line.tones(1)
    await store.call("XADD", keys.events, "*", "k", "call", "a", subscription.account, "d", "nonsense")
    await store.call("XADD", keys.events, "*", "x", "y")
    await line.tones(1)
    process = await start_process()
    await line.tones(1)
    await eventually(lambda: len(receiver.requests) == 3)
    assert process.duty.stats.unreadable == 2

    await store.call("XADD", keys.events, "*", "k", "call", "a", subscription.account, "d", "nonsense")
    await line.tones(1)
    await eventually(lambda: len(receiver.requests) == 4)
    assert process.duty.stats.unreadable == 3


async def test_the_cursor_moves_though_nothing_matches(
    journal: Journal, store: Store, start_process: StartProcess
) -> None:
    """Trimming waits for the cursor, so it follows events nobody subscribed to."""
    await start_process()
    [*_, last] = await Line(journal).tones(5)
    keys = store.keys("b11d749b-8eb7-4236-a068-3d94ba3860d6")

    async def at_last() -> bool:
        return bool(await store.call("GET", keys.cursor) == last.encode())

    await eventually(at_last)
    assert await leftovers(store) == []


async def test_a_renderer_that_fails_stops_nothing(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """An event that cannot be rendered goes to nobody; the next one does."""

    async def picky(received: Received) -> web.Response:
        return web.Response(status=204)

    receiver.answers["/hook"] = picky
    await subscribe()

    def render(event_id: object, event: object) -> object:
        from relay.dialects.v3.render import render as show

        if getattr(event, "leg_sequence", 0) == 3:
            raise ValueError("no")
        return show(event_id, event)  # type: ignore[arg-type]

    await start_process(renderers={"v3": render})
    await Line(journal).tones(4)

    await eventually(lambda: len(receiver.requests) == 3)
    assert [one.sequence for one in receiver.requests] == [2, 4, 5]
