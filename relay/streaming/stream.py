"""One client's event stream: pre-encoded bytes to its transport, and an end if it does not read them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple, cast

from aiohttp.abc import AbstractStreamWriter

from relay.streaming.frames import HEARTBEAT, Framing, gap, retry
from relay.streaming.members import Gap, Member

HIGH_WATER: Final = 64 * 1024
"""Bytes waiting in the process above which a client counts as slow; also asyncio's own mark."""


class Limits(NamedTuple):
    """How much a slow client may cost before it is cut off; it resumes by Last-Event-ID and loses nothing."""

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


class EventStream(Member[bytes], asyncio.Protocol):
    """A member of the hub writing to one connection, which it takes over from the server's protocol.

    Nothing but a write is done for each event: the transport tells when its socket does not take everything,
    when it does again, and when the connection is lost.
    """

    __slots__ = (
        "_asked",
        "_http",
        "_limits",
        "_loop",
        "_slow_since",
        "_transport",
        "_writer",
        "deliver",
        "done",
        "framing",
    )

    deliver: Callable[[bytes], None]
    """Writes bytes that are framed already: the transport's own method while nothing waits there."""

    def __init__(
        self,
        transport: asyncio.Transport,
        writer: AbstractStreamWriter,
        framing: Framing,
        limits: Limits,
        *,
        asked: str | None,
    ) -> None:
        self._transport = transport
        self._http = cast("asyncio.Protocol", transport.get_protocol())
        self._writer = writer
        self._limits = limits
        self._asked = asked
        self._slow_since: float | None = None
        self._loop = asyncio.get_running_loop()
        self.framing = framing
        self.done: asyncio.Future[End] = self._loop.create_future()
        """Set once the stream has ended."""
        self.deliver = transport.write
        transport.set_protocol(self)
        transport.set_write_buffer_limits(0)

    def __repr__(self) -> str:
        if self.done.done():
            return f"EventStream({self.done.result()})"
        return f"EventStream({self.framing}, {self.waiting} bytes wait)"

    @property
    def waiting(self) -> int:
        """Bytes that the socket has not taken yet."""
        return self._transport.get_write_buffer_size()

    def pause_writing(self) -> None:
        """Look at what waits before each write. Called by the transport."""
        self._http.pause_writing()
        if not self.done.done():
            self.deliver = self._deliver_behind

    def resume_writing(self) -> None:
        """Go on without a look. Called by the transport."""
        self._http.resume_writing()
        self._slow_since = None
        if not self.done.done():
            self.deliver = self._transport.write

    def connection_lost(self, exc: Exception | None) -> None:
        """End. Called by the transport."""
        self._end(End.CLOSED)
        self._http.connection_lost(exc)

    def send(self, frames: bytes) -> None:
        """Write frames."""
        self.deliver(self.framing.apply(frames))

    def gap(self, gap_: Gap) -> None:
        """Tell the client of lost history, in the words it asked with."""
        after, self._asked = self._asked or gap_.after, None
        self.send(gap(after, gap_.oldest))

    def dropped(self) -> None:
        """Break the connection off: the client resumes by its last event id."""
        self.cut(End.BEHIND)

    async def ready(self) -> bool:
        """Wait until the client has taken most of what was written."""
        try:
            async with asyncio.timeout(self._limits.slow_seconds):
                await self._writer.drain()
        except TimeoutError:
            self.cut(End.SLOW)
        except ConnectionError:
            self._end(End.CLOSED)
        return not self.done.done()

    def joined(self) -> None:
        """Forget what was asked for: gaps from now on are told by what was sent."""
        self._asked = None

    def beat(self) -> None:
        """Write a heartbeat, and look whether the client is still there and reading."""
        self.send(HEARTBEAT)

    def finish(self, retry_ms: int) -> None:
        """Ask the client to reconnect after so long, and end the stream in good order."""
        self.send(retry(retry_ms))
        self._end(End.DRAINED)

    def cut(self, why: End) -> None:
        """Break the connection off; what waits for it is freed."""
        self._end(why)
        self._transport.abort()

    def _end(self, why: End) -> None:
        self.deliver = _nowhere
        if not self.done.done():
            self.done.set_result(why)

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
    """Take what comes to a stream that has ended."""
