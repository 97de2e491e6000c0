"""Sending one request: the interface, and aiohttp's client behind it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol, final

import aiohttp
from aiohttp.abc import AbstractResolver, AbstractStreamWriter, ResolveResult
from aiohttp.payload import BytesPayload
from aiohttp.resolver import DefaultResolver
from yarl import URL

from relay.telemetry import log
from relay.webhooks.attempts import CAPTURE, ErrorCode
from relay.webhooks.guard import BlockedAddressError, Guard

CONNECT_TIMEOUT: Final = 5.0
"""Seconds for name, connection and TLS together; they count towards the attempt's own time."""
CONNECT_SHARE: Final = 0.9
"""Share of a short attempt's time that they may take, so that it can be told what took too long."""
DNS_CACHE: Final = 30
"""Seconds an endpoint's addresses are remembered; whatever they are, they are checked at each dial."""
KEEP_ALIVE: Final = 30.0
"""Seconds an idle connection is kept: calls come in bursts, and most servers keep theirs longer."""

_CLOSED: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientConnectionResetError)
"""How a kept connection shows that the server has closed it."""

_log: Final = log.get("webhooks")


class Request(NamedTuple):
    """One POST."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout: float
    """Seconds for all of it, dialling and the answer's body included."""


class Answer(NamedTuple):
    """What the endpoint answered."""

    status: int
    body: bytes = b""
    """The first `CAPTURE` bytes at most."""
    truncated: bool = False
    """There was more, or it broke off."""
    retry_after: str | None = None


class Exchange(NamedTuple):
    """An answer with its head."""

    answer: Answer
    headers: Mapping[str, str]
    """By name in any case."""


class Failure(NamedTuple):
    """Why there is no complete answer."""

    error: ErrorCode


class Withheld(NamedTuple):
    """Nothing was sent: it was no longer permitted when there was a connection to write to."""


Permitted = Callable[[], bool]
"""Tells whether a request may still be made. Asked right before its bytes are written, however long the
connection took or the process was stopped: what comes late must not follow what another owner sent since."""


def always() -> bool:
    """Permit every request."""
    return True


class Sender(Protocol):
    """Whoever moves the bytes of a request. Slots and limits are the caller's."""

    async def send(self, request: Request, permitted: Permitted = always) -> Answer | Failure | Withheld:
        """Send once if it is permitted; never raises for what an endpoint or a network does."""
        ...

    async def exchange(self, request: Request) -> Exchange | Failure:
        """Send once, for an answer whose head matters too."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class _Dial:
    """What was dialled for one request."""

    __slots__ = ("blocked", "count")

    def __init__(self) -> None:
        self.count = 0
        self.blocked = False


_dial: Final[ContextVar[_Dial]] = ContextVar("dial")
"""The request on whose behalf a connection is made: aiohttp does not tell whether it reused one."""


@final
class _Body(BytesPayload):
    """A request's body, which is what lets the request go: aiohttp writes the head together with it."""

    def __init__(self, body: bytes, permitted: Permitted) -> None:
        super().__init__(body)
        self._permitted = permitted
        self.withheld = False

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if not self._permitted():
            self.withheld = True
            raise _WithheldError
        await super().write_with_length(writer, content_length)


class _WithheldError(Exception):
    """The request is not made after all."""


