"""Operational events and test events: what relay tells of its own deliveries."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from relay.calls.events import EventId
from relay.dialects.operational import render, with_tests
from relay.dialects.v3.render import render as render_v3
from relay.journal.operational import OperationalEvent, OperationalType
from relay.journal.record import RecordKind
from relay.journal.store import Store
from relay.subscriptions.model import NewSubscription
from relay.webhooks.attempts import Status
from relay.webhooks.repair import SubscriptionDisabledError
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import RENDERERS, Kit, no_errands, nothing_left
from tests.webhooks.receiving import Receiver, always

CALLS = ("call.leg.*",)
NEW = NewSubscription(url="", retries=())


def told(receiver: Receiver, path: str = "/ops") -> list[dict[str, Any]]:
    """Return what an endpoint was told."""
    return [one.event for one in receiver.at(path)]


async def test_a_dead_letter_is_told_of(kit: Kit) -> None:
    """Once each, to those that name the type, with the ids to find the delivery by; history has it too."""
    kit.receiver.answers["/hook"] = always(500)
    broken = await kit.subscribe(types=CALLS, retries=(0.01,))
    await kit.subscribe("/ops", types=("delivery.exhausted",))
    await kit.subscribe("/calls")
    await kit.start_process()
    [event, _] = await Line(kit.journal).tones(2)
    await eventually(lambda: len(told(kit.receiver)) == 2)
    first = told(kit.receiver)[0]
    partition = kit.journal.store.keys(ACCOUNT).partition
    assert first["delivery"] == {
        "id": f"dlv_{partition:02d}_{broken.id.removeprefix('sub_')}_{event}",
        "event_id": f"evt_{partition:02d}_{event}",
        "type": "call.leg.dtmf",
        "attempts": 2,
    }
    expected = ("delivery.exhausted", broken.id, "exhausted", ACCOUNT)
    assert (first["type"], first["subscription"], first["reason"], first["tenant_id"]) == expected
    assert first["event_id"] == kit.receiver.at("/ops")[0].id
    page = await kit.journal.history(ACCOUNT, None, limit=100)
    assert [one.kind for one in page.entries].count(RecordKind.OPERATIONAL) == 2
    assert {one.event["type"] for one in kit.receiver.at("/calls")} == {"call.leg.dtmf"}


async def test_a_dead_letter_that_told_of_one_is_not_told_of(kit: Kit) -> None:
    """Endpoints that take no operational events either make no more of them."""
    kit.receiver.answers = {"/hook": always(500), "/ops": always(500)}
    await kit.subscribe(types=CALLS, retries=())
    watching = await kit.subscribe("/ops", types=("delivery.*", "subscription.*"), retries=())
    await kit.start_process()
    await Line(kit.journal).tones(2)

    async def given_up() -> bool:
        found = await kit.deliveries.list(ACCOUNT, subscription=watching.id, status=Status.DEAD)
        return len(found.deliveries) == 2

    await eventually(given_up)
    await eventually(lambda: nothing_left_but_records(kit.store))
    page = await kit.journal.history(ACCOUNT, None, limit=100)
    assert [one.kind for one in page.entries].count(RecordKind.OPERATIONAL) == 2


async def nothing_left_but_records(store: Store) -> bool:
    """Tell whether nothing waits to be delivered."""
    keys = store.keys(ACCOUNT)
    return not await store.call("EXISTS", keys.ready, keys.due)


async def test_a_subscription_that_ends_is_told_of_to_others(kit: Kit) -> None:
    """By 410 or by its owner, with the reason; never to itself, however soon it is enabled again."""
    kit.receiver.answers["/gone"] = always(410)
    gone = await kit.subscribe("/gone", types=("*",))
    watching = await kit.subscribe("/ops", types=("subscription.*",))
    await kit.start_process()
    await Line(kit.journal).tones(1)
    await eventually(lambda: len(told(kit.receiver)) == 1)
    kit.receiver.answers["/gone"] = always(204)
    await kit.subscriptions.enable(ACCOUNT, gone.id)
    await kit.subscriptions.disable(ACCOUNT, gone.id, "owner")
    await kit.subscriptions.enable(ACCOUNT, gone.id)
    await eventually(lambda: len(told(kit.receiver)) == 2)
    assert [(one["type"], one["subscription"], one["reason"]) for one in told(kit.receiver)] == [
        ("subscription.disabled", gone.id, "gone"),
        ("subscription.disabled", gone.id, "owner"),
    ]
    await kit.subscriptions.disable(ACCOUNT, watching.id, "owner")
    await eventually(lambda: len(told(kit.receiver, "/gone")) == 2)
    assert told(kit.receiver, "/gone")[-1]["subscription"] == watching.id
    await eventually(lambda: nothing_left_but_records(kit.store))
    assert len(told(kit.receiver)) == 2


async def test_an_agent_is_told_of_its_own_subscriptions(kit: Kit) -> None:
    """Not of others', though they are for the same extension; who has the whole account is told of all."""

    async def subscribe(path: str, user: str, *extensions: str, **asked: Any) -> str:
        new = msgspec.structs.replace(NEW, url=kit.receiver.url(path), extensions=extensions, **asked)
        return (await kit.subscriptions.create(ACCOUNT, user, new)).id

    own = await subscribe("/hook", "jane", "210")
    others = await subscribe("/hook", "admin", "210")
    await subscribe("/ops/jane", "jane", "210", types=("delivery.exhausted",))
    await subscribe("/ops/john", "john", "200", types=("delivery.exhausted",))
    await subscribe("/ops/all", "admin", types=("delivery.exhausted",))
    kit.receiver.answers["/hook"] = always(500)
    await kit.start_process()
    await Line(kit.journal).tones(2)
    await eventually(lambda: len(told(kit.receiver, "/ops/all")) == 4)
    await eventually(lambda: len(told(kit.receiver, "/ops/jane")) == 2)
    assert {one["subscription"] for one in told(kit.receiver, "/ops/all")} == {own, others}
    assert {one["subscription"] for one in told(kit.receiver, "/ops/jane")} == {own}
    assert told(kit.receiver, "/ops/john") == []


