"""Sessions that the server ends: whoever serves them, wherever that is, tells the client."""

from __future__ import annotations

import aiohttp
import pytest

from relay.streaming.bayeux.expiry import BayeuxExpiry
from relay.streaming.bayeux.session import Ended
from relay.streaming.bayeux.sessions import Sessions
from relay.streaming.bayeux.stats import BayeuxStats
from tests.streaming.bayeux.conftest import OpenPod
from tests.streaming.bayeux.pods import ACCOUNT, CALLS, DIRECTORY, Client, Pod
from tests.streaming.bayeux.sockets import Socket
from tests.streaming.publishing import Line
from tests.waiting import eventually

PARTING = {"channel": "/meta/disconnect", "successful": True}
STOP = {"reconnect": "none"}


@pytest.fixture
async def other(open_pod: OpenPod) -> Pod:
    """Give a second pod on the same store."""
    return await open_pod()


@pytest.fixture
async def socket(http: aiohttp.ClientSession, pod: Pod) -> Socket:
    """Give jane's websocket, subscribed to her calls."""
    return await (await Socket.open(http, pod)).begin(CALLS)


async def end(at: Pod, client: str, why: Ended = Ended.CLOSED) -> None:
    """End a session of jane's."""
    jane = await DIRECTORY.by_token("demo-jane")
    assert jane is not None
    assert await Sessions(at.store, max_interval=5000).end(jane, client, why)


async def test_held_connect_is_told_that_the_server_has_ended_the_session(client: Client, other: Pod) -> None:
    """What another process ended is a message without an id, and the advice not to come again."""
    await client.open(CALLS)
    held = client.hold()
    await client.pod.holds()
    await end(other, client.id)
    status, [parting, reply] = await held
    assert (status, parting) == (200, PARTING)
    assert (reply["channel"], reply["successful"], reply["advice"]) == ("/meta/connect", True, STOP)
    assert (await client.connect())[1]["error"] == "402::Unknown client"


@pytest.mark.parametrize("ext", [{}, {"ext": {"ack": True}}], ids=["pushed", "acknowledged"])
async def test_held_heartbeat_is_told_and_the_socket_closes(
    http: aiohttp.ClientSession, pod: Pod, other: Pod, ext: dict[str, object]
) -> None:
    """On a websocket both come in one frame, and then it closes with 1000."""
    socket = await Socket.open(http, pod)
    await socket.handshake(**ext)
    assert (await socket.ask("/meta/subscribe", subscription=CALLS))["successful"]
    assert (await socket.connect())["successful"]
    beat = socket.connecting()
    await socket.send(beat)
    await pod.holds()
    await end(other, socket.client)
    parting, reply = await socket.frame()
    assert (parting, reply["id"], reply["advice"]) == (PARTING, beat["id"], STOP)
    assert await socket.closed() == 1000
    await eventually(lambda: pod.endpoint.stats.sockets == 0)


async def test_socket_is_told_between_two_heartbeats(socket: Socket, other: Pod, line: Line) -> None:
    """The client need not ask: it is told everything from before, that its session is over, and 1000."""
    await line.tones(2)
    await end(other, socket.client)
    assert await socket.told(2) == [1, 2]
    assert await socket.frame() == [PARTING]
    assert await socket.closed() == 1000


async def test_socket_whose_credentials_are_revoked_ends_with_the_next_heartbeat(
    socket: Socket, pod: Pod, client: Client, other: Pod
) -> None:
    """They are looked at again with each connect, and the session is over at every process."""
    assert (await socket.connect(timeout=0))["successful"]
    pod.revoked.add("demo-jane")
    beat = socket.connecting()
    await socket.send(beat)
    parting, reply = await socket.frame()
    assert (parting, reply["id"], reply["advice"]) == (PARTING, beat["id"], STOP)
    assert await socket.closed() == 1000
    client.id = socket.client
    assert (await client.ask("/service/x", data=1, pod=other))["error"] == "402::Unknown client"


async def test_socket_of_an_expired_session_closes(
    open_pod: OpenPod, http: aiohttp.ClientSession, line: Line
) -> None:
    """A client that has stopped to connect is told nothing more, and its socket is not kept."""
    pod = await open_pod(max_interval=0.05)
    socket = await (await Socket.open(http, pod)).begin(CALLS)
    await line.tones(1)
    assert await socket.told(1) == [1]
    expiry, lease = BayeuxExpiry(pod.store, BayeuxStats(), grace=0), await pod.lease()
    await eventually(lambda: expiry.sweep(lease))
    assert await socket.closed() == 1000
    assert await pod.store.call("EXISTS", pod.store.keys(ACCOUNT).bayeux(socket.client)) == 0


async def test_session_its_client_ended_elsewhere_leaves_the_socket_open(
    socket: Socket, client: Client
) -> None:
    """A client that parted by another way may begin anew on the socket it has."""
    client.id = socket.client
    assert (await client.ask("/meta/disconnect"))["successful"]
    assert (await socket.connect())["error"] == "402::Unknown client"
    assert (await socket.handshake())["successful"]
