"""One connection to an endpoint: a request, its answer, and the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast, final

from relay.webhooks.attempts import ErrorCode
from relay.webhooks.sender import Failure
from relay.webhooks.sending.heads import MalformedAnswerError
from relay.webhooks.sending.reading import Reading, whole
from relay.webhooks.sending.targets import Origin


@final
class Stale:
    """The connection was closed before a byte of an answer came; a kept one perhaps long before."""


STALE: Final = Stale()
_RESET: Final = Failure(ErrorCode.CONNECTION_RESET)
_LATE: Final = Failure(ErrorCode.TIMEOUT_READ)

Outcome = Reading | Failure | Stale


@final
class Connection(asyncio.Protocol):
    """A connection; it tells when it is free for the next request, and when it is of no more use."""

    __slots__ = ("_freed", "_gone", "_reading", "_then", "_transport", "origin", "until")

    def __init__(
        self, origin: Origin, freed: Callable[[Connection], None], gone: Callable[[Connection], None]
    ) -> None:
        self.origin = origin
        self.until = 0.0
        """When the answer must be there, or how long it is kept without a request, by the loop's clock."""
        self._freed = freed
        self._gone = gone
        self._transport: asyncio.Transport
        self._reading: Reading | None = None
        self._then: Callable[[Outcome], None] | None = None

    def __repr__(self) -> str:
        state = "idle" if self._then is None else repr(self._reading)
        return f"Connection({self.origin.scheme}://{self.origin.host}:{self.origin.port}, {state})"

    def request(self, payload: bytes, until: float, then: Callable[[Outcome], None]) -> None:
        """Send a request whose outcome must be there by a time of the loop's clock; `then` is told of it."""
        self.until, self._then = until, then
        if self._transport.is_closing():  # it was closed before there was anything to ask
            self._finish(STALE, keep=False)
        else:
            self._transport.write(payload)

    def late(self) -> None:
        """End the request, whose time is over, and the connection."""
        self._finish(_LATE, keep=False)

    def drop(self) -> None:
        """Close it, whatever it does."""
        self._finish(_RESET, keep=False)

    # Called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what came; without a request, nobody asked for it."""
        if self._then is None:
            self.drop()
            return
        try:
            if self._reading is None:
                self._reading = whole(data) or Reading()
            reading = self._reading
            if reading.done or reading.feed(data):
                self._finish(reading, keep=reading.keep and not self._transport.get_write_buffer_size())
        except MalformedAnswerError:
            self._finish(_RESET, keep=False)

    def eof_received(self) -> bool:
        """Take the end of what the endpoint says."""
        self._end(clean=True)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Take the connection's end."""
        self._end(clean=error is None)

    def _end(self, *, clean: bool) -> None:
        if self._reading is not None and self._reading.end(clean=clean):
            self._finish(self._reading, keep=False)
        else:
            self._finish(STALE if self._reading is None else _RESET, keep=False)

    def _finish(self, outcome: Outcome, *, keep: bool) -> None:
        then, self._then, self._reading = self._then, None, None
        if keep:
            self._freed(self)
        else:
            self._transport.abort()
            self._gone(self)
        if then is not None:
            then(outcome)
