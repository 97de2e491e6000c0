"""When failing lanes are tried again: what the store's ZSET of due lanes says, in memory."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import final

from relay.webhooks.outbox import Outbox


@final
class Agenda:
    """Outboxes by when something is to be done for them. Only the owner makes lanes due, so nobody polls.

    For a lane holds what was added last: its head may have been resent, and the next one's pause be longer.

    As long as there are failing lanes, which an outbox bounds, it holds one entry for each.
    """

    def __init__(self, fire: Callable[[Outbox, str | None], None]) -> None:
        self._fire = fire
        self._heap: list[tuple[float, int, Outbox, str | None]] = []
        self._due: dict[tuple[Outbox, str], float] = {}
        self._order = count()
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        return f"Agenda({len(self._heap)} entries)"

    def add(self, pause: float, outbox: Outbox, lane: str | None = None) -> None:
        """Have a lane's head tried again after so many seconds; without a lane, have the outbox looked at."""
        at = self._loop.time() + pause
        if lane is not None:
            self._due[outbox, lane] = at
        heapq.heappush(self._heap, (at, next(self._order), outbox, lane))
        self._wake.set()

    def drop(self, outbox: Outbox) -> list[str]:
        """Forget an outbox, and return the lanes whose heads were to be tried again."""
        self._heap = [one for one in self._heap if one[2] is not outbox]
        heapq.heapify(self._heap)
        lanes = [lane for one, lane in self._due if one is outbox]
        for lane in lanes:
            del self._due[outbox, lane]
        return lanes

    async def run(self) -> None:
        """Say what is due when it is, until cancelled."""
        while True:
            self._wake.clear()
            now = self._loop.time()
            while self._heap and self._heap[0][0] <= now:
                at, _, outbox, lane = heapq.heappop(self._heap)
                if lane is None or self._is_due(outbox, lane, at):
                    self._fire(outbox, lane)
            pause = self._heap[0][0] - now if self._heap else None
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _is_due(self, outbox: Outbox, lane: str, at: float) -> bool:
        if self._due.get((outbox, lane)) != at:
            return False
        del self._due[outbox, lane]
        return True
