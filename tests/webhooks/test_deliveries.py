"""What can be read of deliveries."""

from __future__ import annotations

from functools import partial

import pytest
from aiohttp import web

from relay.errors import InvalidFieldError, NotFoundError
from relay.webhooks.attempts import CAPTURE, Status
from relay.webhooks.deliveries import Deliveries, Found
from relay.webhooks.references import DeliveryId
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import Kit, Subscribe, leftovers, nothing_left
from tests.webhooks.receiving import Gate, Received, always


async def pages(deliveries: Deliveries, **asked: object) -> list[Found]:
    """Return what all pages of a list hold."""
    found: list[Found] = []
    cursor = None
    while True:
        page = await deliveries.list(ACCOUNT, cursor=cursor, **asked)  # type: ignore[arg-type]
        found += page.deliveries
        cursor = page.next
        if cursor is None:
            return found


async def test_an_id_says_where_a_delivery_is() -> None:
    """A delivery's id is its partition, subscription and event, and can be read back; nothing else can."""
    made = DeliveryId(7, "sub_" + "0a" * 16, "1763717404218-3")

    assert str(made) == "dlv_07_" + "0a" * 16 + "_1763717404218-3"
    assert DeliveryId.parse(str(made)) == made
    for text in ("", "dlv_7_x_1-0", str(made) + "x", str(made).replace("dlv", "evt"), "dlv_07__1-0"):
        with pytest.raises(NotFoundError):
            DeliveryId.parse(text)


async def test_a_success_tells_its_attempt(kit: Kit) -> None:
    """A delivery that succeeded has one attempt, with status, duration and the answer's beginning."""

    async def talks(received: Received) -> web.Response:
        return web.Response(text="x" * (CAPTURE + 1))

    kit.receiver.answers["/hook"] = talks
    subscription = await kit.subscribe()
    before = await kit.store.time_ms()
    await kit.start_process()
    [event] = await Line(kit.journal).tones(1)
    await eventually(lambda: len(kit.receiver.requests) == 1)
    await eventually(lambda: nothing_left(kit.store))

    [found] = (await kit.deliveries.list(ACCOUNT)).deliveries

    assert found == await kit.deliveries.get(ACCOUNT, str(found.id))
    assert found.id == DeliveryId(kit.store.keys(ACCOUNT).partition, subscription.id, event)
    assert found.event_id == kit.receiver.requests[0].id
    assert (found.delivery.status, found.delivery.type) == (Status.SUCCEEDED, "call.leg.dtmf")
    [attempt] = found.delivery.attempts
    assert (attempt.status_code, attempt.error, attempt.trigger) == (200, None, "schedule")
    assert (attempt.response, attempt.truncated) == ("x" * CAPTURE, True)
    assert before <= attempt.at <= await kit.store.time_ms()
    assert 0 <= attempt.duration_ms < 5000
    assert found.attempt_id(0) == str(found.id).replace("dlv", "att") + "_1"


async def test_every_state_is_listed(kit: Kit) -> None:
    """Succeeded, failed, waiting behind a failed one, dead, not tried yet: each is found and shown so."""
    kit.receiver.answers["/failing"] = always(500)
    kit.receiver.answers["/dead"] = always(500)
    kit.receiver.answers["/hanging"] = Gate()
    fine = await kit.subscribe("/fine")
    failing = await kit.subscribe("/failing", retries=(1000.0,))
    dead = await kit.subscribe("/dead", retries=())
    hanging = await kit.subscribe("/hanging")
    process = await kit.start_process(drain_timeout=0.1)
    events = await Line(kit.journal).tones(3)
    await eventually(lambda: process.duty.stats.succeeded == process.duty.stats.dead == 3)

    expected = {
        fine.id: [Status.SUCCEEDED] * 3,
        failing.id: [Status.PENDING, Status.PENDING, Status.FAILED],
        dead.id: [Status.DEAD] * 3,
        hanging.id: [Status.PENDING] * 3,
    }

    async def as_expected() -> bool:
        found = await pages(kit.deliveries)
        return {
            subscription: [one.delivery.status for one in found if one.id.subscription == subscription]
            for subscription in expected
        } == expected

    await eventually(as_expected)
    for status in Status:
        wanted = sum(statuses.count(status) for statuses in expected.values())
        assert len(await pages(kit.deliveries, status=status)) == wanted
    [failed] = await pages(kit.deliveries, status=Status.FAILED)
    assert failed.delivery.next_attempt_at is not None
    assert 790_000 < failed.delivery.next_attempt_at - await kit.store.time_ms() <= 1_200_000
    for one in await pages(kit.deliveries, limit=2):
        assert (await kit.deliveries.get(ACCOUNT, str(one.id))).delivery.status is one.delivery.status
    assert {one.delivery.type for one in await pages(kit.deliveries)} == {"call.leg.dtmf"}
    for limit in (1, 2, 5, 12):
        listed = [one.id.event for one in await pages(kit.deliveries, subscription=failing.id, limit=limit)]
        assert listed == events[::-1]
    assert len(await pages(kit.deliveries, event_type="call.leg.*")) == 12
    assert len(await pages(kit.deliveries, event_type="call.leg.dtmf", subscription=hanging.id)) == 3
    assert await pages(kit.deliveries, event_type="call.leg.hungup") == []
    assert await pages(kit.deliveries, since=await kit.store.time_ms() + 1000) == []


