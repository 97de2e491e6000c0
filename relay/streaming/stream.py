"""Bytes to one connection, and the limits on what may wait there for a client that does not read them."""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple, cast

HIGH_WATER: Final = 64 * 1024
"""Bytes waiting in the process above which a client counts as slow; also asyncio's own mark."""

_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux has it


class Limits(NamedTuple):
    """How much a slow client may cost before it is cut off; it resumes where it was and loses nothing."""

    buffer_bytes: int = 1024 * 1024
    """Bytes that may wait in the process for one client; one delivery of `ROUND_BYTES` may come on top."""
    slow_seconds: float = 30.0
    """How long more than `HIGH_WATER` may wait without a break; also how long the kernel waits for the peer
    to take bytes or acknowledge them (TCP_USER_TIMEOUT)."""
    socket_bytes: int = 64 * 1024
    """Asked of the kernel as send buffer: it takes about 136 KB then, and 4 MB if it may choose itself."""
    streams: int = 20_000
    """Streams of one process: some 20 KB each, and a share of every deliveries' CPU."""


class End(StrEnum):
    """Why a stream ended."""

    CLOSED = "closed"
    """The client left."""
    DRAINED = "drained"
    """The process is stopping; the client was asked to reconnect."""
    BUFFER = "buffer"
    """Cut off: too many bytes were waiting."""
    SLOW = "slow"
    """Cut off: too slow for too long."""
    BEHIND = "behind"
    """Cut off: this process was too far behind to serve it without a gap."""


class Outflow(asyncio.Protocol, ABC):
    """Writes to a connection, which it takes over from the server's protocol, and never waits.

    Nothing but a write is done for each event: the transport tells when its socket does not take everything,
    when it does again, and when the connection is lost.
    """

    __slots__ = ("_fd", "_http", "_limits", "_loop", "_over", "_slow_since", "_transport", "deliver")

    deliver: Callable[[bytes], None]
    """Writes bytes that are framed already: the transport's own method while nothing waits there."""

    def __init__(self, transport: asyncio.Transport, limits: Limits) -> None:
        self._transport = transport
        self._http = cast("asyncio.Protocol", transport.get_protocol())
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._slow_since: float | None = None
        self._over = False
        self.deliver = transport.write
        self._fd = _fitted(transport, limits)
        transport.set_protocol(self)
        transport.set_write_buffer_limits(0)

    @property
    def waiting(self) -> int:
        """Bytes that the socket has not taken yet."""
        return self._transport.get_write_buffer_size()

    def pause_writing(self) -> None:
        """Look at what waits before each write. Called by the transport."""
        self._http.pause_writing()
        if not self._over:
            self.deliver = self._deliver_behind

    def resume_writing(self) -> None:
        """Go on without a look. Called by the transport."""
        self._http.resume_writing()
        self._slow_since = None
        if not self._over:
            self.deliver = self._transport.write

    def connection_lost(self, exc: Exception | None) -> None:
        """End. Called by the transport."""
        self.end(End.CLOSED)
        self._http.connection_lost(exc)

    def end(self, why: End) -> None:
        """Write nothing more."""
        self.deliver = _nowhere
        if not self._over:
            self._over = True
            self.ended(why)

    def cut(self, why: End) -> None:
        """Break the connection off; what waits for it is freed."""
        self.end(why)
        self._transport.abort()

    @abstractmethod
    def ended(self, why: End) -> None:
        """Learn, once, that nothing is written any more."""

    def _deliver_behind(self, payload: bytes) -> None:
        waiting = self.waiting
        now = self._loop.time()
        if waiting <= HIGH_WATER:
            self._slow_since = None
        elif self._slow_since is None:
            self._slow_since = now
        if waiting > self._limits.buffer_bytes:
            self.cut(End.BUFFER)
        elif self._slow_since is not None and now - self._slow_since > self._limits.slow_seconds:
            self.cut(End.SLOW)
        else:
            self._transport.write(payload)


def _nowhere(_payload: bytes) -> None:
    """Take what comes to a connection that has ended."""


def _fitted(transport: asyncio.Transport, limits: Limits) -> int | None:
    """Bound what the kernel holds for a client, and how long it waits for one that takes nothing.

    Returns the socket's file descriptor, if there is one.
    """
    known = transport.get_extra_info("socket")
    if known is None:
        return None
    # The loop's own makes one like this for each option.
    connection = socket.socket(known.family, known.type, known.proto, fileno=known.fileno())
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.socket_bytes)
        if _USER_TIMEOUT is not None and known.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, int(limits.slow_seconds * 1000))
    finally:
        connection.detach()
    return int(known.fileno())
