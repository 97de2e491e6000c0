"""Extensions: clients that acknowledge what they get, and clocks that are compared."""

from __future__ import annotations

import time
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.streaming.bayeux.extensions import acknowledged, offers_ack, timesync
from tests.streaming.bayeux.conftest import MakeClient, MakeLine, OpenPod
from tests.streaming.bayeux.pods import CALLS, Client, Pod
from tests.streaming.bayeux.sockets import Socket
from tests.streaming.publishing import Line


async def acking(client: Client) -> Client:
    """Begin a session that acknowledges, subscribed to calls, with the first connect behind it."""
    client.id = ""
    reply = await client.ask(
        "/meta/handshake", version="1.0", supportedConnectionTypes=["long-polling"], ext={"ack": True}
    )
    assert reply["ext"] == {"ack": True}
    client.id = reply["clientId"]
    assert (await client.subscribe(CALLS))["successful"]
    events, reply = await client.connect(timeout=0, ext={"ack": 0})
    assert (events, reply["ext"]) == ([], {"ack": 1})
    return client


async def test_batches_are_numbered(client: Client, line: Line) -> None:
    """Every connect's reply carries the next number, events or not."""
    await acking(client)
    await line.tones(2)
    events, reply = await client.connect(ext={"ack": 1})
    assert (events, reply["ext"]) == ([1, 2], {"ack": 2})
    events, reply = await client.connect(timeout=0, ext={"ack": 2})
    assert (events, reply["ext"]) == ([], {"ack": 3})


async def test_batch_not_acknowledged_is_told_again(client: Client, line: Line, pod: Pod) -> None:
    """A client that has not got a reply gets its events again, in order, with those that came since."""
    await acking(client)
    await line.tones(2)
    assert (await client.connect(ext={"ack": 1}))[0] == [1, 2]
    await line.tones(1)
    for number in (3, 4):  # as often as it takes
        events, reply = await client.connect(ext={"ack": 1})
        assert (events, reply["ext"]) == ([1, 2, 3], {"ack": number})
    held = client.hold(ext={"ack": 4})
    await pod.holds()
    await line.tones(1)
    assert (await held)[1][0]["data"] == 4


async def test_connect_that_acknowledges_nothing_goes_on(client: Client, line: Line) -> None:
    """A connect without an acknowledgement neither repeats nor loses anything by itself."""
    await acking(client)
    await line.tones(1)
    assert (await client.connect(ext={"ack": 1}))[0] == [1]
    await line.tones(1)
    assert (await client.connect())[0] == [2]


async def test_acknowledgements_hold_across_processes(
    client: Client, open_pod: OpenPod, make_line: MakeLine
) -> None:
    """What a killed process sent and nobody acknowledged comes again from another; the rest does not."""
    await acking(client)
    other = await open_pod()
    line = make_line(at=other)
    await line.tones(1)
    assert (await client.connect(ext={"ack": 1}))[0] == [1]
    await line.tones(1)
    assert (await client.connect(ext={"ack": 2}))[0] == [2]
    await client.pod.crash()
    assert (await client.connect(pod=other, ext={"ack": 2}))[0] == [2]
    await line.tones(1)
    assert (await client.connect(pod=other, ext={"ack": 4}))[0] == [3]


async def test_websocket_with_acknowledgements_tells_with_connects(
    http: aiohttp.ClientSession, pod: Pod, line: Line
) -> None:
    """Over a websocket too events ride with the connect's reply: they wake the heartbeat."""
    socket = await Socket.open(http, pod)
    assert (await socket.handshake(ext={"ack": True}))["ext"] == {"ack": True}
    assert (await socket.ask("/meta/subscribe", subscription=CALLS))["successful"]
    assert (await socket.connect(ext={"ack": 0}))["ext"] == {"ack": 1}
    beat = socket.connecting(ext={"ack": 1})
    await socket.send(beat)
    await pod.holds()
    await line.tones(1)
    assert (await socket.reply(beat))["ext"] == {"ack": 2}
    assert [message.get("data") for message in socket.frames[-1]] == [1, None]
    newer = await Socket.open(http, pod)
    newer.client = socket.client
    assert (await newer.connect(ext={"ack": 1}))["ext"] == {"ack": 3}
    assert await newer.told(1) == [1]


async def test_session_moves_between_transports_with_acknowledgements(
    http: aiohttp.ClientSession, pod: Pod, client: Client, line: Line
) -> None:
    """Acknowledgements count wherever they come."""
    await acking(client)
    await line.tones(1)
    assert (await client.connect(ext={"ack": 1}))[0] == [1]
    socket = await Socket.open(http, pod)
    socket.client = client.id
    await line.tones(1)
    assert (await socket.connect(ext={"ack": 2}))["ext"] == {"ack": 3}
    assert await socket.told(1) == [2]
    assert (await client.connect(timeout=0, ext={"ack": 3}))[0] == []


async def test_clocks_are_compared(make_client: MakeClient) -> None:
    """A client learns by how much its clock is off, in handshakes and connects, if it asks."""
    client = make_client()
    asked = {"timesync": {"tc": 1000, "l": 0, "o": 0}}
    before = time.time() * 1000
    reply = await client.ask(
        "/meta/handshake", version="1.0", supportedConnectionTypes=["long-polling"], ext=asked
    )
    sync = reply["ext"]["timesync"]
    assert sync["tc"] == 1000
    assert before - 1 <= sync["ts"] <= time.time() * 1000
    assert sync["a"] == 1000 - sync["ts"]
    client.id = reply["clientId"]
    _, reply = await client.connect(timeout=100, ext=asked)
    assert 0 <= reply["ext"]["timesync"]["p"] < 10_000


@pytest.mark.parametrize(
    ("sync", "expected"),
    [
        ({"tc": 5000, "l": 20, "o": 0}, None),
        ({"tc": 4900, "l": 20, "o": 0}, {"tc": 4900, "ts": 5000, "p": 7, "a": -80}),
        ({"tc": 4900, "l": 20, "o": 75}, None),
        ({"tc": 5000, "l": 0, "o": 0}, {"tc": 5000, "ts": 5000, "p": 7, "a": 0}),
        ({"tc": "x"}, None),
        ({}, {"tc": 0, "ts": 5000, "p": 7, "a": -5000}),
        (7, None),
    ],
)
def test_small_differences_are_not_told(sync: Any, expected: Any) -> None:
    """A client whose guesses are close is told nothing, nor is one that sends nonsense."""
    assert timesync({"ext": {"timesync": sync}}, arrived=5000.2, now=5007.4) == expected


@given(
    st.dictionaries(st.sampled_from(["ext", "advice"]), st.none() | st.integers() | st.text() | st.floats())
)
def test_strange_extensions_are_overlooked(message: dict[str, Any]) -> None:
    """Whatever a message has in place of extensions, it is as if there were none."""
    assert not offers_ack(message)
    assert acknowledged(message) is None
    assert timesync(message, arrived=0, now=0) is None


@pytest.mark.parametrize("ack", [True, -1, "1", None, 2**60, 1.5, [1]])
def test_strange_acknowledgements_are_overlooked(ack: Any) -> None:
    """A number that is none acknowledges nothing."""
    assert acknowledged({"ext": {"ack": ack}}) is None
