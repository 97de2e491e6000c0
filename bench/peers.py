"""Event streams of relay and of nginx with nchan, by the same readers in the same run.

``python -m bench.peers [--seconds 8] [--rounds 3]``. Server and load have a core each, by turns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple, Protocol

import uvloop

from bench.box import cpu_seconds, describe
from bench.client import Connection, head_of
from bench.figures import percentile
from bench.nchan import STREAM, Mouth, nchan
from bench.publishing import Publisher, stamp
from bench.readers import Readers
from bench.service import service
from bench.tenant import ADMIN

READERS: Final = 1000
PACE: Final = 20
"""Events a second, one by one."""
BURST: Final = 16
"""Events published at once, so that they come as one burst."""
MANY: Final = 5000
"""Readers whose memory is measured."""


class Voice(Protocol):
    """Publishes events one after another."""

    async def tone(self, digits: str) -> None:
        """Publish an event with these digits."""
        ...


class Side(NamedTuple):
    """One of the two servers."""

    name: str
    port: int
    pid: int
    head: bytes
    voices: Sequence[Voice]
    readers: Readers


class Result(NamedTuple):
    """What one round showed of one server."""

    us: float
    """CPU microseconds for each delivery."""
    p50_ms: float
    p99_ms: float
    """From an event's publishing until its last reader has it."""
    joined: float
    """Events that came to a reader in one piece."""


def main() -> int:
    """Measure, and show both beside each other."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each case in each round (default 8)")
    parser.add_argument("--rounds", type=int, default=3, help="of which medians are shown (default 3)")
    asked = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return uvloop.run(_run(asked.seconds, asked.rounds))


async def _run(seconds: float, rounds: int) -> int:
    async with service() as relay, nchan() as peer:
        print(describe(relay.store_pid), flush=True)
        publisher = await Publisher.open(relay.port)
        event = await _sample(relay.port, publisher)
        mouths = [Mouth(await Connection.open(peer.port), event) for _ in range(BURST)]
        stream = head_of("GET", "/v3/events/stream", ADMIN) + b"\r\n"
        sides = (
            Side("relay", relay.port, relay.pid, stream, publisher._phones[:BURST], Readers()),
            Side("nchan", peer.port, peer.pid, STREAM, mouths, Readers()),
        )
        _pin({relay.pid, peer.pid}, {relay.store_pid, os.getpid()})
        for side in sides:
            await _memory(side)
        for side in sides:
            await side.readers.open(side.port, side.head, READERS)
            await _live(side)
        for case, burst, every in (("one by one", 1, 1 / PACE), ("bursts", BURST, BURST / 40)):
            results: dict[str, list[Result]] = {side.name: [] for side in sides}
            for _ in range(rounds):
                for side in sides:
                    results[side.name].append(await _round(side, burst, every, seconds))
            _show(case, burst, every, results)
        for side in sides:
            side.readers.close()
    return 0


async def _round(side: Side, burst: int, every: float, seconds: float) -> Result:
    bursts = max(1, round(seconds / every))
    side.readers.begin(bursts * burst)
    before = cpu_seconds(side.pid)
    began = time.monotonic()
    for number in range(bursts):
        await asyncio.sleep(max(0.0, began + number * every - time.monotonic()))
        now = time.monotonic_ns()
        await asyncio.gather(
            *(side.voices[each].tone(stamp(number * burst + each, now)) for each in range(burst))
        )
    await side.readers.complete()
    used = cpu_seconds(side.pid) - before
    deliveries = bursts * burst * len(side.readers)
    latencies = sorted(side.readers.last_ms)
    return Result(
        used / deliveries * 1e6, percentile(latencies, 50), percentile(latencies, 99), deliveries / side.readers.pieces
    )


async def _live(side: Side) -> None:
    """See that all streams are live, so that what is counted afterwards is deliveries alone."""
    side.readers.begin(1)
    await asyncio.sleep(0.5)
    await side.voices[0].tone(stamp(0, time.monotonic_ns()))
    await side.readers.complete()


async def _memory(side: Side) -> None:
    """Show what many open streams cost, when each has been told of an event."""
    before, began = _resident(side.pid), time.monotonic()
    cpu = cpu_seconds(side.pid)
    await side.readers.open(side.port, side.head, MANY)
    took = time.monotonic() - began
    cpu = cpu_seconds(side.pid) - cpu
    await _live(side)
    grown = _resident(side.pid) - before
    side.readers.close()
    await asyncio.sleep(1.0)
    print(
        f"{side.name:<8}{MANY:,} streams: {grown / MANY / 1024:.1f} KB each; "
        f"opened in {took:.1f} s, {cpu / MANY * 1e6:.0f} µs CPU each",
        flush=True,
    )


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def _sample(port: int, publisher: Publisher) -> bytes:
    """Return the bytes of one of relay's events."""
    await publisher.one()
    connection = await Connection.open(port)
    _, page = await connection.request(head_of("GET", "/v3/events/?type=call.leg.dtmf&limit=1000", ADMIN))
    connection.close()
    return page[page.rindex(b'{"event_id"') : page.rindex(b"]")] if b'{"event_id"' in page else page


def _pin(servers: set[int], load: set[int]) -> None:
    """Give the servers one core and the load another, if there are two."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        for pid in servers | load:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {cores[0] if pid in servers else cores[1]})


def _show(case: str, burst: int, every: float, results: dict[str, list[Result]]) -> None:
    print(f"\n{case}: {burst / every:g} events/s in {burst}s to {READERS:,}, each 1 KB; medians")
    print(f"{'':<8}{'µs/delivery':>12}{'a core/s':>12}{'last p50 ms':>12}{'last p99 ms':>12}{'joined':>8}")
    def middle(name: str, value: Callable[[Result], float]) -> float:
        return median(value(result) for result in results[name])
    for name in results:
        us = middle(name, lambda result: result.us)
        print(
            f"{name:<8}{us:>12.2f}{1e6 / us:>12,.0f}{middle(name, lambda result: result.p50_ms):>12.1f}"
            f"{middle(name, lambda result: result.p99_ms):>12.1f}{middle(name, lambda result: result.joined):>8.1f}"
        )
    ratio = middle("nchan", lambda result: result.us) / middle("relay", lambda result: result.us)
    print(f"relay's deliveries for the same CPU: {ratio:.2f} x nchan's", flush=True)


if __name__ == "__main__":
    sys.exit(main())
