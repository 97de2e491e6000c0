"""How many requests one process has on their way, and who is next when there are more to make."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, final

MAX_IN_FLIGHT: Final = 512
"""Requests of one process on their way: fifty endpoints that hang leave room for the rest; a socket each."""


@final
class Slots:
    """Places for requests, shared by all partitions of a process; who waits is served in turn."""

    def __init__(self, count: int = MAX_IN_FLIGHT) -> None:
        self._count = count
        self._free = count
        self._waiting: deque[Callable[[], None]] = deque()

    def __repr__(self) -> str:
        return f"Slots({self._count - self._free} of {self._count} taken, {len(self._waiting)} wait)"

    def take(self) -> bool:
        """Take a place if one is free."""
        if not self._free:
            return False
        self._free -= 1
        return True

    def give_back(self) -> None:
        """Free a place, and call whoever waits first."""
        self._free += 1
        if self._waiting:
            self._waiting.popleft()()

    def wait(self, callback: Callable[[], None]) -> None:
        """Have a function called once when a place is free; it is to take it, or to call `pass_on`."""
        self._waiting.append(callback)

    def pass_on(self) -> None:
        """Leave a free place to whoever waits next."""
        if self._free and self._waiting:
            self._waiting.popleft()()
