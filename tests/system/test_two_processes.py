"""Two processes on one store: no client can tell which of them it speaks to."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import pytest
from aiohttp import ClientSession

from tests.engines import Server
from tests.harness.bayeux import BayeuxClient
from tests.harness.demo import ADMIN, JANE, JOHN
from tests.harness.fixtures import NewRelay
from tests.harness.gws import Gws
from tests.harness.process import RelayProcess
from tests.harness.sse import SseFollower
from tests.harness.traffic import Traffic
from tests.harness.v3 import V3
from tests.harness.webhooks import WebhookReceiver
from tests.waiting import eventually


class Pair(NamedTuple):
    """Two processes."""

    a: RelayProcess
    b: RelayProcess


@pytest.fixture
async def pair(new_relay: NewRelay, server: Server) -> Pair:
    """Give two processes on one store, without rate limits."""
    a, b = (new_relay(store_url=server.url, rate_limits="off") for _ in range(2))
    await asyncio.gather(a.start(), b.start())
    return Pair(a, b)


async def test_a_command_to_one_is_told_by_the_other(pair: Pair, http: ClientSession) -> None:
    """Commands go to A; a stream and a held CometD connect at B are told, in order."""
    client = BayeuxClient(http, pair.b.url, JOHN)
    await client.begin()
    async with SseFollower(http, pair.b.url) as stream:
        held = client.hold()
        jane, john = V3(http, pair.a.url, JANE), V3(http, pair.a.url, JOHN)
        placed = await jane.dial("200")
        assert (await asyncio.wait_for(held, 10))["successful"]
        assert [data["call"]["state"] for data in client.told] == ["Ringing"]
        leg = await eventually(lambda: john.leg(placed["call_id"], "200", "ringing"))
        followed = asyncio.create_task(client.follow(3))
        await john.on_leg("answer", leg)
        await jane.on_leg("hangup", placed["call_leg_id"])
        await followed
        assert [data["call"]["state"] for data in client.told] == ["Ringing", "Established", "Released"]
        await eventually(lambda: len(stream.events) >= 6)
        assert [event["sequence"] for event in stream.told] == [1, 2, 1, 2, 3, 3]


async def test_a_bayeux_session_goes_on_at_the_other_process(pair: Pair, http: ClientSession) -> None:
    """A session begun at A is subscribed, connected and told at B, then at A again, and misses nothing."""
    client = BayeuxClient(http, pair.a.url, JANE)
    await client.begin()
    jane = Gws(http, pair.a.url, JANE)
    await jane.dial(JOHN.number)
    client.base = pair.b.url
    await client.follow(1)
    client.base = pair.a.url
    [call] = await jane.calls()
    held = client.hold()
    await Gws(http, pair.b.url, JANE).operate(call["id"], "Hangup")
    assert (await asyncio.wait_for(held, 10))["successful"]
    assert [data["call"]["state"] for data in client.told] == ["Dialing", "Released"]
    client.base = pair.b.url
    await client.end()


async def test_a_session_cookie_of_one_is_honoured_by_the_other(pair: Pair, http: ClientSession) -> None:
    """Who has signed in at A comes to B with the cookie alone."""
    given = await Gws(http, pair.a.url, JANE).ask("GET", "/me")
    cookie = given.headers["Set-Cookie"].split(";")[0]
    async with http.get(f"{pair.b.url}/api/v2/me", headers={"Cookie": cookie}) as response:
        assert (await response.json())["user"]["userName"] == "jane"


async def test_webhooks_are_delivered_once_whoever_takes_the_commands(
    pair: Pair, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """Fifty calls through both by turns: each event is delivered exactly once, each call in order."""
    admin = V3(http, pair.a.url, ADMIN)
    hook = await receiver.subscribe(admin)
    traffic = Traffic(http, [pair.a.url, pair.b.url])
    async with SseFollower(http, pair.b.url) as stream:
        await traffic.run(50)
        told = await traffic.check(admin, stream, receiver, hook)
    assert set(told.values()) == {1}
    assert stream.opened == 1


async def test_what_one_process_does_is_taken_over_when_it_stops_or_dies(
    pair: Pair, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """A stops and comes back, then B is killed: calls, webhooks and the stream go on, unaided."""
    hook = await receiver.subscribe(V3(http, pair.a.url, ADMIN))
    traffic = Traffic(http, [pair.b.url])
    async with SseFollower(http, pair.b.url) as stream:
        await traffic.run(5)
        assert await pair.a.stop() == 0
        await traffic.run(5)
        await pair.a.start()
        pair.b.kill()
        stream.base = pair.a.url
        traffic.ask([pair.a.url])
        await traffic.run(5)
        await traffic.check(V3(http, pair.a.url, ADMIN), stream, receiver, hook)


async def test_a_rolling_restart_loses_and_repeats_nothing(
    pair: Pair, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """One after the other is stopped and started again amid calls: each event is delivered exactly once."""
    admin = V3(http, pair.a.url, ADMIN)
    hook = await receiver.subscribe(admin)
    traffic = Traffic(http, [pair.a.url, pair.b.url])
    async with SseFollower(http, pair.b.url) as stream:

        async def restarts() -> None:
            for process in pair:
                await traffic.go_on(10)
                assert await process.stop() == 0
                await process.start()

        await traffic.run_while(restarts)
        told = await traffic.check(admin, stream, receiver, hook)
    assert set(told.values()) == {1}
    assert (stream.opened, stream.ended) == (2, 1)


async def test_rate_limits_are_shared(new_relay: NewRelay, server: Server, http: ClientSession) -> None:
    """Eighty commands, by turns to A and B: sixty are taken, the rest refused with when to come back."""
    a, b = (new_relay(store_url=server.url) for _ in range(2))
    await asyncio.gather(a.start(), b.start())
    clients = [V3(http, process.url, JANE) for process in (a, b)]
    answers = [await clients[turn % 2].command("hangup", call_leg_id="none") for turn in range(80)]
    assert [answer.status for answer in answers] == [403] * 60 + [429] * 20
    left = [answer.headers["RateLimit"].partition(";t=")[0] for answer in answers[:60]]
    assert left == [f'"call-control";r={number}' for number in range(59, -1, -1)]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 60
    assert (await V3(http, a.url, JOHN).command("hangup", call_leg_id="none")).status == 403
