"""What a server must be for relay to keep its journal there, asked once at start."""

from __future__ import annotations

from typing import Final

from redis.exceptions import AuthenticationError, ResponseError

from relay.errors import ConfigurationError, RelayError, StoreUnavailableError
from relay.journal.link import Link
from relay.telemetry import log

OLDEST: Final = (7, 0)
"""The oldest version of Redis whose commands suffice. Valkey says which one it is compatible with."""

_log: Final = log.get("journal")


async def first_contact(link: Link) -> None:
    """Connect for the first time and look at the server; warn of one that forgets.

    Raises:
        ConfigurationError: the credentials are refused, or the server cannot be used.
        StoreUnavailableError: it is away.

    """
    try:
        await link.connect()
    except StoreUnavailableError as error:
        if isinstance(error.__cause__, AuthenticationError | ResponseError):
            raise ConfigurationError(
                f"RELAY_REDIS_URL: the store refuses the connection: {error.__cause__}"
            ) from error
        raise StoreUnavailableError(f"RELAY_REDIS_URL: {error}") from error
    await _check_version(link)
    await _warn_of_losses(link)


async def _check_version(link: Link) -> None:
    try:
        reply = await link.ask("INFO", "server")
    except RelayError as error:
        _log.info("the store's version cannot be read", error=str(error))
        return
    fault = fault_of(reply.decode())
    if fault is not None:
        raise ConfigurationError(fault)


def fault_of(info: str) -> str | None:
    """Return why a server cannot be used, from its INFO; None if it can."""
    found = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
    version = found.get("redis_version", "")
    if version and tuple(map(int, version.split(".")[:2])) < OLDEST:
        return f"the store is Redis {version}; relay needs 7.0 or later, or Valkey"
    mode = found.get("server_mode", found.get("redis_mode", ""))
    return f"RELAY_REDIS_URL leads to a server in {mode} mode" if mode in ("cluster", "sentinel") else None


async def _warn_of_losses(link: Link) -> None:
    try:
        found = await link.ask("CONFIG", "GET", "appendonly", "maxmemory-policy")
    except RelayError as error:
        _log.info("the store's configuration cannot be read", error=str(error))
        return
    if found.get(b"appendonly") == b"no":
        _log.warning("the store has no append-only file: what was accepted is lost when it stops")
    policy = found.get(b"maxmemory-policy", b"noeviction").decode()
    if policy != "noeviction":
        _log.warning("the store may evict keys: set its maxmemory-policy to noeviction", policy=policy)
