"""Servers that relay would not run well on are found out at start."""

from __future__ import annotations

import pytest

from relay.errors import ConfigurationError
from relay.journal.checks import fault_of
from tests.conftest import OpenStore
from tests.engines import Server


async def test_a_server_in_cluster_mode_is_refused(engine: str, open_store: OpenStore) -> None:
    """A server that would fail later is refused at start, by name."""
    server = Server(engine, "--cluster-enabled", "yes").start()
    try:
        with pytest.raises(ConfigurationError, match="cluster mode"):
            await open_store(server.url)
    finally:
        server.remove()


def test_a_server_too_old_is_refused() -> None:
    """Redis before 7.0 lacks commands; Valkey names the version it is compatible with."""
    assert "7.0" in str(fault_of("redis_version:6.2.14\r\nredis_mode:standalone\r\n"))
    assert fault_of("redis_version:7.0.15\r\nredis_mode:standalone\r\n") is None
    assert fault_of("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\n") is None
    assert fault_of("something:else\r\n") is None
