"""Repair: sending again, putting dead letters back, dropping them."""

from __future__ import annotations

import time
from functools import partial

import pytest
from aiohttp import web

from relay.errors import LimitReachedError, NotFoundError
from relay.subscriptions.model import Status as SubscriptionStatus
from relay.webhooks import errands
from relay.webhooks.attempts import Status
from relay.webhooks.deliveries import Deliveries, Found
from relay.webhooks.errands import AT_AN_ENDPOINT
from relay.webhooks.repair import BodyExpiredError, SubscriptionDisabledError
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import Kit, no_errands, nothing_left
from tests.webhooks.receiving import Gate, Received, accept, always, failing

NEVER = 10**9


async def listed(deliveries: Deliveries, status: Status | None = None) -> list[Found]:
    """Return deliveries, oldest first."""
    return (await deliveries.list(ACCOUNT, status=status)).deliveries[::-1]


async def succeeded(deliveries: Deliveries) -> Found:
    """Return the first delivery once it has succeeded."""

    async def done() -> bool:
        return bool(await listed(deliveries, Status.SUCCEEDED))

    await eventually(done)
    return (await listed(deliveries, Status.SUCCEEDED))[0]


async def test_a_resend_carries_the_same_id_and_is_marked_manual(kit: Kit) -> None:
    """A delivered event goes out once more, with its webhook-id; the attempt joins the first."""
    await kit.subscribe()
    await kit.start_process()
    await Line(kit.journal).tones(1)
    found = await succeeded(kit.deliveries)

    await kit.repair.resend(ACCOUNT, str(found.id))
    await eventually(lambda: len(kit.receiver.requests) == 2)

    async def twice() -> bool:
        return len((await kit.deliveries.get(ACCOUNT, str(found.id))).delivery.attempts) == 2

    await eventually(twice)
    assert kit.receiver.requests[0].id == kit.receiver.requests[1].id == found.event_id
    assert kit.receiver.requests[0].body == kit.receiver.requests[1].body
    after = (await kit.deliveries.get(ACCOUNT, str(found.id))).delivery
    assert after.status is Status.SUCCEEDED
    assert [one.trigger for one in after.attempts] == ["schedule", "manual"]
    await eventually(lambda: no_errands(kit.store))


async def test_a_resend_that_succeeds_ends_a_dead_letter(kit: Kit) -> None:
    """A failing one leaves it dead with one more attempt; a success takes it and its body away."""
    kit.receiver.answers["/hook"] = always(500)
    await kit.subscribe(retries=())
    await kit.start_process()
    await Line(kit.journal).tones(1)

    async def dead() -> bool:
        return len(await listed(kit.deliveries, Status.DEAD)) == 1

    await eventually(dead)
    [letter] = await listed(kit.deliveries, Status.DEAD)
    await kit.repair.resend(ACCOUNT, str(letter.id))

    async def made(count: int) -> bool:
        return len((await kit.deliveries.get(ACCOUNT, str(letter.id))).delivery.attempts) == count

    await eventually(lambda: made(2))
    assert (await kit.deliveries.get(ACCOUNT, str(letter.id))).delivery.status is Status.DEAD
    kit.receiver.answers["/hook"] = accept
    await kit.repair.resend(ACCOUNT, str(letter.id))
    await eventually(lambda: made(3))
    after = (await kit.deliveries.get(ACCOUNT, str(letter.id))).delivery
    assert (after.status, after.reason) == (Status.SUCCEEDED, None)
    assert [one.status_code for one in after.attempts] == [500, 500, 204]
    await eventually(lambda: nothing_left(kit.store))


