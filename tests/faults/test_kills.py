"""Nothing that was accepted is lost while serving processes are killed or frozen amid their work."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Sequence

import pytest
from aiohttp import ClientSession

from relay.webhooks.lanes import WINDOW
from tests.engines import Server
from tests.harness.accounting import FAULT, Report, Tally, row
from tests.harness.demo import ADMIN, MALLORY, TENANT
from tests.harness.fixtures import NewRelay
from tests.harness.pair import Bystander, Pair
from tests.harness.process import RelayProcess
from tests.harness.sse import SseFollower
from tests.harness.traffic import Traffic
from tests.harness.v3 import V3
from tests.harness.webhooks import Delivery, WebhookReceiver
from tests.waiting import eventually

FULL = os.environ.get("FAULTS") == "full"
RESTARTS = 10 if FULL else 2
CALLS = 1000 if FULL else 40
KILLS = 20 if FULL else 1
FREEZES = 3 if FULL else 1
AT_ONCE = 8
AMID = 50 if FULL else 20
"""Deliveries before a fault at most; how many it is, is drawn by lot."""

pytestmark = pytest.mark.timeout(900 if FULL else 180)


async def test_kills_and_restarts_lose_no_event_of_any_accepted_command(
    new_relay: NewRelay, http: ClientSession, receiver: WebhookReceiver, record_property: Report
) -> None:
    """Calls go on while the only process dies of SIGKILL: webhook and stream tell each of them entirely.

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
        for kill in range(RESTARTS):
            await amid(receiver, CALLS // 4) if kill % 3 == 0 else await early(traffic)
            assert not running.done(), "every kill comes while calls go on"
            relay.kill()
            await relay.start()
        await running
        await traffic.check(admin, stream, receiver, hook)
        tally = Tally.of(await admin.history(), receiver.arrivals(hook))
    record_property(FAULT, row(f"process SIGKILLed and restarted, {RESTARTS} times", tally, ()))
    assert len(traffic.calls) == CALLS
    assert 1 < stream.opened <= RESTARTS + 1  # a process may die before the stream has come back to it
    assert stream.gaps == []
    assert (tally.disordered, tally.unknown) == (0, 0)
    assert tally.repeats <= RESTARTS * WINDOW, "only what was on its way or not yet noted may be sent again"


async def test_kills_of_the_owner_move_its_work_and_lose_nothing(
    new_relay: NewRelay,
    http: ClientSession,
    receiver: WebhookReceiver,
    server: Server,
    record_property: Report,
) -> None:
    """At moments drawn by lot the owner dies of SIGKILL: another goes on, and other tenants do not notice."""

    async def killed(pair: Pair, owner: RelayProcess, _speak: Speak) -> None:
        owner.kill()
        await eventually(lambda: pair.owner(TENANT) not in (None, owner), within=10, what=repr(pair))
        await pair.launch(owner)

    pair = await Pair(new_relay, server).start()
    tally = await survives(
        pair, http, receiver, [killed] * KILLS, f"owner SIGKILLed, {KILLS} times", record_property
    )
    assert tally.repeats <= KILLS * WINDOW


async def test_an_owner_that_was_frozen_and_thaws_disturbs_nothing(
    new_relay: NewRelay,
    http: ClientSession,
    receiver: WebhookReceiver,
    server: Server,
    record_property: Report,
) -> None:
    """The owner is stopped amid deliveries beyond its lease, until another took over; then it goes on."""

    async def frozen(pair: Pair, owner: RelayProcess, speak: Speak) -> None:
        speak([process.url for process in pair.processes if process is not owner])
        owner.signal(signal.SIGSTOP)
        try:
            await eventually(lambda: pair.owner(TENANT) not in (None, owner), within=10, what=repr(pair))
            await amid(receiver, AMID)
        finally:
            owner.signal(signal.SIGCONT)
            speak(pair.urls)

    pair = await Pair(new_relay, server).start()
    tally = await survives(
        pair,
        http,
        receiver,
        [frozen] * FREEZES,
        f"owner SIGSTOPped beyond its lease, {FREEZES} times",
        record_property,
    )
    assert tally.repeats <= FREEZES * WINDOW
    assert [await process.stop() for process in pair.processes] == [0, 0]


Speak = Callable[[Sequence[str]], None]
"""Has commands sent to these processes from now on."""
Fault = Callable[[Pair, RelayProcess, Speak], Awaitable[None]]


async def survives(
    pair: Pair,
    http: ClientSession,
    receiver: WebhookReceiver,
    faults: Sequence[Fault],
    name: str,
    record_property: Report,
) -> Tally:
    """Have faults befall the owner amid calls: nothing is lost or out of order, nor for a bystander."""
    traffic = Traffic(http, pair.urls, at_once=AT_ONCE)
    base = pair.urls[0]
    admin, mallory = V3(http, base, ADMIN), V3(http, base, MALLORY)
    hook, other = await receiver.subscribe(admin), await receiver.subscribe(mallory)
    bystander, lots = Bystander(V3(http, base, MALLORY), pair.urls), random.Random()

    def speak(bases: Sequence[str]) -> None:
        traffic.ask(bases)
        bystander.ask(bases)

    async def befall() -> None:
        for fault in faults:
            await pair.apart()
            await amid(receiver, lots.randint(1, AMID))
            owner = pair.owner(TENANT)
            assert owner is not None
            await fault(pair, owner, speak)
        await pair.apart()
        await amid(receiver, AMID)

    async with SseFollower(http, base) as stream:
        async with bystander:
            await traffic.run_while(befall)
        await traffic.check(admin, stream, receiver, hook)
    tally = Tally.of(await admin.history(), receiver.arrivals(hook))
    record_property(FAULT, row(name, tally, receiver.arrivals(other)))
    assert (tally.disordered, tally.unknown) == (0, 0)

    async def all_told() -> bool:
        told = Tally.of(await mallory.history(), receiver.arrivals(other))
        assert (told.lost, told.disordered) == (0, 0), told
        return True

    await eventually(all_told)
    return tally


async def amid(receiver: WebhookReceiver, count: int) -> None:
    """Wait until so many more events are delivered."""
    wanted = len(receiver.deliveries) + count
    await eventually(lambda: len(receiver.deliveries) >= wanted, within=60, every=0.005, what=repr(receiver))


async def early(traffic: Traffic) -> None:
    """Wait until a few more commands are accepted."""
    wanted = traffic.accepted + 4
    await eventually(lambda: traffic.accepted >= wanted, within=60, every=0.005, what=repr(traffic))
