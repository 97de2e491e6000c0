"""Relay on its embedded store, killed and started again."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession

from tests.harness.demo import ADMIN, JANE
from tests.harness.fixtures import NewRelay
from tests.harness.v3 import V3
from tests.harness.webhooks import WebhookReceiver
from tests.waiting import eventually


@pytest.mark.parametrize("kill_store", [False, True])
async def test_a_killed_relay_goes_on_at_once(
    new_relay: NewRelay, receiver: WebhookReceiver, http: ClientSession, *, kill_store: bool
) -> None:
    """What the dead process held is not waited for: webhooks and simulated phones go on with the new one."""
    relay = await new_relay(rate_limits="off").start()
    hook = await receiver.subscribe(V3(http, relay.url, ADMIN))
    await V3(http, relay.url, JANE).dial("200")
    await eventually(lambda: len(receiver.of(hook)) >= 1)
    relay.kill()
    if kill_store:
        relay.kill_store()
    taken = len(relay.logged("partitions taken"))
    await relay.start()
    await eventually(lambda: len(relay.logged("partitions taken")) > taken, within=2)
    assert relay.logged("leases of ended processes freed")[0]["leases"] == 16
    assert len(relay.logged("partitions taken")[taken]["partitions"]) == 16
    await V3(http, relay.url, JANE).dial("220")
    await eventually(lambda: len(receiver.first(hook)) >= 6, within=3)
