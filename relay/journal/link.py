"""One connection to the store, with everything it raises turned into relay's own errors."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import hiredis
from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.exceptions import NoScriptError, RedisError, ResponseError

from relay.errors import ConfigurationError, RelayError, StoreUnavailableError
from relay.journal.wire import Wire

Argument = str | bytes | int | float
"""What a command may be made of."""

_NOT_PRIMARY: Final = frozenset(("READONLY", "MASTERDOWN"))
"""Error codes of a server that is not, or no longer, the one to write to."""
_NOT_NOW: Final = frozenset(
    ("MISCONF", "OOM", "BUSY", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN", "NOPERM", "NOAUTH")
)
"""Error codes of a server that cannot serve now but may later, with nobody changing relay."""


class StoreCommandError(RelayError):
    """The store refused one command; the message begins with its error code."""

    @property
    def code(self) -> str:
        """The store's error code, ``WRONGTYPE`` for one."""
        return str(self).partition(" ")[0]


class NotPrimaryError(StoreUnavailableError):
    """The server does not take writes; a new connection may lead to the one that does."""


class ScriptMissingError(StoreCommandError):
    """The server does not know the script's digest; nothing ran."""


def pack(arguments: Sequence[Argument]) -> bytes:
    """Return a command in the form that goes over the wire."""
    packed: bytes = hiredis.pack_command(tuple(arguments))  # type: ignore[arg-type] # its stub names one element
    return packed


def _own(error: Exception) -> Exception:
    """Return what an error reply means to relay; one that ends the connection stays as it is."""
    if not isinstance(error, ResponseError):
        return error
    code = getattr(error, "status_code", None) or ""
    message = f"{code} {error}" if code and not str(error).startswith(code) else str(error)
    if isinstance(error, NoScriptError):
        return ScriptMissingError(message)
    if message.partition(" ")[0] in _NOT_PRIMARY:
        return NotPrimaryError(f"the store cannot serve now: {message}")
    if message.partition(" ")[0] in _NOT_NOW:
        return StoreUnavailableError(f"the store cannot serve now: {message}")
    return StoreCommandError(message)


@contextmanager
def _boundary() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise StoreUnavailableError("the store did not answer in time") from error
    except (RedisError, OSError) as error:
        raise StoreUnavailableError(f"the connection to the store failed: {error}") from error


class Link:
    """A connection and the commands on it. It does not reconnect; whoever fails drops it."""

    def __init__(self, url: str, name: str, *, timeout: float) -> None:
        """Prepare the connection; nothing is sent before `connect`.

        Raises:
            ConfigurationError: the URL cannot be used.

        """
        self._timeout = timeout
        self._wire: Wire | None = None
        try:
            options: dict[str, Any] = dict(parse_url(url))
            kind: type[AbstractConnection] = options.pop("connection_class", Connection)
            options.update(
                protocol=3,
                client_name=f"relay-{name}",
                driver_info=None,
                decode_responses=False,
                retry=None,
                retry_on_timeout=False,
                socket_timeout=None,  # each exchange has one limit for all its commands
                socket_connect_timeout=timeout,
            )
            self._connection = kind(**options)
        except (TypeError, ValueError):  # what they say may quote the password
            raise ConfigurationError(
                "RELAY_REDIS_URL cannot be used: it must be redis://[user:password@]host[:port][/db], "
                "rediss:// or unix:///path, with percent-encoded credentials and only options that exist"
            ) from None

    def __repr__(self) -> str:
        return f"Link({'not connected' if self._wire is None else self._wire})"

    async def connect(self) -> None:
        """Connect and log in, unless it is connected.

        Raises:
            StoreUnavailableError: the store could not be reached, or refused.

        """
        if self._wire is not None:
            return
        connection: Any = self._connection
        with _boundary():
            async with asyncio.timeout(self._timeout):
                await connection.connect()
        # From here on without redis-py's streams, whose steps for each reply cost more than the reply.
        parse = connection._parser.parse_error  # noqa: SLF001
        self._wire = Wire(connection._writer.transport, lambda text: _own(parse(text)))  # noqa: SLF001

    @property
    def stale(self) -> bool:
        """Whether the connection was lost since it was used last."""
        return self._wire is not None and self._wire.lost

    async def exchange(
        self, packed: Sequence[bytes], replies: list[Any], *, timeout: float | None = None
    ) -> None:
        """Send commands in one write and append each reply as it comes; an error reply is appended too.

        Replies are as RESP3 has them: bytes, int, float, None, list (sets too), dict.

        Raises:
            StoreUnavailableError: the connection failed; whether commands without a reply ran is not known.

        """
        if self._wire is None:
            raise StoreUnavailableError("there is no connection to the store")
        with _boundary():
            await self._wire.exchange(packed, replies, timeout or self._timeout)

    async def ask(self, *arguments: Argument, timeout: float | None = None) -> Any:
        """Return the reply of one command.

        Raises:
            StoreUnavailableError: the connection failed, or the store cannot serve now.
            StoreCommandError: the store refused the command.

        """
        replies: list[Any] = []
        await self.exchange([pack(arguments)], replies, timeout=timeout)
        if isinstance(replies[0], RelayError):
            raise replies[0]
        return replies[0]

    async def drop(self) -> None:
        """Close without waiting for the peer."""
        self._wire = None
        with _boundary():
            await self._connection.disconnect(nowait=True)
