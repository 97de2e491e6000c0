"""Counting times by their length, cheaply enough for a hot path."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Bounds of the buckets: from a hop in one data centre to the longest an attempt may take."""


class Histogram:
    """Times in buckets, each up to its bound; what is longer than the last is counted in the total alone."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        #: Seconds of all.
        self.total = 0.0

    def __repr__(self) -> str:
        return f"Histogram({sum(self._counts)} times, {self.total:.3f} s in all)"

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """How many are no longer than each bound, and than any, as Prometheus takes them."""
        found, below = [], 0
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            below += count
            found.append((bound, float(below)))
        return found
