"""Two processes on one store: a client need not know which of them serves it."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from relay.streaming.bayeux.session import Answer
from relay.streaming.bayeux.sessions import Sessions
from tests.streaming.bayeux.conftest import MakeLine, OpenPod
from tests.streaming.bayeux.pods import ACCOUNT, CALLS, DIRECTORY, Client, Pod
from tests.streaming.publishing import Line
from tests.waiting import eventually


@pytest.fixture
async def other(open_pod: OpenPod) -> Pod:
    """Give a second pod on the same store."""
    return await open_pod()


async def test_session_begun_on_one_goes_on_at_the_other(client: Client, other: Pod, line: Line) -> None:
    """Handshake, subscribe and connect may each go to another process."""
    await client.handshake()
    await client.subscribe(CALLS, pod=other)
    assert (await client.connect())[0] == []
    await line.tones(2)
    assert (await client.connect(pod=other))[0] == [1, 2]
    last = (await line.tones(1))[-1]
    await other.reaches(last)
    await client.pod.reaches(last)
    assert (await client.connect())[0] == [3]
    assert (await client.ask("/meta/disconnect", pod=other))["successful"]
    assert (await client.connect())[1]["error"] == "402::Unknown client"


async def test_held_connect_gets_what_was_committed_elsewhere(
    client: Client, other: Pod, make_line: MakeLine
) -> None:
    """An event of a command that the other process carried out wakes the connect."""
    await client.open(CALLS)
    held = client.hold()
    await client.pod.holds()
    await make_line(at=other).tones(1)
    assert (await held)[1][0] == {"data": 1, "channel": CALLS}


async def test_held_connect_sees_subscriptions_made_elsewhere(client: Client, other: Pod, line: Line) -> None:
    """What was subscribed to at the other process counts at once, from the very next event on."""
    await client.open()
    held = client.hold()
    await client.pod.holds()
    await line.tones(2)
    for pattern in ("/v2/me/devices", "/v2/me/*", "/**"):
        assert (await client.subscribe(pattern, pod=other))["successful"]
    await line.tones(1)
    status, [event, reply] = await held
    assert (status, event, reply["successful"]) == (200, {"data": 3, "channel": CALLS}, True)


async def test_held_connect_is_released_by_a_disconnect_elsewhere(client: Client, other: Pod) -> None:
    """A disconnect that the other process handles ends the connect at once."""
    await client.open(CALLS)
    held = client.hold()
    await client.pod.holds()
    assert (await client.ask("/meta/disconnect", pod=other))["successful"]
    async with asyncio.timeout(3):
        _, [reply] = await held
    assert (reply["successful"], reply["advice"]) == (True, {"reconnect": "none"})


@pytest.mark.parametrize("held", ["begun", "just gone on", "gone on"])
async def test_connect_elsewhere_supersedes_a_held_one(
    client: Client, other: Pod, line: Line, held: str
) -> None:
    """Of two connects held by two processes the older is ended with 500, though nothing happens."""
    await client.open(CALLS)
    if held == "begun":  # in the store, which is told of the others a moment later
        client.pod.endpoint._connects._stays.close()
    older = client.hold()
    await client.pod.holds()
    if held == "gone on":
        await eventually(lambda: not client.pod.endpoint._connects._stays._held)
    newer = client.hold(pod=other)
    await other.holds()
    async with asyncio.timeout(3):
        assert (await older)[0] == 500
    await line.tones(1)
    status, replies = await newer
    assert (status, replies[0]["data"]) == (200, 1)
    assert client.pod.endpoint.stats.superseded == 1
    assert (await client.connect(timeout=0))[0] == []


async def test_later_connect_wins_although_it_begins_late(client: Client, other: Pod, line: Line) -> None:
    """Neither begins in the store where its session has stayed; what counts is which of them came first."""
    await client.open(CALLS)
    await client.connect(pod=other, timeout=0)
    older = client.hold()
    await client.pod.holds()
    newer = client.hold(pod=other)
    await other.holds()
    async with asyncio.timeout(4):
        assert (await older)[0] == 500
    await line.tones(1)
    status, replies = await newer
    assert (status, replies[0]["data"]) == (200, 1)


async def test_events_are_told_once_while_a_client_wanders(
    client: Client, other: Pod, make_line: MakeLine
) -> None:
    """A client that connects to either process in turn gets every event once, in order."""
    await client.open(CALLS)
    lines = [make_line(), make_line("john"), make_line(at=other)]
    told: list[int] = []

    async def talk() -> None:
        for _ in range(40):
            await lines[0].tones(2)
            await lines[1].tones(1)
            await asyncio.sleep(0)

    async def listen() -> None:
        pods = (client.pod, other)
        turn = 0
        while len(told) < 80:
            turn += 1
            events, reply = await client.connect(pod=pods[turn % 2])
            assert reply["successful"]
            told.extend(events)

    async with asyncio.timeout(30):
        await asyncio.gather(talk(), listen())
    assert told == list(range(1, 81))


async def test_killed_holder_loses_nothing(client: Client, other: Pod, make_line: MakeLine) -> None:
    """When the process that holds a connect dies, the next connect elsewhere gets what happened since."""
    await client.open(CALLS)
    line = make_line(at=other)
    await line.tones(1)
    assert (await client.connect())[0] == [1]
    held = client.hold()
    await client.pod.holds()
    await client.pod.crash()
    with pytest.raises(aiohttp.ClientConnectionError):
        await held
    await line.tones(2)
    assert (await client.connect(pod=other))[0] == [2, 3]


async def test_answer_put_back_reaches_a_connect_held_elsewhere(
    client: Client, other: Pod, line: Line
) -> None:
    """What one process could not write is told by the connect the other process holds by then."""
    await client.open(CALLS)
    jane = await DIRECTORY.by_token("demo-jane")
    assert jane is not None
    sessions = Sessions(client.pod.store, max_interval=5000)
    found = await sessions.connect(jane, client.id, hold=0)
    assert found is not None
    last = (await line.tones(2))[-1]
    taken = Answer(ACCOUNT, client.id, found.generation, found.cursor, last)
    await sessions.take(taken, changed=found.changed)
    held = client.hold(pod=other)
    await other.holds()
    assert await sessions.put_back(taken)
    _, replies = await held
    assert [event["data"] for event in replies[:-1]] == [1, 2]
