"""Stopping the service in good order, and starting it again on the same store."""

from __future__ import annotations

import asyncio
import signal

from aiohttp import ClientSession

from tests.harness.bayeux import BayeuxClient
from tests.harness.demo import ADMIN, JANE, JOHN
from tests.harness.process import RelayProcess
from tests.harness.sse import SseFollower
from tests.harness.v3 import V3
from tests.harness.webhooks import WebhookReceiver
from tests.waiting import eventually


async def test_stopping_ends_what_is_open_in_good_order(relay: RelayProcess, http: ClientSession) -> None:
    """SIGTERM: streams end with a hint when to come back, held connects are answered, the exit code is 0."""
    client = BayeuxClient(http, relay.url, JANE)
    await client.begin()
    held = client.hold()
    async with SseFollower(http, relay.url) as stream:
        hints = len(stream.retries)
        assert not held.done()
        relay.signal(signal.SIGTERM)
        reply = await asyncio.wait_for(held, 10)
        assert reply["successful"]
        await eventually(lambda: stream.ended == 1)
        assert len(stream.retries) == hints + 1
        assert 1000 <= stream.retries[-1] <= 10_000
        assert await relay.ended() == 0
    assert relay.logged("stopped")


async def test_control_c_stops_it_as_well(relay: RelayProcess) -> None:
    """SIGINT drains and ends with 0, its embedded store with it."""
    relay.signal(signal.SIGINT)
    assert await relay.ended() == 0
    again = await relay.start()
    assert "embedded Valkey (started)" in again.output.rpartition("store:")[2]
    assert await again.stop() == 0


async def test_a_restart_goes_on_where_the_stop_was(
    relay: RelayProcess, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """Calls, subscriptions, a Bayeux session and a stream outlive a restart, and nothing is missed."""
    jane, john, admin = (V3(http, relay.url, user) for user in (JANE, JOHN, ADMIN))
    hook = await receiver.subscribe(admin)
    client = BayeuxClient(http, relay.url, JOHN)
    await client.begin()
    async with SseFollower(http, relay.url) as stream:
        placed = await jane.dial("200")
        leg = await eventually(lambda: john.leg(placed["call_id"], "200", "ringing"))
        assert await relay.stop() == 0
        await relay.start()
        assert {call["state"] for call in await admin.calls()} == {"answered", "ringing"}
        await john.on_leg("answer", leg)
        await jane.on_leg("hangup", placed["call_leg_id"])
        await client.follow(3)
        assert [data["call"]["state"] for data in client.told] == ["Ringing", "Established", "Released"]
        await eventually(lambda: len(stream.events) >= 6 and len(receiver.of(hook)) >= 6)
        assert stream.told == await admin.history() == [delivery.event for delivery in receiver.of(hook)]
        assert [event["sequence"] for event in stream.told] == [1, 2, 1, 2, 3, 3]
        assert stream.opened == 2


async def test_a_stop_finishes_the_deliveries_that_are_on_their_way(
    relay: RelayProcess, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """A delivery that is on its way when SIGTERM comes is not sent again after the restart."""
    admin = V3(http, relay.url, ADMIN)
    hook = await receiver.subscribe(admin)
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(_delivery: object) -> int:
        arrived.set()
        await go_on.wait()
        return 204

    receiver.script = slowly
    placed = await V3(http, relay.url, JANE).dial("200")
    await asyncio.wait_for(arrived.wait(), 10)
    relay.signal(signal.SIGTERM)

    async def draining() -> bool:
        async with http.get(f"{relay.admin_url}/readyz") as response:
            return bool((await response.json())["reason"] == "draining")

    await eventually(draining)
    go_on.set()
    assert await relay.ended() == 0
    await relay.start()
    await V3(http, relay.url, JANE).on_leg("hangup", placed["call_leg_id"])
    await eventually(lambda: any(one.event["type"] == "call.leg.hungup" for one in receiver.of(hook)))
    history = await admin.history()
    await eventually(lambda: len(receiver.of(hook)) >= len(history))
    assert [delivery.event for delivery in receiver.of(hook)] == history
