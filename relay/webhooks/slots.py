"""How many requests one process has on their way, and who is next when there are more to make."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, final

MAX_IN_FLIGHT: Final = 512
"""Requests of one process on their way; a socket each."""
KEPT_FREE: Final = 4
"""One place in so many is for first requests only: a hundred endpoints may hang and hold up no other."""

Turn = Callable[[], bool]
"""Tells whether it has taken the place that is free; otherwise it is the next one's."""


@final
class Slots:
    """Places for requests, shared by all partitions of a process; who waits is served in turn.

    A part is kept for the *first* requests of endpoints: of those that are well and have no other on its way.
    """

    def __init__(self, count: int = MAX_IN_FLIGHT) -> None:
        self._count = count
        self._free = count
        self._kept = count // KEPT_FREE
        self._first: deque[Turn] = deque()
        self._others: deque[Turn] = deque()

    def __repr__(self) -> str:
        waiting = len(self._first) + len(self._others)
        return f"Slots({self._count - self._free} of {self._count} taken, {waiting} wait)"

    def take(self, *, first: bool) -> bool:
        """Take a place if one is free."""
        if self._free <= (0 if first else self._kept):
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        """Free a place, and call those who wait until one takes it."""
        self._free += 1
        while (turn := self._next()) is not None and not turn():
            pass

    def wait(self, turn: Turn, *, first: bool) -> None:
        """Have a function called once when a place is free; it may take it."""
        (self._first if first else self._others).append(turn)

    def _next(self) -> Turn | None:
        if self._free and self._first:
            return self._first.popleft()
        return self._others.popleft() if self._free > self._kept and self._others else None