async def test_few_among_many_are_found(kit: Kit) -> None:
    """Pages of what is rare are full, whatever lies between; together they hold each of it once."""
    rare = ("1", "2", "18", "31", "60")

    async def mixed(received: Received) -> web.Response:
        return web.Response(status=500 if received.event["digits"] in rare else 204)

    kit.receiver.answers["/hook"] = mixed
    await kit.subscribe(retries=())
    await kit.subscribe("/other")
    process = await kit.start_process()
    events = await Line(kit.journal).tones(60)
    await eventually(lambda: process.duty.stats.dead == len(rare) and process.duty.stats.succeeded == 115)
    await eventually(lambda: only_dead(kit))
    wanted = [events[int(digits) - 1] for digits in reversed(rare)]

    for limit, sizes in ((1, [1] * 5), (2, [2, 2, 1]), (5, [5]), (100, [5])):
        found: list[str] = []
        cursor, pages = None, []
        while len(found) < len(rare):
            page = await kit.deliveries.list(ACCOUNT, status=Status.DEAD, limit=limit, cursor=cursor)
            found += [one.id.event for one in page.deliveries]
            pages.append(len(page.deliveries))
            cursor = page.next
        assert (found, pages) == (wanted, sizes)


async def only_dead(kit: Kit) -> bool:
    """Tell whether nothing is queued any more."""
    return not any("queue:" in key for key in await leftovers(kit.store))


async def test_a_page_goes_over_many_subscriptions(kit: Kit) -> None:
    """Where each has few deliveries, a page holds those of many, also beside many without any."""
    for number in range(40):
        await kit.subscribe(f"/{number}", types=("call.leg.held",) if number % 2 else ())
    await kit.start_process()
    await Line(kit.journal).tones(1)
    await eventually(lambda: len(kit.receiver.requests) == 20)
    await eventually(lambda: nothing_left(kit.store))
    for asked in (partial(kit.deliveries.list), partial(kit.deliveries.list, event_type="call.leg.dtmf")):
        page = await asked(ACCOUNT)
        assert (len(page.deliveries), page.next) == (20, None)


async def test_a_list_goes_on_though_a_subscription_is_gone(kit: Kit) -> None:
    """Where a page ended may be deleted before the next is asked for."""
    first, second = await kit.subscribe("/a"), await kit.subscribe("/b")
    process = await kit.start_process()
    events = await Line(kit.journal).tones(3)
    await eventually(lambda: process.duty.stats.succeeded == 6)
    await eventually(lambda: nothing_left(kit.store))
    page = await kit.deliveries.list(ACCOUNT, limit=2)
    assert {one.id.subscription for one in page.deliveries} == {first.id}

    await process.subscriptions.delete(ACCOUNT, first.id)

    rest = await kit.deliveries.list(ACCOUNT, cursor=page.next)
    assert [(one.id.subscription, one.id.event) for one in rest.deliveries] == [
        (second.id, event) for event in events[::-1]
    ]
    with pytest.raises(InvalidFieldError):
        await kit.deliveries.list(ACCOUNT, subscription=second.id, cursor=page.next)


