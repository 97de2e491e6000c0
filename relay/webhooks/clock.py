"""The store's clock, which stamps events, kept by one that nobody sets: a wall clock may jump."""

from __future__ import annotations

import time
from typing import final

from relay.journal.leases import boottime


@final
class StoreClock:
    """Seconds since the epoch as the store counts them."""

    __slots__ = ("_ahead",)

    def __init__(self) -> None:
        self._ahead = time.time() - boottime()

    def __repr__(self) -> str:
        return f"StoreClock({self.now():.3f})"

    def set(self, ms: int) -> None:
        """Take over what the store says, in milliseconds."""
        self._ahead = ms / 1000 - boottime()

    def now(self) -> float:
        """Return the time."""
        return boottime() + self._ahead
