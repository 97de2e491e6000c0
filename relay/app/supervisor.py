"""Several processes on one public port and one store, and the parent that owns what there is one of."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final

from relay.app.listening import PORT_FREE_WITHIN, check_free, listen, with_ports
from relay.app.process import open_store
from relay.app.worker import Worker
from relay.errors import UnavailableError
from relay.http.operations import operations_app
from relay.journal.orphans import free_orphans
from relay.journal.store import Store
from relay.settings import Settings
from relay.telemetry import log
from relay.telemetry.metrics import Metrics
from relay.telemetry.summing import Sums

CLEAN_UP: Final = 10.0
"""Seconds a worker has to end beyond its drain, in which handlers get RELAY_DRAIN_TIMEOUT to end and as much
again to be cancelled."""

_log: Final = log.get("workers")


class Supervisor:
    """The parent: it has the store, if it is the embedded one, the admin port, and the workers.

    It serves no requests of its own: it is ready when all workers are, and shows the sums of their metrics.
    """

    def __init__(self, settings: Settings, workers: int, *, arguments: Sequence[str] = ()) -> None:
        """Prepare so many workers, each called with the arguments beyond its own."""
        self._settings = settings
        self._count = workers
        self._arguments = tuple(arguments)
        self._workers: list[Worker] = []
        self._running = AsyncExitStack()
        self._serving = False
        self._draining = False
        self._metrics = Metrics()
        self._sums = Sums()
        self._freeing: set[asyncio.Task[None]] = set()
        self.store_description = ""
        self._store: Store

    def __repr__(self) -> str:
        return f"<Supervisor at {self.url} {self._workers}{' draining' * self._draining}>"

    @property
    def url(self) -> str:
        """Base of the public faces, as this machine reaches them."""
        return f"http://{self._settings.bind}"

    @property
    def admin_url(self) -> str:
        """Base of the operations face."""
        return f"http://{self._settings.admin_bind}"

    async def start(self) -> None:
        """Start the store, if it is ours, and every worker; on return requests are served.

        Raises:
            ConfigurationError: the store or a worker cannot start as it is set.

        """
        async with AsyncExitStack() as starting:
            await self._start(starting)
            self._running = starting.pop_all()
        self._serving = True
        _log.info("serving", workers=self._count, store=self.store_description)

    async def stop(self) -> None:
        """Drain and stop every worker, then the store."""
        if not self._draining:
            self._draining = True
            await self._running.aclose()
            _log.info("all stopped")

    async def _start(self, starting: AsyncExitStack) -> None:
        asked = self._settings
        settings = self._settings = await with_ports(starting, asked)
        operations = operations_app(self._unready, self._counted)
        await listen(
            starting,
            operations,
            settings.admin_bind,
            "RELAY_ADMIN_BIND",
            shared=not asked.admin_bind.port,
        )
        if asked.bind.port:
            await check_free(settings.bind, "RELAY_BIND", within=PORT_FREE_WITHIN)
        self._store, url, self.store_description = await open_store(starting, settings)
        starting.push_async_callback(self._stop_freeing)
        sockets = Path(tempfile.mkdtemp(prefix="relay-workers-"))
        starting.callback(shutil.rmtree, sockets, ignore_errors=True)
        self._workers = [self._worker(number, sockets, url) for number in range(1, self._count + 1)]
        starting.push_async_callback(self._stop_workers)
        started = await asyncio.gather(*(worker.start() for worker in self._workers), return_exceptions=True)
        for failure in started:
            if failure is not None:
                raise failure
        self._metrics.gauge("workers", "Processes that serve together.", lambda: len(self._workers))
        self._metrics.counter("worker_restarts", "Workers that died and were replaced.", self._restarts)

    def _worker(self, number: int, sockets: Path, store_url: str) -> Worker:
        socket = sockets / f"{number}.sock"
        command = (sys.executable, "-m", "relay", "worker", str(number), str(socket), *self._arguments)
        settings = self._settings
        environment = {
            **os.environ,
            "RELAY_BIND": str(settings.bind),
            "RELAY_ADMIN_BIND": str(settings.admin_bind),
            "RELAY_REDIS_URL": store_url,
        }
        return Worker(number, command, environment, socket, died=self._died)

    def _died(self, worker: Worker) -> None:
        """Keep what a worker had counted, and have the others take over at once what it held."""
        self._sums.ended(str(worker.number))
        task = asyncio.create_task(self._free(), name="free-orphans")
        self._freeing.add(task)
        task.add_done_callback(self._freeing.discard)

    async def _free(self) -> None:
        with suppress(UnavailableError):  # then what it held is free when its time is up
            await free_orphans(self._store)

    async def _stop_freeing(self) -> None:
        for task in self._freeing:
            task.cancel()
        await asyncio.gather(*self._freeing, return_exceptions=True)

    async def _stop_workers(self) -> None:
        within = 2 * self._settings.drain_timeout + CLEAN_UP
        await asyncio.gather(*(worker.stop(within) for worker in self._workers))

    async def _unready(self) -> str:
        if self._draining:
            return "draining"
        if not self._serving:
            return "starting"
        reasons = await asyncio.gather(*(worker.unready() for worker in self._workers))
        return "; ".join(f"worker {number}: {reason}" for number, reason in enumerate(reasons, 1) if reason)

    async def _counted(self) -> bytes:
        """Add up what this process and the workers show; one that does not answer counts as it last did."""
        self._sums.show("parent", self._metrics.text())
        for worker, text in zip(
            self._workers, await asyncio.gather(*(worker.metrics() for worker in self._workers)), strict=True
        ):
            if text is not None:
                self._sums.show(str(worker.number), text)
        return self._sums.text()

    def _restarts(self) -> float:
        return sum(worker.restarts for worker in self._workers)
