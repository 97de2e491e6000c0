"""The websocket transport: events at once, connects as heartbeats, sessions that move."""

from __future__ import annotations

import time

import aiohttp
import pytest

from relay.settings import Settings
from relay.streaming.bayeux.messages import MAX_BODY
from tests.streaming.bayeux.conftest import MakeClient, MakeLine, OpenPod, OpenSocket
from tests.streaming.bayeux.pods import ACCOUNT, CALLS, Client, Pod
from tests.streaming.bayeux.sockets import Socket
from tests.streaming.publishing import Line
from tests.waiting import eventually


async def test_events_come_at_once_and_the_connect_stays(socket: Socket, pod: Pod, line: Line) -> None:
    """Events come in frames of their own while the heartbeat is held; it is answered when its time is up."""
    beat = socket.connecting(timeout=1500)
    began = time.monotonic()
    await socket.send(beat)
    await pod.holds()
    await line.tones(1)
    assert await socket.told(1) == [1]
    await line.tones(2)
    assert await socket.told(2) == [2, 3]
    assert (await socket.reply(beat))["successful"]
    assert time.monotonic() - began > 1
    assert all("id" not in event for frame in socket.frames for event in frame if "data" in event)


async def test_events_are_pushed_between_connects(socket: Socket, line: Line) -> None:
    """An event need not wait for the next heartbeat."""
    await line.tones(3)
    assert await socket.told(3) == [1, 2, 3]


async def test_other_messages_are_answered_while_a_connect_is_held(socket: Socket, pod: Pod) -> None:
    """A heartbeat holds nothing up, and a second one releases the first."""
    first, second = socket.connecting(), socket.connecting()
    await socket.send(first)
    await pod.holds()
    assert (await socket.ask("/meta/subscribe", subscription="/v2/me/devices"))["successful"]
    assert (await socket.ask("/service/x", data=1))["successful"]
    assert (await socket.ask("/v2/me/calls", data=1))["error"] == "403:/v2/me/calls:publish_denied"
    await socket.send(second)
    assert (await socket.reply(first))["successful"]
    await pod.holds()


async def test_batch_is_answered_in_one_frame(open_socket: OpenSocket, line: Line) -> None:
    """The replies to a frame's messages come together, a connect's last, and the push has begun."""
    socket = await open_socket()
    await socket.handshake()
    messages = [
        socket.connecting(),
        socket.message("/meta/subscribe", subscription=CALLS),
        socket.message("/foo", data=1),
    ]
    await socket.send(*messages)
    frame = await socket.frame()
    assert [reply["id"] for reply in frame] == [messages[1]["id"], messages[2]["id"], messages[0]["id"]]
    await line.tones(1)
    assert await socket.told(1) == [1]


async def test_subscriptions_take_effect_on_the_push(socket: Socket, line: Line, pod: Pod) -> None:
    """What is unsubscribed from stops, what is subscribed to begins, each once."""
    assert (await socket.ask("/meta/unsubscribe", subscription=CALLS))["successful"]
    await pod.reaches((await line.tones(1))[-1])
    for pattern in ("/v2/me/*", "/**"):
        assert (await socket.ask("/meta/subscribe", subscription=pattern))["successful"]
    await line.tones(2)
    assert await socket.told(2) == [2, 3]


async def test_every_session_gets_the_same_frames(open_socket: OpenSocket, line: Line) -> None:
    """Several sockets of one user are each told everything, users only their own."""
    sockets = [await (await open_socket()).begin(CALLS) for _ in range(3)]
    john = await (await open_socket(user="john")).begin("/**")
    for _ in range(5):
        await line.tones(2)
    for socket in sockets:
        assert await socket.told(10) == list(range(1, 11))
    assert not john.events


async def test_newer_socket_takes_over(open_socket: OpenSocket, socket: Socket, pod: Pod, line: Line) -> None:
    """A connect of the session on another socket moves the push there; the older is told nothing more."""
    held = socket.connecting()
    await socket.send(held)
    await pod.holds()
    newer = await open_socket()
    newer.client = socket.client
    assert (await newer.connect(timeout=0))["successful"]
    await line.tones(2)
    assert await newer.told(2) == [1, 2]
    await pod.holds(0)
    assert (await socket.ask("/service/x", data=1))["successful"]
    assert not socket.events


