"""The requests of one partition that are on their way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final, final

from relay.journal.leases import Lease
from relay.subscriptions.rendering import Rendered
from relay.telemetry import log
from relay.webhooks.attempts import ErrorCode
from relay.webhooks.outbox import Outbox
from relay.webhooks.parts import Parts
from relay.webhooks.references import Reference
from relay.webhooks.sender import Failure, Posted, Sent

_CHECK_EVERY: Final = 0.2
"""Seconds between two looks at whether waiting still makes sense."""

_BROKEN: Final = Failure(ErrorCode.CONNECTION_RESET)
_log: Final = log.get("webhooks")


@final
class Flight:
    """One request, and what it is about."""

    __slots__ = ("began", "condition", "event", "outbox", "posted", "reference", "started")

    def __init__(self, outbox: Outbox, reference: Reference, event: Rendered) -> None:
        self.outbox = outbox
        self.condition = outbox.condition
        """That of the endpoint it is made to."""
        self.reference = reference
        self.event = event
        self.began = time.time()
        """Seconds since the epoch."""
        self.started = time.perf_counter()
        self.posted: Posted | None = None

    def __repr__(self) -> str:
        return f"Flight({self.reference!r} to {self.outbox!r})"


@final
class Flights:
    """Makes requests, each in a place that was taken for it and is given back when it ends."""

    def __init__(self, parts: Parts, lease: Lease, landed: Callable[[Flight, Sent], None]) -> None:
        """Have a function called with each request that ended; what it raises, `failure` raises."""
        self._parts = parts
        self._lease = lease
        self._landed = landed
        self._flying: set[Flight] = set()
        self._loop = asyncio.get_running_loop()
        self._failure: asyncio.Future[None] = self._loop.create_future()
        self._last: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"Flights({len(self._flying)} under {self._lease!r})"

    def begin(self, outbox: Outbox, reference: Reference, event: Rendered) -> None:
        """Make a request in a place that was taken."""
        flight = Flight(outbox, reference, event)
        self._flying.add(flight)
        self._parts.stats.in_flight += 1
        try:
            request = outbox.request(reference, event, flight.began)
            flight.posted = self._parts.sender.post(request, self._lease.valid, partial(self._end, flight))
        except Exception:  # noqa: BLE001 - a fault of our own must not hold up the partition
            _log.exception("attempt broke", subscription=outbox.id, event_id=str(reference.entry.id))
            self._loop.call_soon(self._end, flight, _BROKEN)

    async def failure(self) -> None:
        """Wait until what follows a request goes wrong, and raise what it raised."""
        await asyncio.shield(self._failure)

    async def finish(self, within: float, while_true: Callable[[], bool]) -> None:
        """Wait for all to end, at most so many seconds and only as long as a condition holds."""
        deadline = self._loop.time() + within
        while self._flying and while_true() and (left := deadline - self._loop.time()) > 0:
            self._last = self._loop.create_future()
            await asyncio.wait((self._last,), timeout=min(left, _CHECK_EVERY))

    def cancel(self) -> None:
        """Let go of all that is on its way."""
        for flight in tuple(self._flying):
            if flight.posted is not None:
                flight.posted.cancel()
            self._leave(flight)
        self._failure.cancel()

    def _end(self, flight: Flight, sent: Sent) -> None:
        if flight not in self._flying:
            return
        try:
            self._leave(flight)
            self._landed(flight, sent)
        except Exception as error:  # noqa: BLE001 - it is for the partition's owner to raise
            if not self._failure.done():
                self._failure.set_exception(error)
                self._failure.exception()  # counts as seen: it may come while the owner is ending everything

    def _leave(self, flight: Flight) -> None:
        self._flying.discard(flight)
        self._parts.stats.in_flight -= 1
        if self._last is not None and not self._flying and not self._last.done():
            self._last.set_result(None)
        self._parts.slots.give_back()
