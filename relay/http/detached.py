"""Let a command run to its end although its client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from relay.errors import DrainingError, RelayError
from relay.telemetry import log

T = TypeVar("T")

_log: Final = log.get("http")


class Detached:
    """Runs commands in tasks of their own, which outlive the handlers that wait for them.

    aiohttp cancels a handler when its client drops; a command half carried out must not be. Requests bound
    the number of tasks: each waits for at most one at a time, and a client that drops leaves one behind
    for as long as the command takes.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = False

    def __repr__(self) -> str:
        return f"<Detached running={len(self._tasks)}{' stopping' if self._stopping else ''}>"

    async def finish(self, command: Coroutine[Any, Any, T]) -> T:
        """Run the command and return its result; it runs on if the caller is cancelled.

        Raises:
            DrainingError: the process is stopping.

        """
        if self._stopping:
            command.close()
            raise DrainingError("this process is stopping")
        task = asyncio.create_task(command, name="command")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                task.add_done_callback(_tell_failure)
            raise

    async def stop(self, timeout: float) -> None:
        """Take no more commands; wait for those that run, and cut off what is left after ``timeout`` s."""
        self._stopping = True
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=timeout)
        for task in late:
            task.cancel()
        if late:
            _log.warning("commands were cut off", count=len(late))
            await asyncio.wait(late)


def _tell_failure(task: asyncio.Task[Any]) -> None:
    """Log a failure that no handler waits for any more; a refusal is the client's business alone."""
    error = None if task.cancelled() else task.exception()
    if error is not None and not isinstance(error, RelayError):
        _log.error("a command failed after its client left", exc_info=error)
