"""How many requests at a time an endpoint gets that has too many. Pure."""

from __future__ import annotations

from math import inf
from typing import Final, final

OVERRUN: Final = frozenset((429, 502, 504))
"""Statuses by which an endpoint, or what stands before it, says so (Standard Webhooks 1.0.0: throttle)."""


@final
class Throttle:
    """Half as many at a time after such an answer, and one more after as many successes in a row.

    Answers to requests that were on their way by then tell nothing new.
    """

    __slots__ = ("_halved", "_successes", "_width")

    def __init__(self) -> None:
        self._width: int | None = None
        self._successes = 0
        self._halved = -inf

    def __repr__(self) -> str:
        return f"Throttle({'open' if self._width is None else self._width})"

    def width(self, most: int) -> int:
        """Return how many requests may be on their way, of ``most`` that its subscription allows."""
        return most if self._width is None else min(most, self._width)

    def overrun(self, most: int, *, started: float, now: float) -> None:
        """Note that the endpoint had too many, as it answered now to a request of then, by one clock."""
        if started >= self._halved:
            self._width, self._successes, self._halved = max(1, self.width(most) // 2), 0, now

    def succeeded(self, most: int) -> bool:
        """Note a success; True if the endpoint may get more at a time now."""
        if self._width is None:
            return False
        self._successes += 1
        if self._successes < self._width:
            return False
        self._width, self._successes = self._width + 1, 0
        if self._width >= most:
            self._width = None
        return True
