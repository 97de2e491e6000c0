"""The sender: requests over kept connections, dialled by way of the guard."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import Final, final

from relay.webhooks.attempts import ErrorCode
from relay.webhooks.guard import Guard
from relay.webhooks.sender import Answer, Exchange, Failure, Permitted, Request, Withheld, always
from relay.webhooks.sending.connection import Connection, Outcome, Stale
from relay.webhooks.sending.dialing import Dialer
from relay.webhooks.sending.heads import Head
from relay.webhooks.sending.pool import Pool
from relay.webhooks.sending.reading import Reading
from relay.webhooks.sending.targets import Origin, target

CONNECT_TIMEOUT: Final = 5.0
"""Seconds for name, connection and TLS together; they count towards the attempt's own time."""
CONNECT_SHARE: Final = 0.9
"""Share of a short attempt's time that they may take, so that it can be told what took too long."""

_RESET: Final = Failure(ErrorCode.CONNECTION_RESET)


def verifying() -> ssl.SSLContext:
    """Return the TLS settings for endpoints: the system's authorities, names verified, 1.2 at least."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@final
class HttpSender:
    """Sends by HTTP/1.1 over connections that are kept, with the guard at every dial.

    A POST that finds its kept connection closed by the endpoint, before a byte of an answer, is sent again at
    once, once, on a new one. How many connections there are is the caller's, who limits what is in flight.
    Make it inside a running loop.
    """

    def __init__(self, guard: Guard, *, ssl_context: ssl.SSLContext | None = None) -> None:
        """Make the sender; a context of one's own is for endpoints of a private certificate authority."""
        self._loop = asyncio.get_running_loop()
        self._pool = Pool()
        self._dialer = Dialer(guard, ssl_context or verifying())
        #: Requests sent again because the endpoint had closed a kept connection.
        self.redials = 0

    def __repr__(self) -> str:
        return f"HttpSender({self._dialer!r}, {self._pool!r}, {self.redials} redials)"

    async def send(self, request: Request, permitted: Permitted = always) -> Answer | Failure | Withheld:
        """Send once if it is permitted; never raises for what an endpoint or a network does."""
        sent = await self._send(request, permitted)
        return _answer(sent) if isinstance(sent, Reading) else sent

    async def exchange(self, request: Request) -> Exchange | Failure:
        """Send once, for an answer whose head matters too."""
        sent = await self._send(request, always)
        assert not isinstance(sent, Withheld), "it was permitted"  # noqa: S101
        return Exchange(_answer(sent), _head(sent).fields) if isinstance(sent, Reading) else sent

    async def close(self) -> None:
        """Close every connection."""
        self._pool.close()
        self._dialer.close()

    async def _send(self, request: Request, permitted: Permitted) -> Reading | Failure | Withheld:
        until = self._loop.time() + request.timeout
        try:
            to = target(request.url)
        except ValueError:
            return Failure(ErrorCode.DNS_ERROR)
        payload = to.render(request.headers, request.body)
        kept = self._pool.take(to.origin)
        if kept is not None:
            outcome = await self._request(kept, payload, until, permitted)
            if not isinstance(outcome, Stale):
                return outcome
            self.redials += 1
        dialled = await self._dial(to.origin, until)
        if isinstance(dialled, Failure):
            return dialled
        outcome = await self._request(dialled, payload, until, permitted)
        return _RESET if isinstance(outcome, Stale) else outcome

    async def _dial(self, origin: Origin, until: float) -> Connection | Failure:
        within = until - self._loop.time()
        make = partial(Connection, origin, self._pool.keep, self._pool.forget)
        return await self._dialer.dial(origin, min(CONNECT_TIMEOUT, CONNECT_SHARE * within), make)

    async def _request(
        self, connection: Connection, payload: bytes, until: float, permitted: Permitted
    ) -> Outcome | Withheld:
        if not permitted():
            self._pool.keep(connection)
            return Withheld()
        waiting: asyncio.Future[Outcome] = self._loop.create_future()
        self._pool.use(connection)
        connection.request(payload, until, waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            connection.drop()
            raise


def _head(sent: Reading) -> Head:
    assert sent.head is not None, "an answer that is done has a head"  # noqa: S101
    return sent.head


def _answer(sent: Reading) -> Answer:
    head = _head(sent)
    return Answer(head.status, sent.body, sent.truncated, head.retry_after)
