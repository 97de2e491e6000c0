"""What every face says while the store is away."""

from __future__ import annotations

import asyncio
import uuid

from aiohttp import ClientSession

from tests.harness.bayeux import BayeuxClient
from tests.harness.demo import JANE
from tests.harness.gws import Gws
from tests.harness.process import RelayProcess
from tests.harness.v3 import V3


async def refuses_on_every_face(relay: RelayProcess, http: ClientSession) -> None:
    """Check that each face says 503 in its own form, and when to come back; all at once, as each may wait.

    Nothing is asked that a store which was only frozen might carry out later.
    """
    await asyncio.gather(_v3(relay, http), _gws(relay, http), _bayeux(relay, http))
    await _operations(relay, http)


async def _v3(relay: RelayProcess, http: ClientSession) -> None:
    jane = V3(http, relay.url, JANE)
    for answer in await asyncio.gather(
        jane.command("click-to-dial", destination="200", key=str(uuid.uuid4())),  # it asks for the key first
        jane.command("hangup", call_leg_id="none"),
        jane.ask("GET", "/v3/calls/"),
        jane.ask("GET", "/v3/events/"),
        jane.ask("GET", "/v3/subscriptions/"),
        jane.ask("POST", "/v3/simulator/parties/none/hangup"),
    ):
        assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json"), answer
        assert answer.body["code"] == "store_unavailable"
        assert int(answer.headers["Retry-After"]) > 0


async def _gws(relay: RelayProcess, http: ClientSession) -> None:
    gws = Gws(http, relay.url, JANE)
    for answer in await asyncio.gather(gws.ask("GET", "/me/calls?fields=*"), gws.ask("GET", "/me")):
        assert (answer.status, answer.body["statusCode"]) == (503, 4), answer
        assert int(answer.headers["Retry-After"]) > 0


async def _bayeux(relay: RelayProcess, http: ClientSession) -> None:
    handshake = {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}
    status, _ = await BayeuxClient(http, relay.url, JANE).post(handshake)
    assert status == 503


async def _operations(relay: RelayProcess, http: ClientSession) -> None:
    async with http.get(f"{relay.admin_url}/readyz") as response:
        assert response.status == 503
    async with http.get(f"{relay.admin_url}/healthz") as response:
        assert response.status == 200
