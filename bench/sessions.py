"""Ten thousand CometD sessions that each get an event a second: what relay and its store need meanwhile.

``python -m bench.sessions [--sessions 10000] [--polling 1000] [--seconds 20]``. So many of the sessions poll,
the others have websockets; all are of a hundred users, and each user has an event a second. Relay has a core,
its store and the load another, if there are two.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import uvloop

from bench.box import Meter, describe
from bench.figures import percentile
from bench.live import Live, Polling, User
from bench.peers import pin
from bench.publishing import Phone
from bench.service import Service, service
from bench.tenant import EXTENSIONS, token
from relay.journal.store import Store

USERS: Final = 100
PAD: Final = 300
"""Bytes that fill an event up."""
OPENING: Final = 100
"""Sessions begun at the same time."""
LAST_WITHIN: Final = 60
"""Seconds that the last deliveries may take: a machine with other work falls behind."""
PARTITIONS: Final = 16


def main() -> int:
    """Measure publishing alone, the sessions alone, and both."""
    parser = argparse.ArgumentParser(prog="python -m bench.sessions", description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--polling", type=int, default=1000, help="of the sessions (default 1000)")
    parser.add_argument("--seconds", type=int, default=20, help="of each phase (default 20)")
    asked = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if not 0 <= asked.polling <= asked.sessions <= most - 500:
        parser.error(f"a process may open {most} files here, so at most {most - 500} sessions")
    return uvloop.run(_run(asked.sessions, asked.polling, asked.seconds))


async def _run(sessions: int, polling: int, seconds: int) -> int:
    async with service() as relay, AsyncExitStack() as leaving:
        print(describe(relay.store_pid))
        store = await Store.open(relay.store_url, partitions=PARTITIONS)
        leaving.push_async_callback(store.close)
        pin({relay.pid}, {relay.store_pid, os.getpid()})
        users = [User(await Phone.open(relay.port, one, PAD)) for one in EXTENSIONS[:USERS]]
        cores = "".join(f"{of:>7}" for of in ("relay", "store", "load"))
        print(f"{'cores':<30}{'told/s':>8}{cores}{'scripts/s':>11}{'commands/s':>12}{'other':>7}", flush=True)
        await _measure("publishing alone", relay, store, users, seconds)
        before = resident(relay.pid)
        began = time.monotonic()
        await _open(relay.port, users, sessions, polling, leaving)
        grown = (resident(relay.pid) - before) / sessions / 1024
        opened = f"{sessions:,} sessions, {polling:,} of them polling"
        print(f"{opened}: begun in {time.monotonic() - began:.1f} s, {grown:.1f} KB each")
        await _measure("the sessions alone", relay, store, (), seconds)
        await _measure("each gets an event a second", relay, store, users, seconds)
        late = sorted(itertools.chain.from_iterable(user.last_ms for user in users))
        print(f"event to the last session of its user: p50 {percentile(late, 50):.1f} ms,", end=" ")
        print(f"p99 {percentile(late, 99):.1f} ms")
        wrong = sum(not user.complete for user in users)
        if wrong:
            print(f"DOES NOT ADD UP: sessions of {wrong} users were not told every event once")
        else:
            print("every session was told every event once")
        return int(wrong > 0)


async def _open(
    port: int, users: Sequence[User], sessions: int, polling: int, leaving: AsyncExitStack
) -> None:
    """Begin the sessions, of each user as many, and of those as many polling."""
    at_once = asyncio.Semaphore(OPENING)

    async def one(number: int) -> None:
        place, group = divmod(number, len(users))
        polls = place * polling // sessions < (place + 1) * polling // sessions
        kind: type[Live | Polling] = Polling if polls else Live
        async with at_once:
            session = await kind.open(port, users[group], token(EXTENSIONS[group]))
        leaving.callback(session.close)

    await asyncio.gather(*map(one, range(sessions)))
    for user in users:
        user.begin()


async def _measure(name: str, relay: Service, store: Store, users: Sequence[User], seconds: int) -> None:
    """Have each user publish an event a second, spread over it, and say what was used on average."""
    await asyncio.sleep(2)
    meter = Meter(relay=relay.pid, store=relay.store_pid, bench=os.getpid())
    before, began, told = await _commands(store), time.monotonic(), sum(user.told for user in users)

    async def publish(number: int, user: User) -> None:
        for second in range(seconds):
            await asyncio.sleep(max(0.0, began + second + number / len(users) - time.monotonic()))
            await user.publish()

    await asyncio.gather(*(publish(number, user) for number, user in enumerate(users)))
    await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
    used, after = meter.read(), await _commands(store)
    told = round((sum(user.told for user in users) - told) / used.seconds)
    cores = "".join(f"{used.by[of] / used.seconds:>7.2f}" for of in ("relay", "store", "bench"))
    scripts, commands = ((now - then) / used.seconds for now, then in zip(after, before, strict=True))
    print(f"{name:<30}{told:>8,}{cores}{scripts:>11,.0f}{commands:>12,.0f}{used.other:>7.2f}", flush=True)
    for _ in range(10 * LAST_WITHIN):
        if all(user.complete for user in users):
            break
        await asyncio.sleep(0.1)


async def _commands(store: Store) -> tuple[int, int]:
    """Return how many scripts the store has run so far, and how many commands, those of scripts included."""
    lines = (await store.call("INFO", "commandstats", "stats")).decode().splitlines()
    stats = dict(line.split(":", 1) for line in lines if ":" in line)
    scripts = stats["cmdstat_evalsha"].split(",")[0].removeprefix("calls=")
    return int(scripts), int(stats["total_commands_processed"])


def resident(pid: int) -> int:
    """Return the bytes of memory that a process has."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024


if __name__ == "__main__":
    sys.exit(main())
