"""Saying once that the store is away, and once that it is back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

from relay.telemetry import log

STALE: Final = 15.0
"""Seconds after which a failure that was never seen to end counts no more: its reader may have stopped."""
REFUSED: Final = 5.0
"""As many after a command was refused: every process writes about every two seconds, and would be again."""

_log: Final = log.get("journal")


class Outage:
    """What a store's connections say of it together: a log line when the first fails, one when all work."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failing: dict[str, float] = {}
        """When each failure counts no more, unless it is seen to end before."""
        self._since = 0.0
        self._recovery = asyncio.Event()

    def __repr__(self) -> str:
        return f"Outage(failing={sorted(self._failing)})"

    def __bool__(self) -> bool:
        """Whether a connection is failing."""
        return bool(self._failing)

    def failed(self, connection: str, error: str, *, stale: float = STALE) -> None:
        """Note that a connection failed; after ``stale`` s without another failure that is taken as over."""
        if not self._failing:
            self._since = self._clock()
            _log.warning("store unavailable", connection=connection, error=error)
        self._failing[connection] = self._clock() + stale

    def worked(self, connection: str) -> None:
        """Note that a connection works."""
        if not self._failing:
            return
        now = self._clock()
        if self._failing.pop(connection, None) is not None:
            self._recovery.set()
        self._failing = {name: until for name, until in self._failing.items() if now < until}
        if not self._failing:
            _log.warning("store back", away_seconds=round(now - self._since, 3))

    async def rest(self, seconds: float) -> None:
        """Wait so long, or only until a connection that failed works again."""
        self._recovery.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._recovery.wait()
