"""Clients that do not take what they are told as fast as it happens: what they may cost, and lose nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import SO_RCVBUF, SOL_SOCKET
from socket import socket as plain
from typing import Any

import aiohttp
import pytest
from aiohttp.connector import AddrInfoType

from relay.calls.events import CallEvent, EventId
from relay.streaming.bayeux import polling
from relay.streaming.stream import Limits
from relay.subscriptions.rendering import Rendered, Renderer
from tests.streaming.bayeux.conftest import MakeClient, MakeLine, OpenPod
from tests.streaming.bayeux.pods import CALLS, Client, Pod, tones
from tests.streaming.bayeux.sockets import Socket
from tests.waiting import eventually


def padded(size: int) -> Renderer:
    """Return a renderer of tones whose messages have so many bytes more."""
    pad = b',"pad":"' + b"x" * size + b'"}'

    def render(event_id: EventId, event: CallEvent) -> Rendered | None:
        plain = tones(event_id, event)
        return None if plain is None else plain._replace(body=plain.body.replace(b"}", pad))

    return render


@asynccontextmanager
async def narrow() -> AsyncIterator[aiohttp.ClientSession]:
    """Give an HTTP client whose sockets take little ahead of its reader."""

    def make(info: AddrInfoType) -> plain:
        made = plain(*info[:3])
        made.setblocking(False)
        made.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
        return made

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=make)) as session:
        yield session


async def test_client_that_does_not_read_is_cut_off_and_resumes(
    open_pod: OpenPod, http: aiohttp.ClientSession, make_line: MakeLine
) -> None:
    """On a websocket it is once too much waits; it loses nothing, and the others do not notice."""
    pod = await open_pod(renderer=padded(10_000), limits=Limits(buffer_bytes=128 * 1024, slow_seconds=60))
    async with narrow() as narrowly:
        slow = await (await Socket.open(narrowly, pod)).begin(CALLS)
        quick = await (await Socket.open(http, pod)).begin(CALLS)
        line = make_line(at=pod)
        await line.tones(1)
        assert await numbers(slow, 1) == await numbers(quick, 1) == [1]
        protocol(slow).pause_reading()
        for first in range(2, 62):
            await line.tones(1)
            assert await numbers(quick, 1) == [first]
        await eventually(lambda: pod.endpoint.stats.cut_buffer == 1)
        await eventually(lambda: pod.endpoint.stats.sockets == 1)
    assert pod.endpoint.stats.cut_slow == 0
    assert (await resumed(http, pod, slow, 61))[0] <= 30


async def test_client_that_stays_slow_is_cut_off_and_resumes(
    open_pod: OpenPod, http: aiohttp.ClientSession, make_line: MakeLine
) -> None:
    """On a websocket one that reads on, but too little for too long, is too, far from the limit of bytes."""
    pod = await open_pod(renderer=padded(10_000), limits=Limits(buffer_bytes=1 << 30, slow_seconds=0.5))
    async with narrow() as narrowly:
        slow = await (await Socket.open(narrowly, pod)).begin(CALLS)
        reading = asyncio.create_task(read_a_little(slow))
        line, last = make_line(at=pod), 0
        async with asyncio.timeout(30):
            while not pod.endpoint.stats.cut_slow:
                await line.tones(1)
                last += 1
        await eventually(lambda: pod.endpoint.stats.sockets == 0)
        reading.cancel()
    assert pod.endpoint.stats.cut_buffer == 0
    await resumed(http, pod, slow, last)


async def test_client_that_reads_late_as_the_process_stops_is_told_nothing_twice(
    open_pod: OpenPod, http: aiohttp.ClientSession, make_line: MakeLine
) -> None:
    """What was on its way counts as told once its machine has it, for which the close waits a moment."""
    pod, other = await open_pod(renderer=padded(10_000)), await open_pod(renderer=padded(10_000))
    async with narrow() as narrowly:
        late = await (await Socket.open(narrowly, pod)).begin(CALLS)
        protocol(late).pause_reading()
        line = make_line(at=other)
        await line.tones(40)
        await eventually(lambda: pod.endpoint.stats.events == 40)
        stopping = asyncio.create_task(pod.stop())
        await eventually(lambda: "draining" in repr(pod.endpoint))
        await line.tones(5)
        protocol(late).resume_reading()
        told = await numbers(late, 40)
        assert await late.closed() == 1001
        await stopping
    assert told == list(range(1, 41))
    assert await resumed(http, other, late, 45) == list(range(41, 46))


async def read_a_little(socket: Socket) -> None:
    """Take a piece of what comes now and then."""
    while True:
        protocol(socket).resume_reading()
        await asyncio.sleep(0)
        protocol(socket).pause_reading()
        await asyncio.sleep(0.02)  # the pace is the case


async def test_answer_that_a_poller_does_not_read_is_put_back(
    open_pod: OpenPod,
    make_client: MakeClient,
    make_line: MakeLine,
    http: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its connection is broken off in time, and another one is told everything."""
    monkeypatch.setattr(polling, "WRITE_TIMEOUT", 0.5)
    pod = await open_pod(renderer=padded(40_000))  # far more than the kernel takes for a client
    client, line = await make_client(at=pod).open(CALLS), make_line(at=pod)
    for _ in range(5):
        await line.tones(50)
    async with narrow() as narrowly:
        stalled = Client(narrowly, pod)
        stalled.id = client.id
        connect = stalled.message("/meta/connect", connectionType="long-polling")
        headers = {"Authorization": "Bearer demo-jane"}
        async with narrowly.post(pod.url, json=[connect], headers=headers) as response:
            assert response.status == 200  # and that is all it reads
            await eventually(lambda: pod.endpoint.stats.put_back == 1)
    told: list[Any] = []
    while len(told) < 250:
        told += [event["data"] for event in (await client.try_connect())[1][:-1]]
    assert told == list(range(1, 251))


async def resumed(http: aiohttp.ClientSession, pod: Pod, slow: Socket, last: int) -> list[int]:
    """Return what a cut client is told on another socket: all from where it was, in order."""
    again = await Socket.open(http, pod)
    again.client = slow.client
    assert (await again.connect(timeout=0))["successful"]
    told = await numbers(again, 1)
    while told[-1] != last:
        told += await numbers(again, 1)
    assert told == list(range(told[0], last + 1))
    return told


async def numbers(socket: Socket, count: int) -> list[int]:
    """Return the numbers of the next events, which are padded."""
    while len(socket.events) < count:
        socket.keep(await socket.frame())
    return [event["data"] for event in socket.take(count)]


def protocol(socket: Socket) -> Any:
    """Return what reads from a socket's connection."""
    connection = socket.raw._conn
    assert connection is not None
    return connection.protocol
