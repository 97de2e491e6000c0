"""Two processes on one store, in which the demo's two tenants have an owner each."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from aiohttp import ClientError

from relay.journal.keys import MEMBERS, Keys, partition_of
from tests.engines import Server
from tests.harness.demo import BUSY, OTHER_TENANT, TENANT
from tests.harness.fixtures import NewRelay
from tests.harness.process import RelayProcess
from tests.harness.v3 import V3
from tests.waiting import eventually

PARTITIONS: Final = 2
EVERY: Final = 0.05
"""Seconds between two calls of the bystander."""
WITHIN: Final = 2.0
"""Seconds that it waits for an answer."""


class Pair:
    """The processes, and who of them owns what."""

    def __init__(self, new_relay: NewRelay, server: Server) -> None:
        assert partition_of(TENANT, PARTITIONS) != partition_of(OTHER_TENANT, PARTITIONS)
        self._server = server
        self.processes = [
            new_relay(store_url=server.url, rate_limits="off", partitions=str(PARTITIONS)) for _ in range(2)
        ]
        self._names: dict[str, RelayProcess] = {}

    def __repr__(self) -> str:
        return f"Pair({self.processes}, {self._names})"

    @property
    def urls(self) -> list[str]:
        """Where both serve."""
        return [process.url for process in self.processes]

    async def start(self) -> Pair:
        """Start both, one after the other."""
        for process in self.processes:
            await self.launch(process)
        return self

    async def launch(self, process: RelayProcess) -> None:
        """Start one of them, and learn its name: it is new among the members."""
        before = self._members()
        await process.start()
        [name] = await eventually(lambda: self._members() - before, what="the process to be a member")
        self._names[name] = process

    async def apart(self) -> None:
        """Wait until each owns a tenant."""

        def each_owns_one() -> bool:
            owners = {self.owner(TENANT), self.owner(OTHER_TENANT)}
            return owners == set(self.processes)

        await eventually(each_owns_one, within=40, what=f"an owner for each tenant: {self!r}")

    def owner(self, tenant: str) -> RelayProcess | None:
        """Return the process that owns a tenant's partition, None while nobody does."""
        with self._server.client as client:
            token = client.get(Keys(partition_of(tenant, PARTITIONS)).lease)
        return self._names.get(token.decode().rpartition(":")[0]) if token else None

    def _members(self) -> set[str]:
        with self._server.client as client:
            return {name.decode() for name in client.zrange(MEMBERS, 0, -1)}


class Bystander:
    """Places calls without a break while in its block, at whichever process answers."""

    def __init__(self, client: V3, bases: Sequence[str]) -> None:
        self._client = client
        self._bases = itertools.cycle(bases)
        self._task: asyncio.Task[None] | None = None

    def ask(self, bases: Sequence[str]) -> None:
        """Speak to these processes from now on."""
        self._bases = itertools.cycle(bases)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._client.base = next(self._bases)
            with contextlib.suppress(ClientError, OSError):
                async with asyncio.timeout(WITHIN):
                    await self._client.command("click-to-dial", destination=BUSY)
            await asyncio.sleep(EVERY)
