"""Stopping the service in good order, and starting it again on the same store."""

from __future__ import annotations

import asyncio
import signal
from typing import Any, Final

from aiohttp import ClientSession, ClientWebSocketResponse

from tests.engines import Server
from tests.harness.bayeux import CALLS, BayeuxClient
from tests.harness.demo import ADMIN, ANSWERS_AND_LEAVES, JANE, JOHN
from tests.harness.fixtures import NewRelay
from tests.harness.process import READY_WITHIN, RelayProcess
from tests.harness.sse import SseFollower
from tests.harness.v3 import V3
from tests.harness.webhooks import WebhookReceiver
from tests.waiting import eventually

DRAIN: Final = 15
"""Seconds a process is given to stop in; it needs two, and a busy machine some more."""


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


async def test_readiness_goes_first_and_all_ends_within_the_budget(
    new_relay: NewRelay, server: Server, http: ClientSession
) -> None:
    """Once the first is told to go, readiness says so; websockets close with 1001; at another all go on."""
    settings = {"store_url": server.url, "rate_limits": "off", "drain_timeout": str(DRAIN)}
    stopping, other = (new_relay(**settings) for _ in range(2))
    await asyncio.gather(stopping.start(), other.start())
    poller = BayeuxClient(http, stopping.url, JANE)
    await poller.begin()
    headers = {"Authorization": f"Bearer {JANE.token}"}
    socket = await http.ws_connect(f"{stopping.url}/api/v2/notifications", headers=headers)
    pushed = await begun(socket)
    async with SseFollower(http, stopping.url) as stream:
        held = poller.hold()
        silent = await http.get(f"{stopping.url}/v3/events/stream", headers=headers)  # it never reads on
        stream.pause()
        began = asyncio.get_running_loop().time()
        stopping.signal(signal.SIGTERM)

        async def first_told() -> str:
            ends = (socket.receive(), held, eventually(lambda: stream.ended))
            tasks = [asyncio.ensure_future(end) for end in ends]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            async with http.get(f"{stopping.admin_url}/readyz") as response:
                reason = (await response.json())["reason"]
            await asyncio.gather(*tasks)
            return str(reason)

        assert await first_told() == "draining"
        assert (await held)["successful"]
        assert socket.close_code == 1001
        assert await stopping.ended() == 0
        assert asyncio.get_running_loop().time() - began < DRAIN
        silent.close()
        await V3(http, other.url, JANE).dial(ANSWERS_AND_LEAVES)
        stream.base = poller.base = other.url
        stream.go_on()
        async with asyncio.timeout(20):
            while not poller.told or poller.told[-1]["call"]["state"] != "Released":
                assert (await poller.connect())["successful"]
        socket = await http.ws_connect(f"{other.url}/api/v2/notifications", headers=headers)
        await socket.send_json([pushed])
        told: list[dict[str, Any]] = []
        while sum("data" in message for message in told) < len(poller.told):
            told += await socket.receive_json(timeout=10)
        history = await V3(http, other.url, ADMIN).history()
        await eventually(lambda: stream.told == history)
    assert [message["data"] for message in told if "data" in message] == poller.told


async def begun(socket: ClientWebSocketResponse) -> dict[str, Any]:
    """Begin a session on a websocket that is told of calls, and return its connect."""
    shake = {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["websocket"]}
    await socket.send_json([shake])
    [shaken] = await socket.receive_json(timeout=10)
    session = {"clientId": shaken["clientId"]}
    connect = {"channel": "/meta/connect", "connectionType": "websocket", **session}
    await socket.send_json([{"channel": "/meta/subscribe", "subscription": CALLS, **session}, connect])
    assert all(reply["successful"] for reply in await socket.receive_json(timeout=10))
    return connect


async def test_control_c_stops_it_as_well(relay: RelayProcess) -> None:
    """SIGINT drains and ends with 0, its embedded store with it."""
    relay.signal(signal.SIGINT)
    assert await relay.ended() == 0
    again = await relay.start()
    assert "embedded Valkey (started)" in again.output.rpartition("store:")[2]
    assert await again.stop() == 0


async def test_control_c_while_it_starts_ends_it(new_relay: NewRelay) -> None:
    """A start that waits, say for a store that does not answer, is given up and not called an error."""
    reached = asyncio.Event()

    async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(be_silent, "127.0.0.1", 0) as store:
        relay = new_relay(store_url=f"redis://127.0.0.1:{store.sockets[0].getsockname()[1]}")
        relay.launch()
        await asyncio.wait_for(reached.wait(), READY_WITHIN)
        relay.signal(signal.SIGINT)
        assert await relay.ended() == 0
    assert "Error" not in relay.output


async def test_the_partitions_of_kept_data_stay_as_many(new_relay: NewRelay) -> None:
    """A store keeps the number it was begun with; who asks for another is told so, once."""
    relay = await new_relay().start()
    assert await relay.stop() == 0
    relay.settings["partitions"] = "32"
    await relay.start()
    assert await relay.stop() == 0
    [told] = relay.logged("the store keeps its number of partitions")
    assert (told["partitions"], told["asked"]) == (16, 32)


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
