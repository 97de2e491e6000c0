"""Whose turn it is to change a session: within a process, commands on one call queue up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from relay.errors import ContendedError

MAX_WAITING: Final = 100
"""Commands that may wait for one session; a queue that grows longer only delays the answer "try again"."""

MAX_WAIT: Final = 5.0
"""Seconds a command waits for its turn; one that is stuck at an absent store gives up sooner."""


class _Queue:
    """The lock of one session, and how many hold it or wait for it."""

    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class Turns:
    """One fair queue for each session that is being changed; a full or slow one refuses."""

    def __init__(self, *, waiting: int = MAX_WAITING, seconds: float = MAX_WAIT) -> None:
        self._waiting = waiting
        self._seconds = seconds
        self._queues: dict[str, _Queue] = {}

    def __repr__(self) -> str:
        users = sum(queue.users for queue in self._queues.values())
        return f"<Turns sessions={len(self._queues)} commands={users}>"

    def turns(self, sessions: Iterable[str]) -> _Turn:
        """Hold the turns of sessions, taken in one order by all, so that nobody waits for ever.

        The value tells whether others had one meanwhile: what was read is stale.

        Raises:
            ContendedError: too many wait already, or a turn did not come in time.

        """
        return _Turn(self, sorted(sessions))

    async def take(self, session: str) -> bool:
        """Take one turn; return whether it had to be waited for. Raises as `turns` does."""
        queue = self._queues.get(session)
        if queue is None:
            queue = self._queues[session] = _Queue()
        if queue.users > self._waiting:
            raise ContendedError(f"{queue.users} commands wait for one call")
        waits = queue.users > 0
        queue.users += 1
        try:
            # Nearly every turn is free: it needs no clock.
            await (self._wait(queue.lock) if waits else queue.lock.acquire())
        except BaseException:
            self._leave(session)
            raise
        return waits

    def give_back(self, session: str) -> None:
        """Let the next one have a turn."""
        self._queues[session].lock.release()
        self._leave(session)

    def _leave(self, session: str) -> None:
        queue = self._queues[session]
        queue.users -= 1
        if not queue.users:
            del self._queues[session]

    async def _wait(self, lock: asyncio.Lock) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await lock.acquire()
        except TimeoutError:
            raise ContendedError("the commands before this one take too long") from None


class _Turn:
    """The turns of one command: taken on entering, given back on leaving."""

    __slots__ = ("_held", "_turns", "_wanted")

    def __init__(self, turns: Turns, wanted: Sequence[str]) -> None:
        self._turns = turns
        self._wanted = wanted
        self._held: list[str] = []

    async def __aenter__(self) -> bool:
        waited = False
        try:
            for session in self._wanted:
                waited |= await self._turns.take(session)
                self._held.append(session)
        except BaseException:
            self._give_back()
            raise
        return waited

    async def __aexit__(self, *_: object) -> None:
        self._give_back()

    def _give_back(self) -> None:
        for session in self._held:
            self._turns.give_back(session)