@pytest.mark.parametrize("status", [204, 500])
async def test_a_test_event_is_sent_once(kit: Kit, status: int) -> None:
    """To the one endpoint that is tried, whatever it subscribed to; its delivery tells the outcome."""
    kit.receiver.answers["/hook"] = always(status)
    tried = await kit.subscribe(types=CALLS)
    await kit.subscribe("/ops", types=("subscription.*", "*"))
    asked = await kit.repair.test(ACCOUNT, tried.id)
    assert (await kit.deliveries.get(ACCOUNT, str(asked.id))).delivery.status is Status.PENDING
    await kit.start_process()

    async def over() -> bool:
        return (await kit.deliveries.get(ACCOUNT, str(asked.id))).delivery.status is not Status.PENDING

    await eventually(over)
    delivery = (await kit.deliveries.get(ACCOUNT, str(asked.id))).delivery
    [attempt] = delivery.attempts
    expected = (Status.SUCCEEDED, None) if status == 204 else (Status.DEAD, "exhausted")
    assert (delivery.status, delivery.reason) == expected
    assert (attempt.status_code, attempt.trigger) == (status, "manual")
    await eventually(lambda: no_errands(kit.store))
    [request] = kit.receiver.requests
    assert request.id == request.event["event_id"] == asked.event_id
    assert (request.event["type"], request.event["subscription"]) == ("subscription.test", tried.id)
    assert await nothing_left(kit.store)


async def test_a_test_that_was_asked_for_in_vain_is_canceled(kit: Kit) -> None:
    """A disabled subscription cannot be tried, also where it was disabled only after the request."""
    tried = await kit.subscribe()
    asked = await kit.repair.test(ACCOUNT, tried.id)
    await kit.subscriptions.disable(ACCOUNT, tried.id, "owner")
    await kit.start_process()

    async def canceled() -> bool:
        return (await kit.deliveries.get(ACCOUNT, str(asked.id))).delivery.status is Status.CANCELED

    await eventually(canceled)
    with pytest.raises(SubscriptionDisabledError):
        await kit.repair.test(ACCOUNT, tried.id)


def test_every_dialect_can_be_tried() -> None:
    """In relay's own shape; what else is operational is for those alone that have a place for it."""
    nothing = with_tests(lambda _id, _event: None)
    event = OperationalEvent(
        type=OperationalType.TEST, account=ACCOUNT, subscription="sub_1", user_id="jane", time=0
    )
    at = EventId(1, "1-0")
    assert nothing(at, event) == render_v3(at, event) == render(at, event) == RENDERERS["v3"](at, event)
    other = msgspec.structs.replace(event, type=OperationalType.DISABLED, reason="gone")
    assert nothing(at, other) is None
    assert RENDERERS["v3"](at, other) is not None
