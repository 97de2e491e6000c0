"""SSE: each event to a thousand subscribers, paced and in flood; every event of each of them is counted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from array import array
from collections.abc import AsyncIterator
from typing import Final, cast

from bench.box import Meter
from bench.client import head_of
from bench.figures import Figures
from bench.publishing import MARK, STAMP_DIGITS, Publisher, age_ms
from bench.service import Service
from bench.tenant import ADMIN

SUBSCRIBERS: Final = 1000
PACE: Final = 25
"""Events a second, so 25,000 deliveries: about a third of a core."""
WINDOW: Final = 256
"""Events that a flood is ahead of its subscribers at most: 256 KB each, so that none is cut off as slow."""
OPENING: Final = 50
"""Connections opened at the same time."""
SETTLE: Final = 15.0
"""Seconds that the last events may take."""


async def run(service: Service, seconds: float) -> AsyncIterator[Figures]:
    """Open the streams, then publish at a pace, then as fast as it goes."""
    audience = Audience()
    await audience.open(service.port)
    publisher = await Publisher.open(service.port)
    await audience.settle(publisher)
    try:
        for pace in (PACE, None):
            yield await _case(service, seconds, audience, publisher, pace)
    finally:
        publisher.close()
        audience.close()


async def _case(
    service: Service, seconds: float, audience: Audience, publisher: Publisher, pace: int | None
) -> Figures:
    audience.begin()
    first = publisher.published
    meter = Meter(relay=service.pid, store=service.store_pid, bench=os.getpid())
    if pace is None:
        await publisher.flood(seconds, audience.window)
    else:
        await publisher.paced(pace, seconds)
    published = publisher.published - first
    await audience.heard(published)
    used = meter.read()
    case = f"flood to {SUBSCRIBERS:,}" if pace is None else f"{pace} events/s to {SUBSCRIBERS:,}"
    return Figures.of(case, audience.deliveries, used, audience.latencies_ms, audience.faults(published))


class Audience:
    """All subscribers, and what they have been told since `begin`."""

    def __init__(self) -> None:
        self._subscribers: list[Subscriber] = []
        self._opening = asyncio.Semaphore(OPENING)
        self.begin()

    def begin(self) -> None:
        """Count from here."""
        self.order: list[bytes] = []
        self.latencies_ms = array("d")
        self.deliveries = 0
        self.misordered = 0
        self.window = asyncio.Semaphore(WINDOW)
        self._passed = 0
        self._awaited = 0
        self._complete = asyncio.Event()
        for subscriber in self._subscribers:
            subscriber.count = 0

    async def open(self, port: int) -> None:
        """Have every stream opened."""
        self._subscribers = await asyncio.gather(*(self._one(port) for _ in range(SUBSCRIBERS)))

    async def settle(self, publisher: Publisher) -> None:
        """Publish until an event reaches everybody: a stream's head does not say yet that it is live."""
        deadline = time.monotonic() + SETTLE
        while time.monotonic() < deadline:
            last = await publisher.one()
            await asyncio.sleep(0.3)
            if all(subscriber.last == last for subscriber in self._subscribers):
                return
        raise TimeoutError("not every stream came alive")

    async def heard(self, published: int) -> None:
        """Wait until everybody has as many events, or it takes too long."""
        self._awaited = published * len(self._subscribers)
        if self.deliveries < self._awaited:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._complete.wait(), SETTLE)

    def faults(self, published: int) -> list[str]:
        """Tell what does not add up: each subscriber must have every event once, all in the same order."""
        faults = []
        short = sum(subscriber.count != published for subscriber in self._subscribers)
        closed = sum(subscriber.closed for subscriber in self._subscribers)
        if short:
            faults.append(f"{short} subscribers have not {published} events")
        if len(set(self.order)) != published:
            faults.append(f"{published} published, {len(set(self.order))} different ones received")
        if self.misordered:
            faults.append(f"{self.misordered} events out of the common order")
        if closed:
            faults.append(f"{closed} streams were closed")
        return faults

    def take(self, stamped: bytes, place: int, now: int) -> None:
        """Take a subscriber's next event, its place counted from 0."""
        if place == len(self.order):
            self.order.append(stamped)
        elif self.order[place] != stamped:
            self.misordered += 1
        self.latencies_ms.append(age_ms(stamped, now))
        self.deliveries += 1
        if self.deliveries >= (self._passed + 1) * len(self._subscribers):
            self._passed += 1
            self.window.release()
        if self.deliveries == self._awaited:
            self._complete.set()

    def close(self) -> None:
        """Close every stream."""
        for subscriber in self._subscribers:
            subscriber.close()

    async def _one(self, port: int) -> Subscriber:
        async with self._opening:
            loop = asyncio.get_running_loop()
            _, subscriber = await loop.create_connection(lambda: Subscriber(self), "127.0.0.1", port)
            await subscriber.opened
        return subscriber


class Subscriber(asyncio.Protocol):
    """One event stream. Finds the stamps of the events in it; the rest is not looked at."""

    __slots__ = ("_audience", "_rest", "_transport", "closed", "count", "last", "opened")

    def __init__(self, audience: Audience) -> None:
        self._audience = audience
        self._rest = b""
        self._transport: asyncio.Transport
        self.opened = asyncio.get_running_loop().create_future()
        self.closed = False
        self.count = 0
        self.last = b""

    def close(self) -> None:
        """Close the stream."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for all of the tenant's events. Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(head_of("GET", "/v3/events/stream", ADMIN) + b"\r\n")

    def data_received(self, data: bytes) -> None:
        """Take a piece of the stream. Called by the loop."""
        now = time.monotonic_ns()
        if not self.opened.done():
            self._open(data)
        if self._rest:
            data = self._rest + data
        place, end = data.find(MARK), 0
        while place >= 0 and place + len(MARK) + STAMP_DIGITS <= len(data):
            end = place + len(MARK) + STAMP_DIGITS
            self.last = data[end - STAMP_DIGITS : end]
            self._audience.take(self.last, self.count, now)
            self.count += 1
            place = data.find(MARK, end)
        self._rest = data[max(end, len(data) - len(MARK) - STAMP_DIGITS + 1) :]

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the stream has ended. Called by the loop."""
        self.closed = True
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionResetError("closed by the server"))

    def _open(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 200"):
            self.opened.set_result(None)
        else:
            self.opened.set_exception(ConnectionError(repr(data[:200])))
