"""Fixtures for what needs a store: a real server, started once per test process. And a rule for CI."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from relay.journal.journal import Journal
from relay.journal.store import Store
from tests.engines import Server

OpenStore = Callable[..., Awaitable[Store]]

#: How long an example takes says as much of the machine as of relay.
settings.register_profile(
    "shared machine", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared machine")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what is skipped where CI=true: there nothing may be missing, or nobody would notice."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"CI=true lets nothing be skipped: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def engine() -> str:
    """Name the server tests run on: RELAY_TEST_ENGINE, ``valkey`` (the default) or ``redis``."""
    return os.environ.get("RELAY_TEST_ENGINE", "valkey")


@pytest.fixture(scope="session")
def shared_server(engine: str) -> Iterator[Server]:
    """Run one server for many tests."""
    server = Server(engine).start()
    yield server
    server.remove()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """Give the shared server, emptied; do not stop it, use `faulty_server` for that."""
    shared_server.flush()
    return shared_server


@pytest.fixture
def faulty_server(engine: str) -> Iterator[Server]:
    """Give a running server of the test's own, to kill, pause and start again."""
    server = Server(engine).start()
    yield server
    server.remove()


@pytest.fixture
async def open_store() -> AsyncIterator[OpenStore]:
    """Give a function that opens a store at a URL; each is closed when the test ends."""
    opened: list[Store] = []

    async def opening(url: str, *, partitions: int = 16, **options: float) -> Store:
        opened.append(await Store.open(url, partitions=partitions, **options))
        return opened[-1]

    yield opening
    for store in reversed(opened):
        await store.close()


@pytest.fixture
async def store(server: Server, open_store: OpenStore) -> Store:
    """Give a store that is empty."""
    return await open_store(server.url)


@pytest.fixture
async def journal(store: Store) -> Journal:
    """Give a journal on the empty store."""
    return Journal(store)