@pytest.mark.parametrize("asked", ["test", "resend"])
async def test_an_endpoint_that_says_it_is_gone_is_believed_whatever_it_was_sent(
    kit: Kit, asked: str
) -> None:
    """410 to a test event, or to what somebody had sent again, ends the subscription too."""
    made = await kit.subscribe()
    await kit.start_process()
    await Line(kit.journal).tones(1)
    found = await succeeded(kit.deliveries)
    kit.receiver.answers["/hook"] = always(410)
    if asked == "test":
        found = await kit.repair.test(ACCOUNT, made.id)
    else:
        await kit.repair.resend(ACCOUNT, str(found.id))

    async def gone() -> bool:
        one = await kit.subscriptions.get(ACCOUNT, made.id)
        return (one.status, one.reason) == (SubscriptionStatus.DISABLED, "gone")

    await eventually(gone)
    await eventually(lambda: no_errands(kit.store))
    kept = (await kit.deliveries.get(ACCOUNT, str(found.id))).delivery
    assert kept.attempts[-1].status_code == 410
    wanted = (Status.DEAD, "gone") if asked == "test" else (Status.SUCCEEDED, None)
    assert (kept.status, kept.reason) == wanted
    await eventually(lambda: nothing_left(kit.store))


async def test_what_is_asked_for_one_endpoint_does_not_wait_for_another(kit: Kit) -> None:
    """One that hangs is sent little at a time, so that others' turns come at once."""
    gate = Gate()
    kit.receiver.answers["/hangs"] = gate
    hanging, well = await kit.subscribe("/hangs"), await kit.subscribe("/well")
    await kit.start_process()
    for _ in range(40):
        await kit.repair.test(ACCOUNT, hanging.id)
    await kit.repair.test(ACCOUNT, well.id)

    await eventually(lambda: len(kit.receiver.at("/well")) == 1)
    assert kit.receiver.most_in_flight["/hangs"] <= AT_AN_ENDPOINT
    gate.open()
    await eventually(lambda: len(kit.receiver.at("/hangs")) == 40)
    await eventually(lambda: no_errands(kit.store))
    assert kit.receiver.most_in_flight["/hangs"] == AT_AN_ENDPOINT