async def test_session_moves_between_transports(
    socket: Socket, open_socket: OpenSocket, make_client: MakeClient, line: Line
) -> None:
    """From websocket to long-polling and back, without loss or repeat."""
    poller = make_client()
    poller.id = socket.client
    number = 0
    for _ in range(4):
        await line.tones(2)
        assert await socket.told(2) == [number + 1, number + 2]
        assert (await poller.connect(timeout=0))[0] == []
        await line.tones(2)
        assert (await poller.connect())[0] == [number + 3, number + 4]
        assert (await socket.connect(timeout=0))["successful"]
        number += 4
    assert not socket.events


async def test_session_moves_to_another_process(
    socket: Socket, open_pod: OpenPod, make_client: MakeClient, line: Line
) -> None:
    """A connect at another process ends the push here, by a journal record."""
    other = await open_pod()
    poller = make_client(at=other)
    poller.id = socket.client
    assert (await poller.connect(timeout=0))[1]["successful"]
    await line.tones(2)
    assert (await poller.connect())[0] == [1, 2]
    assert (await socket.ask("/service/x", data=1))["successful"]
    assert not socket.events


async def test_events_wait_for_a_closed_socket(
    socket: Socket, open_socket: OpenSocket, pod: Pod, line: Line
) -> None:
    """A page that is loaded again goes on with its session on a new socket, and misses nothing."""
    await line.tones(2)
    assert await socket.told(2) == [1, 2]
    await socket.raw.close()
    await eventually(lambda: pod.endpoint.stats.sockets == 0)
    await line.tones(3)
    newer = await open_socket()
    newer.client = socket.client
    assert (await newer.connect(timeout=0))["successful"]
    assert await newer.told(3) == [3, 4, 5]


async def test_events_that_a_broken_connection_may_have_lost_are_told_again(
    socket: Socket, open_socket: OpenSocket, pod: Pod, line: Line
) -> None:
    """A client that has gone without a word may not have read what its machine had taken."""
    before = pod.endpoint.stats.events
    await line.tones(3)
    await eventually(lambda: pod.endpoint.stats.events == before + 3)
    socket.drop()
    await eventually(lambda: pod.endpoint.stats.sockets == 0)
    newer = await open_socket()
    newer.client = socket.client
    assert (await newer.connect(timeout=0))["successful"]
    assert await newer.told(3) == [1, 2, 3]


async def test_killed_process_loses_nothing(
    socket: Socket, open_pod: OpenPod, open_socket: OpenSocket, pod: Pod, make_line: MakeLine
) -> None:
    """After a kill the session goes on elsewhere; without acknowledgements what came last may come again."""
    other = await open_pod()
    line = make_line(at=other)
    await line.tones(2)
    assert await socket.told(2) == [1, 2]
    await pod.crash()
    await line.tones(2)
    newer = await open_socket(at=other)
    newer.client = socket.client
    assert (await newer.connect(timeout=0))["successful"]
    told = await newer.told(2)
    while told[-1] != 4:
        told += await newer.told(1)
    assert told in ([3, 4], [1, 2, 3, 4])


async def test_progress_is_noted_about_once_a_second(socket: Socket, pod: Pod, line: Line) -> None:
    """The store learns within about a second how far the client is, not event by event."""
    batches = pod.store.batches
    last = ""
    for _ in range(20):
        last = (await line.tones(1))[-1]
    assert await socket.told(20) == list(range(1, 21))
    key = pod.store.keys(ACCOUNT).bayeux(socket.client)

    async def noted() -> bool:
        return bool((await pod.store.call("HGET", key, "cursor")).decode() == last)

    await eventually(noted)
    assert pod.store.batches - batches < 100


