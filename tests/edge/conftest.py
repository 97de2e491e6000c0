"""Two processes on one store, to be reached through what people have between them and relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.edge.chromium import Site
from tests.edge.nginx import Nginx
from tests.engines import Server
from tests.harness.fixtures import NewRelay, http, new_relay, receiver
from tests.harness.process import RelayProcess

__all__ = ["http", "new_relay", "receiver"]


class Pair(NamedTuple):
    """Two processes."""

    a: RelayProcess
    b: RelayProcess

    async def replace_both(self) -> None:
        """Kill one, start it anew, then the other: whatever was connected has lost its process."""
        for process in self:
            process.kill()
            await process.start()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Give the pages, on an origin of their own."""
    async with Site() as serving:
        yield serving


@pytest.fixture
async def pair(new_relay: NewRelay, server: Server, site: Site) -> Pair:
    """Give two processes on one store, without rate limits; the pages may call them."""
    a, b = (new_relay(store_url=server.url, rate_limits="off", cors_origins=site.origin) for _ in range(2))
    await asyncio.gather(a.start(), b.start())
    return Pair(a, b)


@pytest.fixture
async def nginx(pair: Pair, tmp_path: Path) -> AsyncIterator[Nginx]:
    """Give nginx in front of both."""
    async with Nginx(tmp_path / "nginx", [pair.a.port, pair.b.port]) as proxy:
        yield proxy
