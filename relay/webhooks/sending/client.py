"""The sender: requests over kept connections, dialled by way of the guard."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import cache, partial
from typing import Final, final

from relay.telemetry import log
from relay.webhooks.attempts import ErrorCode
from relay.webhooks.crew import Crew
from relay.webhooks.guard import Guard
from relay.webhooks.sender import Answer, Exchange, Failure, Permitted, Request, Sent, Withheld, always
from relay.webhooks.sending.connection import Connection
from relay.webhooks.sending.dialing import Dialer
from relay.webhooks.sending.heads import Head
from relay.webhooks.sending.pool import Pool
from relay.webhooks.sending.posts import Post

CONNECT_TIMEOUT: Final = 5.0
"""Seconds for name, connection and TLS together; they count towards the attempt's own time."""
CONNECT_SHARE: Final = 0.9
"""Share of a short attempt's time that they may take, so that it can be told what took too long."""

_log: Final = log.get("webhooks")
_RESET: Final = Failure(ErrorCode.CONNECTION_RESET)
_NOWHERE: Final = Failure(ErrorCode.DNS_ERROR)
_NOT_DIALLED: Final = Failure(ErrorCode.CONNECTION_REFUSED)


@cache
def verifying() -> ssl.SSLContext:
    """Return the TLS settings for endpoints: the system's authorities, names verified, 1.2 at least.

    They are one for the process: reading the authorities takes 30 ms.
    """
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
        self._dials = Crew("webhook-dial")
        #: Requests sent again because the endpoint had closed a kept connection.
        self.redials = 0

    def __repr__(self) -> str:
        return f"HttpSender({self._dialer!r}, {self._pool!r}, {self.redials} redials)"

    def post(self, request: Request, permitted: Permitted, then: Callable[[Sent], None]) -> Post:
        """Send once if it is permitted, and call a function once, later, with what became of it."""
        to, fields, body, timeout = request
        post = Post(self._loop.time() + timeout, permitted, then)
        try:
            post.origin, head = to.start()
        except ValueError:
            self._loop.call_soon(post.end, _NOWHERE)
            return post
        post.payload = b"%b%bContent-Length: %d\r\n\r\n%b" % (head, fields, len(body), body)
        kept = self._pool.take(post.origin)
        if kept is None:
            self._dial(post)
        else:
            post.redial = self._redial
            self._write(kept, post)
        return post

    async def send(self, request: Request, permitted: Permitted = always) -> Sent:
        """Do the same, and return what became of it."""
        sent, _ = await self._sent(request, permitted)
        return sent

    async def exchange(self, request: Request) -> Exchange | Failure:
        """Send once, for an answer whose head matters too."""
        sent, head = await self._sent(request, always)
        if isinstance(sent, Answer) and head is not None:
            return Exchange(sent, head.fields)
        return sent if isinstance(sent, Failure) else _NOT_DIALLED

    async def close(self) -> None:
        """Close every connection."""
        await self._dials.cancel()
        self._pool.close()
        self._dialer.close()

    async def _sent(self, request: Request, permitted: Permitted) -> tuple[Sent, Head | None]:
        waiting: asyncio.Future[Sent] = self._loop.create_future()
        post = self.post(request, permitted, partial(_settle, waiting))
        try:
            return await waiting, post.head
        except asyncio.CancelledError:
            post.cancel()
            raise

    def _write(self, connection: Connection, post: Post) -> None:
        if not post.permitted():
            self._pool.keep(connection)
            self._loop.call_soon(post.end, Withheld())
            return
        post.connection = connection
        self._pool.use(connection)
        connection.request(post.payload, post.until, post.answered)

    def _redial(self, post: Post) -> None:
        self.redials += 1
        self._dial(post)

    def _dial(self, post: Post) -> None:
        self._dials.spawn(self._dialled(post))

    async def _dialled(self, post: Post) -> None:
        within = post.until - self._loop.time()
        make = partial(Connection, post.origin, self._pool.keep, self._pool.forget)
        within = min(CONNECT_TIMEOUT, CONNECT_SHARE * within)
        dialled: Connection | Failure | Withheld = _RESET
        try:
            dialled = await self._dialer.dial(post.origin, within, make)
        except Exception:  # noqa: BLE001 - a fault of our own must not leave the request without an end
            _log.exception("dial broke")
        if isinstance(dialled, Connection):
            self._write(dialled, post)
        else:
            post.end(dialled)


def _settle(waiting: asyncio.Future[Sent], sent: Sent) -> None:
    if not waiting.done():  # whoever waited was cancelled
        waiting.set_result(sent)
