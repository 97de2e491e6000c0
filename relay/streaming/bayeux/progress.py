"""How far the client of a push has certainly come: what its machine has acknowledged. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final

MARKS: Final = 60
"""Marks that are kept: one a second, for longer than a slow client is suffered."""


class Progress:
    """Maps bytes written to positions in the journal, by marks made from time to time."""

    __slots__ = ("_marks", "position")

    def __init__(self, position: str) -> None:
        self.position = position
        """The last position up to which everything was acknowledged."""
        self._marks: deque[tuple[int, str]] = deque(maxlen=MARKS)

    def __repr__(self) -> str:
        return f"Progress({self.position}, {len(self._marks)} marks ahead)"

    @property
    def pending(self) -> bool:
        """Whether there are marks that are not acknowledged."""
        return bool(self._marks)

    def mark(self, written: int, position: str) -> None:
        """Note which position so many written bytes stand for."""
        self._marks.append((written, position))

    def reach(self, position: str) -> str:
        """Note that everything written is acknowledged, which stands for a position; return that."""
        self._marks.clear()
        self.position = position
        return position

    def acknowledge(self, read: int) -> str:
        """Note how many bytes are acknowledged, and return the position that is certain."""
        while self._marks and self._marks[0][0] <= read:
            self.position = self._marks.popleft()[1]
        return self.position
