"""The long-polling transport: POST requests to the endpoint, of which a connect alone may be held."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web

from relay.directory.model import Principal
from relay.errors import UnavailableError
from relay.streaming.bayeux.collecting import SupersededError
from relay.streaming.bayeux.messages import MalformedPayloadError, Message, from_form, from_json, payload
from relay.streaming.bayeux.service import Outcome, Service
from relay.streaming.bayeux.stats import BayeuxStats

LONG_POLLING: Final = "long-polling"
"""The connection type's name."""
BROWSER_COOKIE: Final = "BAYEUX_BROWSER"
"""The cookie by which CometD tells browsers apart: given to clients, which may expect it, and not needed."""
MAX_BODY: Final = 256 * 1024
"""Bytes of a request's body: clients send control messages only."""
READ_TIMEOUT: Final = 30.0
"""Seconds a client may take to send a body."""
WRITE_TIMEOUT: Final = 30.0
"""Seconds a client may take to read an answer with events; after that it is put back."""

Authenticate = Callable[[web.Request], Awaitable[Principal | None]]
"""Find out whom a request speaks for; None for nobody."""

_SUFFIXES: Final = ("", "/handshake", "/connect", "/disconnect", "/subscribe", "/unsubscribe")
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "iso-8859-1", "utf-16"})
_HEADERS: Final[dict[str, str]] = {hdrs.CACHE_CONTROL: "no-cache, no-store"}


class LongPolling:
    """Answers the HTTP requests of Bayeux clients."""

    def __init__(self, service: Service, stats: BayeuxStats, *, secure: bool) -> None:
        """Take who carries messages out; a `secure` cookie is sent over HTTPS only."""
        self._service = service
        self._stats = stats
        self._secure = secure

    def __repr__(self) -> str:
        return f"LongPolling({self._service!r})"

    def routes(self, base: str, authenticate: Authenticate) -> list[web.RouteDef]:
        """Return the routes of an endpoint: the base path, and those below it that clients of CometD use."""

        async def handler(request: web.Request) -> web.StreamResponse:
            return await self.handle(request, authenticate)

        paths = (base + suffix + slash for suffix in _SUFFIXES for slash in ("", "/"))
        return [web.route(hdrs.METH_ANY, path, handler) for path in paths]

    async def handle(self, request: web.Request, authenticate: Authenticate) -> web.StreamResponse:
        """Answer one request. The server must cancel it when the client drops (``handler_cancellation``)."""
        if request.method != hdrs.METH_POST:
            return _not_a_post(request)
        try:
            messages = await _messages(request)
            if isinstance(messages, web.Response):
                return messages
            principal = await authenticate(request)
            outcome = await self._service.handle(principal, messages)
        except MalformedPayloadError as error:
            return _fault(400, str(error))
        except SupersededError:
            # Not 408: browsers repeat a request that is answered so, and the two would chase each other.
            self._stats.superseded += 1
            return _fault(500, "the session has connected anew")
        except UnavailableError as error:
            return _fault(503, "unavailable", {hdrs.RETRY_AFTER: str(error.retry_after)})
        return await self._answer(request, outcome)

    async def _answer(self, request: web.Request, outcome: Outcome) -> web.StreamResponse:
        response = web.Response(
            body=payload(outcome.parts), content_type=_JSON, charset="UTF-8", headers=_HEADERS
        )
        if outcome.began and BROWSER_COOKIE not in request.cookies:
            response.set_cookie(
                BROWSER_COOKIE, secrets.token_hex(16), httponly=True, secure=self._secure, samesite="Lax"
            )
        if outcome.taken:
            await self._write(request, response, outcome)
        return response

    async def _write(self, request: web.Request, response: web.Response, outcome: Outcome) -> None:
        """Write the answer here and now, to learn whether the client is still there."""
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                await response.prepare(request)
                await response.write_eof()
        except TimeoutError:
            self._service.give_back(outcome)
            if request.transport is not None:
                request.transport.abort()
        except BaseException:
            self._service.give_back(outcome)
            raise


async def _messages(request: web.Request) -> list[Message] | web.Response:
    """Read the request's messages, or return how the transport refuses them.

    Raises:
        MalformedPayloadError: there are none that can be read.

    """
    given = request.content_type if hdrs.CONTENT_TYPE in request.headers else _JSON
    charset = (request.charset or "utf-8").lower()
    if given not in (_JSON, _FORM) or charset not in _CHARSETS:
        return _fault(415, f"Content-Type must be {_JSON} or {_FORM}")
    body = bytearray()
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > MAX_BODY:
                    return _fault(413, f"more than {MAX_BODY} bytes")
        if charset not in ("utf-8", "utf8"):
            body = bytearray(body.decode(charset).encode())
    except (TimeoutError, web.RequestPayloadError, UnicodeError) as error:
        raise MalformedPayloadError("the body cannot be read") from error
    return from_form(bytes(body)) if given == _FORM else from_json(bytes(body))


def _not_a_post(request: web.Request) -> web.Response:
    if request.method == hdrs.METH_GET:
        # Also the refusal of a websocket: clients fall back to long-polling.
        return _fault(400, "messages are sent with POST")
    return _fault(405, "messages are sent with POST", {hdrs.ALLOW: hdrs.METH_POST})


def _fault(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    every: dict[str, str] = {**_HEADERS, **(headers or {})}
    return web.Response(status=status, text=text, headers=every)