async def test_what_is_asked_for_one_endpoint_leaves_room_for_others(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all that may wait in a partition a quarter may be for one endpoint; then it is told to wait."""
    monkeypatch.setattr(errands, "MOST_ERRANDS", 8)
    monkeypatch.setattr(errands, "MOST_OF_ONE", 2)
    hanging, well = await kit.subscribe("/hangs"), await kit.subscribe("/well")
    for _ in range(2):
        await kit.repair.test(ACCOUNT, hanging.id)
    with pytest.raises(LimitReachedError):
        await kit.repair.test(ACCOUNT, hanging.id)
    await kit.repair.test(ACCOUNT, well.id)
    await kit.start_process()
    await eventually(lambda: no_errands(kit.store))
    assert (len(kit.receiver.at("/hangs")), len(kit.receiver.at("/well"))) == (2, 1)


async def test_a_resent_head_frees_its_lane(kit: Kit) -> None:
    """A failing head that is resent with success is done with, and what waited behind it follows in order."""
    kit.receiver.answers["/hook"] = always(500)
    await kit.subscribe(retries=(1000.0,))
    await kit.start_process()
    await Line(kit.journal).tones(3)

    async def failed() -> bool:
        return len(await listed(kit.deliveries, Status.FAILED)) == 1

    await eventually(failed)
    kit.receiver.answers["/hook"] = accept
    [head] = await listed(kit.deliveries, Status.FAILED)
    await kit.repair.resend(ACCOUNT, str(head.id))

    await eventually(lambda: nothing_left(kit.store))
    assert [one.event["digits"] for one in kit.receiver.requests] == ["1", "1", "2", "3"]
    assert [one.delivery.status for one in await listed(kit.deliveries)] == [Status.SUCCEEDED] * 3


async def test_a_resend_bypasses_the_head_of_its_lane(kit: Kit) -> None:
    """An event that waits can be sent now; its turn comes all the same, with both attempts on record."""
    gate = Gate()
    kit.receiver.answers["/hook"] = gate
    await kit.subscribe(max_in_flight=1)
    await kit.start_process()
    await Line(kit.journal).tones(2)
    await eventually(lambda: len(kit.receiver.requests) == 1)
    second = (await listed(kit.deliveries))[1]
    await kit.repair.resend(ACCOUNT, str(second.id))
    await eventually(lambda: [one.event["digits"] for one in kit.receiver.requests] == ["1", "2"])
    gate.open()
    await eventually(lambda: nothing_left(kit.store))
    assert [one.event["digits"] for one in kit.receiver.requests] == ["1", "2", "2"]


async def test_a_resend_from_behind_a_failing_head_leaves_the_head_its_pause(kit: Kit) -> None:
    """What waits can be sent now; the head is tried no earlier for it, as its endpoint may have asked."""
    kit.receiver.answers["/hook"] = failing(1)
    await kit.subscribe(retries=(1000.0,))
    await kit.start_process()
    line = Line(kit.journal)
    await line.tones(1)
    await eventually(lambda: with_status(kit, Status.FAILED, 1))
    kit.receiver.answers["/hook"] = accept
    await line.tones(3)
    await eventually(lambda: with_status(kit, Status.PENDING, 3))
    for waiting in await listed(kit.deliveries, Status.PENDING):
        await kit.repair.resend(ACCOUNT, str(waiting.id))
        await eventually(lambda: no_errands(kit.store))
    for count in (5, 6):
        await Line(kit.journal).tones(1)
        await eventually(partial(got, kit, count))
    assert [one.event["digits"] for one in kit.receiver.requests] == ["1", "2", "3", "4", "1", "1"]


async def test_a_call_resent_at_once_goes_on(kit: Kit) -> None:
    """Its failing head and all behind it are resent together: each is taken, and the head is done with."""
    kit.receiver.answers["/hook"] = failing(1)
    await kit.subscribe(retries=(1000.0,))
    await kit.start_process()
    line = Line(kit.journal)
    await line.tones(1)
    await eventually(lambda: with_status(kit, Status.FAILED, 1))
    await line.tones(3)
    kit.receiver.answers["/hook"] = accept
    await eventually(lambda: with_status(kit, Status.PENDING, 3))
    for one in reversed(await listed(kit.deliveries)):
        await kit.repair.resend(ACCOUNT, str(one.id))
    await eventually(lambda: nothing_left(kit.store))
    assert len(await listed(kit.deliveries, Status.SUCCEEDED)) == 4


async def test_a_pause_counts_from_its_own_failure(kit: Kit) -> None:
    """A head that was resent leaves nothing behind that has the next one tried before its time."""
    kit.receiver.answers["/hook"] = failing(1)
    await kit.subscribe(retries=(0.4,))
    await kit.start_process()
    line = Line(kit.journal)
    await line.tones(1)
    await eventually(lambda: with_status(kit, Status.FAILED, 1))
    [head] = await listed(kit.deliveries, Status.FAILED)
    await kit.repair.resend(ACCOUNT, str(head.id))
    await eventually(lambda: with_status(kit, Status.SUCCEEDED, 1))
    at: list[float] = []

    async def overrun(received: Received) -> web.Response:
        at.append(time.monotonic())
        return await (always(503, Retry_After="1") if len(at) == 1 else accept)(received)

    kit.receiver.answers["/hook"] = overrun
    await line.tones(1)
    await eventually(lambda: len(at) == 2)
    assert at[1] - at[0] > 0.99


async def with_status(kit: Kit, status: Status, count: int) -> bool:
    """Tell whether so many deliveries have a status."""
    return len(await listed(kit.deliveries, status)) == count


def got(kit: Kit, count: int) -> bool:
    """Tell whether so many requests came."""
    return len(kit.receiver.requests) == count


async def test_a_resend_outlives_its_owner(kit: Kit) -> None:
    """What was asked for while nobody owned the partition is done by who comes next."""
    await kit.subscribe()
    first = await kit.start_process()
    await Line(kit.journal).tones(1)
    found = await succeeded(kit.deliveries)
    await first.stop()
    await kit.repair.resend(ACCOUNT, str(found.id))
    assert len(kit.receiver.requests) == 1
    await kit.start_process()
    await eventually(lambda: len(kit.receiver.requests) == 2)
    await eventually(lambda: no_errands(kit.store))


async def test_what_cannot_be_resent_is_refused(kit: Kit) -> None:
    """Of a disabled subscription, another user's, or without its event."""
    subscription = await kit.subscribe()
    await kit.start_process()
    await Line(kit.journal).tones(1)
    found = await succeeded(kit.deliveries)
    with pytest.raises(NotFoundError):
        await kit.repair.resend(ACCOUNT, str(found.id), user_id="jane")
    keys = kit.store.keys(ACCOUNT)
    await kit.store.call("XTRIM", keys.events, "MAXLEN", 0)
    with pytest.raises(BodyExpiredError):
        await kit.repair.resend(ACCOUNT, str(found.id))
    await kit.subscriptions.disable(ACCOUNT, subscription.id, "owner")
    for asking in (
        kit.repair.resend(ACCOUNT, str(found.id)),
        kit.repair.redrive(ACCOUNT, subscription.id),
    ):
        with pytest.raises(SubscriptionDisabledError):
            await asking


async def test_dead_letters_are_redriven_in_order(kit: Kit) -> None:
    """They are queued again and keep their earlier attempts; also where the journal has lost them since."""
    kit.receiver.answers["/hook"] = always(500)
    subscription = await kit.subscribe(retries=())
    await kit.start_process(opens_after=NEVER)
    await Line(kit.journal).tones(250)

    async def all_dead() -> bool:
        dead: int = await kit.store.call("ZCARD", kit.store.keys(ACCOUNT).dead(subscription.id))
        return dead == 250

    await eventually(all_dead)
    await kit.store.call("XTRIM", kit.store.keys(ACCOUNT).events, "MAXLEN", 0)
    kit.receiver.answers["/hook"] = accept
    kit.receiver.requests.clear()
    [first, *_] = (await kit.deliveries.list(ACCOUNT, limit=1)).deliveries
    assert await kit.repair.redrive(ACCOUNT, subscription.id, [str(first.id)]) == 1
    await eventually(lambda: len(kit.receiver.requests) == 1)
    assert await kit.repair.redrive(ACCOUNT, subscription.id) == 249
    await eventually(lambda: nothing_left(kit.store))
    assert [one.event["digits"] for one in kit.receiver.requests] == ["250", *map(str, range(1, 250))]
    for one in await listed(kit.deliveries):
        assert [made.status_code for made in one.delivery.attempts] == [500, 204]
        assert one.delivery.status is Status.SUCCEEDED
    assert await kit.repair.redrive(ACCOUNT, subscription.id) == 0


async def test_dead_letters_are_purged(kit: Kit) -> None:
    """They and their bodies are gone; another subscription's stay."""
    kit.receiver.answers["/a"] = kit.receiver.answers["/b"] = always(500)
    one, other = await kit.subscribe("/a", retries=()), await kit.subscribe("/b", retries=())
    process = await kit.start_process(opens_after=NEVER)
    await Line(kit.journal).tones(120)
    await eventually(lambda: process.duty.stats.dead == 240)
    keys = kit.store.keys(ACCOUNT)

    async def kept() -> list[int]:
        return [await kit.store.call("ZCARD", keys.dead(sub.id)) for sub in (one, other)]

    async def settled() -> bool:
        return await kept() == [120, 120]

    await eventually(settled)
    assert await kit.repair.purge(ACCOUNT, one.id) == 120
    assert await kept() == [0, 120]
    assert len(await kit.store.call("KEYS", keys.parked("*"))) == 120
    assert await kit.repair.purge(ACCOUNT, other.id) == 120
    assert await nothing_left(kit.store)
