"""Stores that go away or forget, sessions that expire, and requests that are broken off."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from relay.journal.ownership import Ownership
from tests.conftest import OpenStore
from tests.engines import Server
from tests.streaming.bayeux.conftest import MakeClient, OpenPod
from tests.streaming.bayeux.pods import ACCOUNT, CALLS, Client, Pod, phone
from tests.streaming.publishing import Line
from tests.waiting import eventually

RENEW = {"reconnect": "handshake", "interval": 0}


async def test_sessions_expire_when_silent_and_never_while_held(
    open_pod: OpenPod, make_client: MakeClient
) -> None:
    """A session outlives a hold longer than its interval, and is gone some time after its last connect."""
    pod = await open_pod(max_interval=0.3)
    ownership = Ownership(pod.store, "tester", [pod.endpoint.expiry])
    await ownership.start()
    try:
        client = await make_client(at=pod).open(CALLS)
        for _ in range(2):
            _, reply = await client.connect(timeout=1500)
            assert reply["successful"]
        await eventually(lambda: pod.endpoint.stats.expired == 1)
        _, reply = await client.connect()
        assert (reply["error"], reply["advice"]) == ("402::Unknown client", RENEW)
    finally:
        await ownership.stop()


async def test_dropped_poll_lets_the_session_expire_soon(open_pod: OpenPod, make_client: MakeClient) -> None:
    """Once the server saw the drop, the session lives no longer than between two connects."""
    pod = await open_pod(max_interval=0.3)
    client = await make_client(at=pod).open(CALLS)
    held = client.hold(timeout=60_000)
    await pod.holds()
    held.cancel()

    async def left() -> bool:
        due = await pod.store.call("ZSCORE", pod.store.keys(ACCOUNT).bayeux_due, client.id)
        return float(due) - await pod.store.time_ms() <= 300

    await eventually(left)


async def test_flushed_store_sends_clients_to_a_new_handshake(
    server: Server, client: Client, pod: Pod
) -> None:
    """A connect held while the store is emptied is answered 402, and the client can begin anew."""
    await client.open(CALLS)
    held = client.hold(timeout=30_000)
    await pod.holds()
    server.flush()
    async with asyncio.timeout(15):
        status, [reply] = await held
    assert (status, reply["error"], reply["advice"]) == (200, "402::Unknown client", RENEW)
    await client.open(CALLS)
    await Line(pod.journal, phone("jane"), account=ACCOUNT).tones(1)
    assert (await client.connect())[0] == [1]


@pytest.fixture
async def faulty(faulty_server: Server, open_pod: OpenPod, open_store: OpenStore) -> Pod:
    """Give a pod on a server of the test's own, of which it expects an answer within a second."""
    return await open_pod(store=await open_store(faulty_server.url, timeout=1.0))


async def test_store_that_is_away_is_said_and_nothing_is_lost(
    faulty_server: Server, faulty: Pod, make_client: MakeClient, http: aiohttp.ClientSession
) -> None:
    """While the store is away clients are told to try again, and what happened before and after is told."""
    client = await make_client(at=faulty).open(CALLS)
    line = Line(faulty.journal, phone("jane"), account=ACCOUNT)
    await line.tones(1)
    faulty_server.kill()
    for message in (
        client.message("/meta/connect", connectionType="long-polling"),
        client.message("/meta/subscribe", subscription="/**"),
        client.message("/service/x", data=1),
    ):
        headers = {"Authorization": "Bearer demo-jane"}
        async with http.post(faulty.url, json=[message], headers=headers) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
    faulty_server.start()
    await eventually(lambda: _tones(line))
    told: list[int] = []
    while len(told) < 2:
        told += (await client.connect())[0]
    assert told == [1, 2]


async def _tones(line: Line) -> list[str]:
    return await line.tones(1)


async def test_connect_held_through_an_outage_goes_on(
    faulty_server: Server, faulty: Pod, make_client: MakeClient
) -> None:
    """A connect that is held while the store restarts is answered with the first event after that."""
    client = await make_client(at=faulty).open(CALLS)
    held = client.hold(timeout=30_000)
    await faulty.holds()
    faulty_server.kill()
    faulty_server.start()
    line = Line(faulty.journal, phone("jane"), account=ACCOUNT)
    await eventually(lambda: _tones(line))
    status, [event, reply] = await held
    assert (status, event["data"], reply["successful"]) == (200, line.sent, True)


async def test_body_that_breaks_off_does_no_harm(client: Client, pod: Pod) -> None:
    """A request whose body never ends, or is no chunked body, leaves nothing behind."""
    for head, body in (
        (b"Content-Length: 100", b'[{"channel":'),
        (b"Transfer-Encoding: chunked", b"5\r\n[{}"),
        (b"Transfer-Encoding: chunked", b"zz\r\n"),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", pod.port)
        writer.write(b"POST /api/v2/notifications HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n" + body)
        await writer.drain()
        writer.write_eof()
        answer = await reader.read()
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
        writer.close()
        await writer.wait_closed()
    await client.open(CALLS)
