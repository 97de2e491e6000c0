"""Which pages may call."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp.plugin import AiohttpClient

from relay.errors import ConfigurationError
from relay.http.cors import install_cors

Client = TestClient[web.Request, web.Application]

GOOD = "https://app.example.com"


@pytest.fixture
async def client(aiohttp_client: AiohttpClient) -> Client:
    """Give a client of a server that one origin may call."""
    return await aiohttp_client(application([GOOD]))


def application(origins: list[str]) -> web.Application:
    """Return an application with one route, for pages of these origins."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"ok")
        return response

    app = web.Application()
    app.router.add_post("/", handle)
    install_cors(app, origins)
    return app


def cors(headers: object) -> set[str]:
    """Return the names of the cross-origin headers among these."""
    return {name for name in headers if name.lower().startswith("access-control")}  # type: ignore[attr-defined]


async def test_a_listed_origin_may_read_answers(client: Client) -> None:
    """Streams included, whose headers leave before their handler returns."""
    response = await client.post("/", headers={"Origin": GOOD})
    assert response.headers["Access-Control-Allow-Origin"] == GOOD
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert "RateLimit" in response.headers["Access-Control-Expose-Headers"]
    assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin", [None, "https://evil.example.com", "null", GOOD + ".evil.com", GOOD.upper(), GOOD + ":8443"]
)
async def test_other_origins_may_not(client: Client, origin: str | None) -> None:
    """They get no header at all, but caches are told that origins differ."""
    response = await client.post("/", headers={"Origin": origin} if origin else {})
    assert cors(response.headers) == set()
    assert response.headers["Vary"] == "Origin"


async def test_a_preflight_of_a_listed_origin_is_granted(client: Client) -> None:
    """Before any authentication: a preflight carries none."""
    headers = {
        "Origin": GOOD,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    response = await client.options("/", headers=headers)
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == GOOD
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
    assert "Last-Event-ID" in response.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "POST"},
        {"Origin": GOOD},
        {"Access-Control-Request-Method": "POST"},
    ],
)
async def test_other_preflights_are_not(client: Client, headers: dict[str, str]) -> None:
    """They are requests like any other: OPTIONS is no method here."""
    response = await client.options("/", headers=headers)
    assert response.status == 405
    assert "Access-Control-Allow-Methods" not in response.headers


async def test_without_origins_nothing_is_added(aiohttp_client: AiohttpClient) -> None:
    """By default no page may call."""
    client = await aiohttp_client(application([]))
    response = await client.post("/", headers={"Origin": GOOD})
    assert cors(response.headers) == set()
    assert "Vary" not in response.headers


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "app.example.com",
        GOOD + "/",
        GOOD + "/x",
        "https://*.example.com",
        "https://APP.example.com",
        "null",
    ],
)
def test_what_is_no_origin_cannot_be_listed(origin: str) -> None:
    """A setting that would never match, or match everybody, is refused at start."""
    with pytest.raises(ConfigurationError, match="is no origin"):
        application([origin])