@pytest.mark.parametrize("frame", ["", "x", "[]", "7", "[7]", '[{"channel":', "[" * 50_000 + "]" * 50_000])
async def test_malformed_frame_closes_the_socket(socket: Socket, frame: str) -> None:
    """What holds no messages closes with 1007."""
    await socket.raw.send_str(frame)
    assert await socket.closed() == 1007


async def test_frame_that_is_too_large_closes_the_socket(socket: Socket) -> None:
    """A payload has so many bytes at most; beyond, it closes with 1009."""
    await socket.raw.send_str("x" * (MAX_BODY + 1))
    assert await socket.closed() == 1009


async def test_binary_frame_closes_the_socket(socket: Socket) -> None:
    """Messages are text."""
    await socket.raw.send_bytes(b"[]")
    assert await socket.closed() == 1003


async def test_lone_message_is_taken(socket: Socket) -> None:
    """A frame may be one message instead of an array; the answer is an array."""
    await socket.raw.send_str('{"channel":"/service/x","data":1,"id":"a","clientId":"' + socket.client + '"}')
    assert await socket.frame() == [{"id": "a", "channel": "/service/x", "successful": True}]


async def test_foreign_session_is_unknown_on_a_bound_socket(
    socket: Socket, make_client: MakeClient, line: Line
) -> None:
    """A socket speaks for one session; another one of the same user is unknown there."""
    other = await make_client().open(CALLS)
    reply = await socket.ask("/meta/subscribe", clientId=other.id, subscription="/**")
    assert reply["error"] == "402::Unknown client"
    reply = await socket.connect(clientId=other.id, timeout=0)
    assert reply["error"] == "402::Unknown client"
    await line.tones(1)
    assert await socket.told(1) == [1]


async def test_handshake_begins_another_session_on_the_socket(socket: Socket, line: Line) -> None:
    """After a new handshake the socket speaks for the new session, and is told nothing of the old one."""
    before = socket.client
    await socket.begin("/v2/me/*")
    assert socket.client != before
    await line.tones(1)
    assert await socket.told(1) == [1]
    assert not socket.events


async def test_session_of_another_user_cannot_be_taken(open_socket: OpenSocket, socket: Socket) -> None:
    """Knowing a client id is not enough for a socket with other credentials."""
    thief = await open_socket(user="john")
    thief.client = socket.client
    assert (await thief.connect(timeout=0))["error"] == "402::Unknown client"


async def test_ended_session_is_told_by_the_heartbeat(socket: Socket, client: Client, pod: Pod) -> None:
    """When the session ends elsewhere, the held connect is answered; the socket may begin anew."""
    beat = socket.connecting()
    await socket.send(beat)
    await pod.holds()
    client.id = socket.client
    assert (await client.ask("/meta/disconnect"))["successful"]
    assert (await socket.reply(beat))["advice"] == {"reconnect": "none"}
    assert (await socket.connect())["error"] == "402::Unknown client"
    assert (await socket.handshake())["successful"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8080", 101),
        ("https://pages.example", 101),
        ("https://pages.example:443", 101),
        ("http://pages.example", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_origins(open_pod: OpenPod, http: aiohttp.ClientSession, origin: str, status: int) -> None:
    """Pages of relay's own origin and of listed ones may open a websocket, no others."""
    pod = await open_pod(settings=Settings(cors_origins=("https://pages.example",)))
    headers = {"Authorization": "Bearer demo-jane", "Origin": origin}
    if status == 101:
        await (await http.ws_connect(pod.url, headers=headers)).close()
        headers["Origin"] = f"http://127.0.0.1:{pod.port}"
        await (await http.ws_connect(pod.url, headers=headers)).close()
    else:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await http.ws_connect(pod.url, headers=headers)


async def test_client_id_is_no_credential(http: aiohttp.ClientSession, pod: Pod, client: Client) -> None:
    """Who knows the client id of a session and nothing else gets no socket to name it on."""
    await client.open(CALLS)
    for headers in ({}, {"Cookie": f"BAYEUX_BROWSER={client.id}"}):
        with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
            await http.ws_connect(f"{pod.url}?clientId={client.id}", headers=headers)
