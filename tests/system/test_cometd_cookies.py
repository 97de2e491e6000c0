"""Websockets of pages, which have the session cookie alone: how long it is good, and what its end means."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from relay.journal.store import Store
from tests.conftest import OpenStore
from tests.engines import Server
from tests.harness.bayeux import BayeuxClient
from tests.harness.churn import Left
from tests.harness.demo import JANE
from tests.harness.fixtures import NewRelay
from tests.harness.gws import Gws
from tests.harness.process import RelayProcess
from tests.waiting import eventually

Message = dict[str, Any]
CONNECT: Message = {"channel": "/meta/connect", "connectionType": "websocket"}

SHAKE: Message = {
    "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["websocket"]
}  # fmt: skip
PARTING: Message = {"channel": "/meta/disconnect", "successful": True}


@pytest.fixture
async def pair(new_relay: NewRelay, server: Server) -> list[RelayProcess]:
    """Give two processes on one store."""
    pair = [new_relay(store_url=server.url, rate_limits="off") for _ in range(2)]
    await asyncio.gather(*(process.start() for process in pair))
    return pair


async def cookie(http: ClientSession, relay: RelayProcess) -> str:
    """Sign in, and return the session cookie's value."""
    given = await Gws(http, relay.url, JANE).ask("GET", "/me")
    return str(given.headers["Set-Cookie"]).split(";")[0].removeprefix("JSESSIONID=")


def key(store: Store, token: str) -> str:
    """Return where a session cookie is kept."""
    return store.keys_at(int(token.partition("-")[0])).token(sha256(token.encode()).hexdigest())


async def say(socket: ClientWebSocketResponse, **message: Any) -> list[Message]:
    """Send a message, and return the next frame."""
    await socket.send_json([{"id": "1", **message}])
    return list(await socket.receive_json(timeout=10))


async def open_socket(http: ClientSession, relay: RelayProcess, token: str) -> ClientWebSocketResponse:
    """Open a websocket as a page does."""
    headers = {"Cookie": f"JSESSIONID={token}", "Origin": relay.url}
    return await http.ws_connect(f"{relay.url}/api/v2/notifications", headers=headers)


async def test_cookie_is_good_as_long_as_the_client_connects(
    pair: list[RelayProcess], http: ClientSession, server: Server, open_store: OpenStore
) -> None:
    """Each connect begins the cookie's idle time anew; without it the session ends, at every process."""
    store = await open_store(server.url)
    token = await cookie(http, pair[1])
    socket = await open_socket(http, pair[0], token)
    [shaken] = await say(socket, **SHAKE)
    session = {"clientId": shaken["clientId"]}
    await store.call("EXPIRE", key(store, token), 100)
    [reply] = await say(socket, **CONNECT, **session)
    assert reply["successful"]
    assert await store.call("TTL", key(store, token)) > 3000
    await store.call("DEL", key(store, token))
    parting, reply = await say(socket, **CONNECT, **session)
    assert parting == PARTING
    assert (reply["successful"], reply["advice"]) == (True, {"reconnect": "none"})
    assert (await socket.receive(timeout=10)).type is WSMsgType.CLOSE
    assert socket.close_code == 1000
    with pytest.raises(WSServerHandshakeError, match="401"):
        await open_socket(http, pair[0], token)
    poller = BayeuxClient(http, pair[1].url, JANE)
    poller.client_id = session["clientId"]
    assert (await poller.connect(timeout=0))["error"] == "402::Unknown client"


async def test_connect_held_at_one_process_is_told_by_the_socket_at_the_other(
    pair: list[RelayProcess], http: ClientSession, server: Server, open_store: OpenStore
) -> None:
    """A session polls at one process; a socket at the other, its cookie gone, ends it: the poll is told."""
    store = await open_store(server.url)
    token = await cookie(http, pair[1])
    poller = BayeuxClient(http, pair[1].url, JANE)
    await poller.begin()
    socket = await open_socket(http, pair[0], token)
    held = asyncio.create_task(poller.post(poller.message("/meta/connect", connectionType="long-polling")))
    await store.call("DEL", key(store, token))

    async def is_held() -> bool:
        return (await Left.of(http, pair[1])).held == 1

    await eventually(is_held)
    parting, reply = await say(socket, **CONNECT, clientId=poller.client_id)
    assert (parting["channel"], reply["advice"]) == ("/meta/disconnect", {"reconnect": "none"})
    status, answer = await held
    assert (status, [message["channel"] for message in answer]) == (
        200,
        ["/meta/disconnect", "/meta/connect"],
    )
    assert answer[-1]["advice"] == {"reconnect": "none"}


async def test_logging_out_ends_what_the_cookie_began(pair: list[RelayProcess], http: ClientSession) -> None:
    """At every process and at once, over either transport; who brings credentials of its own goes on."""
    token = await cookie(http, pair[1])
    poller, other = BayeuxClient(http, pair[1].url, JANE), BayeuxClient(http, pair[1].url, JANE)
    poller.headers = {"Cookie": f"JSESSIONID={token}"}
    await poller.begin()
    await other.begin()
    socket = await open_socket(http, pair[0], token)
    [shaken] = await say(socket, **SHAKE)
    [reply] = await say(socket, **CONNECT, clientId=shaken["clientId"])
    assert reply["successful"]
    held = asyncio.create_task(poller.post(poller.message("/meta/connect", connectionType="long-polling")))

    async def is_held() -> bool:
        return (await Left.of(http, pair[1])).held == 1

    await eventually(is_held)
    async with http.post(
        f"{pair[0].url}/api/v2/me", json={"operationName": "EndContactCenterSession"}, headers=poller.headers
    ) as response:
        assert response.status == 200
    assert await socket.receive_json(timeout=5) == [PARTING]
    assert (await socket.receive(timeout=5)).type is WSMsgType.CLOSE
    assert socket.close_code == 1000
    async with asyncio.timeout(5):
        _, [parting, reply] = await held
    assert (parting, reply["advice"]) == (PARTING, {"reconnect": "none"})
    assert (await other.connect(timeout=0))["successful"]
