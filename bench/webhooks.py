"""Webhooks: signed POSTs to a sink, paced and in flood; each event must reach each subscription once."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import msgspec

from bench.box import Meter, Used
from bench.client import Connection, head_of
from bench.figures import Figures
from bench.publishing import Publisher
from bench.service import Service
from bench.sink import Report, Sink, sink
from bench.tenant import ADMIN

PACE: Final = 100
"""Events a second."""
PACED_TO: Final = 2
"""Subscriptions that each paced event goes to."""
FLOOD_TO: Final = 10
"""Subscriptions that each event of the flood goes to, so that making the events costs little beside it."""
WINDOW: Final = 256
"""Events that a flood is ahead of its deliveries at most."""
POLL: Final = 0.01
"""Seconds between two questions to the sink how far it is."""
SETTLE: Final = 30.0
"""Seconds that the last deliveries may take."""


async def run(service: Service, seconds: float) -> AsyncIterator[Figures]:
    """Publish to nobody, then to subscriptions: what a delivery costs is the difference."""
    publisher = await Publisher.open(service.port)
    with sink(service.certificate) as endpoint:
        load = Load(service, seconds, publisher, endpoint, await Connection.open(endpoint.port))
        paced, flooded = await _alone(load, paced=True), await _alone(load, paced=False)
        yield Figures.of(f"{PACE} events/s, no subscription", paced.events, paced.used, (), ())
        await subscribe(load, range(PACED_TO))
        yield await _delivered(load, PACED_TO, paced)
        yield Figures.of("flood of events, no subscription", flooded.events, flooded.used, (), ())
        await subscribe(load, range(PACED_TO, FLOOD_TO))
        yield await _delivered(load, FLOOD_TO, flooded)
        await _secure(load)
        yield (await _delivered(load, FLOOD_TO, flooded))._replace(case=f"flood to {FLOOD_TO}, TLS")
        load.asking.close()
    publisher.close()


class Load(NamedTuple):
    """What a case is made with."""

    service: Service
    seconds: float
    publisher: Publisher
    sink: Sink
    asking: Connection
    pace: float = PACE
    """Events a second where they are paced."""

    def meter(self) -> Meter:
        """Begin to measure."""
        service = self.service
        return Meter(relay=service.pid, store=service.store_pid, bench=os.getpid(), sink=self.sink.pid)

    async def publish(self, window: asyncio.Semaphore, *, paced: bool) -> int:
        """Publish for as long as is asked; return how many events."""
        first = self.publisher.published
        if paced:
            await self.publisher.paced(self.pace, self.seconds)
        else:
            await self.publisher.flood(self.seconds, window)
        return self.publisher.published - first

    async def delivered(self) -> int:
        """Return how many deliveries have come."""
        _, count = await self.asking.request(head_of("GET", "/-/count"))
        return int(count)


class Alone(NamedTuple):
    """What events cost without anybody to deliver them to."""

    events: int
    used: Used
    paced: bool


async def _alone(load: Load, *, paced: bool) -> Alone:
    meter = load.meter()
    events = await load.publish(asyncio.Semaphore(sys.maxsize), paced=paced)
    return Alone(events, meter.read(), paced)


class Delivered(NamedTuple):
    """What was published, and what came of it."""

    events: int
    used: Used
    report: Report
    faults: list[str]


async def deliver(load: Load, subscriptions: int, *, paced: bool) -> Delivered:
    """Publish, and wait until each event has reached so many subscriptions."""
    await load.asking.request(head_of("POST", "/-/begin"))
    window = asyncio.Semaphore(WINDOW)
    meter = load.meter()
    publishing = asyncio.create_task(load.publish(window, paced=paced))
    came, deadline = 0, time.monotonic() + load.seconds + SETTLE
    used = meter.read()
    while not publishing.done() or (
        came < publishing.result() * subscriptions and time.monotonic() < deadline
    ):
        await asyncio.sleep(POLL)
        before, came = came, await load.delivered()
        for _ in range(came // subscriptions - before // subscriptions):
            window.release()
        if came > before:
            used = meter.read()  # until the last that came: the time that missing ones are waited for is none
    events = publishing.result()
    _, told = await load.asking.request(head_of("GET", "/-/report"))
    report = msgspec.json.decode(told, type=Report)
    return Delivered(events, used, report, _faults(report, events, subscriptions))


async def _delivered(load: Load, subscriptions: int, alone: Alone) -> Figures:
    events, used, report, faults = await deliver(load, subscriptions, paced=alone.paced)
    case = f"{PACE} events/s to {subscriptions}" if alone.paced else f"flood to {subscriptions}"
    return Figures.of(case, report.deliveries, _beyond(used, alone, events), report.latencies_ms, faults)


def _beyond(used: Used, alone: Alone, events: int) -> Used:
    """Return what was used beyond what as many events cost alone."""
    share = events / alone.events
    return used._replace(by={name: spent - alone.used.by[name] * share for name, spent in used.by.items()})


def _faults(report: Report, events: int, subscriptions: int) -> list[str]:
    faults = []
    if report.deliveries != events * subscriptions:
        faults.append(f"{events} events to {subscriptions}, but {report.deliveries} deliveries")
    if list(report.distinct.values()) != [events] * subscriptions:
        faults.append(f"{events} events, but different ones by path: {report.distinct}")
    if report.misordered:
        faults.append(f"{report.misordered} deliveries after a later one of their call")
    return faults


async def subscribe(load: Load, numbers: range) -> None:
    """Make subscriptions, and wait until an event reaches each that there is."""
    connection = await Connection.open(load.service.port)
    for number in numbers:
        wanted = {"url": f"http://127.0.0.1:{load.sink.port}/{number}", "types": ["call.leg.dtmf"]}
        await connection.ask(head_of("POST", "/v3/subscriptions/", ADMIN), wanted, expect=201)
    connection.close()
    await _reached(load, numbers.stop)


async def _secure(load: Load) -> None:
    """Have every subscription deliver over TLS from now on."""
    connection = await Connection.open(load.service.port)
    page = await connection.ask(head_of("GET", "/v3/subscriptions/", ADMIN), expect=200)
    for one in page["subscriptions"]:
        url = one["url"].replace("http:", "https:").replace(f":{load.sink.port}/", f":{load.sink.tls_port}/")
        await connection.ask(
            head_of("PATCH", f"/v3/subscriptions/{one['id']}", ADMIN), {"url": url}, expect=200
        )
    connection.close()
    await _reached(load, len(page["subscriptions"]))


async def _reached(load: Load, subscriptions: int) -> None:
    """Wait until an event reaches every subscription."""
    await load.asking.request(head_of("POST", "/-/begin"))
    await load.publisher.one()
    deadline = time.monotonic() + SETTLE
    while await load.delivered() < subscriptions:
        if time.monotonic() > deadline:
            raise TimeoutError("not every subscription got its first event")
        await asyncio.sleep(POLL)
