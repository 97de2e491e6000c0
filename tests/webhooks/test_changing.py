"""What a change of a subscription does to its deliveries."""

from __future__ import annotations

import msgspec
from standardwebhooks.webhooks import Webhook

from relay.journal.journal import Journal
from relay.journal.store import Store
from relay.subscriptions.model import NewSubscription, Subscription
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import StartProcess, Subscribe, leftovers, nothing_left
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
