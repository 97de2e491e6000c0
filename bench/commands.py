"""Commands: from POST to the answer, which says that the change and its events are committed."""

from __future__ import annotations

import asyncio
import json
import os
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from typing import Final

from bench.box import Meter
from bench.client import Connection, head_of
from bench.figures import Figures
from bench.service import ADMIN, AGENTS, TENANT, Service

CONCURRENCY: Final = (1, 32)
"""Connections, each with one command in flight; one case for each number."""
WARM_UP: Final = 0.5
"""Seconds of commands before what is counted, for caches and connections."""

_DIALS: Final = (("210", "200"), ("200", "220"), ("220", "210"))


async def run(service: Service, seconds: float) -> AsyncIterator[Figures]:
    """Dial and hang up in turn; one run for each number of connections."""
    for concurrency in CONCURRENCY:
        yield await _case(service, seconds, concurrency)


async def _case(service: Service, seconds: float, concurrency: int) -> Figures:
    callers = [await _Caller.open(service.port, number) for number in range(concurrency)]
    await _together(callers, WARM_UP)
    before = await _newest(service)
    for caller in callers:
        caller.latencies_ms = array("d")
    meter = Meter(relay=service.pid, store=service.store_pid, bench=os.getpid())
    await _together(callers, seconds)
    used = meter.read()
    latencies = [latency for caller in callers for latency in caller.latencies_ms]
    for caller in callers:
        caller.connection.close()
    told = await _events_after(service, before)
    faults = [] if told == len(latencies) else [f"{len(latencies)} commands, but {told} events"]
    return Figures.of(f"{concurrency} at once", len(latencies), used, latencies, faults)


class _Caller:
    """A connection that dials from one phone and hangs up again."""

    def __init__(self, connection: Connection, extension: str, destination: str) -> None:
        self.connection = connection
        self.latencies_ms = array("d")
        self._head = head_of("POST", "/v3/call_control/", AGENTS[extension])
        self._user = {"tenant_id": TENANT, "user_extension": extension}
        self._dial = self._body("click-to-dial", destination=destination)

    @classmethod
    async def open(cls, port: int, number: int) -> _Caller:
        extension, destination = _DIALS[number % len(_DIALS)]
        return cls(await Connection.open(port), extension, destination)

    async def work(self, until: float) -> None:
        """Place calls and end them until then; a call that is begun is ended."""
        while time.monotonic() < until:
            placed = await self._send(self._dial)
            await self._send(self._body("hangup", call_leg_id=json.loads(placed)["call_leg_id"]))

    async def _send(self, body: bytes) -> bytes:
        began = time.perf_counter()
        status, answer = await self.connection.request(self._head, body)
        self.latencies_ms.append((time.perf_counter() - began) * 1000)
        if status != 202:
            raise RuntimeError(f"a command was refused: {status} {answer!r}")
        return answer

    def _body(self, command: str, **payload: str) -> bytes:
        return json.dumps({"command": command, "user": self._user, "payload": payload}).encode()


async def _together(callers: Sequence[_Caller], seconds: float) -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(*(caller.work(until) for caller in callers))


async def _newest(service: Service) -> str:
    return (await _history(service, ""))[1]


async def _events_after(service: Service, after: str) -> int:
    """Count the events in the history: a dial that is hung up while it rings makes one each."""
    return (await _history(service, after))[0]


async def _history(service: Service, after: str) -> tuple[int, str]:
    connection = await Connection.open(service.port)
    count, more = 0, True
    while more:
        head = head_of("GET", f"/v3/events/?limit=1000&after={after}", ADMIN)
        page = await connection.ask(head, expect=200)
        count += len(page["events"])
        after = page["events"][-1]["event_id"] if page["events"] else after
        more = page["next"] is not None
    connection.close()
    return count, after
