"""Clients that come and go all the time, in every way clients do, and what that leaves in the process."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.harness.bayeux import BayeuxClient
from tests.harness.demo import ADMIN, JANE, JOHN, User
from tests.harness.process import RelayProcess
from tests.harness.v3 import V3

_OPEN_ENDED = ClientTimeout(total=None, sock_connect=5)


class Left(NamedTuple):
    """What a process has, of what clients may leave behind."""

    resident: int
    """Bytes."""
    files: int
    tasks: int
    streams: int
    held: int
    """CometD connects."""

    @classmethod
    async def of(cls, http: ClientSession, relay: RelayProcess) -> Left:
        """Look at a process."""
        async with http.get(f"{relay.admin_url}/metrics") as response:
            text = await response.text()
        shown = dict(re.findall(r"^relay_(tasks|sse_streams|bayeux_held) (\S+)$", text, re.MULTILINE))
        tasks, streams, held = (round(float(shown[name])) for name in ("tasks", "sse_streams", "bayeux_held"))
        return cls(resident(relay.pid), files(relay.pid), tasks, streams, held)


def resident(pid: int) -> int:
    """Return the bytes of memory a process has."""
    fields = dict(re.findall(r"^(\w+):\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))
    return int(fields["VmRSS"]) * 1024


def files(pid: int) -> int:
    """Return how many files a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


class Churn:
    """So many visitors at a time, each of a kind drawn by lot; whoever leaves makes room for the next."""

    def __init__(self, http: ClientSession, base: str, *, visitors: int, seed: int = 1) -> None:
        self._http = http
        self._base = base
        self._visitors = visitors
        self._random = random.Random(seed)
        self._numbers = itertools.count()
        self.visits: Counter[str] = Counter()
        """How many came, by kind."""

    def __repr__(self) -> str:
        return f"Churn({dict(self.visits)})"

    async def run(self, until: Callable[[], Awaitable[None]]) -> None:
        """Let visitors come and go until `until` has returned; then the last ones drop out."""
        kinds = (self._stream, self._resume, self._ticket, self._poll, self._abandon, self._refused)

        async def visit() -> None:
            while True:
                kind = self._random.choice(kinds)
                self.visits[kind.__name__.strip("_")] += 1
                try:
                    await kind()
                except (ClientError, OSError):
                    await asyncio.sleep(0.05)

        visiting = [asyncio.create_task(visit()) for _ in range(self._visitors)]
        ended = asyncio.create_task(_awaited(until()))
        await asyncio.wait((*visiting, ended), return_when=asyncio.FIRST_COMPLETED)
        for task in (*visiting, ended):
            task.cancel()
        results = await asyncio.gather(*visiting, ended, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _stream(self, **query: str) -> None:
        """Read a stream for a while, and drop it."""
        user = self._random.choice((ADMIN, JANE, JOHN))
        headers = {} if "ticket" in query else {"Authorization": f"Bearer {user.token}"}
        async with self._http.get(
            f"{self._base}/v3/events/stream", params=query, headers=headers, timeout=_OPEN_ENDED
        ) as response:
            assert response.status == 200, await response.text()
            try:
                async with asyncio.timeout(self._random.expovariate(2)):
                    while await response.content.readany():
                        pass
            except TimeoutError:
                response.close()

    async def _resume(self) -> None:
        """Replay what there is, and drop out in the midst of it or later."""
        await self._stream(last_event_id="0-0", type="call.leg.*")

    async def _ticket(self) -> None:
        """Come as a browser does."""
        answer = await V3(self._http, self._base, JANE).ask("POST", "/v3/events/tickets")
        await self._stream(ticket=answer.body["ticket"])

    async def _poll(self) -> None:
        """Have a CometD session for a few connects, and end it."""
        client = await self._session()
        for _ in range(3):
            await client.connect(timeout=300)
        await client.end()

    async def _abandon(self) -> None:
        """Have a CometD session, and drop out of a held connect for good."""
        client = await self._session()
        held = client.hold()
        await asyncio.wait((held,), timeout=self._random.random())
        held.cancel()
        await asyncio.wait((held,))

    async def _refused(self) -> None:
        """Ask for what is refused."""
        user = User("nobody")
        await V3(self._http, self._base, user).ask("GET", "/v3/calls/")
        await V3(self._http, self._base, JANE).ask("GET", f"/v3/nothing/{next(self._numbers)}")
        await V3(self._http, self._base, JANE).command("hangup", call_leg_id="none")

    async def _session(self) -> BayeuxClient:
        client = BayeuxClient(self._http, self._base, self._random.choice((JANE, JOHN)))
        await client.begin()
        return client


async def _awaited(awaitable: Awaitable[None]) -> None:
    await awaitable
