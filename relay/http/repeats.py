"""Requests that repeat the one before them on their connection but for the body: answered without parsing.

A client that polls, or sends commands, sends the same head again and again. What a head says depends on
nothing but its bytes: once a request has been answered the usual way, with all of aiohttp's checks, another
one with the same head but for the digits of its Content-Length, in one piece with a body as long as they
say, goes to the same middlewares with the same `web.Request`. Whatever else differs goes the usual way.

Who reads bodies with `relay.http.body` is asked again as it was the first time.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.helpers import rfc822_formatted_time
from aiohttp.http import HttpProcessingError, StreamWriter
from aiohttp.typedefs import Handler

from relay.telemetry import log

MAX_HELD_BACK: Final = 64 * 1024
"""Bytes that may come on a connection while a request is answered, before no more are read."""

BODY: Final = web.RequestKey("body", bytes)
"""The whole body of a request, once it was read by `relay.http.body`; a repetition's from the beginning."""

MOST_DIGITS: Final = 9
"""Of a length: no request has a gigabyte."""


class Exchange(ABC):
    """A repetition that is answered by calls, so that none of the tasks there are waits for its answer.

    Whoever answers calls `Repeat.end` afterwards, unless it is cancelled before.
    """

    @abstractmethod
    def cancel(self) -> None:
        """Answer it no more, as the client has left or must leave."""


Accept = Callable[["Repeat", bytes], Handler | Exchange | None]
"""Returns what answers a repetition with this body, None if it must go the usual way."""

