"""The journal's tests run on every engine relay supports."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable

import pytest

from relay.journal import tail as tail_module
from relay.journal.store import Store
from relay.journal.tail import Tail
from tests.engines import ENGINES

_chosen = os.environ.get("RELAY_TEST_ENGINE")
_wanted = (_chosen,) if _chosen else ENGINES


@pytest.fixture(scope="session", params=_wanted)
def engine(request: pytest.FixtureRequest) -> str:
    """Name the engine this run of the test is on."""
    return str(request.param)


@pytest.fixture
def quick_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notice a flush, and that nobody listens, soon."""
    monkeypatch.setattr(tail_module, "CHECK_INTERVAL", 0.05)
    monkeypatch.setattr(tail_module, "BLOCK_MS", 50)


@pytest.fixture
async def make_tail() -> AsyncIterator[Callable[[Store], Tail]]:
    """Give a function that makes a tail, stopped when the test ends."""
    made: list[Tail] = []

    def make(store: Store) -> Tail:
        made.append(Tail(store))
        return made[-1]

    yield make
    for tail in made:
        await tail.stop()


@pytest.fixture
def tail(store: Store, make_tail: Callable[[Store], Tail]) -> Tail:
    """Give a tail of the empty store."""
    return make_tail(store)
