"""What a page of another origin does with GWS v2: it asks first, logs in once, goes on with its cookie."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession, encode_basic_auth

from relay.http.cors import METHODS
from tests.harness.bayeux import BayeuxClient
from tests.harness.demo import JANE
from tests.harness.fixtures import NewRelay
from tests.harness.process import RelayProcess

DESK = "https://desk.example.org"
START = {"operationName": "StartContactCenterSession", "channels": ["voice"]}
READY = {"operationName": "Ready"}
SENT = (
    "authorization",
    "content-type",
    "x-csrf-token",
    "x-requested-with",
    "contactcenterid",
    "ssid",
    "surl",
)
"""Headers that published clients send beyond the safelisted ones."""


class Page(NamedTuple):
    """A page that has logged in."""

    headers: dict[str, str]

    async def post(self, http: ClientSession, relay: RelayProcess, path: str, body: Any) -> tuple[int, Any]:
        """Post something with what the page has."""
        headers = {**self.headers, "Origin": DESK}
        async with http.post(f"{relay.url}/api/v2{path}", json=body, headers=headers) as response:
            assert response.headers["Access-Control-Allow-Origin"] == DESK
            return response.status, (await response.json())["statusCode"]


async def log_in(http: ClientSession, relay: RelayProcess) -> Page:
    """Read the user with credentials, and keep cookie and token as a browser and its page do."""
    headers = {"Authorization": encode_basic_auth(JANE.login, JANE.password), "Origin": DESK}
    async with http.get(f"{relay.url}/api/v2/me?subresources=*", headers=headers) as response:
        assert response.headers["Access-Control-Allow-Origin"] == DESK
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        exposed = {name.strip() for name in response.headers["Access-Control-Expose-Headers"].split(",")}
        assert {"X-CSRF-HEADER", "X-CSRF-TOKEN"} <= exposed
        named = response.headers["X-CSRF-HEADER"]
        cookie = f"JSESSIONID={response.cookies['JSESSIONID'].value}"
        return Page({"Cookie": cookie, named: response.headers[named]})


@pytest.fixture
async def relay(new_relay: NewRelay) -> RelayProcess:
    """Give a process that takes calls of the page's origin, with CSRF protection."""
    return await new_relay(rate_limits="off", gws_csrf="on", cors_origins=DESK).start()


async def test_a_page_works_by_its_cookie_and_its_token(relay: RelayProcess, http: ClientSession) -> None:
    """From its first question to the end of its session, over HTTP and CometD, it needs no password twice."""
    page = await log_in(http, relay)
    client = BayeuxClient(http, relay.url, JANE)
    client.headers = page.headers
    assert await page.post(http, relay, "/me", START) == (200, 0)
    await client.begin()
    assert (await client.ask("/meta/subscribe", subscription="/v2/me/channels"))["successful"]
    assert await page.post(http, relay, "/me/channels/voice", READY) == (200, 0)
    [told] = await client.hear(1)
    assert told["data"]["channels"][0]["userState"]["state"] == "Ready"
    dial = {"operationName": "Dial", "destination": {"phoneNumber": "15002"}}
    assert await page.post(http, relay, f"/me/devices/{JANE.device}/calls", dial) == (200, 0)
    assert (await client.follow(1))[0]["call"]["state"] == "Dialing"
    await client.end()
    assert await page.post(http, relay, "/me", {"operationName": "EndContactCenterSession"}) == (200, 0)
    assert await page.post(http, relay, "/me/channels/voice", READY) == (403, 20)


async def test_without_the_token_neither_commands_nor_cometd_are_served(
    relay: RelayProcess, http: ClientSession
) -> None:
    """A browser sends the cookie by itself, to whichever page: it is not enough."""
    page = await log_in(http, relay)
    forged = Page({"Cookie": page.headers["Cookie"]})
    assert await forged.post(http, relay, "/me/channels/voice", READY) == (403, 3)
    handshake = [
        {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}
    ]
    for path in ("/notifications", "/notifications/handshake"):
        assert await forged.post(http, relay, path, handshake) == (403, 3)


@pytest.mark.parametrize(
    "path", ["/me", "/me/", "/me/channels/voice", "/me/calls/x", "/notifications/connect", "/notifications/"]
)
async def test_a_page_may_ask_first(relay: RelayProcess, http: ClientSession, path: str) -> None:
    """Every method and header that published clients use is granted to its origin, and to no other."""
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": ",".join(SENT)}
    url = f"{relay.url}/api/v2{path}"
    async with http.options(url, headers={**asked, "Origin": DESK}) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == DESK
        assert response.headers["Access-Control-Allow-Methods"] == METHODS
        assert {"GET", "POST", "PUT", "DELETE"} <= {one.strip() for one in METHODS.split(",")}
        granted = {
            name.strip().lower() for name in response.headers["Access-Control-Allow-Headers"].split(",")
        }
        assert set(SENT) <= granted
    async with http.options(url, headers={**asked, "Origin": "https://evil.example.com"}) as response:
        assert "Access-Control-Allow-Origin" not in response.headers