@final
class _Resolver(AbstractResolver):
    """Resolves names, and leaves out the addresses that webhooks may not reach."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        permitted = [result for result in found if self._permits(result["host"])]
        if not permitted:
            raise BlockedAddressError(host)
        return permitted

    async def close(self) -> None:
        await self._resolver.close()

    def _permits(self, host: str) -> bool:
        try:
            self._guard.check_address(host)
        except BlockedAddressError:
            return False
        return True


@final
class AiohttpSender:
    """Sends by aiohttp's client: one session for the process, the guard at every dial.

    A POST that finds its kept connection closed by the server is sent again at once, once, on a new one.
    Make it inside a running loop.
    """

    def __init__(self, guard: Guard, *, ssl_context: ssl.SSLContext | None = None) -> None:
        """Make the sender; a context of one's own is for endpoints of a private certificate authority."""
        self._guard = guard
        self._ssl = ssl_context or _tls()
        self._session = self._make_session(keep=True)
        self._fresh = self._make_session(keep=False)
        #: Requests sent again because the server had closed a kept connection.
        self.redials = 0

    def __repr__(self) -> str:
        return f"AiohttpSender({self._guard!r}, {self.redials} redials)"

    async def send(self, request: Request, permitted: Permitted = always) -> Answer | Failure | Withheld:
        """Send once if it is permitted; never raises for what an endpoint or a network does."""
        sent = await self._exchange(request, permitted)
        return sent.answer if isinstance(sent, Exchange) else sent

    async def exchange(self, request: Request) -> Exchange | Failure:
        """Send once, for an answer whose head matters too."""
        sent = await self._exchange(request, always)
        assert not isinstance(sent, Withheld), "it was permitted"  # noqa: S101
        return sent

    async def _exchange(self, request: Request, permitted: Permitted) -> Exchange | Failure | Withheld:
        dial = _Dial()
        _dial.set(dial)
        body = _Body(request.body, permitted)
        connect = min(CONNECT_TIMEOUT, CONNECT_SHARE * request.timeout)
        timeout = aiohttp.ClientTimeout(total=request.timeout, connect=connect)
        try:
            try:
                return await self._post(self._session, request, body, timeout)
            except _CLOSED as error:
                if body.withheld or dial.count or isinstance(error, aiohttp.ClientConnectorError):
                    raise  # the connection was new, so this is no leftover of the last answer
            self.redials += 1
            return await self._post(self._fresh, request, body, timeout)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            if body.withheld:
                return Withheld()
            code = _classify(error, blocked=dial.blocked)
            _log.debug("attempt failed", error=str(code), cause=repr(error))
            return Failure(code)

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        await self._fresh.close()

    async def _post(
        self, session: aiohttp.ClientSession, request: Request, body: _Body, timeout: aiohttp.ClientTimeout
    ) -> Exchange:
        response = await session.post(
            _url(request.url),
            data=body,
            headers=request.headers,
            timeout=timeout,
            allow_redirects=False,
        )
        try:
            captured, truncated = await _capture(response.content)
            retry_after = response.headers.get("Retry-After")
            answer = Answer(response.status, captured, truncated, retry_after)
            return Exchange(answer, response.headers)
        finally:
            response.release()  # closes the connection unless the answer was read to its end

    def _make_session(self, *, keep: bool) -> aiohttp.ClientSession:
        options: dict[str, Any] = {"keepalive_timeout": KEEP_ALIVE} if keep else {"force_close": True}
        connector = aiohttp.TCPConnector(
            limit=0,
            ttl_dns_cache=DNS_CACHE,
            resolver=_Resolver(self._guard),
            socket_factory=self._socket,
            ssl=self._ssl,
            **options,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            raise_for_status=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        )

    def _socket(self, address: Any) -> socket.socket:
        """Make the socket for an address that is about to be dialled: every dial comes through here."""
        family, kind, protocol, _, where = address
        dial = _dial.get()
        dial.count += 1
        try:
            self._guard.check_address(where[0])
        except BlockedAddressError:
            dial.blocked = True
            raise
        return socket.socket(family, kind, protocol)


def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@lru_cache(maxsize=4096)
def _url(text: str) -> URL:
    return URL(text)


async def _capture(content: aiohttp.StreamReader) -> tuple[bytes, bool]:
    """Read the beginning of a body, and tell whether that was not all of it."""
    if content.at_eof():
        return b"", False
    body = bytearray()
    try:
        while len(body) <= CAPTURE:
            chunk = await content.read(CAPTURE + 1 - len(body))
            if not chunk:
                break
            body += chunk
    except aiohttp.ClientPayloadError:
        return bytes(body[:CAPTURE]), True  # it broke off; its status counts
    return bytes(body[:CAPTURE]), len(body) > CAPTURE


def _classify(error: Exception, *, blocked: bool) -> ErrorCode:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error.__cause__
    if blocked or isinstance(error, BlockedAddressError) or isinstance(cause, BlockedAddressError):
        return ErrorCode.BLOCKED_IP
    match error:
        case aiohttp.ConnectionTimeoutError():
            return ErrorCode.TIMEOUT_CONNECT
        case TimeoutError():
            return ErrorCode.TIMEOUT_READ
        case aiohttp.ClientConnectorDNSError() | aiohttp.InvalidURL():
            return ErrorCode.DNS_ERROR
        case aiohttp.ClientSSLError() | ssl.SSLError() | ssl.CertificateError():
            return ErrorCode.TLS_ERROR
        case aiohttp.ClientConnectorError():
            return ErrorCode.CONNECTION_REFUSED
    return ErrorCode.CONNECTION_RESET
