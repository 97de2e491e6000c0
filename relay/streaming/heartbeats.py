"""Heartbeats of all streams from one timer: gathered where there are few, spread where there are many."""

from __future__ import annotations

import asyncio
import math
from itertools import islice
from typing import Final, Protocol

HEARTBEAT_SECONDS: Final = 15.0
"""Between two heartbeats of a stream: proxies close quiet connections after 30 to 100 s."""
GATHERED: Final = 10
"""Part of a period by which a beat may come early, so that it shares its wake-up with others: one costs the
loop as much as some beats."""
TICKS: Final = 60
"""Wake-ups that a period has room for: with 20,000 streams each writes to some 330, about 2 ms."""
FEW: Final = 50
"""Members that a wake-up takes in any case, if they are due."""


class Beating(Protocol):
    """What has a heartbeat."""

    def beat(self) -> None:
        """Give a sign of life; must not block."""
        ...


class Heartbeats:
    """Calls `beat` of each member once a period, longer where that were more than ``at_most`` a second."""

    def __init__(self, period: float = HEARTBEAT_SECONDS, *, at_most: float = math.inf) -> None:
        self._shortest = period
        self._at_most = at_most
        self._due: dict[Beating, float] = {}
        """When each is due, in that order: whoever was served is put last."""
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"Heartbeats({len(self._due)} members every {self.period:g} s)"

    @property
    def period(self) -> float:
        """Seconds between two beats of a member, with so many members as there are."""
        return max(self._shortest, len(self._due) / self._at_most)

    def add(self, member: Beating) -> None:
        """Begin; the first beat comes after a period."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._due[member] = now + self.period
        if self._timer is None:
            self._arm(loop, now)

    def remove(self, member: Beating) -> None:
        """End; the timer stops with the last member."""
        self._due.pop(member, None)
        if not self._due and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, loop: asyncio.AbstractEventLoop, earliest: float) -> None:
        self._timer = loop.call_at(max(earliest, next(iter(self._due.values()))), self._tick)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now, period = loop.time(), self.period
        soon, most = now + period / GATHERED, max(FEW, math.ceil(len(self._due) / TICKS))
        due = [member for member, at in islice(self._due.items(), most) if at <= soon]
        for member in due:
            del self._due[member]
            self._due[member] = now + period
        self._arm(loop, now + period / TICKS)
        for member in due:
            member.beat()
