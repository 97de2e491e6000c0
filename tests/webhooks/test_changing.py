"""What a change of a subscription does to its deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from standardwebhooks.webhooks import Webhook

from relay.journal.journal import Journal
from relay.journal.store import Store
from relay.subscriptions.model import NewSubscription, Status, Subscription
from relay.subscriptions.store import Subscriptions
from relay.webhooks.health import healths
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import Kit, StartProcess, Subscribe, leftovers, nothing_left
from tests.webhooks.receiving import Gate, Receiver, always


async def test_a_rotated_secret_signs_beside_the_new_one(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """From the next delivery on, whoever holds either can verify it; without grace only the new one."""
    made = await subscribe()
    process = await start_process()
    line = Line(journal)
    await line.tones(1)
    await eventually(lambda: len(receiver.requests) == 1)
    rotated = await process.subscriptions.rotate(ACCOUNT, made.id, grace=60)
    await line.tones(1)
    await eventually(lambda: len(receiver.requests) == 2)
    latest = receiver.requests[-1]
    for secret in (*made.secrets, *rotated.secrets):
        assert Webhook(secret).verify(latest.body, {name.lower(): v for name, v in latest.headers.items()})
    await process.subscriptions.rotate(ACCOUNT, made.id, grace=0)
    await line.tones(1)
    await eventually(lambda: len(receiver.requests) == 3)
    assert len(receiver.requests[-1].headers["webhook-signature"].split(" ")) == 2


async def test_a_new_address_gets_what_waits(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """The requests on their way end where they were sent; all others go to the new one."""
    gate = Gate()
    receiver.answers["/old"] = gate
    made = await subscribe("/old", max_in_flight=1)
    process = await start_process()
    await Line(journal).tones(3)
    await eventually(lambda: len(receiver.at("/old")) == 1)

    def moved(one: Subscription) -> NewSubscription:
        return NewSubscription(url=receiver.url("/new"), max_in_flight=5)

    await process.subscriptions.revise(ACCOUNT, made.id, moved)
    await Line(journal).tones(1)
    await eventually(lambda: len(receiver.at("/new")) == 1)
    gate.open()
    await eventually(lambda: nothing_left(store))
    assert [one.event["digits"] for one in receiver.at("/old")] == ["1"]
    assert [one.event["digits"] for one in receiver.at("/new")] == ["1", "2", "3"]


async def test_a_new_address_does_not_answer_for_the_old_one(kit: Kit) -> None:
    """An open breaker and a Retry-After were the old address's; the new one gets the next event at once."""
    kit.receiver.answers["/old"] = always(503, Retry_After="3600")
    made = await kit.subscribe("/old")
    process = await kit.start_process(opens_after=2)
    for _ in range(2):
        await Line(kit.journal).tones(1)
    await eventually(lambda: process.duty.stats.opened == 1)
    await eventually(lambda: is_failing(kit, made))
    await process.subscriptions.revise(ACCOUNT, made.id, to(kit.receiver.url("/new")))
    assert not await is_failing(kit, made)
    await Line(kit.journal).tones(1)
    await eventually(lambda: len(kit.receiver.at("/new")) == 3)
    assert process.duty.breakers()["open"] == 0


@pytest.mark.parametrize("owned", [True, False])
async def test_what_failed_at_the_old_address_is_tried_at_the_new_one_at_once(kit: Kit, owned: bool) -> None:
    """What the old one asked for by Retry-After holds it up no longer, whoever owns the partition then."""
    kit.receiver.answers["/old"] = always(503, Retry_After="3600")
    made = await kit.subscribe("/old", retries=(1000.0,))
    process = await kit.start_process()
    lines = [Line(kit.journal), Line(kit.journal)]
    for line in lines:
        await line.tones(2)
    await eventually(lambda: process.duty.stats.failed == 2)
    if not owned:
        await process.stop()
    await kit.subscriptions.revise(ACCOUNT, made.id, to(kit.receiver.url("/new")))
    if not owned:
        now = await kit.store.time_ms()
        assert await kit.store.call("ZCOUNT", kit.store.keys(ACCOUNT).due, "-inf", now) == 2
        await kit.start_process()
    await eventually(lambda: nothing_left(kit.store))
    assert sorted(kit.receiver.by_call("/new").values()) == [[2, 3], [2, 3]]
    assert len(kit.receiver.at("/new")) == 4


async def test_a_failure_at_the_old_address_that_is_stored_late_is_retried_at_once(kit: Kit) -> None:
    """A request that was on its way to it fails after the change, and its pause is the old address's."""
    gate = Gate(503)
    kit.receiver.answers["/old"] = gate
    made = await kit.subscribe("/old", retries=(1000.0,))
    process = await kit.start_process()
    await Line(kit.journal).tones(1)
    await eventually(lambda: len(kit.receiver.at("/old")) == 1)
    await process.subscriptions.revise(ACCOUNT, made.id, to(kit.receiver.url("/new")))
    await Line(kit.journal).tones(1)
    await eventually(lambda: len(kit.receiver.at("/new")) == 1)
    gate.open()
    await eventually(lambda: len(kit.receiver.at("/new")) == 2)
    await eventually(lambda: nothing_left(kit.store))


