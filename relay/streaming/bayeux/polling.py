"""Polling transports: requests to the endpoint, of which a connect alone may be held."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from aiohttp import hdrs, web

from relay.directory.model import Principal
from relay.errors import UnavailableError
from relay.http.repeats import Connection
from relay.streaming.bayeux import channels
from relay.streaming.bayeux.browsers import Browsers
from relay.streaming.bayeux.callback import CONTENT_TYPE, from_query, script
from relay.streaming.bayeux.callback import HEADERS as CALLBACK_HEADERS
from relay.streaming.bayeux.collecting import Collected, SupersededError
from relay.streaming.bayeux.connects import Connects
from relay.streaming.bayeux.messages import (
    MAX_BODY,
    MalformedPayloadError,
    Message,
    from_form,
    from_json,
    payload,
)
from relay.streaming.bayeux.repeating import Authenticate, Repeating
from relay.streaming.bayeux.requests import Connect
from relay.streaming.bayeux.service import Outcome, Peer, Service
from relay.streaming.bayeux.session import Answer
from relay.streaming.bayeux.sockets import Sockets
from relay.streaming.bayeux.stats import BayeuxStats
from relay.streaming.stream import HIGH_WATER

LONG_POLLING: Final = "long-polling"
"""The connection type's name."""
READ_TIMEOUT: Final = 30.0
"""Seconds a client may take to send a body."""
WRITE_TIMEOUT: Final = 30.0
"""Seconds a client may take to read an answer with events; after that it is put back."""

_UPGRADE: Final = re.compile("websocket", re.IGNORECASE)
_SUFFIXES: Final = ("", "/handshake", "/connect", "/disconnect", "/subscribe", "/unsubscribe")
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "iso-8859-1", "utf-16"})
_HEADERS: Final[dict[str, str]] = {hdrs.CACHE_CONTROL: "no-cache, no-store"}


class _Held(NamedTuple):
    """Serves the connects of a browser, which may have only so many held."""

    connects: Connects
    browsers: Browsers
    browser: str

    async def serve(self, principal: Principal, request: Connect, *, hold: bool) -> Collected:
        """Serve a connect; raises as `Connects.serve` does."""
        advice = self.browsers.crowded(self.browser, request.client) if hold else None
        if advice is not None:
            found = await self.connects.serve(principal, request, hold=False)
            return found._replace(advice={**advice, "timeout": self.connects.timeout})
        with self.browsers.holding(self.browser, request.client):
            return await self.connects.serve(principal, request, hold=hold)


class Polling:
    """Answers the HTTP requests of Bayeux clients."""

    def __init__(
        self,
        service: Service,
        connects: Connects,
        sockets: Sockets,
        browsers: Browsers,
        stats: BayeuxStats,
        *,
        callbacks: bool,
    ) -> None:
        """Take who carries messages out, and whether ``callbacks`` (JSONP) are served too."""
        self._service = service
        self._connects = connects
        self._sockets = sockets
        self._browsers = browsers
        self._stats = stats
        self._callbacks = callbacks

    def __repr__(self) -> str:
        return f"Polling({self._service!r}{', callbacks' * self._callbacks})"

    def routes(self, base: str, authenticate: Authenticate) -> list[web.RouteDef]:
        """Return the routes of an endpoint: the base path, and those below it that clients of CometD use."""

        async def handler(request: web.Request) -> web.StreamResponse:
            return await self.handle(request, authenticate)

        paths = (base + suffix + slash for suffix in _SUFFIXES for slash in ("", "/"))
        return [web.route(hdrs.METH_ANY, path, handler) for path in paths]

    async def handle(self, request: web.Request, authenticate: Authenticate) -> web.StreamResponse:
        """Answer one request. The server must cancel it when the client drops (``handler_cancellation``)."""
        callback: str | None = None
        try:
            if request.method == hdrs.METH_GET and _UPGRADE.fullmatch(request.headers.get(hdrs.UPGRADE, "")):
                return await self._upgrade(request, authenticate)
            if request.method == hdrs.METH_GET and self._callbacks:
                callback, messages = from_query(request.rel_url.raw_query_string)
            elif request.method == hdrs.METH_POST:
                messages = await _messages(request)
            else:
                return _not_a_post(request)
        except _RefusedError as refused:
            return refused.response
        except MalformedPayloadError as error:
            return _fault(400, str(error))
        browser = self._browsers.of(request)
        if not browser and any(one.get("channel") == channels.HANDSHAKE for one in messages):
            browser = self._browsers.new()
        peer = self._peer(request, browser)
        outcome = await self._carried_out(request, messages, authenticate, peer)
        if isinstance(outcome, web.Response):
            return outcome
        response = _answer(payload(outcome.parts), callback)
        if outcome.began:
            self._browsers.mark(request, response, browser)
        if outcome.taken:
            await self._write(request, response, outcome.taken)
            if callback is None and _is_utf8(request) and isinstance(request.protocol, Connection):
                again = Repeating(self._service, peer, authenticate, self._carried_out, self._written)
                request.protocol.remember(request, response, again.accept)
        return response

    def _peer(self, request: web.Request, browser: str) -> Peer:
        limited = self._browsers.limited and browser
        held = _Held(self._connects, self._browsers, browser) if limited else None
        return Peer(browser, self._browsers.strict, polls=_polls(request), connector=held)

    async def _carried_out(
        self, request: web.Request, messages: list[Message], authenticate: Authenticate, peer: Peer
    ) -> Outcome | web.Response:
        try:
            return await self._service.handle(await authenticate(request), messages, peer)
        except SupersededError:
            # Not 408: browsers repeat a request that is answered so, and the two would chase each other.
            self._stats.superseded += 1
            return _fault(500, "the session has connected anew")
        except UnavailableError as error:
            return _fault(503, "unavailable", {hdrs.RETRY_AFTER: str(error.retry_after)})

    async def _upgrade(self, request: web.Request, authenticate: Authenticate) -> web.StreamResponse:
        refusal = self._sockets.refusal(request)
        if refusal is not None:
            return refusal
        principal = await authenticate(request)
        if principal is None:
            # CometD's client falls back to long-polling upon this, and only upon this.
            return _fault(401, "credentials are needed", {hdrs.WWW_AUTHENTICATE: "Basic"})
        return await self._sockets.serve(request, principal, partial(authenticate, request))

    async def _written(self, request: web.Request, body: bytes, taken: Sequence[Answer]) -> web.Response:
        response = _answer(body, None)
        await self._write(request, response, taken)
        return response

    async def _write(self, request: web.Request, response: web.Response, taken: Sequence[Answer]) -> None:
        """Write the answer here and now, to learn whether the client is still there."""
        waiting = 0 if request.transport is None else request.transport.get_write_buffer_size()
        small = waiting + (response.content_length or 0) < HIGH_WATER
        try:
            # What fits into the transport's buffer is written without waiting for the client.
            async with contextlib.nullcontext() if small else asyncio.timeout(WRITE_TIMEOUT):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            self._service.give_back(taken)
            if request.transport is not None:
                request.transport.abort()
        except BaseException:
            self._service.give_back(taken)
            raise


