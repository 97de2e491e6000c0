"""Repair: sending again, putting dead letters back, dropping them."""

from __future__ import annotations

import pytest

from relay.errors import NotFoundError
from relay.journal.journal import Journal
from relay.journal.store import Store
from relay.subscriptions.store import Subscriptions
from relay.webhooks.attempts import Status
from relay.webhooks.deliveries import Deliveries, Found
from relay.webhooks.repair import BodyExpiredError, Repair, SubscriptionDisabledError
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import StartProcess, Subscribe, nothing_left
from tests.webhooks.receiving import Gate, Receiver, accept, always

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


async def test_a_resend_carries_the_same_id_and_is_marked_manual(
    journal: Journal,
    store: Store,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    deliveries: Deliveries,
    repair: Repair,
) -> None:
    """A delivered event goes out once more, with its webhook-id; the attempt joins the first."""
    await subscribe()
    await start_process()
    await Line(journal).tones(1)
    found = await succeeded(deliveries)

    await repair.resend(ACCOUNT, str(found.id))
    await eventually(lambda: len(receiver.requests) == 2)

    async def twice() -> bool:
        return len((await deliveries.get(ACCOUNT, str(found.id))).delivery.attempts) == 2

    await eventually(twice)
    assert receiver.requests[0].id == receiver.requests[1].id == found.event_id
    assert receiver.requests[0].body == receiver.requests[1].body
    after = (await deliveries.get(ACCOUNT, str(found.id))).delivery
    assert after.status is Status.SUCCEEDED
    assert [one.trigger for one in after.attempts] == ["schedule", "manual"]
    await eventually(lambda: no_errands(store))


async def no_errands(store: Store) -> bool:
    """Tell whether every errand was run."""
    return not await store.call("EXISTS", store.keys(ACCOUNT).errands)


async def test_a_resend_that_succeeds_ends_a_dead_letter(
    journal: Journal,
    store: Store,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    deliveries: Deliveries,
    repair: Repair,
) -> None:
    """A failing one leaves it dead with one more attempt; a success takes it and its body away."""
    receiver.answers["/hook"] = always(500)
    await subscribe(retries=())
    await start_process()
    await Line(journal).tones(1)

    async def dead() -> bool:
        return len(await listed(deliveries, Status.DEAD)) == 1

    await eventually(dead)
    [letter] = await listed(deliveries, Status.DEAD)
    await repair.resend(ACCOUNT, str(letter.id))

    async def made(count: int) -> bool:
        return len((await deliveries.get(ACCOUNT, str(letter.id))).delivery.attempts) == count

    await eventually(lambda: made(2))
    assert (await deliveries.get(ACCOUNT, str(letter.id))).delivery.status is Status.DEAD
    receiver.answers["/hook"] = accept
    await repair.resend(ACCOUNT, str(letter.id))
    await eventually(lambda: made(3))
    after = (await deliveries.get(ACCOUNT, str(letter.id))).delivery
    assert (after.status, after.reason) == (Status.SUCCEEDED, None)
    assert [one.status_code for one in after.attempts] == [500, 500, 204]
    await eventually(lambda: nothing_left(store))


async def test_a_resent_head_frees_its_lane(
    journal: Journal,
    store: Store,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    deliveries: Deliveries,
    repair: Repair,
) -> None:
    """A failing head that is resent with success is done with, and what waited behind it follows in order."""
    receiver.answers["/hook"] = always(500)
    await subscribe(retries=(1000.0,))
    await start_process()
    await Line(journal).tones(3)

    async def failed() -> bool:
        return len(await listed(deliveries, Status.FAILED)) == 1

    await eventually(failed)
    receiver.answers["/hook"] = accept
    [head] = await listed(deliveries, Status.FAILED)
    await repair.resend(ACCOUNT, str(head.id))

    await eventually(lambda: nothing_left(store))
    assert [one.event["digits"] for one in receiver.requests] == ["1", "1", "2", "3"]
    assert [one.delivery.status for one in await listed(deliveries)] == [Status.SUCCEEDED] * 3


async def test_a_resend_bypasses_the_head_of_its_lane(
    journal: Journal,
    store: Store,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    deliveries: Deliveries,
    repair: Repair,
) -> None:
    """An event that waits can be sent now; its turn comes all the same, with both attempts on record."""
    gate = Gate()
    receiver.answers["/hook"] = gate
    await subscribe(max_in_flight=1)
    await start_process()
    await Line(journal).tones(2)
    await eventually(lambda: len(receiver.requests) == 1)
    second = (await listed(deliveries))[1]
    await repair.resend(ACCOUNT, str(second.id))
    await eventually(lambda: [one.event["digits"] for one in receiver.requests] == ["1", "2"])
    gate.open()
    await eventually(lambda: nothing_left(store))
    assert [one.event["digits"] for one in receiver.requests] == ["1", "2", "2"]


