"""Recovering a time range: past events, delivered again in order under their own ids."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from relay.errors import InvalidFieldError, NotFoundError
from relay.journal.ids import parse
from relay.journal.store import Store
from relay.webhooks import recovering
from relay.webhooks.attempts import Status
from relay.webhooks.recoveries import Recovery, RecoveryStatus
from relay.webhooks.repair import Repair, SubscriptionDisabledError
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import SHORT_TTL, Kit, Subscribe, nothing_left
from tests.webhooks.receiving import Gate, Received, Receiver, accept, always

OTHER = "5d2f1c6a-7a55-4f0e-9d0b-1f6f8e1a2b3c"


async def over(repair: Repair, subscription: str, recovery: str) -> Recovery:
    """Return a recovery once it is over."""

    async def found() -> Recovery | None:
        one = await repair.recovery(ACCOUNT, subscription, recovery)
        return one if one.over else None

    return await eventually(found, within=30)


async def sequence(receiver: Receiver, count: int) -> list[str]:
    """Return the ids an endpoint got, once there are so many."""
    await eventually(lambda: len(receiver.requests) >= count, within=30)
    return receiver.ids()


async def test_what_was_missed_is_delivered_in_order_under_its_own_ids(kit: Kit) -> None:
    """Also what is newer comes after it; what is not for the subscription stays out."""
    line, others = Line(kit.journal), Line(kit.journal, account=OTHER)
    await line.tones(3)
    made = await kit.subscribe(types=("call.leg.dtmf",))
    await kit.subscriptions.disable(ACCOUNT, made.id, "owner")
    await kit.start_process()
    missed = [*await line.tones(20), *await line.tones(20)]
    await others.tones(5)
    await kit.subscriptions.enable(ACCOUNT, made.id)

    recovery_id, asked = await kit.repair.recover(ACCOUNT, made.id, 0)
    fresh = await line.tones(5)

    assert (asked.complete, asked.begins) == (True, parse(made.from_id).ms)
    done = await over(kit.repair, made.id, recovery_id)
    assert (done.status, done.scanned, done.queued) == (RecoveryStatus.DONE, 40, 40)
    got = [one.rpartition("_")[2] for one in await sequence(kit.receiver, 45)]
    assert [one for one in got if one in missed] == missed
    assert sorted(got) == sorted([*missed, *fresh])
    await eventually(lambda: nothing_left(kit.store))
    assert not await kit.store.call("EXISTS", kit.store.keys(ACCOUNT).errands)


async def test_what_was_canceled_is_made_up_for(kit: Kit) -> None:
    """With what came while the subscription was disabled, in the journal's order; attempts are kept."""
    kit.receiver.answers["/hook"] = always(500)
    made = await kit.subscribe(retries=(1000.0,))
    process = await kit.start_process()
    line = Line(kit.journal)
    events = await line.tones(3)
    await eventually(lambda: process.duty.stats.failed == 1)
    await kit.subscriptions.disable(ACCOUNT, made.id, "owner")
    await eventually(lambda: nothing_left(kit.store))
    events += await line.tones(2)
    kit.receiver.answers["/hook"] = accept
    await kit.subscriptions.enable(ACCOUNT, made.id)

    recovery_id, _ = await kit.repair.recover(ACCOUNT, made.id, 0, undelivered=True)

    assert (await over(kit.repair, made.id, recovery_id)).queued == 5
    await eventually(lambda: len(kit.receiver.requests) == 6)
    assert [one.rpartition("_")[2] for one in kit.receiver.ids()] == [events[0], *events]
    await eventually(lambda: nothing_left(kit.store))
    found = (await kit.deliveries.list(ACCOUNT)).deliveries[::-1]
    assert [one.delivery.status for one in found] == [Status.SUCCEEDED] * 5
    assert [len(one.delivery.attempts) for one in found] == [2, 1, 1, 1, 1]


@pytest.mark.parametrize("undelivered", [False, True])
async def test_everything_of_a_range_or_what_was_not_delivered(kit: Kit, undelivered: bool) -> None:
    """Dead letters come to life either way, and keep their attempts."""
    made = await kit.subscribe(retries=())
    await kit.start_process()
    line = Line(kit.journal)
    well = await line.tones(3)
    await eventually(lambda: len(kit.receiver.requests) == 3)
    kit.receiver.answers["/hook"] = always(500)
    ill = await line.tones(2)

    async def dead() -> int:
        return len((await kit.deliveries.list(ACCOUNT, status=Status.DEAD)).deliveries)

    async def all_dead() -> bool:
        return await dead() == 2

    await eventually(all_dead)
    kit.receiver.answers["/hook"] = accept
    recovery_id, _ = await kit.repair.recover(ACCOUNT, made.id, 0, undelivered=undelivered)
    wanted = ill if undelivered else [*well, *ill]
    done = await over(kit.repair, made.id, recovery_id)
    assert (done.scanned, done.queued) == (5, len(wanted))
    ids = await sequence(kit.receiver, 5 + len(wanted))
    assert [one.rpartition("_")[2] for one in ids[5:]] == wanted
    await eventually(lambda: nothing_left(kit.store))
    assert await dead() == 0
    partition = kit.store.keys(ACCOUNT).partition
    one = f"dlv_{partition:02d}_{made.id.removeprefix('sub_')}_{ill[0]}"
    assert [
        attempt.status_code for attempt in (await kit.deliveries.get(ACCOUNT, one)).delivery.attempts
    ] == [
        500,
        204,
    ]


