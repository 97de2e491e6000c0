"""Fixtures of the tests of several processes on one port."""

from __future__ import annotations

import pytest

from tests.harness.fixtures import NewRelay, http, new_relay, receiver
from tests.harness.process import RelayProcess

__all__ = ["http", "new_relay", "receiver"]

WORKERS = ("--workers", "2")


@pytest.fixture
async def relay(new_relay: NewRelay) -> RelayProcess:
    """Give a parent with two workers on an embedded store, without rate limits."""
    return await new_relay(arguments=WORKERS, rate_limits="off").start()
