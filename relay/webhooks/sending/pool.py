"""The connections of a process: those that are kept for the next request, and whose time is over."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final, final

from relay.webhooks.sending.connection import Connection
from relay.webhooks.sending.targets import Origin

KEEP_ALIVE: Final = 30.0
"""Seconds an idle connection is kept: calls come in bursts, and most servers keep theirs longer."""
MAX_IDLE: Final = 512
"""Idle connections kept; beyond that, the one that has been idle longest is closed."""
SWEEP: Final = 0.05
"""Seconds between two looks for requests whose time is over, which are so much late at most."""
IDLE_SWEEP: Final = 1.0
"""Seconds between two looks while there are idle connections alone."""


@final
class Pool:
    """Connections in use and idle ones; one timer watches them all, while there are any."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._open: set[Connection] = set()
        self._idle_at: dict[Origin, list[Connection]] = {}  # latest used last; no list is empty
        self._idle: OrderedDict[Connection, None] = OrderedDict()  # the longest idle first
        self._sweeping: asyncio.TimerHandle | None = None
        self._often = False

    def __repr__(self) -> str:
        return f"Pool({len(self._open) - len(self._idle)} busy, {len(self._idle)} idle)"

    def take(self, origin: Origin) -> Connection | None:
        """Return an idle connection, the latest used, for a request."""
        idle = self._idle_at.get(origin)
        if idle is None:
            return None
        connection = idle.pop()
        del self._idle[connection]
        if not idle:
            del self._idle_at[origin]
        return connection

    def use(self, connection: Connection) -> None:
        """Watch a connection that has a request."""
        self._open.add(connection)
        if not self._often:
            self._often = True
            self._watch(SWEEP)

    def keep(self, connection: Connection) -> None:
        """Keep a connection for the next request."""
        connection.until = self._loop.time() + KEEP_ALIVE
        self._open.add(connection)
        self._idle[connection] = None
        idle = self._idle_at.get(connection.origin)
        if idle is None:
            self._idle_at[connection.origin] = [connection]
        else:
            idle.append(connection)
        if len(self._idle) > MAX_IDLE:
            next(iter(self._idle)).drop()
        elif self._sweeping is None:
            self._watch(IDLE_SWEEP)

    def forget(self, connection: Connection) -> None:
        """Let go of a connection that is closed."""
        self._open.discard(connection)
        if connection in self._idle:
            del self._idle[connection]
            idle = self._idle_at[connection.origin]
            idle.remove(connection)
            if not idle:
                del self._idle_at[connection.origin]

    def close(self) -> None:
        """Close every connection."""
        for connection in tuple(self._open):
            connection.drop()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    def _watch(self, after: float) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._sweeping = self._loop.call_later(after, self._sweep)

    def _sweep(self) -> None:
        self._sweeping, now = None, self._loop.time()
        for connection in tuple(self._open):
            if connection.until <= now:
                connection.late()
        self._often = len(self._open) > len(self._idle)
        if self._open:
            self._watch(SWEEP if self._often else IDLE_SWEEP)