async def test_what_waits_is_not_queued_again(kit: Kit) -> None:
    """Neither what is on its way nor a failing head or what waits behind it: nothing overtakes."""
    gate = Gate()
    failed = asyncio.Event()

    async def answer(received: Received) -> web.Response:
        if not failed.is_set():
            failed.set()
            return web.Response(status=500)
        return await gate(received)

    kit.receiver.answers["/hook"] = answer
    made = await kit.subscribe(retries=(0.2, 0.2))
    await kit.start_process()
    first, second = Line(kit.journal), Line(kit.journal)
    expected = await first.tones(4)
    await eventually(failed.is_set)
    on_the_way = await second.tones(3)
    await eventually(lambda: len(kit.receiver.requests) >= 2)

    recovery_id, _ = await kit.repair.recover(ACCOUNT, made.id, 0)
    done = await over(kit.repair, made.id, recovery_id)
    assert (done.scanned, done.queued) == (7, 0)
    gate.open()
    await eventually(lambda: nothing_left(kit.store))
    got = [one.rpartition("_")[2] for one in kit.receiver.ids()]
    assert [one for one in got if one in expected] == [expected[0], *expected]
    assert [one for one in got if one in on_the_way] == on_the_way
    assert kit.receiver.overlaps == 0


async def test_a_recovery_survives_its_owners(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed and stopped ones; every event is queued once, and none is lost."""
    monkeypatch.setattr(recovering, "PAGE", 10)
    made = await kit.subscribe(max_in_flight=50)
    await kit.subscriptions.disable(ACCOUNT, made.id, "owner")
    process = await kit.start_process(lease_ttl=SHORT_TTL)
    lines = [Line(kit.journal) for _ in range(5)]
    missed = [one for line in lines for one in await line.tones(200)]
    keys = kit.store.keys(ACCOUNT)

    async def passed_over() -> bool:
        return (await kit.store.call("GET", keys.cursor) or b"").decode() == missed[-1]

    await eventually(passed_over)
    await process.stop()
    await kit.subscriptions.enable(ACCOUNT, made.id)
    recovery_id, _ = await kit.repair.recover(ACCOUNT, made.id, 0)

    for end in ("kill", "stop", "kill"):
        process = await kit.start_process(lease_ttl=SHORT_TTL)
        before = (await kit.repair.recovery(ACCOUNT, made.id, recovery_id)).scanned

        async def further(before: int = before) -> bool:
            found = await kit.repair.recovery(ACCOUNT, made.id, recovery_id)
            return found.over or found.scanned > before + 50

        await eventually(further, every=0.001)
        await getattr(process, end)()
    await kit.start_process(lease_ttl=SHORT_TTL)

    done = await over(kit.repair, made.id, recovery_id)
    assert (done.scanned, done.queued) == (1000, 1000)
    await eventually(lambda: nothing_left(kit.store), within=30)
    got = {one.rpartition("_")[2] for one in kit.receiver.ids()}
    assert got == set(missed)
    for told in kit.receiver.by_call().values():
        assert told == sorted(told)


async def test_a_range_that_was_trimmed_says_so(kit: Kit) -> None:
    """It begins at the oldest event left."""
    made = await kit.subscribe()
    line = Line(kit.journal)
    await line.tones(1)
    await eventually(lambda: later(kit.store, parse(made.from_id).ms))
    [kept] = await line.tones(1)
    await kit.store.call("XTRIM", kit.store.keys(ACCOUNT).events, "MINID", kept)
    _, asked = await kit.repair.recover(ACCOUNT, made.id, 0)
    assert (asked.complete, asked.begins) == (False, parse(kept).ms)
    _, asked = await kit.repair.recover(ACCOUNT, made.id, parse(kept).ms)
    assert asked.complete


async def later(store: Store, ms: int) -> bool:
    """Tell whether the store's clock is past a time."""
    return await store.time_ms() > ms


async def test_a_recovery_ends_with_its_subscription(kit: Kit) -> None:
    """Disabled or deleted before its turn, nothing is sent; a disabled one cannot be recovered."""
    made, gone = await kit.subscribe(), await kit.subscribe()
    await Line(kit.journal).tones(3)
    recovery_id, _ = await kit.repair.recover(ACCOUNT, made.id, 0)
    await kit.repair.recover(ACCOUNT, gone.id, 0)
    await kit.subscriptions.disable(ACCOUNT, made.id, "owner")
    await kit.subscriptions.delete(ACCOUNT, gone.id)
    await kit.start_process()
    assert (await over(kit.repair, made.id, recovery_id)).status is RecoveryStatus.CANCELED
    with pytest.raises(SubscriptionDisabledError):
        await kit.repair.recover(ACCOUNT, made.id, 0)
    with pytest.raises(NotFoundError):
        await kit.repair.recovery(ACCOUNT, made.id, "none")
    assert kit.receiver.requests == []


async def test_a_range_must_lie_in_the_past(store: Store, subscribe: Subscribe, repair: Repair) -> None:
    """And end after it begins."""
    made, now = await subscribe(), await store.time_ms()
    for since, until, field in ((now + 60_000, None, "since"), (now - 10, now - 20, "until")):
        with pytest.raises(InvalidFieldError) as refused:
            await repair.recover(ACCOUNT, made.id, since, until)
        assert refused.value.field == field
