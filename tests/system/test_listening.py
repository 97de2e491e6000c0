"""Where the running service listens, as it says."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence

import pytest
from aiohttp import ClientSession

from tests.harness.demo import ADMIN
from tests.harness.fixtures import NewRelay
from tests.harness.v3 import V3
from tests.waiting import eventually

CHOSEN = "127.0.0.1:0"
SAID = re.compile(
    r"relay listens on (http://127\.0\.0\.1:[0-9]+); operations on (http://127\.0\.0\.1:[0-9]+)"
)


@pytest.mark.parametrize("arguments", [(), ("--workers", "2")], ids=["one process", "workers"])
async def test_ports_that_the_system_chooses_are_told(
    new_relay: NewRelay, http: ClientSession, arguments: Sequence[str]
) -> None:
    """With port 0 the service says which ports it was given, and they are what its URIs begin with."""
    relay = new_relay(arguments=arguments, bind=CHOSEN, admin_bind=CHOSEN)
    relay.launch()
    said = await eventually(lambda: SAID.search(relay.output), within=30)
    url, admin_url = said.groups()
    async with http.get(f"{admin_url}/readyz") as response:
        assert response.status == 200
    made = await V3(http, url, ADMIN).ask("POST", "/v3/subscriptions/", json={"url": "http://127.0.0.1:9/"})
    assert made.headers["Location"] == f"{url}/v3/subscriptions/{made.body['id']}"
    assert await relay.stop() == 0


async def test_a_port_that_somebody_has_is_refused_before_anything_begins(new_relay: NewRelay) -> None:
    """Nothing is started or taken over from other processes by one that cannot serve."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        relay = new_relay(bind=bind)
        relay.launch()
        assert await relay.ended() == 1
    assert f"RELAY_BIND: cannot listen on {bind}: Address already in use" in relay.output
    assert not relay.data.exists()
