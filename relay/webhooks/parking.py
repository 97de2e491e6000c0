"""Keeping the records of events that still wait in a queue when the journal is cut."""

from __future__ import annotations

from collections.abc import Sequence

from relay.journal.ids import parse
from relay.journal.leases import Lease
from relay.journal.record import Entry
from relay.journal.store import Store
from relay.webhooks.ledger import BATCH, Retention, apply
from relay.webhooks.operations import Operations
from relay.webhooks.references import place


async def park(store: Store, lease: Lease, retention: Retention, entries: Sequence[Entry]) -> None:
    """Keep the records of those entries that a queue of the partition refers to.

    What waits behind a failing head is kept already. Raises LeaseLostError and StoreUnavailableError: then
    nothing may be cut.
    """
    if not entries:
        return
    keys = store.keys_at(lease.partition)
    first, last = (place(parse(entry.id.stream_id)) for entry in (entries[0], entries[-1]))
    ready = [member.decode() for member in await store.call("SMEMBERS", keys.ready)]
    found = await store.fetch(
        [("ZRANGE", keys.queue(subscription), first, last, "BYSCORE") for subscription in ready]
    )
    operations = Operations(keys)
    parking = [
        operations.park(subscription, event.decode())
        for subscription, events in zip(ready, found, strict=True)
        for event in events
    ]
    for at in range(0, len(parking), BATCH):
        await apply(store, lease, retention, parking[at : at + BATCH])
