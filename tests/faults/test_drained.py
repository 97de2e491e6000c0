"""What was delivered leaves nothing behind: no key while it is remembered, no memory after."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

import pytest
from aiohttp import ClientSession

from relay.journal.journal import Journal
from relay.journal.keys import partition_of
from tests.conftest import OpenStore
from tests.engines import Server
from tests.harness.accounting import FAULT, Report, Tally, row
from tests.harness.demo import ADMIN, TENANT
from tests.harness.fixtures import NewRelay
from tests.harness.leftovers import nothing_left
from tests.harness.patients import Fault, admitted, err_at_random
from tests.harness.v3 import V3
from tests.harness.webhooks import WebhookReceiver
from tests.streaming.publishing import Line
from tests.waiting import eventually

FULL = os.environ.get("FAULTS") == "full"
EVENTS = 100_000 if FULL else 1500
LINES = 100 if FULL else 10
"""Calls: one that failed holds up its own alone, so the more there are, the faster all is delivered."""
BURST = 2
"""Events of one commit: the calls' events come in turns, as they do."""
REMEMBERED = 16
"""Commits whose outcome a call's record keeps, so that they can be repeated."""
AHEAD = 2000
"""Events that may wait for an endpoint: publishing is faster, and what waits keeps its memory."""
SAMPLE = 500
"""Events after which the memory is looked at."""
RETENTION = "1"
"""Seconds that events and deliveries are kept: far less than a run takes."""
SLACK = 1.15
"""What the store may use of memory in the end, for what it used before: its own buffers grow."""

pytestmark = pytest.mark.timeout(1500 if FULL else 120)


async def test_nothing_is_left_of_what_was_delivered(
    new_relay: NewRelay,
    http: ClientSession,
    receiver: WebhookReceiver,
    faulty_server: Server,
    open_store: OpenStore,
    record_property: Report,
) -> None:
    """Once all events are delivered, retries and all, no key of theirs is left; then their memory is free.

    100,000 events at full length, to an endpoint that is well and one that fails at random.
    """
    relay = await new_relay(
        store_url=faulty_server.url,
        rate_limits="off",
        event_retention=RETENTION,
        delivery_retention=RETENTION,
    ).start()
    admin = V3(http, relay.url, ADMIN)
    store = await open_store(faulty_server.url)
    lines = [Line(Journal(store), account=TENANT) for _ in range(LINES)]
    hook = await receiver.subscribe(admin)
    fault = Fault(f"{EVENTS:,} events drained, 500 at random (10 %)", err_at_random())
    async with admitted([fault], admin, timeout=5, retries=[0.1] * 20) as [patient]:
        ids: list[str] = []

        async def gone() -> None:
            def delivered() -> bool:
                return not any(
                    Tally.of(history(ids, store.partitions), arrivals).lost
                    for arrivals in (receiver.arrivals(hook), patient.arrivals)
                )

            await eventually(delivered, within=60, every=1, what=f"all to be delivered to {patient}")
            await eventually(lambda: nothing_left(faulty_server))
            await eventually(
                lambda: forgotten(faulty_server), within=30, every=0.2, what="all to be forgotten"
            )

        for line in lines * REMEMBERED:
            ids += await line.tones(BURST)
        await gone()
        floor = most = memory(faulty_server)
        while len(ids) < EVENTS:
            ids += await lines[len(ids) // BURST % LINES].tones(BURST)
            behind = len(ids) - AHEAD
            await eventually(
                lambda: min(len(receiver.deliveries), len(patient.arrivals)) >= behind,  # noqa: B023
                within=30,
            )
            if len(ids) % SAMPLE == 0:
                most = max(most, memory(faulty_server))
        await gone()
        await eventually(lambda: returned(faulty_server, floor), within=30)
    left = memory(faulty_server)
    async with http.get(f"{relay.admin_url}/metrics") as response:
        metrics = await response.text()
    unwell = re.findall(
        r"^relay_webhook_(?:missing|unreadable|refused)_total (.*)$", metrics, flags=re.MULTILINE
    )
    assert unwell == ["0.0"] * 3
    sys.stdout.write(f"memory of the store {floor:,} -> {most:,} -> {left:,}\n")
    told = history(ids, store.partitions)
    tally = Tally.of(told, patient.arrivals)
    record_property(FAULT, row(fault.name, tally, ()))
    assert (tally.disordered, tally.repeats, tally.unknown, patient.complaints) == (0, 0, 0, [])
    assert Tally.of(told, receiver.arrivals(hook)) == (len(ids), 0, 0, 0, 0)


def history(ids: Sequence[str], partitions: int) -> list[dict[str, str]]:
    """Return the events with these ids in the journal, as an account wants them."""
    return [{"event_id": f"evt_{partition_of(TENANT, partitions):02d}_{one}"} for one in ids]


def memory(server: Server) -> int:
    """Return the bytes that the store uses."""
    with server.client as client:
        return int(client.info("memory")["used_memory"])


def returned(server: Server, floor: int) -> bool:
    """Check that the store's memory is at its floor again; AssertionError shows what occupies it."""
    used = memory(server)
    with server.client as client:
        sizes = {key: client.memory_usage(key) for key in client.scan_iter(count=1000)}
    largest = sorted(sizes, key=lambda key: -(sizes[key] or 0))[:5]
    assert used <= floor * SLACK, (used, floor, len(sizes), [(key, sizes[key]) for key in largest])
    return True


def forgotten(server: Server) -> bool:
    """Tell whether neither events nor deliveries are kept any more."""
    with server.client as client:
        keys = [key.decode() for key in client.scan_iter("relay:{*", count=1000)]
        kept = [key for key in keys if key.partition("}:")[2].startswith(("attempts:", "dead:"))]
        events = sum(client.xlen(key) for key in keys if key.endswith("}:events"))
    return not kept and not events
