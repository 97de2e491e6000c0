"""Making events to be delivered: one for each tone sent from a simulated phone whose call stays up."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

from bench.client import Connection, head_of
from bench.tenant import ADMIN, EXTENSIONS

LINES: Final = 32
"""Phones in a call, each with a connection to publish by: as many commands are in flight at most."""
EVENT_BYTES: Final = 1024
"""Bytes of an event's JSON; user data of the call fills it up."""
STAMP_DIGITS: Final = 28
"""Digits of a stamp: 8 for the event's number, 20 for when it was meant to be published."""
MARK: Final = b'"digits":"'
"""What comes before the stamp in an event's JSON."""


def stamp(number: int, at_ns: int) -> str:
    """Return an event's digits: its number, and a time of the clock that all processes here share."""
    return f"{number:08d}{at_ns:020d}"


def age_ms(stamped: bytes, now_ns: int) -> float:
    """Return the milliseconds since the time in a stamp."""
    return (now_ns - int(stamped[8:])) / 1e6


class Phone:
    """A phone in a call, and the connection that makes it send tones."""

    def __init__(self, connection: Connection, leg: str) -> None:
        self.connection = connection
        self._head = head_of("POST", f"/v3/simulator/parties/{leg}/dtmf", ADMIN)

    @classmethod
    async def open(cls, port: int, extension: str, pad: int) -> Phone:
        """Have a phone called, and pick it up; the call carries so many bytes of user data."""
        connection = await Connection.open(port)
        call = {"from": "+12025550123", "to": extension, "user_data": {"pad": "x" * pad}}
        made = await connection.ask(head_of("POST", "/v3/simulator/calls/", ADMIN), call, expect=201)
        [leg] = [party["id"] for party in made["parties"] if party["extension"] == extension]
        await connection.ask(head_of("POST", f"/v3/simulator/parties/{leg}/answer", ADMIN), expect=202)
        return cls(connection, leg)

    async def tone(self, digits: str) -> None:
        """Send tones, which makes one event."""
        await self.connection.ask(self._head, {"digits": digits}, expect=202)


class Publisher:
    """Publishes stamped events from phones in turn."""

    def __init__(self, phones: Sequence[Phone]) -> None:
        self.phones = phones
        self.published = 0
        """Events so far; they are numbered from 0."""

    @classmethod
    async def open(cls, port: int) -> Publisher:
        """Put phones into calls, padded so that each event has `EVENT_BYTES`."""
        pad = EVENT_BYTES - await _unpadded(port)
        return cls([await Phone.open(port, extension, pad) for extension in EXTENSIONS[:LINES]])

    async def one(self) -> bytes:
        """Publish an event now, and return its stamp."""
        digits = stamp(self.published, time.monotonic_ns())
        self.published += 1
        await self.phones[0].tone(digits)
        return digits.encode()

    async def paced(self, rate: float, seconds: float) -> None:
        """Publish so many events a second.

        Each is stamped with the time it was due: if publishing falls behind, that counts as delay.
        """
        began, first = time.monotonic_ns(), self.published
        count = math.ceil(rate * seconds)

        async def work(phone: Phone) -> None:
            while (number := self.published - first) < count:
                self.published += 1
                due = began + round(number / rate * 1e9)
                await asyncio.sleep(max(0.0, (due - time.monotonic_ns()) / 1e9))
                await phone.tone(stamp(first + number, due))

        await self._together(work)

    async def flood(self, seconds: float, window: asyncio.Semaphore) -> None:
        """Publish as fast as commands are taken; each event takes a place in the window first."""
        until = time.monotonic() + seconds

        async def work(phone: Phone) -> None:
            while time.monotonic() < until:
                await window.acquire()
                number, self.published = self.published, self.published + 1
                await phone.tone(stamp(number, time.monotonic_ns()))

        await self._together(work)

    def close(self) -> None:
        """Let go of the connections; the calls stay."""
        for phone in self.phones:
            phone.connection.close()

    async def _together(self, work: Worker) -> None:
        await asyncio.gather(*map(work, self.phones))


Worker = Callable[[Phone], Coroutine[None, None, None]]


async def _unpadded(port: int) -> int:
    """Return the bytes of an event whose call carries no padding."""
    phone = await Phone.open(port, EXTENSIONS[-1], 0)
    await phone.tone(stamp(0, time.monotonic_ns()))
    head = head_of("GET", "/v3/events/?type=call.leg.dtmf&limit=1", ADMIN)
    _, page = await phone.connection.request(head)
    phone.connection.close()
    return page.rindex(b"]") - page.index(b"[") - 1
