"""Readers of event streams, the same for every server: all they look at is each event's stamp."""

from __future__ import annotations

import asyncio
import contextlib
import time
from array import array
from collections.abc import Sequence
from typing import Final, cast

from bench.publishing import MARK, STAMP_DIGITS, age_ms

OPENING: Final = 100
"""Connections opened at the same time."""
SETTLE: Final = 20.0
"""Seconds that the last events may take."""


class Readers:
    """Many streams of one server, and when each event had come to the last of them."""

    def __init__(self) -> None:
        self._readers: list[Reader] = []
        self._opening = asyncio.Semaphore(OPENING)
        self._complete = asyncio.Event()
        self.begin(0)

    def __len__(self) -> int:
        return len(self._readers)

    def begin(self, expected: int) -> None:
        """Count from here, until so many events have come to all."""
        self.counts: dict[bytes, int] = {}
        self.last_ms = array("d")
        """For each event, in the order of completion, how long it took to come to the last reader."""
        self.pieces = 0
        """How often bytes came: what the readers' own work goes by."""
        self._expected = expected
        self._complete.clear()

    async def open(self, port: int, head: bytes, count: int) -> None:
        """Open so many streams more with a request head."""
        self._readers += await asyncio.gather(*(self._one(port, head) for _ in range(count)))

    async def complete(self) -> None:
        """Wait until all expected events have come to all readers.

        Raises:
            RuntimeError: they have not, or some twice, or a stream was closed.

        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._complete.wait(), SETTLE)
        wrong = {stamp: count for stamp, count in self.counts.items() if count != len(self)}
        closed = sum(reader.closed for reader in self._readers)
        if wrong or closed or len(self.last_ms) != self._expected:
            raise RuntimeError(
                f"{len(self.last_ms)} of {self._expected} events came to all, "
                f"{len(wrong)} to others than all; {closed} streams were closed"
            )

    def take(self, stamped: Sequence[bytes], now: int) -> None:
        """Take what came to one reader at once."""
        self.pieces += 1
        counts = self.counts
        for stamp in stamped:
            count = counts[stamp] = counts.get(stamp, 0) + 1
            if count == len(self._readers):
                self.last_ms.append(age_ms(stamp, now))
                if len(self.last_ms) == self._expected:
                    self._complete.set()

    def close(self) -> None:
        """Close every stream."""
        for reader in self._readers:
            reader.close()
        self._readers = []

    async def _one(self, port: int, head: bytes) -> Reader:
        async with self._opening:
            loop = asyncio.get_running_loop()
            _, reader = await loop.create_connection(lambda: Reader(self, head), "127.0.0.1", port)
            await reader.opened
        return reader


class Reader(asyncio.Protocol):
    """One stream."""

    __slots__ = ("_all", "_head", "_rest", "_transport", "closed", "opened")

    def __init__(self, readers: Readers, head: bytes) -> None:
        self._all = readers
        self._head = head
        self._rest = b""
        self._transport: asyncio.Transport
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.closed = False

    def close(self) -> None:
        """Close the stream."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream. Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        """Take a piece of the stream. Called by the loop."""
        now = time.monotonic_ns()
        if not self.opened.done():
            if data.startswith(b"HTTP/1.1 200"):
                self.opened.set_result(None)
            else:
                self.opened.set_exception(ConnectionError(repr(data[:200])))
        if self._rest:
            data = self._rest + data
        stamps, end = [], 0
        place = data.find(MARK)
        while place >= 0 and place + len(MARK) + STAMP_DIGITS <= len(data):
            end = place + len(MARK) + STAMP_DIGITS
            stamps.append(data[end - STAMP_DIGITS : end])
            place = data.find(MARK, end)
        self._rest = data[max(end, len(data) - len(MARK) - STAMP_DIGITS + 1) :]
        if stamps:
            self._all.take(stamps, now)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the stream has ended. Called by the loop."""
        self.closed = True
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionResetError("closed by the server"))
