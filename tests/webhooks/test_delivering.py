"""Delivering, on a real store, to a receiver that accounts for every request."""

from __future__ import annotations

from standardwebhooks.webhooks import Webhook

from relay.journal.journal import Journal
from relay.journal.store import Store
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import StartProcess, Subscribe, leftovers
from tests.webhooks.receiving import Receiver


async def test_events_are_delivered_in_order_per_call_and_nothing_is_left(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Every event of ten calls comes once, each call's in order, signed; then no queue is left."""
    subscription = await subscribe()
    await start_process()
    lines = [Line(journal) for _ in range(10)]
    for _ in range(5):
        for line in lines:
            await line.tones(4)

    await eventually(lambda: len(receiver.requests) >= 10 * 21)
    await eventually(lambda: no_leftovers(store))

    assert len(receiver.requests) == len(set(receiver.ids())) == 10 * 21
    assert all(sequences == list(range(1, 22)) for sequences in receiver.by_call().values())
    assert receiver.overlaps == 0
    webhook = Webhook(subscription.secrets[0])
    for one in receiver.requests:
        webhook.verify(one.body, one.headers)
        assert one.event["event_id"] == one.id


async def no_leftovers(store: Store) -> bool:
    """Tell whether everything delivered has left the queues."""
    return await leftovers(store) == []
