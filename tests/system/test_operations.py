"""The admin port of the running service."""

from __future__ import annotations

from aiohttp import ClientSession

from relay.streaming.stream import End
from tests.harness.demo import ADMIN
from tests.harness.fixtures import NewRelay
from tests.harness.process import RelayProcess
from tests.harness.v3 import V3


async def test_ready_means_that_requests_are_served(new_relay: NewRelay, http: ClientSession) -> None:
    """From the first 200 of /readyz on, the public port answers; before, it is starting."""
    relay = new_relay()
    relay.launch()
    seen: list[tuple[int, str]] = []
    while not seen or seen[-1][0] != 200:
        try:
            async with http.get(f"{relay.admin_url}/readyz") as response:
                body = await response.json()
                seen.append((response.status, body.get("reason", body["status"])))
        except OSError:
            continue
    assert await V3(http, relay.url, ADMIN).calls() == []
    assert seen[-1] == (200, "ready")
    assert set(seen[:-1]) <= {(503, "starting")}


async def test_operations_are_on_the_admin_port_alone(relay: RelayProcess, http: ClientSession) -> None:
    """Health, readiness and metrics are on the admin port, and not to be found on the public one."""
    for path in ("/healthz", "/readyz", "/metrics"):
        async with http.get(relay.admin_url + path) as response:
            assert response.status == 200
        async with http.get(relay.url + path) as response:
            assert response.status == 404


async def test_what_has_not_happened_is_shown_as_none(relay: RelayProcess, http: ClientSession) -> None:
    """A counter's first step is seen: every reason for a stream's end is there from the start."""
    async with http.get(relay.admin_url + "/metrics") as response:
        shown = (await response.text()).splitlines()
    for why in End:
        assert any(line.startswith(f'relay_sse_streams_ended_total{{reason="{why}"}} ') for line in shown)
