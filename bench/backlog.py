"""Backlog: what waits for one endpoint must not hold up what is fresh for others, while it drains."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from bench.box import Meter
from bench.client import Connection, head_of
from bench.figures import Figures
from bench.publishing import LINES, Publisher, stamp
from bench.service import Service, free_ports
from bench.sink import Report, Sink, sink
from bench.tenant import ADMIN, EXTENSIONS, TENANT
from bench.webhooks import Load
from relay.calls.happenings import CallPlaced, DtmfSent, Step
from relay.calls.model import Address, CallType
from relay.calls.transitions import apply_steps
from relay.journal.commit import Change
from relay.journal.journal import Journal
from relay.journal.store import Store

WAITING: Final = 200_000
"""Deliveries that wait for the endpoint that was away."""
CALLS: Final = 1000
"""That they are of."""
AT_ONCE: Final = 50
"""Calls whose events come in turns."""
COMMIT: Final = 4
"""Events of one commit."""
PACE: Final = 50
"""Fresh events a second, each to another endpoint."""
SETTLE: Final = 2.0
"""Seconds that the last fresh events may take: what comes later counts as lost."""
PARTITIONS: Final = 16
WITHIN: Final = 120.0
"""Seconds that the backlog may take, to be queued and to be drained."""
MOST_GROWTH: Final = 64 << 20
"""Bytes that relay may grow by, of 200 MB that wait."""


async def run(service: Service, seconds: float, *, waiting: int) -> AsyncIterator[Figures]:
    """Measure fresh events without a backlog; have one, and measure them while it drains."""
    publisher = await Publisher.open(service.port)
    [away] = free_ports(1)
    await _subscribe(service, away, EXTENSIONS[-1:])
    with sink() as endpoint:
        load = Load(service, seconds, publisher, endpoint, await Connection.open(endpoint.port))
        await _subscribe(service, endpoint.port, EXTENSIONS[:LINES])
        await publisher.one()
        await asyncio.sleep(SETTLE)
        yield await _fresh(load, asyncio.create_task(asyncio.sleep(seconds)), "no backlog")
        before = _resident(service.pid)
        await _queue(service, waiting)
        with sink(port=away) as back:
            draining = asyncio.create_task(_drained(service, back, waiting, before))
            fresh = await _fresh(load, draining, f"{waiting:,} drain")
            yield fresh._replace(relay_us=0.0, store_us=0.0)  # all that was used is in the line of the drain
            yield await draining
        load.asking.close()
    publisher.close()


async def _subscribe(service: Service, port: int, extensions: tuple[str, ...]) -> None:
    connection = await Connection.open(service.port)
    wanted = {
        "url": f"http://127.0.0.1:{port}/hook",
        "types": ["call.leg.dtmf"],
        "extensions": list(extensions),
    }
    await connection.ask(head_of("POST", "/v3/subscriptions/", ADMIN), wanted, expect=201)
    connection.close()


async def _fresh(load: Load, until: asyncio.Task[object], what: str) -> Figures:
    """Publish at an even pace until a task is done."""
    await load.asking.request(head_of("POST", "/-/begin"))
    meter, events = load.meter(), 0
    while not until.done():
        await load.publisher.paced(PACE, 1.0)
        events += PACE
    used = meter.read()
    await asyncio.sleep(SETTLE)
    report = await _report(load.asking)
    return Figures.of(
        f"{PACE} fresh events/s, {what}", events, used, report.latencies_ms, _faults(report, events)
    )


async def _queue(service: Service, waiting: int) -> None:
    """Have events told of calls that only the endpoint which is away is to hear of, until all are queued."""
    store = await Store.open(service.store_url, partitions=PARTITIONS)
    try:
        journal, share = Journal(store), max(1, waiting // CALLS)
        for first in range(0, waiting, share * AT_ONCE):
            beginnings = range(first, first + share * AT_ONCE, share)
            await asyncio.gather(*(_call(journal, number, share) for number in beginnings))
        deadline = time.monotonic() + WITHIN
        while await _queued(store) < waiting:
            if time.monotonic() > deadline:
                raise TimeoutError("the backlog was not queued")
            await asyncio.sleep(0.1)
    finally:
        await store.close()


async def _queued(store: Store) -> int:
    """Return how many events wait in queues, or behind those that failed."""
    keys = store.keys(TENANT)
    subscriptions = [one.decode() for one in await store.call("SMEMBERS", keys.ready)]
    counts = await store.fetch([("ZCARD", keys.queue(one)) for one in subscriptions])
    lanes = await store.fetch([("HVALS", keys.lanes(one)) for one in subscriptions])
    total: int = sum(counts) + sum(state.count(b" ") for states in lanes for state in states)
    return total


async def _call(journal: Journal, first: int, count: int) -> None:
    """Commit a call whose leg sends tones, so many events from a number on."""
    device = Address(number="5", extension=EXTENSIONS[-1], user_id="user", device_id="phone")
    leg = str(uuid.uuid4())
    placed = CallPlaced(
        session_id=str(uuid.uuid4()),
        account=TENANT,
        type=CallType.INTERNAL,
        caller_leg=leg,
        caller=device,
        destination=device,
        user_data={},
    )
    calls, _ = apply_steps((), [Step(placed.session_id, placed)], 1)
    session = calls[placed.session_id]
    for version, begin in enumerate(range(first, first + count, COMMIT)):
        tones = [
            Step(session.id, DtmfSent(leg=leg, digits=stamp(number, time.monotonic_ns())))
            for number in range(begin, min(begin + COMMIT, first + count))
        ]
        calls, told = apply_steps([session], tones, 1)
        await journal.commit(TENANT, [Change(calls[session.id])], told, nonce=f"{leg}-{begin}")
        session = msgspec.structs.replace(calls[session.id], version=version + 1)


async def _drained(service: Service, back: Sink, waiting: int, before: int) -> Figures:
    """Wait until the endpoint that is back has had all that waited."""
    asking = await Connection.open(back.port)
    meter = Meter(relay=service.pid, store=service.store_pid, bench=os.getpid(), sink=back.pid)
    deadline, most, came = time.monotonic() + WITHIN, 0, 0
    while came < waiting and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        came = int((await asking.request(head_of("GET", "/-/count")))[1])
        most = max(most, _resident(service.pid))
    used = meter.read()
    report = await _report(asking)
    asking.close()
    faults = _faults(report, waiting)
    if most - before > MOST_GROWTH:
        faults.append(f"relay grew by {most - before:,} bytes over a backlog")
    return Figures.of(f"drain of {waiting:,}", came, used, (), faults)


async def _report(asking: Connection) -> Report:
    _, told = await asking.request(head_of("GET", "/-/report"))
    return msgspec.json.decode(told, type=Report)


def _faults(report: Report, events: int) -> list[str]:
    faults = []
    if report.deliveries != events or sum(report.distinct.values()) != events:
        faults.append(f"{events} events, but {report.deliveries} deliveries of {report.distinct}")
    if report.misordered:
        faults.append(f"{report.misordered} deliveries after a later one of their call")
    return faults


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
