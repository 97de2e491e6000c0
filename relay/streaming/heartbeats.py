"""Heartbeats of all streams from one timer, spread so that no tick writes to many."""

from __future__ import annotations

import asyncio
import math
from typing import Final, Protocol

HEARTBEAT_SECONDS: Final = 15.0
"""Between two heartbeats of a stream: proxies close quiet connections after 30 to 100 s."""
SLOTS: Final = 60
"""Ticks of a period: with 20,000 streams each writes to some 330, about 2 ms."""


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
        self._slots: list[dict[Beating, None]] = [{} for _ in range(SLOTS)]
        self._slot_of: dict[Beating, int] = {}
        self._current = 0
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"Heartbeats({len(self._slot_of)} members every {self.period:g} s)"

    @property
    def period(self) -> float:
        """Seconds between two beats of a member, with so many members as there are."""
        return max(self._shortest, len(self._slot_of) / self._at_most)

    def add(self, member: Beating) -> None:
        """Begin; the first beat comes after a period."""
        slot = (self._current - 1) % SLOTS  # the one whose turn has just been
        self._slots[slot][member] = None
        self._slot_of[member] = slot
        if self._timer is None:
            self._arm()

    def remove(self, member: Beating) -> None:
        """End; the timer stops with the last member."""
        slot = self._slot_of.pop(member, None)
        if slot is not None:
            del self._slots[slot][member]
        if not self._slot_of and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.period / SLOTS, self._tick)

    def _tick(self) -> None:
        self._arm()
        due = tuple(self._slots[self._current])
        self._current = (self._current + 1) % SLOTS
        for member in due:
            member.beat()
