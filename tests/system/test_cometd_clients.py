"""Unmodified clients of other makers follow calls while the process that serves them is killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiocometd_ng
import aiocometd_noloop
import pytest
from aiohttp import ClientSession, encode_basic_auth

from tests.engines import Server
from tests.harness.bayeux import CALLS
from tests.harness.demo import ADMIN, JANE, JOHN
from tests.harness.fixtures import NewRelay
from tests.harness.gws import Gws
from tests.harness.node import NodeProgram
from tests.harness.process import RelayProcess
from tests.harness.v3 import V3
from tests.harness.way import Way
from tests.waiting import eventually

BASIC = encode_basic_auth(JANE.login, JANE.password)
PATH = "/api/v2/notifications"
STATES = ["Dialing", "Established", "Released"]
WITHIN = 40.0
"""Seconds a client may take for a step, its pauses before it tries again included."""


class Stage(NamedTuple):
    """Two processes on one store, and the way to the first while it lives."""

    first: RelayProcess
    second: RelayProcess
    way: Way

    @property
    def url(self) -> str:
        """Where clients find CometD."""
        return self.way.url + PATH

    async def sockets(self, http: ClientSession) -> int:
        """Return how many websockets the first process has."""
        async with http.get(f"{self.first.admin_url}/metrics") as response:
            lines = (await response.text()).splitlines()
        return sum(float(line.split()[1]) == 1 for line in lines if line.startswith("relay_bayeux_sockets "))

    def kill_first(self) -> None:
        """Kill the process that serves the clients; the way leads to the other then."""
        self.way.to = self.second.port
        self.first.kill()


@pytest.fixture
async def stage(new_relay: NewRelay, server: Server) -> AsyncIterator[Stage]:
    """Give two processes on one store."""
    same = {"rate_limits": "off", "bayeux_timeout": "5", "public_url": "http://relay.example"}
    first, second = (new_relay(store_url=server.url, **same) for _ in range(2))
    await asyncio.gather(first.start(), second.start())
    async with Way(first.port) as way:
        yield Stage(first, second, way)


async def talk(http: ClientSession, relay: RelayProcess) -> None:
    """Have Jane dial John by GWS, John answer, and Jane hang up."""
    jane, john = Gws(http, relay.url, JANE), Gws(http, relay.url, JOHN)
    await jane.dial(JOHN.number)
    call = (await eventually(john.calls))[0]
    await john.operate(call["id"], "Answer")
    await jane.operate(call["id"], "Hangup")


def states(events: list[dict[str, Any]]) -> list[str]:
    """Return the call's state in each notification."""
    return [event["data"]["call"]["state"] for event in events]


def once(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return events without those that are there already."""
    return [event for number, event in enumerate(events) if event not in events[:number]]


async def client_has_its_transport(stage: Stage, http: ClientSession, websocket: bool) -> bool:
    """Tell whether the client that is subscribed has a websocket, or has none."""
    return await stage.sockets(http) == int(websocket)


@pytest.mark.parametrize(
    ("program", "options", "repeats"),
    [
        ("cometd.mjs", ["--websocket", "--ack"], False),
        ("cometd.mjs", ["--ack"], False),
        ("cometd.mjs", ["--websocket"], True),
        ("cometd.mjs", [], False),
        ("faye.mjs", ["--websocket"], True),
        ("faye.mjs", [], False),
    ],
    ids=lambda value: "".join(value) if isinstance(value, list) else None,
)
async def test_javascript_client_goes_on_at_the_other_process(
    stage: Stage, http: ClientSession, program: str, options: list[str], repeats: bool
) -> None:
    """It misses nothing; what it had just been told may come again through a websocket, without `ack`."""
    async with NodeProgram(program, stage.url, BASIC, *options, CALLS) as client:
        assert await client.tells("subscribed") == [CALLS]
        await eventually(lambda: client_has_its_transport(stage, http, "--websocket" in options))
        await talk(http, stage.second)
        assert states(await client.tells("event", 3)) == STATES
        stage.kill_first()
        await talk(http, stage.second)
        await eventually(lambda: states(once(client.of("event"))) == STATES * 2, within=WITHIN)
        await talk(http, stage.second)
        await eventually(lambda: states(once(client.of("event"))) == STATES * 3, within=WITHIN)
        assert repeats or states(client.of("event")) == STATES * 3
        assert client.of("handshake").count(True) <= 1, "it went on with its session"


PYTHON = [aiocometd_noloop, aiocometd_ng]


@pytest.mark.filterwarnings(r"ignore:(float parameter 'receive_timeout'|ssl=None):DeprecationWarning")
@pytest.mark.parametrize("library", PYTHON, ids=lambda library: str(library.__name__))
@pytest.mark.parametrize("transport", ["LONG_POLLING", "WEBSOCKET"])
async def test_python_client_goes_on_at_the_other_process(
    stage: Stage, http: ClientSession, library: Any, transport: str
) -> None:
    """It misses nothing; what it had just been told may come again through a websocket."""

    class Basic(library.AuthExtension):  # type: ignore[misc] # the packages have no types
        async def outgoing(
            self, payload: list[dict[str, Any]], headers: dict[str, str] | None = None
        ) -> None:
            assert headers is not None
            headers["Authorization"] = BASIC

        async def incoming(
            self, payload: list[dict[str, Any]], headers: dict[str, str] | None = None
        ) -> None:
            """Leave what comes as it is."""

        async def authenticate(self) -> None:
            raise AssertionError("the credentials were refused")

    told: list[dict[str, Any]] = []
    types = [library.ConnectionType[transport]]
    # One of them cannot tell that time is up (it gives wait_for a loop), so it must not try to.
    client = library.Client(stage.url, types, auth=Basic(), connection_timeout=0)
    async with asyncio.timeout(2 * WITHIN), client:
        await client.subscribe(CALLS)
        assert await client_has_its_transport(stage, http, transport == "WEBSOCKET")
        await talk(http, stage.second)
        while len(told) < 3:
            told.append(await client.receive())
        stage.kill_first()
        await talk(http, stage.second)
        while states(once(told)) != STATES * 2:
            told.append(await client.receive())
        await talk(http, stage.second)
        while states(once(told)) != STATES * 3:
            told.append(await client.receive())
        assert transport == "WEBSOCKET" or len(told) == 9


TYPES = ["call.leg.ringing", "call.leg.answered", "call.leg.hungup", "relay.gap"]


async def test_eventsource_goes_on_at_the_other_process(stage: Stage, http: ClientSession) -> None:
    """By its last event id it is told every event once, in order, also amid a call."""
    admin, stream = V3(http, stage.second.url, ADMIN), f"{stage.way.url}/v3/events/stream"
    async with NodeProgram("eventsource.mjs", stream, f"Bearer {ADMIN.token}", *TYPES) as client:
        await client.tells("open")
        jane, john = Gws(http, stage.second.url, JANE), Gws(http, stage.second.url, JOHN)
        await jane.dial(JOHN.number)
        [call] = await eventually(john.calls)
        await client.tells("event", 2)
        stage.kill_first()
        await john.operate(call["id"], "Answer")
        await jane.operate(call["id"], "Hangup")
        await client.tells("open", 2)
        await talk(http, stage.second)
        told = await client.tells("event", 12)
        assert [event["data"] for event in told] == await admin.history()
        assert "relay.gap" not in {event["type"] for event in told}
