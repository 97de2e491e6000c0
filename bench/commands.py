"""Commands: from POST to the answer, which says that the change and its events are committed."""

from __future__ import annotations

import asyncio
import json
import os
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from bench.box import Meter
from bench.client import Connection, head_of
from bench.figures import Figures
from bench.service import Service
from bench.tenant import ADMIN, EXTENSIONS, PHONES, TENANT, token

CONCURRENCY: Final = (1, 32)
"""Connections, each with one command in flight; one case for each number."""
WARM_UP: Final = 0.5
"""Seconds of commands before what is counted, for caches and connections."""


async def run(service: Service, seconds: float) -> AsyncIterator[Figures]:
    """Dial and hang up in turn; one run for each number of connections."""
    for concurrency in CONCURRENCY:
        yield await _case(service, seconds, concurrency)


async def _case(service: Service, seconds: float, concurrency: int) -> Figures:
    callers = [await _Caller.open(service.port, number) for number in range(concurrency)]
    await _together(callers, WARM_UP)
    before = await _newest(service)
    for caller in callers:
        caller.begin()
    meter = Meter(relay=service.pid, store=service.store_pid, bench=os.getpid())
    await _together(callers, seconds)
    used = meter.read()
    latencies = [latency for caller in callers for latency in caller.latencies_ms]
    for caller in callers:
        caller.connection.close()
    answers = [answer for caller in callers for answer in caller.answers]
    faults = _faults(answers, await _told_after(service, before))
    return Figures.of(f"{concurrency} at once", len(latencies), used, latencies, faults)


class _Caller:
    """A connection that dials from one phone and hangs up again."""

    def __init__(self, connection: Connection, extension: str, destination: str) -> None:
        self.connection = connection
        self.begin()
        self._head = head_of("POST", "/v3/call_control/", token(extension))
        self._user = {"tenant_id": TENANT, "user_extension": extension}
        self._dial = self._body("click-to-dial", destination=destination)

    @classmethod
    async def open(cls, port: int, number: int) -> _Caller:
        return cls(await Connection.open(port), EXTENSIONS[number], EXTENSIONS[number + PHONES // 2])

    def begin(self) -> None:
        """Count from here."""
        self.latencies_ms = array("d")
        self.answers: list[bytes] = []

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
        self.answers.append(answer)
        return answer

    def _body(self, command: str, **payload: str) -> bytes:
        return json.dumps({"command": command, "user": self._user, "payload": payload}).encode()


async def _together(callers: Sequence[_Caller], seconds: float) -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(*(caller.work(until) for caller in callers))


def _faults(answers: Sequence[bytes], told: set[str]) -> list[str]:
    """Compare the ids of the commands accepted with those that events tell of."""
    accepted = {json.loads(answer)["command_id"] for answer in answers}
    faults = []
    if len(accepted) < len(answers):
        faults.append(f"{len(answers)} answers, but {len(accepted)} different command ids")
    if accepted != told:
        faults.append(
            f"{len(accepted - told)} commands without an event, {len(told - accepted)} not answered"
        )
    return faults


async def _newest(service: Service) -> str:
    connection = await Connection.open(service.port)
    after = ""
    async for events in _pages(connection, after):
        after = events[-1]["event_id"]
    connection.close()
    return after


async def _told_after(service: Service, after: str) -> set[str]:
    """Return the ids of the commands that later events tell of."""
    connection = await Connection.open(service.port)
    told = {event["command_id"] async for events in _pages(connection, after) for event in events}
    connection.close()
    return told


async def _pages(connection: Connection, after: str) -> AsyncIterator[list[dict[str, Any]]]:
    """Give the history after an event, in pages that are not empty."""
    more = True
    while more:
        head = head_of("GET", f"/v3/events/?limit=1000&after={after}", ADMIN)
        page = await connection.ask(head, expect=200)
        if page["events"]:
            yield page["events"]
            after = page["events"][-1]["event_id"]
        more = page["next"] is not None
