"""CometD of relay and of Faye, by the same clients in the same run: CPU for each delivery.

``python -m bench.bayeux [--rounds 3] [--case websocket]``. Server and load have a core each, by turns.
Faye is in tests/js. A program that does nothing but write as many bytes to as many sockets says what pushing
costs at least.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import socket
import subprocess
import sys
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import uvloop

from bench.bare import bare
from bench.box import cpu_seconds, describe
from bench.client import Connection, head_of
from bench.cometd import Poller, Reader, Socket, Subscriber, Tally
from bench.publishing import Phone, stamp
from bench.service import service
from bench.tenant import EXTENSIONS, token

GROUPS: Final = 2
"""Users of relay, or channels of Faye, at most: an event goes to the clients of one."""
CLIENTS: Final = 200
"""Of all groups together."""
PHONES: Final = 8
"""Calls of each user of relay: as many events are published at once."""
PAD: Final = 300
"""Bytes that fill an event up."""
EVENT: Final = json.dumps({"messageType": "x", "pad": "x" * 1024})
"""What others than relay are given to publish: as many bytes as an event of relay's has."""
NODE_MODULES: Final = Path(__file__).parents[1] / "tests" / "js" / "node_modules"


class Case(NamedTuple):
    """What is published: how many events at once to a group, how often, and how long a pause between."""

    name: str
    kind: type[Subscriber]
    groups: int
    burst: int
    times: int
    pause: float

    @property
    def members(self) -> int:
        """Clients of each group."""
        return CLIENTS // self.groups


CASES: Final = (
    Case("websocket, one by one to 100", Socket, 2, 1, 300, 0.01),
    Case("websocket, one by one to 200", Socket, 1, 1, 150, 0.01),
    Case("websocket, bursts of 8", Socket, 2, PHONES, 100, 0.0),
    Case("long-polling, one by one", Poller, 2, 1, 60, 0.05),
)

Publish = Callable[[int, int], Coroutine[None, None, None]]
"""Publish so many events at once to a group."""


class Side(NamedTuple):
    """One of the two servers."""

    name: str
    port: int
    pid: int
    store_pid: int | None
    path: str
    channels: Sequence[str]
    tokens: Sequence[str]
    publish: Publish
    kind: type[Subscriber] | None = None
    """What its clients are, if not CometD's."""


class Result(NamedTuple):
    """Microseconds of CPU for each delivery, and deliveries a second."""

    server_us: float
    net_us: float
    """The same without what publishing to nobody costs."""
    store_us: float
    rate: float


