"""Rules of Bayeux that clients rely on: mixed batches, two connections at most, transports that change."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest

from relay.settings import Settings
from tests.streaming.bayeux.conftest import MakeClient, MakeLine, OpenPod
from tests.streaming.bayeux.pods import ACCOUNT, CALLS, Client, Pod, Reply
from tests.streaming.bayeux.sockets import Socket
from tests.streaming.publishing import Line

JANE = {"Authorization": "Bearer demo-jane"}


async def test_mixed_batch_has_a_reply_to_every_message(client: Client, pod: Pod, line: Line) -> None:
    """Meta, service and broadcast messages in one array: events, replies in order, connects."""
    await client.open(CALLS)
    [event_id] = await line.tones(1)
    await pod.reaches(event_id)  # beside other messages a connect does not wait for it
    batch = [
        client.message("/meta/connect", connectionType="long-polling"),
        client.message("/meta/subscribe", subscription="/v2/me/devices"),
        client.message("/service/x", data={"a": None}),
        client.message("/v2/me/calls", data=1),
        client.message("/meta/unsubscribe", subscription="/v2/me/devices"),
        client.message("/meta/nothing"),
    ]
    began = time.monotonic()
    status, [event, *replies] = await client.send(batch)
    assert time.monotonic() - began < 2
    assert (status, event) == (200, {"data": 1, "channel": CALLS})
    assert [reply["id"] for reply in replies] == [message["id"] for message in [*batch[1:], batch[0]]]
    assert [reply["successful"] for reply in replies] == [True, True, False, True, False, True]
    assert not [reply for reply in replies if "data" in reply]


async def test_members_nobody_knows_are_overlooked(client: Client) -> None:
    """Whatever else a message holds neither hinders it nor comes back."""
    odd: dict[str, Any] = {"x": [1], "timestamp": "now", "advice": 7, "ext": {"binary": True}, "hosts": []}
    await client.handshake()
    for channel in ("/meta/subscribe", "/service/x", "/meta/connect"):
        reply = await client.ask(channel, subscription=CALLS, data=1, **odd)
        assert reply["successful"]
        assert not {"x", "timestamp", "ext", "hosts", "data"} & set(reply)


async def test_connect_may_leave_its_type_out(client: Client, line: Line) -> None:
    """Who sends it by POST is polling."""
    await client.open(CALLS)
    await line.tones(1)
    _, [event, reply] = await client.send([client.message("/meta/connect")])
    assert (event["data"], reply["successful"]) == (1, True)


async def test_two_connections_are_enough(pod: Pod, line: Line) -> None:
    """With one connect held, a client sends everything else on its other connection, one after another."""
    connector = aiohttp.TCPConnector(limit=2)
    async with aiohttp.ClientSession(connector=connector) as http:
        client = await Client(http, pod).open()
        held = client.hold()
        await pod.holds()
        began = time.monotonic()
        for pattern in ("/v2/me/devices", CALLS):
            assert (await client.subscribe(pattern))["successful"]
        assert (await client.ask("/service/x", data=1))["successful"]
        assert (await client.ask("/meta/unsubscribe", subscription="/v2/me/devices"))["successful"]
        assert time.monotonic() - began < 3
        assert not held.done()
        await line.tones(1)
        assert (await held)[1][0]["data"] == 1


async def test_handshake_without_a_connect_expires(open_pod: OpenPod, make_client: MakeClient) -> None:
    """A session that never connects goes like one that has stopped to."""
    pod = await open_pod(max_interval=0.05)
    client = await make_client(at=pod).handshake()
    lease = await pod.lease()
    while not await pod.endpoint.expiry.sweep(lease):
        pass
    assert (await client.connect())[1]["error"] == "402::Unknown client"
    assert pod.endpoint.stats.expired == 1


@pytest.mark.parametrize("transport", ["long-polling", "websocket"])
async def test_client_that_polls_rarely_says_so(
    client: Client, http: aiohttp.ClientSession, transport: str
) -> None:
    """With a connect that is not to be held it may announce an interval, for which its session lives on."""
    await client.open()
    socket = await Socket.open(http, client.pod)

    async def lives(interval: int | None) -> float:
        advice = {"timeout": 0} if interval is None else {"timeout": 0, "interval": interval}
        connect = client.message("/meta/connect", connectionType=transport, advice=advice)
        if transport == "websocket":
            await socket.send(connect)
            assert (await socket.reply(connect))["successful"]
        else:
            assert (await client.send([connect]))[1][-1]["successful"]
        store = client.pod.store
        due = await store.call("ZSCORE", store.keys(ACCOUNT).bayeux_due, client.id)
        return float(due) - await store.time_ms()

    for interval, seconds in ((None, 5), (60_000, 65), (None, 5), (10**9, 305)):
        assert seconds - 3 < await lives(interval) / 1000 <= seconds


async def test_advice_comes_with_the_first_connect_by_another_transport(
    client: Client, open_pod: OpenPod, http: aiohttp.ClientSession
) -> None:
    """Else with those that bring some only; it does not matter where the session was served before."""
    advice = {"reconnect": "retry", "timeout": 5000, "interval": 0}
    other = await open_pod()
    await client.open()
    together = {"id": "s", "channel": "/service/x", "data": 1, "clientId": client.id}

    async def by_polling() -> Reply:
        connect = client.message("/meta/connect", connectionType="long-polling")
        return (await client.send([together, connect]))[1][-1]

    assert "advice" not in await by_polling()
    for at in (client.pod, other):
        socket = await Socket.open(http, at)
        socket.client = client.id
        for expected in (advice, None):
            connect = socket.connecting()
            await socket.send(together, connect)
            assert (await socket.reply(connect)).get("advice") == expected
        assert (await by_polling())["advice"] == advice
        assert "advice" not in await by_polling()


async def callback(http: aiohttp.ClientSession, pod: Pod, *messages: Any) -> list[Reply]:
    """Send messages by callback-polling, and return what the script would hand over."""
    query = {"message": json.dumps(messages), "jsonp": "f"}
    async with http.get(pod.url, params=query, headers=JANE) as response:
        text = await response.text()
    return list(json.loads(text.removeprefix("/**/f(").removesuffix(");")))


async def test_session_moves_between_all_transports(
    open_pod: OpenPod, make_client: MakeClient, make_line: MakeLine, http: aiohttp.ClientSession
) -> None:
    """Callback-polling, websocket and long-polling by turns, at two processes: every event once, in order."""
    options = Settings(bayeux_callback_polling=True)
    pods = [await open_pod(settings=options) for _ in range(2)]
    client, line = await make_client(at=pods[0]).open(CALLS), make_line(at=pods[0])
    told: list[Any] = []
    for turn in range(4):
        at = pods[turn % 2]
        await line.tones(2)
        connect = client.message("/meta/connect", connectionType="callback-polling")
        *events, reply = await callback(http, at, connect)
        assert reply["successful"]
        told += [event["data"] for event in events]
        socket = await Socket.open(http, at)
        socket.client = client.id
        assert (await socket.connect(timeout=0))["successful"]
        await line.tones(2)
        told += await socket.told(2)
        assert (await client.connect(pod=at, timeout=0))[0] == []
        await line.tones(2)
        while len(told) < 6 * (turn + 1):
            told += (await client.connect(pod=at))[0]
    assert told == list(range(1, 25))


async def test_callback_polling_is_held(
    open_pod: OpenPod, make_client: MakeClient, make_line: MakeLine, http: aiohttp.ClientSession
) -> None:
    """A script's connect waits for an event as any other does, and is superseded as any other is."""
    pod = await open_pod(settings=Settings(bayeux_callback_polling=True))
    client = await make_client(at=pod).open(CALLS)
    older = client.hold()
    await pod.holds()
    connect = client.message("/meta/connect", connectionType="callback-polling")
    task = asyncio.create_task(callback(http, pod, connect))
    assert (await older)[0] == 500
    await pod.holds()
    await make_line(at=pod).tones(1)
    event, reply = await task
    assert (event["data"], reply["successful"]) == (1, True)


@pytest.mark.parametrize("other", ["", "another"])
async def test_strict_session_of_a_socket_is_good_in_its_browser_only(
    open_pod: OpenPod, make_client: MakeClient, http: aiohttp.ClientSession, other: str
) -> None:
    """The label that an upgrade is answered with binds the sessions begun on the socket."""
    pod = await open_pod(settings=Settings(bayeux_strict_cookie=True))
    socket = await Socket.open(http, pod)
    [label] = [
        cookie.value for name, cookie in socket.raw._response.cookies.items() if name == "BAYEUX_BROWSER"
    ]
    await socket.begin(CALLS)
    client = make_client(at=pod)
    client.id, client.browser = socket.client, other
    assert (await client.ask("/service/x", data=1))["error"] == "402::Unknown client"
    client.browser = label
    assert (await client.ask("/service/x", data=1))["successful"]
    stranger = await Socket.open(http, pod)
    stranger.client = socket.client
    assert (await stranger.connect())["error"] == "402::Unknown client"
    again = await Socket.open(http, pod, Cookie=f"BAYEUX_BROWSER={label}")
    again.client = socket.client
    assert (await again.connect())["successful"]
