"""Clients of other makers, unmodified: CometD's for JavaScript, and aiocometd in the fork that runs today."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiocometd_noloop import AuthExtension
from aiocometd_noloop import Client as AioCometD

from relay.streaming.bayeux.session import Ended
from relay.streaming.bayeux.sessions import Sessions
from tests.streaming.bayeux.calling import RENDERER, STATES, call
from tests.streaming.bayeux.conftest import OpenPod
from tests.streaming.bayeux.pods import CALLS, DIRECTORY, Pod
from tests.waiting import eventually

JS = Path(__file__).parents[2] / "js"
BASIC = aiohttp.encode_basic_auth("jane", "demo")
WITHIN = 20.0
"""Seconds a client may take for a step; two busy cores need some."""


class JavaScript:
    """CometD's client in a Node process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.told: list[dict[str, Any]] = []

    async def tells(self, kind: str) -> dict[str, Any]:
        """Return the next thing of a kind that it tells; others are kept in `told`."""
        assert self._process.stdout is not None
        async with asyncio.timeout(WITHIN):
            while True:
                line = await self._process.stdout.readline()
                assert line, f"it ended, having told {self.told}"
                self.told.append(msgspec.json.decode(line))
                if kind in self.told[-1]:
                    return self.told[-1]

    async def events(self, count: int) -> list[dict[str, Any]]:
        """Return the next events."""
        return [(await self.tells("event"))["event"] for _ in range(count)]

    async def end(self) -> None:
        """Have it disconnect, and wait for its end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(WITHIN):
            assert await self._process.wait() == 0


@pytest.fixture
async def pod(open_pod: OpenPod) -> Pod:
    """Give a pod that tells calls as GWS does."""
    return await open_pod(renderer=RENDERER)


@pytest.fixture
async def javascript(pod: Pod, request: pytest.FixtureRequest) -> AsyncIterator[JavaScript]:
    """Give a JavaScript client that is subscribed to jane's calls; a parameter is an option for it."""
    node = shutil.which("node")
    if node is None or not (JS / "node_modules" / "cometd").exists():
        pytest.skip("needs Node >= 18 and the packages of tests/js (make clients)")
    process = await asyncio.create_subprocess_exec(
        *(node, str(JS / "cometd.mjs"), pod.url, BASIC, *getattr(request, "param", ()), CALLS),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    client = JavaScript(process)
    try:
        assert (await client.tells("subscribed"))["successful"]
        yield client
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def states(events: list[dict[str, Any]]) -> list[str]:
    """Return the state that each event tells."""
    return [event["data"]["call"]["state"] for event in events]


async def test_javascript_client_follows_a_call(pod: Pod, javascript: JavaScript) -> None:
    """It is told each state of a call in order, exactly as rendered, and disconnects in good order."""
    expected = await call(pod.journal)
    told = await javascript.events(3)
    assert told == expected
    assert states(told) == STATES
    await javascript.end()
    assert pod.endpoint.stats.disconnected == 1
    assert [line["unsuccessful"] for line in javascript.told if "unsuccessful" in line] == [
        "/meta/handshake"  # over websocket, upon which it falls back
    ]


async def test_javascript_client_goes_on_after_a_restart(
    open_pod: OpenPod, pod: Pod, javascript: JavaScript
) -> None:
    """When its process ends and another takes its place, it goes on with its session and misses nothing."""
    await call(pod.journal)
    assert states(await javascript.events(3)) == STATES
    await pod.holds()
    await pod.stop()
    journal = pod.journal
    await call(journal)
    await open_pod(renderer=RENDERER, port=pod.port)
    assert states(await javascript.events(3)) == STATES
    assert len([line for line in javascript.told if line.get("handshake")]) == 1
    await javascript.end()


async def test_javascript_client_begins_anew_after_its_session_ended(
    pod: Pod, javascript: JavaScript
) -> None:
    """When its session is gone it makes a new one, subscribes again and is told of the next call."""
    await pod.holds()
    await end(pod, Ended.EXPIRED)
    assert (await javascript.tells("unsuccessful"))["error"] == "402::Unknown client"
    assert (await javascript.tells("subscribed"))["successful"]
    await call(pod.journal)
    assert states(await javascript.events(3)) == STATES
    await javascript.end()


@pytest.mark.parametrize(
    ("javascript", "begun"),
    [((), 2), (("--websocket",), 1), (("--websocket", "--ack"), 2)],
    indirect=["javascript"],
)
async def test_javascript_client_stops_when_the_server_has_ended_its_session(
    pod: Pod, javascript: JavaScript, begun: int
) -> None:
    """It is told by a disconnect that it did not ask for, and neither connects nor begins anew."""
    stats = pod.endpoint.stats  # its first connect is answered at once: it is not the one that is held
    await eventually(lambda: (stats.connects, stats.held) == (begun, 1))
    connects = pod.endpoint.stats.connects
    await end(pod, Ended.CLOSED)
    assert (await javascript.tells("disconnected"))["disconnected"] == "by server"
    await pod.holds(0)
    await javascript.end()
    assert (pod.endpoint.stats.connects, pod.endpoint.stats.handshakes) == (connects, 1)


async def end(pod: Pod, why: Ended) -> None:
    """End the only session there is, which is jane's."""
    jane = await DIRECTORY.by_token("demo-jane")
    assert jane is not None
    [client] = await pod.store.call("ZRANGE", pod.store.keys(jane.account).bayeux_due, 0, -1)
    assert await Sessions(pod.store, max_interval=5000).end(jane, client.decode(), why)


class Basic(AuthExtension):  # type: ignore[misc] # the package has no types
    """Sends jane's credentials with every request."""

    async def outgoing(self, payload: list[dict[str, Any]], headers: dict[str, str] | None = None) -> None:
        """Add the header."""
        assert headers is not None
        headers["Authorization"] = BASIC

    async def incoming(self, payload: list[dict[str, Any]], headers: dict[str, str] | None = None) -> None:
        """Leave what comes as it is."""

    async def authenticate(self) -> None:
        """Be called only when credentials are refused."""
        raise AssertionError("the credentials were refused")


@pytest.mark.filterwarnings(r"ignore:(float parameter 'receive_timeout'|ssl=None):DeprecationWarning")
@pytest.mark.parametrize("pattern", [CALLS, "/v2/me/*", "/**"])
async def test_aiocometd_follows_a_call(pod: Pod, pattern: str) -> None:
    """It is told each state of a call, in messages that have the channel and the data and nothing else."""
    async with asyncio.timeout(WITHIN), AioCometD(pod.url, auth=Basic()) as client:
        await client.subscribe(pattern)
        await pod.holds()
        expected = await call(pod.journal)
        told = [await client.receive() for _ in range(3)]
        assert told == expected
        assert states(told) == STATES
        await client.unsubscribe(pattern)
