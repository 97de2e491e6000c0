"""What users of the service see while its store is killed, frozen, unreachable or flushed, and after."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from aiohttp import ClientSession

from relay.webhooks.lanes import WINDOW
from tests.engines import Server
from tests.harness.accounting import FAULT, Report, Tally, row
from tests.harness.bayeux import BayeuxClient
from tests.harness.demo import ADMIN, JANE
from tests.harness.fixtures import NewRelay
from tests.harness.outage import refuses_on_every_face
from tests.harness.process import RelayProcess
from tests.harness.proxy import StoreProxy
from tests.harness.sse import SseFollower
from tests.harness.traffic import Traffic
from tests.harness.v3 import V3
from tests.harness.webhooks import WebhookReceiver
from tests.waiting import eventually

FULL = os.environ.get("FAULTS") == "full"
AWAY = 60.0 if FULL else 6.5
"""Seconds the store cannot be reached: longer than leases live."""
FROZEN = 8.0 if FULL else 6.5
LATE = 3.0
"""Seconds after an outage until everything goes on, at most; a busy machine needs most of them."""
KILLS = 10 if FULL else 2
LINES = 40
"""Lines one fault may add to the log, however long it is and however much is asked meanwhile."""

pytestmark = pytest.mark.timeout(400 if FULL else 150)

Fault = Callable[[], Awaitable[None]]


Survive = Callable[..., Awaitable[None]]
"""`survives` with everything but its last arguments."""


@pytest.fixture
def survive(http: ClientSession, receiver: WebhookReceiver, record_property: Report) -> Survive:
    """Give a function that has calls go on through a fault, and accounts for what came of them."""
    return partial(survives, http, receiver, record_property)


async def survives(
    http: ClientSession,
    receiver: WebhookReceiver,
    record_property: Report,
    name: str,
    relay: RelayProcess,
    fault: Fault,
    *,
    times: int = 1,
    away: float | None = None,
) -> None:
    """Have calls go on without a break through a fault; then nothing accepted is lost or doubled.

    What was committed before an outage of ``away`` seconds is delivered right after.
    """
    admin = V3(http, relay.url, ADMIN)
    hook = await receiver.subscribe(admin)
    traffic = Traffic(http, [relay.url])
    async with SseFollower(http, relay.url) as stream:

        async def amid_calls() -> None:
            await traffic.go_on(10)
            before = len(relay.log)
            await fault()
            await traffic.go_on(20)
            assert len(relay.log) - before <= LINES * times, relay.output[-4000:]

        await traffic.run_while(amid_calls)
        await traffic.check(admin, stream, receiver, hook)
        arrivals = receiver.arrivals(hook)
        tally = Tally.of(await admin.history(), arrivals)
        record_property(FAULT, row(name, tally, arrivals))
        assert tally.repeats <= times * WINDOW, "only what was on its way or not yet noted may be sent again"
        assert away is None or max(arrival.delay_ms for arrival in arrivals) < (away + LATE) * 1000
        assert stream.gaps == []
        assert stream.opened == 1, "a stream outlives an outage of the store"


async def test_a_store_that_is_killed_and_restarted_loses_and_doubles_nothing(
    new_relay: NewRelay, http: ClientSession, faulty_server: Server, survive: Survive
) -> None:
    """SIGKILL of a store with an append-only file, several times amid calls: relay goes on by itself."""
    relay = await new_relay(store_url=faulty_server.url, rate_limits="off").start()

    async def killed() -> None:
        for _ in range(KILLS):
            await asyncio.to_thread(faulty_server.kill)
            await asyncio.to_thread(faulty_server.start)
            await eventually(lambda: relay.ready(http), within=20)

    await survive(f"store SIGKILLed, {KILLS} times", relay, killed, times=KILLS)


async def test_a_store_that_is_frozen_loses_and_doubles_nothing(
    new_relay: NewRelay, http: ClientSession, faulty_server: Server, survive: Survive
) -> None:
    """SIGSTOP, for longer than leases live: every face says 503 meanwhile, and calls go on after."""
    relay = await new_relay(store_url=faulty_server.url, rate_limits="off").start()

    async def frozen() -> None:
        faulty_server.pause()
        clock = asyncio.get_running_loop().time
        until = clock() + FROZEN
        try:
            await refuses_on_every_face(relay, http)
            await asyncio.sleep(until - clock())  # what is asked as it thaws might be carried out
        finally:
            faulty_server.resume()

    await survive(f"store SIGSTOPped for {FROZEN:g} s", relay, frozen, away=FROZEN)


async def test_a_store_that_cannot_be_reached_loses_and_doubles_nothing(
    new_relay: NewRelay, http: ClientSession, faulty_server: Server, survive: Survive
) -> None:
    """The way to the store is cut for a while: 503 at once on every face, two log lines, then calls go on."""
    proxy = StoreProxy(faulty_server.socket)
    await proxy.open()
    relay = await new_relay(store_url=proxy.url, rate_limits="off").start()

    async def cut() -> None:
        await proxy.cut()
        clock = asyncio.get_running_loop().time
        until = clock() + AWAY
        while clock() < until:  # here nobody waits for a time-out: none takes long
            started = clock()
            await refuses_on_every_face(relay, http)
            assert clock() - started < 5, "who asks is told at once"
        await proxy.open()

    try:
        await survive(f"store out of reach for {AWAY:g} s", relay, cut, away=AWAY)
    finally:
        await proxy.cut()
    assert len(relay.logged("store unavailable")) == len(relay.logged("store back")) == 1


async def test_the_embedded_store_is_brought_back_when_it_is_killed(
    relay: RelayProcess, http: ClientSession, survive: Survive
) -> None:
    """SIGKILL of the embedded store under the running service, amid calls: it is started again."""

    async def killed() -> None:
        for _ in range(KILLS):
            back = len(relay.logged("the embedded store is back"))
            relay.kill_store()
            await eventually(lambda: len(relay.logged("the embedded store is back")) > back, within=20)  # noqa: B023
            await eventually(lambda: relay.ready(http), within=20)

    await survive(f"embedded store SIGKILLed, {KILLS} times", relay, killed, times=KILLS)


async def test_a_flushed_store_starts_over_and_says_so(
    new_relay: NewRelay, http: ClientSession, receiver: WebhookReceiver, faulty_server: Server
) -> None:
    """FLUSHALL under the running service: what was is gone, log and stream say so, and all works anew."""
    relay = await new_relay(store_url=faulty_server.url, rate_limits="off").start()
    jane, admin = V3(http, relay.url, JANE), V3(http, relay.url, ADMIN)
    old_hook = await receiver.subscribe(admin)
    client = BayeuxClient(http, relay.url, JANE)
    await client.begin()
    async with SseFollower(http, relay.url) as stream:
        lost = await jane.dial("200")
        await eventually(lambda: len(receiver.of(old_hook)) >= 3 and len(stream.events) >= 3)
        before = len(relay.log)
        await asyncio.to_thread(faulty_server.flush)

        await eventually(lambda: stream.gaps, what="the stream to be told of the loss")
        assert await eventually(lambda: relay.logged("journal lost entries"))
        assert await jane.calls() == await admin.history() == []
        assert (await jane.command("hangup", call_leg_id=lost["call_leg_id"])).status == 403
        assert (await admin.ask("GET", "/v3/subscriptions/")).body["subscriptions"] == []
        assert (await client.connect())["advice"]["reconnect"] == "handshake"

        told = len(stream.events)
        hook = await receiver.subscribe(admin)
        await client.renew()
        traffic = Traffic(http, [relay.url])
        await traffic.run(10)
        history = await admin.history()
        assert {event["call_id"] for event in history} == set(traffic.calls)
        await eventually(
            lambda: len(stream.told) >= told - 1 + len(history), what="new events on the old stream"
        )
        assert stream.told[-len(history) :] == history
        await eventually(lambda: len(receiver.of(hook)) >= len(history))
        assert [delivery.id for delivery in receiver.of(old_hook)] == [
            event["event_id"] for event in stream.told[:3]
        ]
        own = [event for event in history if event["user_extension"] == JANE.extension]
        assert len(await client.follow(len(own))) >= len(own), "GWS also tells what v3 has no event for"
        assert len(relay.log) - before <= LINES
    await relay.stop()
