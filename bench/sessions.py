"""Ten thousand CometD sessions that each get an event a second: what relay and its store need meanwhile.

``python -m bench.sessions [--sessions 10000] [--polling 1000] [--seconds 20]``. So many of the sessions poll,
the others have websockets; all are of a hundred users, and each user has an event a second.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import resource
import sys
import time
from array import array
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Self, cast

import uvloop

from bench.box import Meter, describe
from bench.client import head_of
from bench.cometd import MARK, Poller, Tally, masked
from bench.figures import percentile
from bench.publishing import Phone
from bench.service import Service, service
from bench.tenant import EXTENSIONS, token
from relay.journal.store import Store

USERS: Final = 100
PATH: Final = "/api/v2/notifications"
CHANNEL: Final = "/v2/me/calls"
PAD: Final = 300
"""Bytes that fill an event up."""
OPENING: Final = 100
"""Sessions begun at the same time."""
OPENED_WITHIN: Final = 60.0
"""Seconds until the last has begun."""
LAST_WITHIN: Final = 60
"""Seconds that the last deliveries may take: a machine with other work falls behind."""
PARTITIONS: Final = 16
_CONNECTED: Final = b'"/meta/connect"'


class User(Tally):
    """One user's sessions: when each event had come to the last of them."""

    def __init__(self, phone: Phone) -> None:
        super().__init__()
        self._phone = phone
        self.sessions = 0
        self.published = 0
        self.last_ms = array("d")
        self._at = 0.0

    async def publish(self) -> None:
        """Make one event; the one before must have come to everybody."""
        self.published += 1
        self._at = time.monotonic()
        await self._phone.tone("5")

    def add(self, count: int) -> None:
        """Count deliveries."""
        self.count += count
        if self.count == self.sessions * self.published:
            self.last_ms.append((time.monotonic() - self._at) * 1000)

    @property
    def complete(self) -> bool:
        """Whether every session has every event once."""
        return self.count == self.sessions * self.published


class Live(asyncio.Protocol):
    """A session on a websocket that connects again whenever a connect is answered."""

    def __init__(self, user: User, head: bytes) -> None:
        self._user = user
        self._head = head
        self._rest = b""
        self._again = b""
        self._transport: asyncio.Transport
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, port: int, head: bytes, user: User) -> Self:
        """Shake hands, subscribe and connect, all on the socket."""
        loop = asyncio.get_running_loop()
        _, self = await loop.create_connection(lambda: cls(user, head), "127.0.0.1", port)
        await asyncio.wait_for(self.connected, OPENED_WITHIN)
        return self

    def close(self) -> None:
        """Leave."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the websocket. Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        """Count the events in what came, and connect again if a connect was answered. Called by the loop."""
        found = self._rest + data
        if not self._again:
            self._begin(found)
            return
        self._user.add(found.count(MARK))
        if _CONNECTED in found:
            self._transport.write(self._again)
            if not self.connected.done():
                self.connected.set_result(None)
        self._rest = found[-len(MARK) + 1 :]

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that it never connected. Called by the loop."""
        if not self.connected.done():
            self.connected.set_exception(exc or ConnectionResetError("closed by the server"))

    def _begin(self, found: bytes) -> None:
        """Take the upgrade's answer, then the handshake's."""
        if b'"clientId":"' in found:
            client = found.partition(b'"clientId":"')[2].partition(b'"')[0].decode()
            connect = {
                "channel": "/meta/connect",
                "clientId": client,
                "connectionType": "websocket",
                "id": "3",
            }
            subscribe = {"channel": "/meta/subscribe", "clientId": client, "subscription": CHANNEL, "id": "2"}
            self._again = masked([connect])
            self._transport.write(masked([subscribe, {**connect, "advice": {"timeout": 0}}]))
            found = b""
        elif found.endswith(b"\r\n\r\n"):
            shake = {"channel": "/meta/handshake", "version": "1.0", "id": "1"}
            self._transport.write(masked([{**shake, "supportedConnectionTypes": ["websocket"]}]))
            found = b""
        self._rest = found


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
        users = [User(await Phone.open(relay.port, one, PAD)) for one in EXTENSIONS[:USERS]]
        columns = f"{'told/s':>8}{'relay':>7}{'store':>7}{'scripts/s':>11}{'commands/s':>12}{'other':>7}"
        print(f"{'cores':<30}{columns}", flush=True)
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
        return int(wrong > 0)


async def _open(
    port: int, users: Sequence[User], sessions: int, polling: int, leaving: AsyncExitStack
) -> None:
    """Begin the sessions, of each user as many, and of those as many polling."""
    at_once = asyncio.Semaphore(OPENING)
    for user in users:
        user.published = user.count = 0
        user.last_ms = array("d")

    async def one(number: int) -> None:
        place, group = divmod(number, len(users))
        user, bearer = users[group], token(EXTENSIONS[group])
        user.sessions += 1
        async with at_once:
            if place * polling // sessions < (place + 1) * polling // sessions:
                poller = await Poller.open(port, PATH, bearer, CHANNEL, user)
                leaving.callback(poller.close)
            else:
                leaving.callback((await Live.open(port, _upgrade(bearer), user)).close)

    await asyncio.gather(*map(one, range(sessions)))


async def _measure(name: str, relay: Service, store: Store, users: Sequence[User], seconds: int) -> None:
    """Have each user publish an event a second, spread over it, and say what was used on average."""
    await asyncio.sleep(2)
    meter = Meter(relay=relay.pid, store=relay.store_pid, bench=os.getpid())
    before, began, told = await _commands(store), time.monotonic(), sum(user.count for user in users)

    async def publish(number: int, user: User) -> None:
        for second in range(seconds):
            await asyncio.sleep(max(0.0, began + second + number / len(users) - time.monotonic()))
            await user.publish()

    await asyncio.gather(*(publish(number, user) for number, user in enumerate(users)))
    await asyncio.sleep(max(0.0, began + seconds - time.monotonic()))
    used, after = meter.read(), await _commands(store)
    told = round((sum(user.count for user in users) - told) / used.seconds)
    cores = "".join(f"{used.by[of] / used.seconds:>7.2f}" for of in ("relay", "store"))
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


def _upgrade(bearer: str) -> bytes:
    lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    return head_of("GET", PATH, bearer) + "".join(f"{line}\r\n" for line in (*lines, key)).encode() + b"\r\n"


if __name__ == "__main__":
    sys.exit(main())