async def test_what_a_disabled_subscription_did_not_get_is_canceled(kit: Kit) -> None:
    """What was tried and what was not, behind a failing head and in the queue; not what was on its way."""
    kit.receiver.answers["/hook"] = always(500)
    gate = Gate()
    kit.receiver.answers["/slow"] = gate
    failing = await kit.subscribe(retries=(1000.0,))
    slow = await kit.subscribe("/slow", max_in_flight=1)
    process = await kit.start_process()
    await Line(kit.journal).tones(3)
    await eventually(lambda: process.duty.stats.failed == 1 and len(kit.receiver.at("/slow")) == 1)
    for one in (failing, slow):
        await process.subscriptions.disable(ACCOUNT, one.id, "owner")
    await eventually(lambda: nothing_left(kit.store))

    found = await pages(kit.deliveries, subscription=failing.id)
    assert [one.delivery.status for one in found] == [Status.CANCELED] * 3
    assert [len(one.delivery.attempts) for one in found] == [0, 0, 1]
    assert {one.delivery.next_attempt_at for one in found} == {None}
    assert len(await pages(kit.deliveries, status=Status.CANCELED, event_type="call.leg.dtmf")) == 6
    gate.open()
    await eventually(lambda: process.duty.stats.succeeded == 1)

    async def is_known() -> bool:
        sent = await pages(kit.deliveries, subscription=slow.id, status=Status.SUCCEEDED)
        return [one.event_id for one in sent] == [kit.receiver.at("/slow")[0].id]

    await eventually(is_known)
    assert len(await pages(kit.deliveries, status=Status.CANCELED)) == 5


async def test_accounts_and_users_see_their_own(kit: Kit) -> None:
    """Another account's delivery, or another user's, looks like none."""
    await kit.subscribe()
    await kit.start_process()
    await Line(kit.journal).tones(1)
    await eventually(lambda: nothing_left(kit.store))
    await eventually(lambda: len(kit.receiver.requests) == 1)
    [found] = (await kit.deliveries.list(ACCOUNT, user_id="admin")).deliveries

    assert (await kit.deliveries.list(ACCOUNT, user_id="jane")).deliveries == []
    with pytest.raises(NotFoundError):
        await kit.deliveries.get(ACCOUNT, str(found.id), user_id="jane")
    for account in (f"account-{number}" for number in range(8)):
        assert (await kit.deliveries.list(account)).deliveries == []
        with pytest.raises(NotFoundError):
            await kit.deliveries.get(account, str(found.id))
        with pytest.raises(NotFoundError):
            await kit.deliveries.list(account, subscription=found.id.subscription)


async def test_what_was_never_there_is_not_found(subscribe: Subscribe, deliveries: Deliveries) -> None:
    """An id of an event the subscription never got, and a foreign cursor, are refused."""
    subscription = await subscribe()
    with pytest.raises(NotFoundError):
        await deliveries.get(ACCOUNT, str(DeliveryId(1, subscription.id, "5-0")))
    for cursor in (
        "",
        "x",
        ".",
        "a.b",
        f"{subscription.id}.",
        ".5",
        "5",
        "5.5.5",
        "\u0665.",
        "9" * 5000 + ".",
    ):
        with pytest.raises(InvalidFieldError) as refused:
            await deliveries.list(ACCOUNT, cursor=cursor)
        assert refused.value.field == "cursor"


async def test_records_go_after_their_time(kit: Kit) -> None:
    """Attempts are kept as long as configured: trimmed as new ones come, and gone when none do."""
    subscription = await kit.subscribe()
    process = await kit.start_process(delivery_retention=0.5)
    line = Line(kit.journal)
    kept = kit.store.keys(ACCOUNT).attempts(subscription.id)

    for _ in range(60):
        await line.tones(1)
        await eventually(lambda: process.duty.stats.succeeded == line.sent)
        if await kit.store.call("ZCARD", kept) < line.sent - 2:
            break
    else:
        raise AssertionError("nothing was trimmed")

    async def gone() -> bool:
        return not await kit.store.call("EXISTS", kept)

    await eventually(gone)
