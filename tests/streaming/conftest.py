"""A hub on a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from relay.journal.journal import Journal
from relay.journal.store import Store
from relay.journal.tail import Tail
from relay.streaming.hub import Hub
from tests.streaming.serving import Client, Office

OpenOffice = Callable[..., Awaitable[Office]]
MakeClient = Callable[..., Client]


@pytest.fixture
async def tail(store: Store) -> AsyncIterator[Tail]:
    """Give a tail of the store."""
    tail = Tail(store)
    yield tail
    await tail.stop()


@pytest.fixture
async def hub(tail: Tail, journal: Journal) -> AsyncIterator[Hub]:
    """Give a hub that nobody has joined."""
    hub = Hub(tail, journal)
    yield hub
    await hub.stop()


@pytest.fixture
async def open_office(hub: Hub) -> AsyncIterator[OpenOffice]:
    """Give a function that serves the hub's events; each server is stopped when the test ends."""
    opened: list[Office] = []

    async def opening(**options: Any) -> Office:
        opened.append(await Office(hub, **options).start())
        return opened[-1]

    yield opening
    for office in opened:
        await office.stop()


@pytest.fixture
async def office(open_office: OpenOffice) -> Office:
    """Give a server of event streams."""
    return await open_office()


@pytest.fixture
async def clients() -> AsyncIterator[MakeClient]:
    """Give a function that makes clients; each is gone when the test ends."""
    made: list[Client] = []

    def making(office: Office, query: str = "", **options: Any) -> Client:
        made.append(Client(office.port, query, **options))
        return made[-1]

    yield making
    for client in made:
        await client.kill()