_log: Final = log.get("http")

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n")
_NOT_PLAIN: Final = re.compile(rb"\r\n(?:content-encoding|transfer-encoding|expect|upgrade)[ \t]*:")


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

    __slots__ = ("_accept", "_answer", "_connection", "_end", "_fields", "_opening", "_start", "request")

    def __init__(
        self,
        connection: Connection,
        head: bytes,
        request: web.Request,
        answer: web.Response,
        accept: Accept,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        """Take a request with its head's bytes, and its answer, which is prepared.

        ``fields`` are the answer's header fields before it was: another one with the same begins likewise.
        """
        self.request = request
        self._connection = connection
        self._answer = answer
        self._accept = accept
        self._fields = fields
        self._opening: tuple[bytes, bytes] | None = None
        length = _LENGTH.search(head.lower())
        start, end = length.span(1) if length else (len(head), len(head))
        self._start, self._end = head[:start], head[end:]

    def __repr__(self) -> str:
        return f"Repeat({self.request!r})"

    def body_of(self, data: bytes) -> bytes | None:
        """Return the body, if the data is this request again in one piece; else None."""
        if not data.startswith(self._start):
            return None
        at = len(self._start)
        if not self._end:  # its length was not told: there is no body
            return b"" if len(data) == at else None
        begins = data.find(b"\r\n\r\n", at) + 4
        digits = data[at : begins - len(self._end)]
        if data[at + len(digits) : begins] != self._end or not digits.isdigit() or len(digits) > MOST_DIGITS:
            return None
        return data[begins:] if len(data) - begins == int(digits) else None

    def accepts(self, body: bytes) -> Handler | Exchange | None:
        """Return what answers a request with this body; None: the usual way."""
        if len(self.request):
            for key in tuple(self.request):
                del self.request[key]
        return self._accept(self, body)

    def end(self, handler: Handler | None = None) -> None:
        """End an exchange: its answer is written, or this handler is to answer in its place."""
        self._connection.end(self, handler)

    async def answered(self, handler: Handler) -> web.StreamResponse:
        """Return a handler's answer, all middlewares included."""
        for middleware in reversed(self.request.app.middlewares):
            handler = partial(middleware, handler=handler)
        try:
            return await handler(self.request)
        except web.HTTPException as raised:
            return raised

    def fits(self, size: int, most: int) -> bool:
        """Tell whether, with so many bytes more, less than ``most`` waits for the client in this process."""
        transport = self._connection.transport
        return transport is None or transport.get_write_buffer_size() + size < most

    def write(self, body: bytes) -> None:
        """Write an answer of the first one's status, with its header fields.

        Raises:
            ConnectionResetError: the client has gone.

        """
        transport = self._connection.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        if self._opening is None:
            self._opening = _opening(self._answer)
        before, after = self._opening
        date = rfc822_formatted_time().encode()
        transport.write(b"%b%d\r\nDate: %b%b%b" % (before, len(body), date, after, body))

    async def finish(self, answer: web.StreamResponse) -> None:
        """Write an answer whole, and wait until the client has taken most of it; raises as `write` does."""
        body = answer.body if isinstance(answer, web.Response) else None
        begins_alike = answer.status == self._answer.status and answer.headers == self._fields
        if isinstance(body, bytes) and begins_alike and not (answer.cookies or answer.compression):
            self.write(body)
            await self._connection.drained()
        else:
            await answer.prepare(self.request)
            await answer.write_eof()


class Connection(web.RequestHandler):
    """A connection whose last request may be repeated."""

    __slots__ = ("_answered", "_answering", "_fed", "_head", "_held_back", "_plain", "_repeat")

    def __init__(self, manager: web.Server, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(manager, loop=loop, **options)
        self._fed = False
        self._plain = True
        self._head: bytes | None = None
        self._repeat: Repeat | None = None
        self._answering: asyncio.Task[None] | Exchange | None = None
        self._answered: asyncio.Future[None] | None = None
        self._held_back = bytearray()

    def remember(self, request: web.Request, answer: web.Response, accept: Accept) -> None:
        """Let the request that is being answered be repeated; its answer has been prepared."""
        self._remember(request, answer, accept)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write the answer; let a request be repeated whose body was read whole. Called by aiohttp."""
        if hdrs.CONTENT_ENCODING in request.headers:
            self._lingering_time = 0.0  # what is left of the body is not unpacked to be thrown away
        if not (isinstance(request, web.Request) and isinstance(resp, web.Response) and BODY in request):
            return await super().finish_response(request, resp, start_time)
        fields = resp.headers.copy()
        done = await super().finish_response(request, resp, start_time)
        self._remember(request, resp, _asked_again, fields)
        return done

    def _remember(
        self,
        request: web.Request,
        answer: web.Response,
        accept: Accept,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        told = 0 if self._head is None else self._head.count(b"\r\n") - 2
        if (
            self._head is not None
            and request.keep_alive
            and request.version == HttpVersion11
            and request.method != hdrs.METH_HEAD
            and told == len(request.headers)
            and not answer.cookies
            and 200 <= answer.status < 300
            and hdrs.CONTENT_LENGTH in answer.headers
        ):
            self._repeat = Repeat(self, self._head, request, answer, accept, fields)

    async def drained(self) -> None:
        """Wait while too much is written that the client has not taken; raises ConnectionResetError."""
        if self.writing_paused:
            await self._drain_helper()

    def end(self, repeat: Repeat, handler: Handler | None) -> None:
        """End an exchange, or have a handler go on with it."""
        if handler is None:
            self._ended(done=True)
        else:
            self._answering = self._loop.create_task(self._answer(repeat, handler))

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
        self._cancel()
        self._repeat = None
        super().connection_lost(exc)

    def log_exception(self, *args: Any, **options: Any) -> None:
        """Log a failure, but none of a client's HTTP: what is wrong with that may hold its credentials."""
        error = options.get("exc_info")
        if isinstance(error, HttpProcessingError):
            _log.debug("a request cannot be parsed", why=type(error).__name__)
        else:
            super().log_exception(*args, **options)

    async def shutdown(self, timeout: float | None = 15.0) -> None:
        """Let an answer be finished in so many seconds, then end."""
        if self._answering is not None:
            self._answered = self._loop.create_future()
            await asyncio.wait((self._answered,), timeout=timeout)
            self._cancel()
            await asyncio.wait((self._answered,), timeout=timeout)
        await super().shutdown(timeout)

    @property
    def _idle(self) -> bool:
        return self._waiter is not None and not self._waiter.done() and not self._close

    @property
    def _ending(self) -> bool:
        """Whether an answer is written, but whoever waits for the next request does not wait yet."""
        quiet = self._waiter is None and not self._request_in_progress and not self._messages
        return quiet and self._fed and not (self._close or self._force_close)

    def _repeated(self, data: bytes) -> bool:
        """Begin to answer if this is a repetition."""
        repeat = self._repeat
        if repeat is None or not self._idle or (body := repeat.body_of(data)) is None:
            return False
        answer = repeat.accepts(body)
        if answer is None:
            return False
        if self._manager is not None:
            self._manager.requests_count += 1
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if isinstance(answer, Exchange):
            self._answering = answer
        else:
            self._answering = self._loop.create_task(self._answer(repeat, answer))
        return True

    async def _answer(self, repeat: Repeat, handler: Handler) -> None:
        done, request = False, repeat.request
        try:
            if request.writer.output_size:  # each writes one answer
                request._payload_writer = StreamWriter(self, self._loop)  # noqa: SLF001
            answer = await repeat.answered(handler)
            if answer is not WRITTEN:
                await repeat.finish(answer)
            done = True
        except ConnectionError:
            self.log_debug("Ignored premature client disconnection")
        except Exception as error:  # noqa: BLE001 - as aiohttp does
            self.log_exception("Unhandled exception", exc_info=error)
        finally:
            self._ended(done=done)

    def _ended(self, *, done: bool) -> None:
        self._answering = None
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(None)
        if self.transport is not None and (not done or self._close or self._force_close):
            self.transport.close()
        elif self._held_back:
            self._loop.call_soon(self._release)

    def _cancel(self) -> None:
        """Have nobody answer any more; a task ends a little later."""
        if self._answering is not None:
            self._answering.cancel()
        if isinstance(self._answering, Exchange):
            self._ended(done=False)

    def _release(self) -> None:
        """Go on with what was held back, unless the connection ends."""
        if self.transport is None or self.transport.is_closing():
            return
        if self._held_back and self._answering is None:
            data, self._held_back = bytes(self._held_back), bytearray()
            if len(data) > MAX_HELD_BACK:
                self.transport.resume_reading()
            self.data_received(data)

    def _hold_back(self, data: bytes) -> None:
        self._held_back += data
        if len(self._held_back) > MAX_HELD_BACK and self.transport is not None:
            self.transport.pause_reading()


def _asked_again(repeat: Repeat, body: bytes) -> Handler:
    """Return who answered a request the first time, for another body."""
    repeat.request[BODY] = body
    return repeat.request.match_info.handler


def _opening(answer: web.Response) -> tuple[bytes, bytes]:
    """Return the bytes of an answer's head before the length of its body, and those after the date."""
    lines = [f"{name}: {value}\r\n" for name, value in answer.headers.items() if name != hdrs.DATE]
    at = next(place for place, line in enumerate(lines) if line.startswith(hdrs.CONTENT_LENGTH))
    status = f"HTTP/1.1 {answer.status} {answer.reason}\r\n"
    before = f"{status}{''.join(lines[:at])}Content-Length: ".encode()
    return before, f"\r\n{''.join(lines[at + 1 :])}\r\n".encode()


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
