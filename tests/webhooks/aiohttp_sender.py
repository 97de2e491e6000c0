"""aiohttp's client as a sender: what relay's own is compared with."""

from __future__ import annotations

import socket
import ssl
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final, final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

from relay.webhooks.attempts import CAPTURE, ErrorCode
from relay.webhooks.guard import BlockedAddressError, Guard
from relay.webhooks.sender import Answer, Failure, Request
from relay.webhooks.sending.client import CONNECT_SHARE, CONNECT_TIMEOUT, verifying
from relay.webhooks.sending.dialing import DNS_CACHE
from relay.webhooks.sending.pool import KEEP_ALIVE

_CLOSED: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientConnectionResetError)
"""How a kept connection shows that the server has closed it."""


class _Dial:
    """What was dialled for one request."""

    __slots__ = ("blocked", "count")

    def __init__(self) -> None:
        self.count = 0
        self.blocked = False


_dial: Final[ContextVar[_Dial]] = ContextVar("dial")
"""The request on whose behalf a connection is made: aiohttp does not tell whether it reused one."""


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
        self._ssl = ssl_context or verifying()
        self._session = self._make_session(keep=True)
        self._fresh = self._make_session(keep=False)
        #: Requests sent again because the server had closed a kept connection.
        self.redials = 0

    def __repr__(self) -> str:
        return f"AiohttpSender({self._guard!r}, {self.redials} redials)"

    async def send(self, request: Request) -> Answer | Failure:
        """Send once."""
        dial = _Dial()
        _dial.set(dial)
        connect = min(CONNECT_TIMEOUT, CONNECT_SHARE * request.timeout)
        timeout = aiohttp.ClientTimeout(total=request.timeout, connect=connect)
        try:
            try:
                return await self._post(self._session, request, timeout)
            except _CLOSED as error:
                if dial.count or isinstance(error, aiohttp.ClientConnectorError):
                    raise  # the connection was new, so this is no leftover of the last answer
            self.redials += 1
            return await self._post(self._fresh, request, timeout)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            return Failure(_classify(error, blocked=dial.blocked))

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        await self._fresh.close()

    async def _post(
        self, session: aiohttp.ClientSession, request: Request, timeout: aiohttp.ClientTimeout
    ) -> Answer:
        response = await session.post(
            _url(request.to.url),
            data=request.body,
            headers={**request.to.headers, **_own(request.fields)},
            timeout=timeout,
            allow_redirects=False,
        )
        try:
            captured, truncated = await _capture(response.content)
            retry_after = response.headers.get("Retry-After")
            return Answer(response.status, captured, truncated, retry_after)
        finally:
            response.release()  # closes the connection unless the answer was read to its end

    def _make_session(self, *, keep: bool) -> aiohttp.ClientSession:
        options: dict[str, Any] = {"keepalive_timeout": KEEP_ALIVE} if keep else {"force_close": True}
        connector = aiohttp.TCPConnector(
            limit=0,
            ttl_dns_cache=int(DNS_CACHE),
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


@lru_cache(maxsize=4096)
def _url(text: str) -> URL:
    return URL(text)


def _own(fields: bytes) -> dict[str, str]:
    """Return the header fields that a request has beside its target's."""
    return dict(line.split(": ", 1) for line in fields.decode().splitlines())


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
