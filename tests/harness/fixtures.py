"""Fixtures of the tests that run the service as a process; their folders import them in conftest.py."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from tests.harness.process import RelayProcess
from tests.harness.webhooks import WebhookReceiver

NewRelay = Callable[..., RelayProcess]

SHOWN = 8000
"""Characters of a process's output that are shown when its test fails."""


@pytest.fixture
def new_relay(tmp_path: Path) -> Iterator[NewRelay]:
    """Give a function that makes processes; they end with the test, and none may have shown a stack trace."""
    made: list[RelayProcess] = []

    def make(**settings: str) -> RelayProcess:
        made.append(RelayProcess(tmp_path / f"relay-{len(made) + 1}", **settings))
        return made[-1]

    yield make
    for process in made:
        process.remove()
        sys.stdout.write(f"--- output of {process!r}\n{process.output[-SHOWN:]}\n")
    traces = [process.output for process in made if "Traceback" in process.output]
    assert not traces, traces[0][-SHOWN:]


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    """Give an HTTP client without a limit on connections, and without a memory for cookies."""
    connector = TCPConnector(limit=0)
    timeout = ClientTimeout(total=30)
    async with ClientSession(connector=connector, cookie_jar=DummyCookieJar(), timeout=timeout) as session:
        yield session


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    """Give a webhook receiver; whatever it found wrong with a delivery fails the test."""
    listening = WebhookReceiver()
    await listening.start()
    yield listening
    await listening.stop()
    assert listening.faults == []


@pytest.fixture
async def relay(new_relay: NewRelay) -> RelayProcess:
    """Give a running process with an embedded store, and without rate limits."""
    return await new_relay(rate_limits="off").start()
