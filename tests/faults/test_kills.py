"""Nothing that was accepted is lost while serving processes are killed or frozen amid their work."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from aiohttp import ClientSession

from tests.engines import Server
from tests.harness.demo import ADMIN
from tests.harness.fixtures import NewRelay
from tests.harness.sse import SseFollower
from tests.harness.traffic import Traffic
from tests.harness.v3 import V3
from tests.harness.webhooks import Delivery, WebhookReceiver
from tests.waiting import eventually

FULL = os.environ.get("FAULTS") == "full"
KILLS = 10
CALLS = 1000 if FULL else 200

pytestmark = pytest.mark.timeout(600 if FULL else 180)


async def test_ten_kills_lose_no_event_of_any_accepted_command(
    new_relay: NewRelay, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """200 calls while the process dies ten times of SIGKILL: webhook and stream tell each of them entirely.

    Some kills come amid deliveries, others when the process has only just begun to take commands.
    """
    relay = await new_relay(rate_limits="off").start()
    traffic = Traffic(http, [relay.url], at_once=16)
    admin = V3(http, relay.url, ADMIN)

    async def slowly(_delivery: Delivery) -> int:
        await asyncio.sleep(0.01)  # so that a kill finds some on their way
        return 204

    receiver.script = slowly
    hook = await receiver.subscribe(admin)
    async with SseFollower(http, relay.url) as stream:
        running = asyncio.create_task(traffic.run(CALLS))
        for kill in range(KILLS):
            await amid(traffic, receiver) if kill % 3 == 0 else await early(traffic)
            assert not running.done(), "every kill comes while calls go on"
            relay.kill()
            await relay.start()
        await running
        told = await traffic.check(admin, stream, receiver, hook)
    assert len(traffic.calls) == CALLS
    assert stream.opened == KILLS + 1
    assert stream.gaps == []
    repeated = sum(told.values()) - len(told)
    assert repeated <= KILLS * 50, "only what was on its way may be sent again"


async def test_an_owner_that_was_frozen_and_thaws_disturbs_nothing(
    new_relay: NewRelay, http: ClientSession, receiver: WebhookReceiver, server: Server
) -> None:
    """The process that delivers is stopped amid deliveries until another has taken over, then goes on."""
    a, b = (new_relay(store_url=server.url, rate_limits="off", partitions="1") for _ in range(2))
    await a.start()  # and has the only partition before the other comes
    await b.start()
    traffic = Traffic(http, [b.url])
    admin = V3(http, b.url, ADMIN)
    hook = await receiver.subscribe(admin)

    async def frozen() -> None:
        await amid(traffic, receiver)
        a.signal(signal.SIGSTOP)
        try:
            await amid(traffic, receiver)
        finally:
            a.signal(signal.SIGCONT)
        await amid(traffic, receiver)

    async with SseFollower(http, b.url) as stream:
        await traffic.run_while(frozen)
        told = await traffic.check(admin, stream, receiver, hook)
    assert sum(told.values()) - len(told) <= 50
    assert [await process.stop() for process in (a, b)] == [0, 0]


async def amid(traffic: Traffic, receiver: WebhookReceiver) -> None:
    """Wait until many more events are delivered."""
    wanted = len(receiver.deliveries) + CALLS // 4
    await eventually(lambda: len(receiver.deliveries) >= wanted, within=60, every=0.005, what=repr(traffic))


async def early(traffic: Traffic) -> None:
    """Wait until a few more commands are accepted."""
    wanted = traffic.accepted + 4
    await eventually(lambda: traffic.accepted >= wanted, within=60, every=0.005, what=repr(traffic))
