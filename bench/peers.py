"""Event streams of relay, of nginx with nchan, and of a bare loop, by the same readers in the same run.

``python -m bench.peers [--seconds 8] [--rounds 3]``. Server and load have a core each, by turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple, Protocol

import uvloop

from bench.bare import bare
from bench.box import cpu_seconds, describe
from bench.client import Connection, head_of
from bench.figures import percentile
from bench.nchan import STREAM, Mouth, Peer, nchan
from bench.publishing import Publisher, stamp
from bench.readers import Readers
from bench.service import service
from bench.tenant import ADMIN

READERS: Final = 1000
PACE: Final = 20
"""Events a second, one by one."""
BURST: Final = 16
"""Events published at once, so that they come as one burst."""
BURSTS_ALONE: Final = 100
"""Bursts published to nobody, to know what publishing costs."""
TICKS: Final = os.sysconf("SC_CLK_TCK")
MANY: Final = 5000
"""Readers whose memory is measured."""


CASES: Final = (
    (f"{PACE} events/s", 1, 1 / PACE),
    ("one after another", 1, 0.0),
    (f"bursts of {BURST}, one after another", BURST, 0.0),
)
"""What is published: how many events at once, and how often, in seconds; 0: when all have the last."""


class Voice(Protocol):
    """Publishes events one after another."""

    async def tone(self, digits: str) -> None:
        """Publish an event with these digits."""
        ...


class Side(NamedTuple):
    """One of the servers."""

    name: str
    port: int
    pid: int
    head: bytes
    voices: Sequence[Voice]
    readers: Readers

    async def publish(self, burst: int) -> None:
        """Publish so many events at once."""
        now = time.monotonic_ns()
        await asyncio.gather(
            *(voice.tone(stamp(each, now)) for each, voice in enumerate(self.voices[:burst]))
        )


class Cpu(NamedTuple):
    """CPU seconds of a server: its own, and the kernel's for it."""

    user: float
    system: float

    @classmethod
    def of(cls, pid: int) -> Cpu:
        """Return what a process has used."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return cls(int(fields[11]) / TICKS, int(fields[12]) / TICKS)

    def since(self, earlier: Cpu, *, each: int) -> Cpu:
        """Return the microseconds for each of so many things."""
        return Cpu(*((now - then) / each * 1e6 for now, then in zip(self, earlier, strict=True)))


class Result(NamedTuple):
    """What one round showed of one server."""

    user_us: float
    system_us: float
    """CPU microseconds for each delivery, beyond those of publishing to nobody."""
    publishing_us: float
    """What publishing to nobody costs, for each delivery."""
    rate: float
    """Deliveries a second."""
    p50_ms: float
    p99_ms: float
    """From an event's publishing until its last reader has it."""
    joined: float
    """Events that came to a reader in one piece."""


def main() -> int:
    """Measure, and show all beside each other."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each case in each round (default 6)")
    parser.add_argument("--rounds", type=int, default=3, help="of which medians are shown (default 3)")
    asked = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return uvloop.run(_run(asked.seconds, asked.rounds))


async def _run(seconds: float, rounds: int) -> int:
    async with service() as relay, nchan() as peer, bare() as least:
        print(describe(relay.store_pid), flush=True)
        publisher = await Publisher.open(relay.port)
        event = await _sample(relay.port, publisher)
        stream = head_of("GET", "/v3/events/stream", ADMIN) + b"\r\n"
        sides = (
            Side("relay", relay.port, relay.pid, stream, publisher.phones[:BURST], Readers()),
            await _posting("nchan", peer, event),
            await _posting("bare", least, event),
        )
        pin({side.pid for side in sides}, {relay.store_pid, os.getpid()})
        alone = {(side.name, burst): await _alone(side, burst) for side in sides for burst in (1, BURST)}
        for side in sides:
            await _memory(side)
        for side in sides:
            await side.readers.open(side.port, side.head, READERS)
            await _live(side)
        for case, burst, every in CASES:
            results: dict[str, list[Result]] = {side.name: [] for side in sides}
            for _ in range(rounds):
                for side in sides:
                    results[side.name].append(
                        await _round(side, burst, every, seconds, alone[side.name, burst])
                    )
            _show(case, results)
        for side in sides:
            side.readers.close()
    return 0


async def _posting(name: str, peer: Peer, event: bytes) -> Side:
    """Return a server that events are posted to."""
    mouths = [Mouth(await Connection.open(peer.port), event) for _ in range(BURST)]
    return Side(name, peer.port, peer.pid, STREAM, mouths, Readers())


async def _alone(side: Side, burst: int) -> Cpu:
    """Return the CPU microseconds that publishing an event to nobody costs."""
    before = Cpu.of(side.pid)
    for _ in range(BURSTS_ALONE):
        await side.publish(burst)
        await asyncio.sleep(1 / PACE)
    spent = Cpu.of(side.pid).since(before, each=BURSTS_ALONE * burst)
    print(f"{side.name:<8}publishing in {burst}s: {sum(spent):.0f} µs CPU an event")
    return spent


async def _round(side: Side, burst: int, every: float, seconds: float, alone: Cpu) -> Result:
    total, began = 0, time.monotonic()
    before = Cpu.of(side.pid)
    pieces, latencies = 0, array("d")
    while time.monotonic() < began + seconds:
        side.readers.begin(burst)
        await side.publish(burst)
        await side.readers.complete()
        total += burst
        pieces += side.readers.pieces
        latencies += side.readers.last_ms
        if every:
            await asyncio.sleep(max(0.0, began + total / burst * every - time.monotonic()))
    took = time.monotonic() - began
    deliveries = total * len(side.readers)
    used = Cpu.of(side.pid).since(before, each=deliveries)
    ordered = sorted(latencies)
    return Result(
        used.user - alone.user / len(side.readers),
        used.system - alone.system / len(side.readers),
        sum(alone) / len(side.readers),
        deliveries / took,
        percentile(ordered, 50),
        percentile(ordered, 99),
        deliveries / pieces,
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
    page = await connection.ask(
        head_of("GET", "/v3/events/?type=call.leg.dtmf&limit=1000", ADMIN), expect=200
    )
    connection.close()
    return json.dumps(page["events"][-1], separators=(",", ":")).encode()


def pin(servers: set[int], load: set[int]) -> None:
    """Give the servers one core and the load another, if there are two."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        for pid in servers | load:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {cores[0] if pid in servers else cores[1]})


def _show(case: str, results: dict[str, list[Result]]) -> None:
    found = {
        name: Result(*(median(values) for values in zip(*rounds, strict=True)))
        for name, rounds in results.items()
    }
    print(f"\n{case}, 1 KB each, to {READERS:,}: CPU µs a delivery, deliveries/s, event to last reader")
    print(f"{'':<8}{'user':>8}{'system':>8}{'rate':>10}{'p50 ms':>10}{'p99 ms':>10}{'joined':>8}")
    for name, result in found.items():
        print(
            f"{name:<8}{result.user_us:>8.2f}{result.system_us:>8.2f}{result.rate:>10,.0f}"
            f"{result.p50_ms:>10.1f}{result.p99_ms:>10.1f}{result.joined:>8.1f}"
        )
    relay, peer = (found[name].user_us + found[name].system_us for name in ("relay", "nchan"))
    whole, other = relay + found["relay"].publishing_us, peer + found["nchan"].publishing_us
    print(
        f"relay delivers {peer / relay:.2f} x as many for the same CPU; with publishing {other / whole:.2f} x"
    )


if __name__ == "__main__":
    sys.exit(main())
