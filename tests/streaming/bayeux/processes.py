"""Processes that serve connects, and the fixtures that give them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from relay.journal.ids import is_after
from relay.journal.store import Store
from relay.streaming.bayeux.connects import Connects
from relay.streaming.bayeux.session import Session
from relay.streaming.bayeux.sessions import Sessions
from relay.streaming.bayeux.stats import BayeuxStats
from relay.streaming.hub import Hub
from tests.conftest import OpenStore
from tests.engines import Server
from tests.harness.proxy import StoreProxy
from tests.streaming.bayeux.pods import ACCOUNT
from tests.streaming.bayeux.test_collecting import (
    JANE,
    RENDERERS,
    connect_of,
)
from tests.streaming.bayeux.test_collecting import line as line  # noqa: PLC0414 - a fixture
from tests.waiting import eventually


class Process:
    """A process that serves connects."""

    def __init__(self, store: Store, hub: Hub, *, max_interval: int = 60_000) -> None:
        self.sessions = Sessions(store, max_interval=max_interval)
        self.stats = BayeuxStats()
        self._hub = hub
        self.connects = Connects(
            self.sessions, hub, RENDERERS, self.stats, timeout=60_000, event_format="gws"
        )

    def polls(self, client: str) -> asyncio.Task[list[bytes]]:
        """Begin to poll; the result is the events."""

        async def poll() -> list[bytes]:
            return (await self.connects.serve(JANE, connect_of(client), hold=True)).messages

        return asyncio.create_task(poll())

    async def holds(self) -> None:
        """Wait until a connect is held."""
        await eventually(lambda: self.stats.held == 1)
        await asyncio.sleep(0)

    async def reaches(self, position: str) -> None:
        """Wait until the hub has come to a stream id."""

        async def reached() -> bool:
            return not is_after(position, await self._hub.position(ACCOUNT))

        await eventually(reached)

    async def generation(self, client: str) -> int:
        """Return how many connects of a session have begun in the store."""
        found = await self.sessions.read(ACCOUNT, client)
        assert isinstance(found, Session)
        return found.generation


@pytest.fixture
async def process(store: Store, hub: Hub) -> Process:
    """Give a process."""
    return Process(store, hub)


@pytest.fixture
async def other(store: Store, hub: Hub) -> Process:
    """Give another process."""
    return Process(store, hub)


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[StoreProxy]:
    """Give a way to the store that can be cut or slow."""
    proxy = StoreProxy(server.socket)
    await proxy.open()
    yield proxy
    await proxy.cut()


@pytest.fixture
async def far(open_store: OpenStore, proxy: StoreProxy, hub: Hub) -> Process:
    """Give a process that reaches the store by the proxy only."""
    return Process(await open_store(proxy.url), hub)
