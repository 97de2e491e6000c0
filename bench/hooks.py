"""Webhooks of relay and of qhook on PostgreSQL, the same events to the same sink in the same run.

``python -m bench.hooks [--seconds 10] [--rounds 2] [--qhook PATH]``, by turns. What an event costs is all
that is used from its publishing until its last outcome is stored: publishing is in it on both sides.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import uvloop

from bench.box import cpu_seconds, describe
from bench.client import Connection, head_of
from bench.figures import percentile
from bench.publishing import LINES, Publisher
from bench.qhook import Line, qhook
from bench.service import Service, service
from bench.sink import sink
from bench.tenant import ADMIN
from bench.webhooks import Load, deliver, subscribe

ENDPOINTS: Final = 10
"""Endpoints that each event goes to."""
PACES: Final = (5.0, 100.0, 0.0)
"""Events a second; 0 is as many as are taken, at most 256 ahead of their deliveries."""


class Result(NamedTuple):
    """What one round showed."""

    rate: float
    """Deliveries a second."""
    server_us: float
    """CPU microseconds of the server for each delivery."""
    store_us: float
    """The same of its store, all its processes."""
    p50_ms: float
    p99_ms: float
    """From when an event was due until it reached an endpoint."""
    misordered: int
    """Deliveries after a later one of their call."""
    missing: int


def main() -> int:
    """Measure, and show both beside each other."""
    parser = argparse.ArgumentParser(prog="python -m bench.hooks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each case in each round (default 10)")
    parser.add_argument("--rounds", type=int, default=2, help="of which medians are shown (default 2)")
    parser.add_argument("--qhook", default=shutil.which("qhook"), help="its binary (default: that on PATH)")
    asked = parser.parse_args()
    if asked.qhook is None:
        print("qhook is missing: cargo install qhook, or name it with --qhook", file=sys.stderr)
        return 2
    return uvloop.run(_run(asked.seconds, asked.rounds, asked.qhook))


async def _run(seconds: float, rounds: int, program: str) -> int:
    async with service() as relay, qhook(program) as peer:
        print(describe(relay.store_pid), flush=True)
        publisher = await Publisher.open(relay.port)
        with sink() as one, sink() as other:
            ours = Load(relay, seconds, publisher, one, await Connection.open(one.port))
            await subscribe(ours, range(ENDPOINTS))
            lines = [
                Line(await Connection.open(peer.port), event) for event in await _samples(relay, publisher)
            ]
            await peer.subscribe([f"http://127.0.0.1:{other.port}/{number}" for number in range(ENDPOINTS)])
            as_relay = relay._replace(port=peer.port, pid=peer.pid, store_pid=peer.store_pid)
            theirs = Load(as_relay, seconds, Publisher(lines), other, await Connection.open(other.port))
            for pace in PACES:
                results: dict[str, list[Result]] = {"relay": [], "qhook": []}
                for _ in range(rounds):
                    for name, load in (("relay", ours), ("qhook", theirs)):
                        results[name].append(await _round(load._replace(pace=pace)))
                _show(f"{pace:g} events/s" if pace else "flood", results)
    return 0


async def _round(load: Load) -> Result:
    before = _tree(load.service.store_pid)
    events, used, report, _ = await deliver(load, ENDPOINTS, paced=load.pace > 0)
    await asyncio.sleep(1)  # outcomes of the last
    store = _tree(load.service.store_pid) - before
    came, ordered = max(report.deliveries, 1), sorted(report.latencies_ms)
    return Result(
        rate=report.deliveries / used.seconds,
        server_us=used.by["relay"] / came * 1e6,
        store_us=store / came * 1e6,
        p50_ms=percentile(ordered, 50),
        p99_ms=percentile(ordered, 99),
        misordered=report.misordered,
        missing=events * ENDPOINTS - sum(report.distinct.values()),
    )


def _tree(pid: int) -> float:
    """Return the CPU seconds of a process and its children, those that have ended too."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return cpu_seconds(pid, ended=True) + sum(cpu_seconds(int(child)) for child in children)


async def _samples(relay: Service, publisher: Publisher) -> list[bytes]:
    """Return the bytes of an event of each call that relay tells of."""
    for phone in publisher.phones:
        await phone.tone("0" * 28)
    connection = await Connection.open(relay.port)
    page = await connection.ask(
        head_of("GET", "/v3/events/?type=call.leg.dtmf&limit=1000", ADMIN), expect=200
    )
    connection.close()
    last = {event["call_id"]: event for event in page["events"]}
    return [json.dumps(event, separators=(",", ":")).encode() for event in last.values()][-LINES:]


def _show(case: str, results: dict[str, list[Result]]) -> None:
    print(f"\n{case} of 1 KB, each to {ENDPOINTS} endpoints")
    print(
        f"{'':<8}{'rate/s':>9}{'server µs':>11}{'store µs':>10}{'p50 ms':>10}{'p99 ms':>10}"
        f"{'misordered':>12}{'missing':>9}"
    )
    for name, rounds in results.items():
        found = Result(*(median(values) for values in zip(*rounds, strict=True)))
        print(
            f"{name:<8}{found.rate:>9,.0f}{found.server_us:>11.0f}{found.store_us:>10.0f}{found.p50_ms:>10.1f}"
            f"{found.p99_ms:>10.1f}{found.misordered:>12,.0f}{found.missing:>9,.0f}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