async def test_a_resend_outlives_its_owner(
    journal: Journal,
    store: Store,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    deliveries: Deliveries,
    repair: Repair,
) -> None:
    """What was asked for while nobody owned the partition is done by who comes next."""
    await subscribe()
    first = await start_process()
    await Line(journal).tones(1)
    found = await succeeded(deliveries)
    await first.stop()
    await repair.resend(ACCOUNT, str(found.id))
    assert len(receiver.requests) == 1
    await start_process()
    await eventually(lambda: len(receiver.requests) == 2)
    await eventually(lambda: no_errands(store))


async def test_what_cannot_be_resent_is_refused(
    journal: Journal,
    store: Store,
    subscriptions: Subscriptions,
    subscribe: Subscribe,
    start_process: StartProcess,
    deliveries: Deliveries,
    repair: Repair,
) -> None:
    """Of a disabled subscription, another user's, or without its event."""
    subscription = await subscribe()
    await start_process()
    await Line(journal).tones(1)
    found = await succeeded(deliveries)
    with pytest.raises(NotFoundError):
        await repair.resend(ACCOUNT, str(found.id), user_id="jane")
    keys = store.keys(ACCOUNT)
    await store.call("XTRIM", keys.events, "MAXLEN", 0)
    with pytest.raises(BodyExpiredError):
        await repair.resend(ACCOUNT, str(found.id))
    await subscriptions.disable(ACCOUNT, subscription.id, "owner")
    for asking in (
        repair.resend(ACCOUNT, str(found.id)),
        repair.redrive(ACCOUNT, subscription.id),
    ):
        with pytest.raises(SubscriptionDisabledError):
            await asking


async def test_dead_letters_are_redriven_in_order(
    journal: Journal,
    store: Store,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    deliveries: Deliveries,
    repair: Repair,
) -> None:
    """They are queued again and keep their earlier attempts; also where the journal has lost them since."""
    receiver.answers["/hook"] = always(500)
    subscription = await subscribe(retries=())
    await start_process(opens_after=NEVER)
    await Line(journal).tones(250)

    async def all_dead() -> bool:
        dead: int = await store.call("ZCARD", store.keys(ACCOUNT).dead(subscription.id))
        return dead == 250

    await eventually(all_dead)
    await store.call("XTRIM", store.keys(ACCOUNT).events, "MAXLEN", 0)
    receiver.answers["/hook"] = accept
    receiver.requests.clear()
    [first, *_] = (await deliveries.list(ACCOUNT, limit=1)).deliveries
    assert await repair.redrive(ACCOUNT, subscription.id, [str(first.id)]) == 1
    await eventually(lambda: len(receiver.requests) == 1)
    assert await repair.redrive(ACCOUNT, subscription.id) == 249
    await eventually(lambda: nothing_left(store))
    assert [one.event["digits"] for one in receiver.requests] == ["250", *map(str, range(1, 250))]
    for one in await listed(deliveries):
        assert [made.status_code for made in one.delivery.attempts] == [500, 204]
        assert one.delivery.status is Status.SUCCEEDED
    assert await repair.redrive(ACCOUNT, subscription.id) == 0


async def test_dead_letters_are_purged(
    journal: Journal,
    store: Store,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    repair: Repair,
) -> None:
    """They and their bodies are gone; another subscription's stay."""
    receiver.answers["/a"] = receiver.answers["/b"] = always(500)
    one, other = await subscribe("/a", retries=()), await subscribe("/b", retries=())
    process = await start_process(opens_after=NEVER)
    await Line(journal).tones(120)
    await eventually(lambda: process.duty.stats.dead == 240)
    keys = store.keys(ACCOUNT)

    async def kept() -> list[int]:
        return [await store.call("ZCARD", keys.dead(sub.id)) for sub in (one, other)]

    async def settled() -> bool:
        return await kept() == [120, 120]

    await eventually(settled)
    assert await repair.purge(ACCOUNT, one.id) == 120
    assert await kept() == [0, 120]
    assert len(await store.call("KEYS", keys.parked("*"))) == 120
    assert await repair.purge(ACCOUNT, other.id) == 120
    assert await nothing_left(store)
