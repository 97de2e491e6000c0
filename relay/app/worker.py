"""One of the processes that serve together: started, asked how it is, and started again when it dies."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout, UnixConnector

from relay.errors import ConfigurationError
from relay.telemetry import log

START_WITHIN: Final = 60.0
"""Seconds until a worker must serve for the first time."""
ANSWER_WITHIN: Final = 3.0
"""Seconds a worker may take to say how it is; one that takes longer is no help to clients either."""
READY_POLL: Final = 0.05
"""Seconds between looks at whether a new worker serves."""
RESTART_PAUSES: Final = (0.1, 0.5, 2.0, 5.0)
"""Seconds before each try to replace a worker that died; the last one repeats."""
STEADY_SECONDS: Final = 30.0
"""How long a worker must have run for its death to count as the first."""

_log: Final = log.get("workers")


class Worker:
    """A place for a process, and whichever process is in it.

    The process ends in good order on SIGTERM, and when its standard input ends, which is when this process is
    gone. It is in a session of its own: Ctrl-C in the terminal reaches it through this process alone.
    """

    def __init__(
        self,
        number: int,
        command: Sequence[str],
        environment: Mapping[str, str],
        socket: Path,
        *,
        died: Callable[[Worker], None],
    ) -> None:
        """Prepare a place.

        ``socket`` is where the process in it must serve its operations face; ``died`` is called when one has
        died, before it is replaced.
        """
        self.number = number
        self.restarts = 0
        """How often a process here was replaced."""
        self._died = died
        self._command = command
        self._environment = environment
        self._session = ClientSession(
            "http://worker",
            connector=UnixConnector(str(socket), force_close=True),
            timeout=ClientTimeout(total=ANSWER_WITHIN),
        )
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Worker {self.number} {f'pid={self._process.pid}' if self._process else 'not running'}>"

    async def start(self) -> None:
        """Start the process, and return once it serves.

        Raises:
            ConfigurationError: it ended, or does not serve; it has said why.

        """
        process = await self._spawn()
        try:
            async with asyncio.timeout(START_WITHIN):
                while await self.unready():
                    if process.returncode is not None:
                        raise ConfigurationError(f"worker {self.number} ended as it started")
                    await asyncio.sleep(READY_POLL)
        except TimeoutError:
            raise ConfigurationError(f"worker {self.number} does not serve") from None
        self._watcher = asyncio.create_task(self._watch(process), name=f"worker-{self.number}")

    async def unready(self) -> str:
        """Return why the process should get no requests, or an empty string."""
        if self._process is None:
            return "not running"
        try:
            async with self._session.get("/readyz") as response:
                answer = await response.json()
                return "" if response.status == 200 else str(answer["reason"])
        except (ClientError, TimeoutError):
            return "does not answer"

    async def metrics(self) -> bytes | None:
        """Return what the process counts, in Prometheus' text format; None if it does not answer."""
        asked = self._process
        try:
            async with self._session.get("/metrics") as response:
                text = await response.read()
        except (ClientError, TimeoutError):
            return None
        return text if self._process is asked else None

    async def stop(self, within: float) -> None:
        """End the process: politely, and by force if it takes longer. It is not replaced any more."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(within):
                    await process.wait()
            except TimeoutError:
                _log.warning("worker did not end, killed", worker=self.number)
                process.kill()
                await process.wait()
        await self._session.close()

    async def _spawn(self) -> asyncio.subprocess.Process:
        process = self._process = await asyncio.create_subprocess_exec(
            *self._command, env=self._environment, stdin=asyncio.subprocess.PIPE, start_new_session=True
        )
        _log.info("worker started", worker=self.number, pid=process.pid)
        return process

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        clock = asyncio.get_running_loop().time
        failures = 0
        while True:
            began = clock()
            code = await process.wait()
            self._process = None
            self._died(self)
            failures = 1 if clock() - began > STEADY_SECONDS else failures + 1
            pause = RESTART_PAUSES[min(failures, len(RESTART_PAUSES)) - 1]
            _log.warning("worker ended", worker=self.number, pid=process.pid, code=code, restart_in=pause)
            await asyncio.sleep(pause)
            process = await self._spawn()
            self.restarts += 1