async def test_the_next_owner_knows_nothing_against_a_new_address(kit: Kit) -> None:
    """What the old address asked for goes with the change itself, whoever owns the partition then."""
    kit.receiver.answers["/old"] = always(503, Retry_After="3600")
    made = await kit.subscribe("/old", retries=())
    process = await kit.start_process(opens_after=1)
    await Line(kit.journal).tones(1)
    await eventually(lambda: is_failing(kit, made))
    await process.stop()
    await kit.subscriptions.revise(ACCOUNT, made.id, to(kit.receiver.url("/new")))
    await kit.start_process(opens_after=1)
    await Line(kit.journal).tones(1)
    await eventually(lambda: len(kit.receiver.at("/new")) == 1)


async def test_what_the_old_address_still_answers_harms_the_new_one_by_nothing(kit: Kit) -> None:
    """A 410 to a request that was on its way neither disables nor counts; its event goes to the new one."""
    late = Gate(410)
    kit.receiver.answers["/old"] = late
    made = await kit.subscribe("/old")
    process = await kit.start_process(opens_after=1)
    await Line(kit.journal).tones(1)
    await eventually(lambda: len(kit.receiver.at("/old")) == 1)
    await process.subscriptions.revise(ACCOUNT, made.id, to(kit.receiver.url("/new")))
    await Line(kit.journal).tones(1)
    await eventually(lambda: len(kit.receiver.at("/new")) == 1)
    late.open()
    await eventually(lambda: len(kit.receiver.at("/new")) == 2)
    assert kit.receiver.at("/new")[1].id == kit.receiver.at("/old")[0].id
    assert (await kit.subscriptions.get(ACCOUNT, made.id)).status is Status.ACTIVE
    assert process.duty.stats.opened == 0


async def test_a_410_that_waits_to_disable_leaves_a_new_address_alone(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store was away the subscription was led elsewhere: it stays active, and gets what comes."""
    disable, asked, answered = Subscriptions.disable, asyncio.Event(), asyncio.Event()

    async def disable_late(*given: Any, **named: Any) -> None:
        asked.set()
        await answered.wait()
        await disable(*given, **named)
        asked.clear()

    monkeypatch.setattr(Subscriptions, "disable", disable_late)
    kit.receiver.answers["/old"] = always(410)
    made = await kit.subscribe("/old")
    process = await kit.start_process()
    await Line(kit.journal).tones(1)
    await asyncio.wait_for(asked.wait(), 10)
    await Line(kit.journal).tones(1)
    await process.subscriptions.revise(ACCOUNT, made.id, to(kit.receiver.url("/new")))
    await eventually(lambda: len(kit.receiver.at("/new")) == 1)
    answered.set()
    await eventually(lambda: not asked.is_set())
    assert (await kit.subscriptions.get(ACCOUNT, made.id)).status is Status.ACTIVE
    await Line(kit.journal).tones(1)
    await eventually(lambda: len(kit.receiver.at("/new")) == 2)


async def test_nothing_waits_in_memory_for_a_disabled_subscription(kit: Kit) -> None:
    """When its failing calls would have been tried again is forgotten at once, not when it comes."""
    kit.receiver.answers["/hook"] = always(500)
    made = await kit.subscribe(retries=(1000.0,))
    process = await kit.start_process()
    await Line(kit.journal).tones(1)
    await eventually(lambda: process.duty.stats.failed == 1)
    await eventually(lambda: repr(process.duty._serving).count("Agenda(0 entries)") == 1)
    await kit.subscriptions.disable(ACCOUNT, made.id, "owner")
    await eventually(lambda: repr(process.duty._serving).count("Agenda(0 entries)") == 2)


def to(url: str) -> Callable[[Subscription], NewSubscription]:
    """Return the change that leads a subscription elsewhere and leaves the rest."""

    def moved(one: Subscription) -> NewSubscription:
        return NewSubscription(url=url, retries=one.retries, max_in_flight=one.max_in_flight)

    return moved


async def is_failing(kit: Kit, subscription: Subscription) -> bool:
    """Tell whether something is kept against a subscription's endpoint."""
    return bool(await healths(kit.store, ACCOUNT, [subscription.id]))


async def test_what_happens_while_it_is_disabled_is_not_delivered(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Enabled after a 410, it gets what happens from then on, in order, and nothing of before again."""
    receiver.answers["/hook"] = always(410)
    made = await subscribe()
    process = await start_process()
    line = Line(journal)
    await line.tones(1)

    async def disabled() -> bool:
        return (await process.subscriptions.get(ACCOUNT, made.id)).reason == "gone"

    await eventually(disabled)
    del receiver.answers["/hook"]
    await process.subscriptions.enable(ACCOUNT, made.id)
    await line.tones(2)
    await eventually(lambda: len(receiver.requests) == 3)

    async def only_a_dead_body_is_left() -> bool:
        # Whether the owner cleared up before it read that the endpoint is enabled again is open.
        return all("}:parked:" in key for key in await leftovers(store))

    await eventually(only_a_dead_body_is_left)
    assert [msgspec.json.decode(one.body)["digits"] for one in receiver.requests] == ["1", "2", "3"]
