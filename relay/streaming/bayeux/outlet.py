"""What goes out through one websocket: whole frames at once, and a limit on what may wait for the client."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from relay.streaming.stream import HIGH_WATER, End, Limits


class Outlet:
    """Writes to a socket's transport and never waits. A client that is too slow is cut off."""

    __slots__ = (
        "_buffered",
        "_closing",
        "_cut",
        "_limits",
        "_loop",
        "_slow_since",
        "_transport",
        "_write",
        "closed",
        "written",
    )

    def __init__(self, transport: asyncio.Transport, limits: Limits, cut: Callable[[End], None]) -> None:
        """Take over the writing; ``cut`` is called when the client is cut off, with which limit it met."""
        self._transport = transport
        # What every delivery calls, bound once.
        self._write = transport.write
        self._buffered = transport.get_write_buffer_size
        self._closing = transport.is_closing
        self._limits = limits
        self._cut = cut
        self._slow_since: float | None = None
        self._loop = asyncio.get_running_loop()
        self.written = 0
        """Bytes so far."""
        self.closed = False
        """Whether nothing can be written any more."""
        connection: Any = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.socket_bytes)
            connection.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(limits.slow_seconds * 1000)
            )

    def __repr__(self) -> str:
        return f"Outlet({'closed' if self.closed else f'{self.waiting} bytes wait'})"

    @property
    def waiting(self) -> int:
        """Bytes that wait in this process."""
        return self._buffered()

    @property
    def unread(self) -> int:
        """Bytes that the client's machine has not acknowledged, as far as can be told."""
        waiting = self.waiting
        connection: Any = self._transport.get_extra_info("socket")
        with suppress(OSError, ValueError, AttributeError):
            (sent,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))
            return waiting + int(sent)
        return waiting

    def write(self, frame: bytes) -> bool:
        """Write a frame; False if it is too late for that."""
        if self.closed or self._closing():
            self.closed = True
            return False
        waiting = self._buffered()
        if waiting and not self._may_wait(waiting):
            return False
        self._write(frame)
        self.written += len(frame)
        return True

    async def ready(self) -> bool:
        """Wait until the client has taken most of what was written; False if it does not."""
        until = self._loop.time() + self._limits.slow_seconds
        while not self.closed and not self._transport.is_closing():
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
            if self.closed or self._closing() or not self.unread:
                return
            await asyncio.sleep(_LOOK_AGAIN)

    def cut(self, why: End) -> None:
        """Break the connection off, as the client is too slow; what waits for it is freed."""
        if not self.closed:
            self._cut(why)
            self.abort()

    def abort(self) -> None:
        """Break the connection off."""
        self.closed = True
        self._transport.abort()

    def _may_wait(self, waiting: int) -> bool:
        if waiting <= HIGH_WATER:
            self._slow_since = None
            return True
        now = self._loop.time()
        if self._slow_since is None:
            self._slow_since = now
        if waiting > self._limits.buffer_bytes:
            self.cut(End.BUFFER)
        elif now - self._slow_since > self._limits.slow_seconds:
            self.cut(End.SLOW)
        return not self.closed


_LOOK_AGAIN = 0.02
"""Seconds between two looks at what a client has yet to take."""
