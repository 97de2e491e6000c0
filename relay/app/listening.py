"""Listening: on an address, on a unix socket, and on a port that several processes share."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from aiohttp import web

from relay.errors import ConfigurationError
from relay.http.repeats import Runner
from relay.settings import Address, Settings

BACKLOG: Final = 2048
"""Connections that may wait to be accepted: after a process is gone, its thousands of clients come at once.
The system's own limit (net.core.somaxconn) may be lower."""
PORT_FREE_WITHIN: Final = 5.0
"""Seconds a port may still be held by workers whose parent was killed: they let go of it at once."""


async def listen(
    starting: AsyncExitStack,
    app: web.Application,
    where: Address | Path,
    setting: str,
    *,
    drain_timeout: float = 5.0,
    shared: bool = False,
) -> None:
    """Serve the application; stopping waits ``drain_timeout`` seconds for its handlers.

    ``shared`` lets other processes listen on the same port: the system shares connections out.

    Raises:
        ConfigurationError: the address cannot be listened on.

    """
    runner = Runner(app, handler_cancellation=True, access_log=None, shutdown_timeout=drain_timeout)
    await runner.setup()
    starting.push_async_callback(runner.cleanup)
    site: web.BaseSite
    if isinstance(where, Path):
        site = web.UnixSite(runner, where)
    else:
        site = web.TCPSite(runner, where.host, where.port, reuse_port=shared or None, backlog=BACKLOG)
    try:
        await site.start()
    except OSError as error:
        raise _refused(where, setting, error) from error


async def with_ports(starting: AsyncExitStack, settings: Settings) -> Settings:
    """Return the settings with a free port for each that is 0.

    It is kept from others until ``starting`` unwinds: whoever listens on it must share it.

    Raises:
        ConfigurationError: there is none at this address.

    """
    return replace(
        settings,
        bind=await _with_port(starting, settings.bind, "RELAY_BIND"),
        admin_bind=await _with_port(starting, settings.admin_bind, "RELAY_ADMIN_BIND"),
    )


async def _with_port(starting: AsyncExitStack, where: Address, setting: str) -> Address:
    if where.port:
        return where
    try:
        found = await asyncio.get_running_loop().getaddrinfo(where.host, 0, type=socket.SOCK_STREAM)
        family, kind, protocol, _name, address = found[0]
        kept = starting.enter_context(socket.socket(family, kind, protocol))
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        kept.bind(address)
    except OSError as error:
        raise _refused(where, setting, error) from error
    return replace(where, port=kept.getsockname()[1])


async def check_free(where: Address, setting: str, *, within: float = 0.0) -> None:
    """See that nobody listens where this process will, or its workers, who would share with a stranger too.

    Raises:
        ConfigurationError: somebody does, and still after so many seconds.

    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        try:
            for found in await loop.getaddrinfo(where.host, where.port, type=socket.SOCK_STREAM):
                _try_to_bind(*found)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or loop.time() > deadline:
                raise _refused(where, setting, error) from error
            await asyncio.sleep(0.1)
        else:
            return


def _try_to_bind(family: int, kind: int, protocol: int, _name: str, address: tuple[object, ...]) -> None:
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # connections of an earlier run do not count
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind(address)


def _refused(where: Address | Path, setting: str, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{setting}: cannot listen on {where}: {error.strerror}")
