"""A hub on a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from relay.journal.journal import Journal
from relay.journal.store import Store
from relay.journal.tail import Tail
from relay.streaming.hub import Hub


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
