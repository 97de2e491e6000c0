"""Tasks with an owner: kept, awaited, and heard of when one fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, final

_CHECK_EVERY: Final = 0.2
"""Seconds between two looks at whether waiting still makes sense."""


@final
class Crew:
    """A changing set of tasks; the first that fails is what `failure` raises."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return f"Crew({self._name}, {len(self._tasks)} tasks)"

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin a task."""
        task = asyncio.create_task(work, name=self._name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def failure(self) -> None:
        """Wait until a task fails, and raise what it raised."""
        await asyncio.shield(self._failure)

    async def finish(self, within: float, while_true: Callable[[], bool]) -> None:
        """Wait for all tasks, at most so many seconds and only as long as a condition holds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while self._tasks and while_true() and (left := deadline - loop.time()) > 0:
            await asyncio.wait(self._tasks, timeout=min(left, _CHECK_EVERY))

    async def cancel(self) -> None:
        """Cancel all tasks and wait until they are gone."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        self._failure.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._failure.done():
            self._failure.set_exception(error)
            self._failure.exception()  # counts as seen: it may come while the owner is ending everything


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do something that must not be left half done; whoever cancels the caller meanwhile waits for it."""
    doing = asyncio.ensure_future(work)
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait((doing,))
        doing.result()
        raise