class _RefusedError(Exception):
    """The transport refuses a request."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.text)
        self.response = response


def _answer(body: bytes, callback: str | None) -> web.Response:
    if callback is None:
        return web.Response(body=body, content_type=_JSON, charset="UTF-8", headers=_HEADERS)
    headers = {**_HEADERS, **CALLBACK_HEADERS}
    return web.Response(
        body=script(callback, body), content_type=CONTENT_TYPE, charset="UTF-8", headers=headers
    )


async def _messages(request: web.Request) -> list[Message]:
    """Read the request's messages.

    Raises:
        MalformedPayloadError: there are none that can be read.

    """
    given = request.content_type if hdrs.CONTENT_TYPE in request.headers else _JSON
    charset = (request.charset or "utf-8").lower()
    if given not in (_JSON, _FORM) or charset not in _CHARSETS:
        raise _RefusedError(_fault(415, f"Content-Type must be {_JSON} or {_FORM}"))
    try:
        body = await _body(request)
        if not _is_utf8(request):
            body = body.decode(charset).encode()
    except (TimeoutError, web.RequestPayloadError, UnicodeError) as error:
        raise MalformedPayloadError("the body cannot be read") from error
    return from_form(body) if given == _FORM else from_json(body)


async def _body(request: web.Request) -> bytes:
    content = request.content
    if content.is_eof() and content.exception() is None:  # it came with the head, as it nearly always does
        body = content.read_nowait()
        if len(body) > MAX_BODY:
            raise _RefusedError(_fault(413, f"more than {MAX_BODY} bytes"))
        return body
    read = bytearray()
    async with asyncio.timeout(READ_TIMEOUT):
        while chunk := await content.readany():
            read += chunk
            if len(read) > MAX_BODY:
                raise _RefusedError(_fault(413, f"more than {MAX_BODY} bytes"))
    return bytes(read)


def _polls(request: web.Request) -> bool:
    """Tell whether a client stays with polling, so that it is not told of websockets."""
    if request.path.rstrip("/").endswith("/handshake"):
        return True  # CometD's own clients ask for a websocket first: this one was refused it, or wants none
    # A page, which its origin shows to be one, can send no header with an upgrade, its cookies alone.
    return hdrs.ORIGIN in request.headers and hdrs.AUTHORIZATION in request.headers


def _is_utf8(request: web.Request) -> bool:
    return (request.charset or "utf-8").lower() in ("utf-8", "utf8")


def _not_a_post(request: web.Request) -> web.Response:
    if request.method == hdrs.METH_GET:
        return _fault(400, "messages are sent with POST")
    return _fault(405, "messages are sent with POST", {hdrs.ALLOW: hdrs.METH_POST})


def _fault(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    every: dict[str, str] = {**_HEADERS, **(headers or {})}
    return web.Response(status=status, text=text, headers=every)
