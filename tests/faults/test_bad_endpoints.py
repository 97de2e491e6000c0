"""What endpoints do wrong is theirs alone: they get every event in order, and the others do not notice."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

import pytest
from aiohttp import ClientSession

from tests.engines import Server
from tests.harness.accounting import FAULT, Report, Tally, p99_ms, row
from tests.harness.churn import resident
from tests.harness.demo import ADMIN
from tests.harness.fixtures import NewRelay
from tests.harness.leftovers import nothing_left
from tests.harness.patients import Fault, Patient, admitted, faults, gone
from tests.harness.traffic import Traffic
from tests.harness.v3 import V3
from tests.harness.webhooks import WebhookReceiver
from tests.waiting import eventually

FULL = os.environ.get("FAULTS") == "full"
CALLS = 200 if FULL else 40
AFTERWARDS = 20
"""Calls after the endpoints are healed."""
WELL = 2
"""Other endpoints, which are well all the time."""
SUBSCRIBED = {"timeout": 4, "retries": [0.3] * 20}
"""A busy machine may take a second to answer; what is answered too late is rightly sent again."""
CALLS_ALONE = {"type": "call.leg.*"}
PATIENCE = 60.0
"""Seconds until all is delivered; an open breaker probes every 5 s at least."""
NOTICED_MS = 5000.0
"""What others may ever wait: an endpoint's fault of a second, had they to wait for it, comes to far more."""
MEMORY = 100 << 20
"""Bytes that the process may grow by, whatever endpoints answer."""

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize(
    "faulty", [[one] for one in faults()] if FULL else [faults()], ids=lambda found: f"{len(found)}-faults"
)
async def test_a_bad_endpoint_harms_nobody_and_loses_nothing(
    faulty: list[Fault],
    new_relay: NewRelay,
    http: ClientSession,
    receiver: WebhookReceiver,
    server: Server,
    record_property: Report,
) -> None:
    """Whatever an endpoint does amid calls, it gets every event of each call in order once it is well.

    Each fault has its own run at full length; in short, endpoints with every fault are there together.
    """
    relay = await new_relay(store_url=server.url, rate_limits="off").start()
    admin = V3(http, relay.url, ADMIN)
    well = [await receiver.subscribe(admin) for _ in range(WELL)]
    traffic = Traffic(http, [relay.url])
    async with admitted(faulty, admin, **SUBSCRIBED) as patients:
        await traffic.run(5)
        before = resident(relay.pid)
        await traffic.run(CALLS)
        ended = len(await admin.history(**CALLS_ALONE))
        await heal(patients, admin)
        await traffic.run(AFTERWARDS)
        history = await admin.history(**CALLS_ALONE)
        owed = {
            patient.fault.name: history[ended:] if patient.fault.misbehave is gone else history
            for patient in patients
        }

        def delivered() -> bool:
            found = [Tally.of(owed[patient.fault.name], patient.arrivals) for patient in patients]
            found += [Tally.of(history, receiver.arrivals(hook)) for hook in well]
            return not any(tally.lost for tally in found)

        await eventually(delivered, within=PATIENCE, every=0.2, what=f"all to be delivered to {patients}")
        await eventually(lambda: nothing_left(server), within=10, what="nothing to be left of it")
        grown = resident(relay.pid) - before
    sys.stdout.write(f"{traffic!r}, {grown:,} bytes more, {patients}\n")
    others = [arrival for hook in well for arrival in receiver.arrivals(hook)]
    for patient in patients:
        tally = Tally.of(owed[patient.fault.name], patient.arrivals)
        record_property(FAULT, row(patient.fault.name, tally, others))
        assert patient.complaints == []
        assert (tally.lost, tally.disordered, tally.repeats) == (0, 0, 0), (patient, tally)
    for hook in well:
        assert Tally.of(history, receiver.arrivals(hook)) == (len(history), 0, 0, 0, 0)
    assert p99_ms(others) < NOTICED_MS
    assert grown < MEMORY


async def heal(patients: Sequence[Patient], admin: V3) -> None:
    """Have every endpoint behave; one that said it is gone was sent nothing more, and is enabled."""
    for patient in patients:
        if patient.fault.misbehave is gone:
            path = f"/v3/subscriptions/{patient.subscription['id']}"
            assert (await admin.ask("GET", path)).body["reason"] == "gone"
            assert len(patient.arrivals) <= patient.subscription["max_in_flight"]
            await patient.heal()
            assert (await admin.ask("POST", f"{path}/enable")).status == 200
            letters = {"subscription": patient.subscription["id"]}
            assert (await admin.ask("DELETE", "/v3/dead-letters", params=letters)).status == 200
    await asyncio.gather(*(patient.heal() for patient in patients))
