"""RingCentral's WebSockets at the running service: counted, closed when it stops, gone on with at another."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, encode_basic_auth

from tests.engines import Server
from tests.harness.demo import JANE, JOHN
from tests.harness.fixtures import NewRelay
from tests.harness.process import RelayProcess
from tests.harness.ringcentral import CLIENT, OWN_CALLS
from tests.harness.v3 import V3

APP = {"Authorization": encode_basic_auth(*CLIENT)}
SUBSCRIBE = [
    {"type": "ClientRequest", "messageId": "1", "method": "POST", "path": "/restapi/v1.0/subscription"},
    {"eventFilters": [OWN_CALLS], "deliveryMode": {"transportType": "WebSocket"}},
]


async def opened(http: ClientSession, relay: RelayProcess, wsc: str = "") -> ClientWebSocketResponse:
    """Log Jane in, and open a connection."""
    form = {"grant_type": "password", "username": JANE.login, "password": JANE.password}
    async with http.post(f"{relay.url}/restapi/oauth/token", data=form, headers=APP) as answer:
        bearer = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
    async with http.post(f"{relay.url}/restapi/oauth/wstoken", headers=bearer) as answer:
        token = (await answer.json())["ws_access_token"]
    query = {"access_token": token, **({"wsc": wsc} if wsc else {})}
    return await http.ws_connect(f"{relay.url}/restapi/ws", params=query)


async def told(socket: ClientWebSocketResponse) -> tuple[dict[str, Any], Any]:
    """Return the next message's head and body."""
    head, *body = json.loads(await socket.receive_str(timeout=10))
    return head, body[0] if body else None


async def gauge(http: ClientSession, relay: RelayProcess) -> str:
    """Return how many WebSockets the process shows."""
    async with http.get(f"{relay.admin_url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return next(line for line in lines if line.startswith("relay_ringcentral_sockets "))


async def test_a_process_that_stops_hands_its_connections_over(
    new_relay: NewRelay, server: Server, http: ClientSession
) -> None:
    """They are closed with 1001, and whoever comes back elsewhere has missed nothing."""
    first, second = (new_relay(rate_limits="off", store_url=server.url) for _ in range(2))
    await asyncio.gather(first.start(), second.start())
    socket = await opened(http, first)
    assert (await told(socket))[0]["type"] == "ConnectionDetails"
    await socket.send_json(SUBSCRIBE)
    head, _ = await told(socket)
    assert head["status"] == 200
    assert await gauge(http, first) == "relay_ringcentral_sockets 1.0"
    stopping = asyncio.create_task(first.stop())
    await socket.receive(timeout=10)
    assert socket.close_code == 1001
    assert await stopping == 0
    await V3(http, second.url, JANE).dial(JOHN.extension)
    back = await opened(http, second, head["wsc"]["token"])
    assert (await told(back))[1]["recoveryState"] == "Successful"
    notified, event = await told(back)
    assert notified["type"] == "ServerNotification"
    assert event["body"]["sequence"] == 2
    await back.close()
