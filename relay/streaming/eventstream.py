"""One client's event stream: pre-encoded bytes to its transport, and an end if it does not read them."""

from __future__ import annotations

import asyncio

from aiohttp.abc import AbstractStreamWriter

from relay.streaming.frames import HEARTBEAT, Framing, gap, retry
from relay.streaming.members import Gap, Member
from relay.streaming.stream import End, Limits, Outflow


class EventStream(Outflow, Member[bytes]):
    """A member of the hub writing to one connection. What its client says from now on is not heard."""

    __slots__ = ("_asked", "_writer", "done", "framing")

    def __init__(
        self,
        transport: asyncio.Transport,
        writer: AbstractStreamWriter,
        framing: Framing,
        limits: Limits,
        *,
        asked: str | None,
    ) -> None:
        super().__init__(transport, limits)
        self._writer = writer
        self._asked = asked
        self.framing = framing
        self.done: asyncio.Future[End] = self._loop.create_future()
        """Set once the stream has ended."""

    def __repr__(self) -> str:
        if self.done.done():
            return f"EventStream({self.done.result()})"
        return f"EventStream({self.framing}, {self.waiting} bytes wait)"

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
            self.end(End.CLOSED)
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
        self.end(End.DRAINED)

    def ended(self, why: End) -> None:
        """Tell whoever keeps the stream open."""
        if not self.done.done():
            self.done.set_result(why)
