"""Unmodified clients of other makers against the running service: what they are told, across a crash too."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiocometd_noloop import AuthExtension
from aiocometd_noloop import Client as AioCometD
from aiohttp import ClientSession, encode_basic_auth

from tests.harness.bayeux import CALLS
from tests.harness.demo import ADMIN, JANE, JOHN
from tests.harness.gws import Gws
from tests.harness.node import NodeProgram
from tests.harness.process import RelayProcess
from tests.harness.v3 import V3
from tests.waiting import eventually

BASIC = encode_basic_auth(JANE.login, JANE.password)
STATES = ["Dialing", "Established", "Released"]
TYPES = ["call.leg.ringing", "call.leg.answered", "call.leg.hungup", "relay.gap"]


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


async def test_cometd_js_follows_calls_across_a_crash(relay: RelayProcess, http: ClientSession) -> None:
    """CometD's own client is told each state in order, and after a SIGKILL goes on in its session."""
    async with NodeProgram("cometd.mjs", f"{relay.url}/api/v2/notifications", BASIC, CALLS) as client:
        assert (await client.tells("subscribed")) == [CALLS]
        await talk(http, relay)
        assert states(await client.tells("event", 3)) == STATES
        relay.kill()
        await relay.start()
        await talk(http, relay)
        assert states(await client.tells("event", 6)) == STATES * 2
        assert client.of("handshake").count(True) == 1


class Basic(AuthExtension):  # type: ignore[misc] # the package has no types
    """Sends Jane's credentials with every request."""

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
@pytest.mark.parametrize("pattern", [CALLS, "/v2/me/*"])
async def test_aiocometd_follows_a_call(pattern: str, relay: RelayProcess, http: ClientSession) -> None:
    """The Python client is told each state of a call in order, in messages of channel and data alone."""
    async with asyncio.timeout(30), AioCometD(f"{relay.url}/api/v2/notifications", auth=Basic()) as client:
        await client.subscribe(pattern)
        await talk(http, relay)
        told = [await client.receive() for _ in range(3)]
        assert states(told) == STATES
        assert all(set(message) == {"channel", "data"} for message in told)


async def test_eventsource_follows_the_stream_across_a_crash(
    relay: RelayProcess, http: ClientSession
) -> None:
    """The npm client is told every event once, those it missed while the process was dead included."""
    admin = V3(http, relay.url, ADMIN)
    url = f"{relay.url}/v3/events/stream"
    async with NodeProgram("eventsource.mjs", url, f"Bearer {ADMIN.token}", *TYPES) as client:
        await client.tells("open")
        await talk(http, relay)
        await client.tells("event", 6)
        relay.kill()
        await relay.start()
        await talk(http, relay)
        await client.tells("open", 2)
        await talk(http, relay)
        told = await client.tells("event", 18)
        assert [event["data"] for event in told] == await admin.history()
        assert all(event["data"]["event_id"].endswith(f"_{event['id']}") for event in told)
        assert [event["type"] for event in told] == [event["data"]["type"] for event in told]
