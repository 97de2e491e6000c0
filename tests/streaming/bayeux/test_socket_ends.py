"""How websockets end: by the client, by a disconnect, and as the process stops."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from relay.streaming.bayeux import endpoint, sockets
from tests.engines import Server
from tests.streaming.bayeux.conftest import MakeLine, OpenPod, OpenSocket
from tests.streaming.bayeux.pods import ACCOUNT, CALLS, Pod
from tests.streaming.bayeux.sockets import WITHIN, Socket
from tests.streaming.publishing import Line
from tests.waiting import eventually


async def test_close_is_answered_when_it_is_noted_how_far_the_client_is(
    socket: Socket, pod: Pod, line: Line, server: Server
) -> None:
    """Whoever closes in good order, and goes on at another process at once, is told nothing again."""
    [*_, last] = await line.tones(3)
    assert await socket.told(3) == [1, 2, 3]
    server.pause()
    try:
        closing = asyncio.create_task(socket.raw.close())
        await asyncio.wait((closing,), timeout=0.3)
        assert not closing.done()
    finally:
        server.resume()
    await closing
    key = pod.store.keys(ACCOUNT).bayeux(socket.client)
    assert (await pod.store.call("HGET", key, "cursor")).decode() == last


async def test_client_that_closes_in_good_order_is_not_counted_as_dropped(socket: Socket, pod: Pod) -> None:
    """Its held connect needs no answer any more."""
    await socket.send(socket.connecting())
    await pod.holds()
    await socket.raw.close()
    await eventually(lambda: pod.endpoint.stats.sockets == 0)
    assert pod.endpoint.stats.dropped == 0


async def test_disconnect_releases_the_connect_and_closes(socket: Socket, pod: Pod) -> None:
    """The held connect is told not to come again, and the socket closes with 1000."""
    beat = socket.connecting()
    await socket.send(beat)
    await pod.holds()
    assert (await socket.ask("/meta/disconnect"))["successful"]
    assert (await socket.reply(beat))["advice"] == {"reconnect": "none"}
    assert await socket.closed() == 1000
    assert pod.endpoint.stats.disconnected == 1


async def test_socket_stays_for_as_long_as_its_connect_is_held(
    open_pod: OpenPod, open_socket: OpenSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the operator has connects held, their clients need not say anything meanwhile."""
    monkeypatch.setattr(endpoint, "LONGEST", 100)
    monkeypatch.setattr(sockets, "QUIET_BEYOND", 0.3)
    socket = await (await open_socket(at=await open_pod(timeout=1))).begin(CALLS)
    assert (await socket.connect())["successful"]
    assert await socket.closed() == 1001


async def test_stopping_process_closes_with_1001(
    socket: Socket, pod: Pod, open_pod: OpenPod, open_socket: OpenSocket, make_line: MakeLine
) -> None:
    """Clients are sent away in good order, and go on elsewhere exactly where they were."""
    other = await open_pod()
    line = make_line(at=other)
    await line.tones(2)
    assert await socket.told(2) == [1, 2]
    stopping = asyncio.create_task(pod.stop())
    assert await socket.closed() == 1001
    await stopping
    await line.tones(2)
    newer = await open_socket(at=other)
    newer.client = socket.client
    assert (await newer.connect(timeout=0))["successful"]
    assert await newer.told(2) == [3, 4]


async def test_connection_is_kept_until_the_client_has_answered_the_close(
    http: aiohttp.ClientSession, pod: Pod
) -> None:
    """Or else what it has not read yet would be lost to it (RFC 6455, section 7.1.1)."""
    raw = await http.ws_connect(pod.url, headers={"Authorization": "Bearer demo-jane"}, autoclose=False)
    draining = asyncio.create_task(pod.endpoint.drain())
    assert (await raw.receive(timeout=WITHIN)).type is aiohttp.WSMsgType.CLOSE
    async with http.get(pod.url):  # an end of the connection would have come by now
        pass
    assert not draining.done()
    await raw.close()
    assert raw.close_code == 1001
    await draining


async def test_socket_that_opens_as_the_process_stops_is_closed(pod: Pod, open_socket: OpenSocket) -> None:
    """Its request had come before, and waited for its credentials meanwhile."""
    pod.admits.clear()
    opening = asyncio.ensure_future(open_socket())
    await eventually(lambda: pod.asked > 0)
    draining = asyncio.create_task(pod.endpoint.drain())
    await asyncio.sleep(0)  # it has begun
    pod.admits.set()
    assert await (await opening).closed() == 1001
    await draining
