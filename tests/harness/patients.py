"""Endpoints that misbehave for a while, and account for every request all the time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import msgspec
from standardwebhooks import Webhook

from tests.harness.accounting import Arrival, now_ms
from tests.harness.ports import free_port
from tests.harness.v3 import V3
from tests.webhooks.endpoints import Endpoint, Exchange

ASKED_PAUSE: Final = 2
"""Seconds that the endpoint which is overrun asks for."""
SHARE_OF_ERRORS: Final = 0.1
HUGE: Final = 32 << 20
"""Bytes of a huge body."""
_PIECE: Final = bytes(1 << 16)
_CLOCK_PRECISION_MS: Final = 20
"""How much the clocks of sender and receiver may disagree over a pause."""

Misbehaviour = Callable[[Exchange], Awaitable[bool]]
"""Answers a request, and tells whether it was taken."""


async def hang(_exchange: Exchange) -> bool:
    """Never answer."""
    await asyncio.Event().wait()
    return False


def reset() -> Misbehaviour:
    """Drop connections, every other one amid the answer."""
    amid = itertools.cycle((True, False))

    async def answer(exchange: Exchange) -> bool:
        if next(amid):
            await exchange.say(b"HTTP/1.1 200 OK\r\nContent-Len")
        exchange.reset()
        return False

    return answer


async def drip(exchange: Exchange) -> bool:
    """Answer a byte at a time, with no end."""
    await exchange.say(b"HTTP/1.1 200 OK\r\nX-Drip: ")
    while True:
        await exchange.say(b".")
        await asyncio.sleep(0.1)


def err_at_random() -> Misbehaviour:
    """Answer 500 to some requests, drawn by lot."""
    lots = random.Random(1)

    async def answer(exchange: Exchange) -> bool:
        failing = lots.random() < SHARE_OF_ERRORS
        await exchange.answer("500 Internal Server Error" if failing else "204 No Content")
        return not failing

    return answer


async def overrun(exchange: Exchange) -> bool:
    """Answer 429, and ask for a pause."""
    await exchange.answer("429 Too Many Requests", headers=f"Retry-After: {ASKED_PAUSE}\r\n")
    return False


async def gone(exchange: Exchange) -> bool:
    """Answer 410."""
    await exchange.answer("410 Gone")
    return False


async def huge(exchange: Exchange) -> bool:
    """Take it, with a body nobody wants."""
    await exchange.say(f"HTTP/1.1 200 OK\r\nContent-Length: {HUGE}\r\n\r\n".encode())
    with contextlib.suppress(ConnectionError):
        for _ in range(HUGE // len(_PIECE)):
            await exchange.say(_PIECE)
    return True


async def endless(exchange: Exchange) -> bool:
    """Take it, with a body that has no end."""
    await exchange.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        while True:
            await exchange.say(b"10000\r\n" + _PIECE + b"\r\n")
    return True


async def hang_up(exchange: Exchange) -> bool:
    """Take it, and close a connection that was to be kept, now or as the next request may be on its way."""
    await exchange.answer("204 No Content")
    if exchange.number % 2:
        asyncio.get_running_loop().call_later(0.001 * (exchange.number % 5), exchange.writer.close)
    else:
        exchange.writer.close()
    return True


class Fault(NamedTuple):
    """One way in which endpoints are bad."""

    name: str
    misbehave: Misbehaviour
    listens: bool = True


def faults() -> list[Fault]:
    """Return every way there is."""
    return [
        Fault("endpoint hangs", hang),
        Fault("endpoint refuses connections", hang, listens=False),
        Fault("endpoint resets connections", reset()),
        Fault("endpoint drips its answer", drip),
        Fault("endpoint answers 500 at random (10 %)", err_at_random()),
        Fault(f"endpoint answers 429, Retry-After: {ASKED_PAUSE}", overrun),
        Fault("endpoint answers 410, later enabled again", gone),
        Fault("endpoint answers with a huge body", huge),
        Fault("endpoint answers with an endless body", endless),
        Fault("endpoint closes kept connections", hang_up),
    ]


class Patient:
    """An endpoint with one fault until it is healed; then it takes everything."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.arrivals: list[Arrival] = []
        self.complaints: list[str] = []
        """What was wrong with requests, in words: each test wants this empty."""
        self.subscription: dict[str, Any] = {}
        self._endpoint = Endpoint(self._treat)
        self._endpoint.port = free_port()
        self._ill = True
        self._bodies: dict[str, bytes] = {}
        self._not_before: dict[str, float] = {}
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"Patient({self.fault.name}, {len(self.arrivals)} requests, {self.complaints})"

    async def subscribe(self, admin: V3, **options: Any) -> None:
        """Have events sent to it."""
        self.subscription = await admin.subscribe(self._endpoint.url, **options)

    async def listen(self) -> None:
        """Take connections."""

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            serving = asyncio.ensure_future(self._endpoint.handle(reader, writer))
            self._serving.add(serving)
            serving.add_done_callback(self._serving.discard)

        self._server = await asyncio.start_server(connected, "127.0.0.1", self._endpoint.port)

    async def heal(self) -> None:
        """Behave from now on."""
        self._ill = False
        if self._server is None:
            await self.listen()

    async def close(self) -> None:
        """Let go of everything."""
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _treat(self, exchange: Exchange) -> None:
        at = now_ms()
        lines = exchange.head.decode("latin-1").split("\r\n")[1:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        webhook = headers["webhook-id"]
        self._examine(webhook, headers, exchange.body, at)
        arrival = Arrival(webhook, msgspec.json.decode(exchange.body)["call_id"], at, taken=False)
        place = len(self.arrivals)
        self.arrivals.append(arrival)
        if self._ill:
            taken = await self.fault.misbehave(exchange)
        else:
            taken = True
            await exchange.answer("204 No Content")
        self.arrivals[place] = arrival._replace(taken=taken)
        if self._ill and self.fault.misbehave is overrun:
            self._not_before[webhook] = now_ms() + ASKED_PAUSE * 1000 - _CLOCK_PRECISION_MS

    def _examine(self, webhook: str, headers: Mapping[str, str], body: bytes, at: float) -> None:
        if self._bodies.setdefault(webhook, body) != body:
            self.complaints.append(f"{webhook} came with two bodies")
        early = self._not_before.get(webhook, at) - at
        if early > 0:
            self.complaints.append(f"{webhook} came {early:.0f} ms before the time that was asked for")
        try:
            Webhook(self.subscription["secret"]).verify(body, dict(headers))
        except Exception as error:  # noqa: BLE001 - whatever is wrong is the test's finding
            self.complaints.append(f"{webhook} does not verify: {error!r}")


@asynccontextmanager
async def admitted(faulty: list[Fault], admin: V3, **options: Any) -> AsyncIterator[list[Patient]]:
    """Have an endpoint with each fault, subscribed to everything."""
    patients = [Patient(fault) for fault in faulty]
    try:
        for patient in patients:
            if patient.fault.listens:
                await patient.listen()
            await patient.subscribe(admin, **options)
        yield patients
    finally:
        for patient in patients:
            await patient.close()
