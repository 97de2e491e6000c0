"""Requests that repeat the one before them on their connection but for the body: answered without parsing.

A client that polls sends the same head again and again. What a head says depends on nothing but its bytes:
once a request has been answered the usual way, with all of aiohttp's checks, another one with the very same
head, in one piece with a body as long as the head says, goes to the same middlewares with the same
`web.Request`, and is answered with the same headers. Whatever differs in anything goes the usual way.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import StreamWriter
from aiohttp.typedefs import Handler

MAX_HELD_BACK: Final = 64 * 1024
"""Bytes that may come on a connection while a request is answered, before no more are read."""

Accept = Callable[["Repeat", bytes], Handler | None]
"""Returns who answers a repetition with this body, None if it must go the usual way."""

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n")
_NOT_PLAIN: Final = re.compile(rb"\r\n(?:transfer-encoding|expect|upgrade)[ \t]*:")


class _Written(web.StreamResponse):
    """Stands for an answer that is written."""

    @property
    def prepared(self) -> bool:
        """Tell that nothing can be added to it."""
        return True


WRITTEN: Final = _Written()
"""What a handler returns that has written its answer itself."""


class Repeat:
    """A request that has been answered and may come again, and how its answers begin."""

    __slots__ = ("_accept", "_after", "_before", "head", "request", "size")

    def __init__(self, head: bytes, request: web.Request, answer: web.Response, accept: Accept) -> None:
        """Take a request with its head's bytes, and its answer, which is prepared."""
        self.head = head
        self.request = request
        self.size = len(head) + (request.content_length or 0)
        """Bytes of head and body."""
        self._accept = accept
        lines = [f"{name}: {value}\r\n" for name, value in answer.headers.items() if name != hdrs.DATE]
        at = next(place for place, line in enumerate(lines) if line.startswith(hdrs.CONTENT_LENGTH))
        self._before = f"HTTP/1.1 200 OK\r\n{''.join(lines[:at])}Content-Length: ".encode()
        self._after = f"\r\n{''.join(lines[at + 1 :])}\r\n".encode()

    def __repr__(self) -> str:
        return f"Repeat({self.request!r})"

    def accepts(self, body: bytes) -> Handler | None:
        """Return who answers a request with this body, all middlewares included; None: the usual way."""
        handler = self._accept(self, body)
        if handler is not None:
            for middleware in reversed(self.request.app.middlewares):
                handler = partial(middleware, handler=handler)
        return handler

    def write(self, body: bytes) -> None:
        """Write an answer of status 200.

        Raises:
            ConnectionResetError: the client has gone.

        """
        transport = self.request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        date = rfc822_formatted_time().encode()
        transport.write(b"%b%d\r\nDate: %b%b%b" % (self._before, len(body), date, self._after, body))


class Connection(web.RequestHandler):
    """A connection whose last request may be repeated."""

    __slots__ = ("_answering", "_fed", "_head", "_held_back", "_plain", "_repeat")

    def __init__(self, manager: web.Server, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(manager, loop=loop, **options)
        self._fed = False
        self._plain = True
        self._head: bytes | None = None
        self._repeat: Repeat | None = None
        self._answering: asyncio.Task[None] | None = None
        self._held_back = bytearray()

    def remember(self, request: web.Request, answer: web.Response, accept: Accept) -> None:
        """Let the request that is being answered be repeated; its answer has been prepared."""
        fields = 0 if self._head is None else self._head.count(b"\r\n") - 2
        if (
            self._head is not None
            and request.keep_alive
            and request.version == HttpVersion11
            and fields == len(request.headers)
            and not answer.cookies
            and answer.status == 200
        ):
            self._repeat = Repeat(self._head, request, answer, accept)

    def data_received(self, data: bytes) -> None:
        """Answer a request that is a repetition; leave all else to aiohttp. Called by the loop."""
        if self._answering is not None or self._held_back:
            self._hold_back(data)
        elif not (self._plain and data):  # aiohttp itself gives nothing, to have its parser go on
            super().data_received(data)
        elif self._ending:
            self._hold_back(data)
            self._loop.call_soon(self._release)
        elif not self._repeated(data):
            self._head = _head_of(data) if self._idle or not self._fed else None
            if self._head is None:  # from here on it is not known where requests begin
                self._plain, self._repeat = False, None
            self._fed = True
            super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Cancel whoever answers. Called by the loop."""
        if self._answering is not None:
            self._answering.cancel()
        self._repeat = None
        super().connection_lost(exc)

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """Let an answer be finished in so many seconds, then end."""
        answering = self._answering
        if answering is not None:
            await asyncio.wait((answering,), timeout=timeout)
            if answering.cancel():
                await asyncio.wait((answering,), timeout=timeout)
        await super().shutdown(timeout)

    @property
    def _idle(self) -> bool:
        return self._waiter is not None and not self._waiter.done() and not self._close

    @property
    def _ending(self) -> bool:
        """Whether an answer is written, but whoever waits for the next request does not wait yet."""
        quiet = self._waiter is None and self._current_request is None and not self._messages
        return quiet and self._fed and not (self._close or self._force_close)

    def _repeated(self, data: bytes) -> bool:
        """Begin to answer if this is a repetition."""
        repeat = self._repeat
        if repeat is None or len(data) != repeat.size or not self._idle or not data.startswith(repeat.head):
            return False
        handler = repeat.accepts(data[len(repeat.head) :])
        if handler is None:
            return False
        if self._manager is not None:
            self._manager.requests_count += 1
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        self._answering = self._loop.create_task(self._answer(repeat.request, handler))
        return True

    async def _answer(self, request: web.Request, handler: Handler) -> None:
        done = False
        try:
            for key in tuple(request):
                del request[key]
            if request.writer.output_size:  # each writes one answer
                request._payload_writer = StreamWriter(self, self._loop)  # noqa: SLF001
            response = await handler(request)
            if response is not WRITTEN:
                await response.prepare(request)
                await response.write_eof()
            done = True
        except ConnectionError:
            self.log_debug("Ignored premature client disconnection")
        except Exception as error:  # noqa: BLE001 - as aiohttp does
            self.log_exception("Unhandled exception", exc_info=error)
        finally:
            self._answering = None
            if self.transport is not None and (not done or self._close or self._force_close):
                self.transport.close()
            elif self._held_back:
                self._loop.call_soon(self._release)

    def _release(self) -> None:
        """Go on with what was held back."""
        if self._held_back and self._answering is None and self.transport is not None:
            data, self._held_back = bytes(self._held_back), bytearray()
            if len(data) > MAX_HELD_BACK:
                self.transport.resume_reading()
            self.data_received(data)

    def _hold_back(self, data: bytes) -> None:
        self._held_back += data
        if len(self._held_back) > MAX_HELD_BACK and self.transport is not None:
            self.transport.pause_reading()


class Runner(web.AppRunner):
    """Serves an application through such connections."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            loop=made._loop,  # noqa: SLF001
            **made._kwargs,  # noqa: SLF001
        )


class _Server(web.Server):
    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)


def _head_of(data: bytes) -> bytes | None:
    """Return the head of a request if the data is exactly one, of a told length; else None."""
    end = data.find(b"\r\n\r\n") + 4
    lower = data[:end].lower()
    lengths = _LENGTH.findall(lower)
    if end < 4 or len(lengths) > 1 or lower.count(b"content-length") > 1 or _NOT_PLAIN.search(lower):
        return None
    size = int(lengths[0]) if lengths else 0
    return data[:end] if end + size == len(data) else None
