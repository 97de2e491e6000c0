"""A service with a call in progress, and everything its store holds: bad input must leave it as it is."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from aiohttp import ClientSession

from tests.engines import Server
from tests.harness import v3
from tests.harness.demo import JANE, JOHN
from tests.harness.endpoints import GWS, OAUTH, RINGCENTRAL, V3, Endpoint
from tests.harness.gws import Gws
from tests.harness.process import RelayProcess
from tests.harness.raw import Headers, Reply, request
from tests.waiting import eventually

JSON: Final = ("Content-Type", "application/json")
BEARER: Final = ("Authorization", f"Bearer {JANE.token}")
BASIC: Final = (
    "Authorization",
    "Basic " + base64.b64encode(f"{JANE.login}:{JANE.password}".encode()).decode(),
)

APP: Final = ("Authorization", "Basic " + base64.b64encode(b"demo-client:demo-secret").decode())

_PASSING: Final = re.compile(r"relay:(meta|members|\{p\d+\}:(lease|epoch|cursor|token:.*|rate:.*))")
"""Keys that change with time, or because somebody signs in; a cursor only follows what is in other keys."""


class Stage:
    """The running service, Jane's call to John, who does not answer, and Jane's subscription."""

    def __init__(self, relay: RelayProcess, server: Server) -> None:
        self.relay = relay
        self._server = server
        self.leg = ""
        """Jane's leg of the call."""
        self.ringing = ""
        """John's leg."""
        self.call = ""
        """The call's id in GWS."""
        self.token = ""
        """Jane's token at the RingCentral face."""

    async def set(self) -> None:
        """Start, and place the call."""
        await self.relay.start()
        async with ClientSession() as http:
            jane, john = v3.V3(http, self.relay.url, JANE), v3.V3(http, self.relay.url, JOHN)
            placed = await jane.dial(JOHN.extension, user_data={"case": "1"})
            self.leg = placed["call_leg_id"]
            self.ringing = await eventually(lambda: john.leg(placed["call_id"], JOHN.extension, "ringing"))
            await jane.subscribe("http://127.0.0.1:9/", types=["call.leg.held"])
            self.call = (await Gws(http, self.relay.url, JANE).calls())[0]["id"]
            form = {"grant_type": "password", "username": JANE.login, "password": JANE.password}
            async with http.post(f"{self.relay.url}{OAUTH}/token", data=form, headers=[APP]) as response:
                self.token = (await response.json())["access_token"]

    def written(self) -> dict[bytes, bytes]:
        """Return everything in the store that tells of calls, subscriptions and deliveries."""
        with self._server.client as client:
            keys = [key for key in client.scan_iter(count=1000) if not _PASSING.fullmatch(key.decode())]
            return {key: client.dump(key) for key in keys}

    def ask(self, endpoint: Endpoint, *, path: str | bytes = "", method: str = "", query: str | bytes = "",
            headers: Headers = (), body: bytes | None = None) -> Reply:  # fmt: skip
        """Send a request with Jane's credentials, unless others are given."""
        path = path or endpoint.path()
        target = (path if isinstance(path, bytes) else path.encode()) + (
            b"?" + (query if isinstance(query, bytes) else query.encode()) if query else b""
        )
        given = {name for name, _ in headers}
        own = [self._credentials(endpoint)] if "Authorization" not in given else []
        own += [JSON] if body is not None and "Content-Type" not in given else []
        method = method or (endpoint.method if endpoint.method != "*" else "POST")
        return request(self.relay.port, method, target, [*own, *headers], body)

    def _credentials(self, endpoint: Endpoint) -> tuple[str, str]:
        if endpoint.route in (f"{OAUTH}/token", f"{OAUTH}/revoke"):
            return APP
        if endpoint.face == RINGCENTRAL:
            return ("Authorization", f"Bearer {self.token}")
        return BEARER if endpoint.face == V3 else BASIC


@pytest.fixture(scope="module")
def stage(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Give the stage to all tests of a module; none may have shown a stack trace in the end."""
    server = Server(engine).start()
    folder: Path = tmp_path_factory.mktemp("stage")
    relay = RelayProcess(
        folder, store_url=server.url, rate_limits="off", ring_timeout="3600", bayeux_timeout="1"
    )
    try:
        set_up = Stage(relay, server)
        asyncio.run(set_up.set())
        yield set_up
    finally:
        relay.remove()
        server.remove()
    assert "Traceback" not in relay.output, relay.output[-8000:]


def refused(endpoint: Endpoint, reply: Reply, what: object) -> None:
    """Check that a request was refused as its own fault, in the form of its face."""
    told = f"{endpoint.method} {endpoint.route} with {what!r:.200}: {reply.status} {reply.body[:300]!r}"
    assert 400 <= reply.status < 500, told
    if endpoint.face == V3:
        assert reply.headers["content-type"] == "application/problem+json", told
        problem = reply.json
        assert problem["status"] == reply.status, told
        assert problem["code"], told
        assert problem["detail"], told
    elif endpoint.face == RINGCENTRAL:
        assert reply.headers["content-type"] == "application/json;charset=utf-8", told
        [inner] = reply.json["errors"]
        assert inner["errorCode"], told
        assert inner["message"] in (reply.json.get("message"), reply.json.get("error_description")), told
    elif endpoint.face == GWS:
        assert reply.headers["content-type"] == "application/json", told
        assert set(reply.json) == {"statusCode", "statusMessage"}, told
        assert reply.json["statusCode"] > 0, told