def main() -> int:
    """Measure both servers in turns."""
    parser = argparse.ArgumentParser(prog="python -m bench.bayeux", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", default="", help="only those whose names have this in them")
    asked = parser.parse_args()
    return uvloop.run(_run(asked.rounds, [case for case in CASES if asked.case in case.name]))


async def _run(rounds: int, cases: Sequence[Case]) -> int:
    found: dict[tuple[str, str], list[Result]] = {}
    print(f"{'':<40}{'CPU µs':>9}{'beyond publishing':>19}{'store µs':>10}{'deliveries/s':>14}")
    for _ in range(rounds):
        for case, opening in itertools.product(cases, (_relay, _faye, _bare)):
            if opening is _bare and case.kind is not Socket:
                continue
            async with opening() as side:  # new ones: a user may have only so many sessions
                if not found and side.store_pid is not None:
                    print(describe(side.store_pid))
                result = await _measure(side, case)
                found.setdefault((case.name, side.name), []).append(result)
                _say(f"{case.name}, {side.name}", result)
    if rounds > 1:
        print(f"medians of {rounds}")
        for (case_name, side_name), results in found.items():
            _say(f"{case_name}, {side_name}", Result(*map(median, zip(*results, strict=True))))
    return 0


def _say(name: str, result: Result) -> None:
    print(
        f"{name:<40}{result.server_us:>9.1f}{result.net_us:>19.1f}{result.store_us:>10.1f}{result.rate:>14,.0f}",
        flush=True,
    )


async def _measure(side: Side, case: Case) -> Result:
    alone = await _published(side, case, None)
    tally = Tally()
    kind = side.kind or case.kind
    clients = await asyncio.gather(
        *(
            kind.open(side.port, side.path, side.tokens[group], side.channels[group], tally)
            for group in range(case.groups)
            for _ in range(case.members)
        )
    )
    await asyncio.sleep(1)
    try:
        await _told(side, tally, case.groups)
        return await _published(side, case, tally, alone)
    finally:
        for client in clients:
            client.close()
        await asyncio.sleep(0.5)


async def _told(side: Side, tally: Tally, groups: int) -> None:
    """Have everybody told of one event first: what a server does once, it does not do for each."""
    tally.expect(CLIENTS)
    for group in range(groups):
        await side.publish(group, 1)
    await tally.reached(CLIENTS)
    await asyncio.sleep(0.5)


async def _published(side: Side, case: Case, tally: Tally | None, alone: Result | None = None) -> Result:
    deliveries = case.times * case.burst * case.members
    before = cpu_seconds(side.pid), _store_seconds(side), time.monotonic()
    if tally is not None:
        tally.expect(deliveries)
    for number in range(case.times):
        await side.publish(number % case.groups, case.burst)
        if tally is not None and not case.pause:
            await tally.reached((number + 1) * case.burst * case.members)
        await asyncio.sleep(case.pause)
    if tally is not None:
        await tally.reached(deliveries)
    seconds = time.monotonic() - before[2]
    used = (cpu_seconds(side.pid) - before[0]) / deliveries * 1e6
    store = (_store_seconds(side) - before[1]) / deliveries * 1e6
    return Result(used, used - (alone.server_us if alone else 0), store, deliveries / seconds)


def _store_seconds(side: Side) -> float:
    return 0.0 if side.store_pid is None else cpu_seconds(side.store_pid)


@asynccontextmanager
async def _relay() -> AsyncIterator[Side]:
    async with service() as relay:
        extensions = EXTENSIONS[:GROUPS]
        phones = [[await Phone.open(relay.port, one, PAD) for _ in range(PHONES)] for one in extensions]

        async def publish(group: int, count: int) -> None:
            await asyncio.gather(
                *(phone.tone(stamp(0, time.monotonic_ns())) for phone in phones[group][:count])
            )

        yield Side(
            "relay",
            relay.port,
            relay.pid,
            relay.store_pid,
            "/api/v2/notifications",
            ["/v2/me/calls"] * GROUPS,
            [token(one) for one in extensions],
            publish,
        )


@asynccontextmanager
async def _faye() -> AsyncIterator[Side]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    script = Path(__file__).parent / "js" / "faye.cjs"
    process = _node(script, str(port), str(NODE_MODULES.parent))
    try:
        connection = await _opened(port)
        body = urllib.parse.quote(EVENT)

        async def publish(group: int, count: int) -> None:
            path = f"/publish?channel=/bench/{group}&count={count}&body={body}"
            await connection.ask(head_of("GET", path), expect=200)

        channels = [f"/bench/{group}" for group in range(GROUPS)]
        yield Side("Faye", port, process.pid, None, "/cometd", channels, [""] * GROUPS, publish)
        connection.close()
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def _bare() -> AsyncIterator[Side]:
    async with bare() as peer:
        connection = await Connection.open(peer.port)

        async def publish(group: int, count: int) -> None:
            for _ in range(count):
                status, _ = await connection.request(head_of("POST", f"/pub/{group}"), EVENT.encode())
                assert status == 202, status

        groups = [str(group) for group in range(GROUPS)]
        yield Side("bare", peer.port, peer.pid, None, "", groups, [""] * GROUPS, publish, Reader)
        connection.close()


def _node(script: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["node", str(script), *arguments])


async def _opened(port: int) -> Connection:
    for _ in range(100):
        try:
            return await Connection.open(port)
        except OSError:
            await asyncio.sleep(0.05)
    raise TimeoutError("Faye did not start")


if __name__ == "__main__":
    sys.exit(main())
