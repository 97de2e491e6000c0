"""What goes out through one websocket: whole frames at once, and a limit on what may wait for the client."""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable
from typing import Final

from relay.streaming.stream import HIGH_WATER, End, Limits, Outflow

_COUNT: Final = bytes(4)
"""Room for a count of the kernel's."""


class Outlet(Outflow):
    """Writes to a websocket's connection; what the client sends goes on to the server's protocol."""

    __slots__ = ("_cut", "written")

    def __init__(self, transport: asyncio.Transport, limits: Limits, cut: Callable[[End], None]) -> None:
        """Take over the writing; ``cut`` is called when the client is cut off, with which limit it met."""
        super().__init__(transport, limits)
        self._cut = cut
        self.written = 0
        """Bytes so far; whoever calls `deliver` adds what it delivered."""

    def __repr__(self) -> str:
        return f"Outlet({'closed' if self.closed else f'{self.waiting} bytes wait'})"

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self._over or self._transport.is_closing()

    @property
    def unread(self) -> int:
        """Bytes that the client's machine has not acknowledged, as far as can be told."""
        waiting = self.waiting
        if self._fd is None or self.closed:
            return waiting
        try:
            sent = fcntl.ioctl(self._fd, termios.TIOCOUTQ, _COUNT)
        except OSError:
            return waiting
        return waiting + int.from_bytes(sent, sys.byteorder)

    def data_received(self, data: bytes) -> None:
        """Hand on what the client sends. Called by the transport."""
        self._http.data_received(data)

    def eof_received(self) -> bool | None:
        """Hand on that the client sends no more. Called by the transport."""
        return self._http.eof_received()

    def write(self, frame: bytes) -> bool:
        """Write a frame; False if it is too late for that."""
        if self.closed:
            return False
        self.written += len(frame)
        self.deliver(frame)
        return not self.closed

    async def ready(self) -> bool:
        """Wait until the client has taken most of what was written; False if it does not."""
        until = self._loop.time() + self._limits.slow_seconds
        while not self.closed:
            if self.waiting <= HIGH_WATER:
                return True
            if self._loop.time() > until:
                self.cut(End.SLOW)
            else:
                await asyncio.sleep(_LOOK_AGAIN)
        return False

    async def taken(self, within: float) -> None:
        """Wait until the client's machine has acknowledged all that was written, but only so many seconds."""
        for _ in range(round(within / _LOOK_AGAIN)):
            if self.closed or not self.unread:
                return
            await asyncio.sleep(_LOOK_AGAIN)

    def abort(self) -> None:
        """Break the connection off."""
        self.cut(End.CLOSED)

    def ended(self, why: End) -> None:
        """Tell whoever counts those that were cut off."""
        if why in (End.BUFFER, End.SLOW):
            self._cut(why)


_LOOK_AGAIN = 0.02
"""Seconds between two looks at what a client has yet to take."""
