"""Relay on its embedded store, killed and started again."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import pytest
from aiohttp import ClientSession

from relay.journal.leases import LEASE_TTL
from relay.journal.ownership import RENEW_EVERY
from tests.harness.demo import ADMIN, JANE
from tests.harness.fixtures import NewRelay
from tests.harness.v3 import V3
from tests.harness.webhooks import Delivery, WebhookReceiver
from tests.waiting import eventually

LIVED_ON: Final = LEASE_TTL - RENEW_EVERY
"""Seconds that a dead process's leases live on, at least; a busy machine may take longer to start another."""


@pytest.mark.parametrize("kill_store", [False, True])
async def test_a_killed_relay_goes_on_at_once(
    new_relay: NewRelay, receiver: WebhookReceiver, http: ClientSession, *, kill_store: bool
) -> None:
    """What the dead process held is not waited for: webhooks and simulated phones go on with the new one."""
    relay = await new_relay(rate_limits="off").start()
    hook = await receiver.subscribe(V3(http, relay.url, ADMIN))
    await V3(http, relay.url, JANE).dial("200")
    await eventually(lambda: len(receiver.of(hook)) >= 1)
    killed = time.monotonic()
    relay.kill()
    if kill_store:
        relay.kill_store()
    taken = len(relay.logged("partitions taken"))
    await relay.start()
    await eventually(lambda: len(relay.logged("partitions taken")) > taken)
    if time.monotonic() - killed < LIVED_ON:
        assert relay.logged("leases of ended processes freed")[0]["leases"] == 16
        assert len(relay.logged("partitions taken")[taken]["partitions"]) == 16
    await V3(http, relay.url, JANE).dial("220")
    await eventually(lambda: len(receiver.first(hook)) >= 6)


async def test_a_recovery_goes_on_after_a_kill(
    new_relay: NewRelay, receiver: WebhookReceiver, http: ClientSession
) -> None:
    """What a disabled subscription missed comes under its own ids, though relay dies twice meanwhile."""
    relay = await new_relay(rate_limits="off").start()
    admin, jane = V3(http, relay.url, ADMIN), V3(http, relay.url, JANE)

    async def slowly(_delivery: Delivery) -> int:
        await asyncio.sleep(0.1)
        return 204

    receiver.script = slowly
    hook = await receiver.subscribe(admin, max_in_flight=1)
    [made] = (await admin.ask("GET", "/v3/subscriptions/")).body["subscriptions"]
    path = f"/v3/subscriptions/{made['id']}"
    await admin.ask("POST", f"{path}/disable")
    for _ in range(10):
        placed = await jane.dial("200")
        await jane.on_leg("hangup", placed["call_leg_id"])
    await admin.ask("POST", f"{path}/enable")
    missed = [one["event_id"] for one in await admin.history(type="call.leg.*")]
    assert len(missed) >= 20
    assert receiver.of(hook) == []

    asked = await admin.ask("POST", f"{path}/recover", json={"since": made["created_at"]})
    assert asked.status == 202
    for _ in range(2):
        before = len(receiver.deliveries)
        await eventually(lambda: len(receiver.deliveries) > before)  # noqa: B023 - asked within the turn
        relay.kill()
        await relay.start()

    await eventually(lambda: len(receiver.first(hook)) == len(missed), within=30)
    assert {one.id for one in receiver.first(hook)} == set(missed)
    for story in receiver.legs(hook).values():
        assert story == sorted(story)
    found = (await admin.ask("GET", f"{path}/recoveries/{asked.body['recovery_id']}")).body
    assert (found["status"], found["queued"], found["complete"]) == ("done", len(missed), True)
