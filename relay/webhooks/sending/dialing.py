"""Dialling: from a name to a connection with an address that was checked."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import time
from collections.abc import Callable
from functools import partial
from math import inf
from typing import Final, final

from relay.telemetry import log
from relay.webhooks.attempts import ErrorCode
from relay.webhooks.guard import BlockedAddressError, Guard, literal
from relay.webhooks.lookups import Address, Lookups
from relay.webhooks.sender import Failure, Withheld
from relay.webhooks.sending.connection import Connection
from relay.webhooks.sending.targets import Origin

DNS_CACHE: Final = 30.0
"""Seconds an endpoint's addresses are remembered; whatever they are, they are checked at each dial."""
NAMES: Final = 4096
"""Names whose addresses are remembered."""
LOOKUPS: Final = 64
"""Names looked up at a time, one thread each: names whose servers hang leave room for the others."""
ASK_ANEW: Final = 0.5
"""Seconds to ask anew for the addresses of a name; if that is over, those known are dialled."""
KNOWN_FOR: Final = 3600.0
"""Seconds for which they are, at most: somebody else may have them later."""

_log: Final = log.get("webhooks")


class _UnknownNameError(OSError):
    """A name has no address."""


@final
class Dialer:
    """Makes connections. It resolves, checks every address, and connects to one that was checked."""

    def __init__(self, guard: Guard, tls: ssl.SSLContext) -> None:
        self._guard = guard
        self._tls = tls
        self._lookups = Lookups(LOOKUPS)
        self._known: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._asking: dict[tuple[str, int], asyncio.Future[list[Address]]] = {}

    def __repr__(self) -> str:
        return f"Dialer({self._guard!r}, {len(self._known)} names known)"

    async def dial(
        self, origin: Origin, within: float, make: Callable[[], Connection]
    ) -> Connection | Failure | Withheld:
        """Return a new connection, or why there is none within so many seconds."""
        try:
            async with asyncio.timeout(within):
                return await self._connect(origin, await self._permitted(origin), make, within)
        except TimeoutError:
            code = ErrorCode.TIMEOUT_CONNECT
        except BlockedAddressError:
            code = ErrorCode.BLOCKED_IP
        except (_UnknownNameError, UnicodeError):
            code = ErrorCode.DNS_ERROR
        except (ssl.SSLError, ssl.CertificateError) as error:
            _log.debug("no TLS", cause=repr(error))
            code = ErrorCode.TLS_ERROR
        except (ConnectionResetError, ConnectionAbortedError, BrokenPipeError):
            code = ErrorCode.CONNECTION_RESET
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                return Withheld()  # it is counted: a line for each would fill the log
            code = ErrorCode.CONNECTION_REFUSED
        return Failure(code)

    def close(self) -> None:
        """Look nothing up any more."""
        for asking in self._asking.values():
            asking.cancel()

    async def _permitted(self, origin: Origin) -> list[Address]:
        addresses = await self._addresses(origin.host, origin.port)
        permitted = [address for address in addresses if self._permits(address)]
        if not permitted:
            raise BlockedAddressError(origin.host)
        return permitted

    def _permits(self, address: Address) -> bool:
        try:
            self._guard.check_address(address.where[0])
        except BlockedAddressError:
            return False
        return True

    async def _addresses(self, host: str, port: int) -> list[Address]:
        spelled = literal(host)
        if spelled is not None:
            family = socket.AF_INET if spelled.version == 4 else socket.AF_INET6
            return [Address(family, (str(spelled), port))]
        name = host, port
        until, addresses = self._known.get(name, (-inf, []))
        if time.monotonic() < until:
            return addresses
        asking = self._asking.get(name)
        if asking is None:  # once for all who dial the name, and to its end though the first of them gives up
            asking = self._asking[name] = asyncio.ensure_future(self._look_up(host, port))
            asking.add_done_callback(partial(self._asked, name))
        try:
            async with asyncio.timeout(ASK_ANEW if time.monotonic() < until + KNOWN_FOR else None):
                return await asyncio.shield(asking)
        except TimeoutError:
            return addresses

    def _asked(self, name: tuple[str, int], asking: asyncio.Future[list[Address]]) -> None:
        self._asking.pop(name, None)
        if not asking.cancelled():
            asking.exception()  # whoever still waits is told; it may be nobody

    async def _look_up(self, host: str, port: int) -> list[Address]:
        try:
            addresses = await self._lookups.addresses(host, port)
        except OSError as error:
            raise _UnknownNameError(host) from error
        if len(self._known) >= NAMES:
            self._known.pop(next(iter(self._known)))
        self._known[host, port] = (time.monotonic() + DNS_CACHE, addresses)
        return addresses

    async def _connect(
        self, origin: Origin, addresses: list[Address], make: Callable[[], Connection], within: float
    ) -> Connection:
        """Connect to the first address that takes it; each may use its share of the time."""
        for address in addresses[:-1]:
            try:
                async with asyncio.timeout(within / len(addresses)):
                    return await self._connect_to(origin, address, make)
            except ssl.SSLError:
                raise
            except OSError:
                continue
        return await self._connect_to(origin, addresses[-1], make)

    async def _connect_to(
        self, origin: Origin, address: Address, make: Callable[[], Connection]
    ) -> Connection:
        loop = asyncio.get_running_loop()
        made = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            made.settimeout(0)
            await loop.sock_connect(made, address.where)
        except BaseException:
            made.close()
            raise
        secure = origin.scheme == "https"
        _, connection = await loop.create_connection(
            make,
            sock=made,
            ssl=self._tls if secure else None,
            server_hostname=origin.host if secure else None,
        )
        return connection
