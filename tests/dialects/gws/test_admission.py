from __future__ import annotations

from hashlib import sha256
from http.cookies import Morsel
from typing import Any

import pytest
from aiohttp import encode_basic_auth

from relay.journal.journal import Journal
from relay.settings import Settings
from tests.conftest import OpenStore
from tests.dialects.gws.conftest import Serve
from tests.dialects.gws.face import JANES, Face
from tests.engines import Server
from tests.waiting import eventually

JANE = encode_basic_auth("jane", "demo")

READ = ["/me", "/me/devices", f"/me/devices/{JANES}", f"/devices/{JANES}", "/me/calls", "/me/calls/x"]
POSTED = ["/me", f"/me/devices/{JANES}/calls", f"/devices/{JANES}/calls", "/me/calls/x"]


async def cookie(face: Face, path: str = "/me", **headers: str) -> Morsel[str] | None:
    """Return the session cookie that the answer to a read sets."""
    face.client.session.cookie_jar.clear()
    async with face.client.get(f"/api/v2{path}", headers=headers) as response:
        assert response.status == 200
        return response.cookies.get("JSESSIONID")


async def read(face: Face, **headers: str) -> tuple[int, Any]:
    """Read the user with these headers only; return the HTTP status, and the login or statusCode."""
    face.client.session.cookie_jar.clear()
    async with face.client.get("/api/v2/me", headers=headers) as response:
        body = await response.json()
    return response.status, body["user"]["userName"] if response.status == 200 else body["statusCode"]


@pytest.mark.parametrize(("method", "path"), [*(("GET", p) for p in READ), *(("POST", p) for p in POSTED)])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": encode_basic_auth("jane", "wrong")},
        {"Authorization": "Bearer nobody"},
        {"Authorization": "Basic ???"},
        {"Authorization": "Digest x"},
        {"Authorization": ""},
        {"Cookie": "JSESSIONID=07-" + "0" * 48},
        {"Cookie": "JSESSIONID="},
    ],
)
async def test_nobody_is_admitted_without_saying_who(
    face: Face, method: str, path: str, headers: dict[str, str]
) -> None:
    """Without right credentials or a session every endpoint denies access, in the published form."""
    body: dict[str, Any] = (
        {"json": {"operationName": "Dial", "destination": "15002"}} if method == "POST" else {}
    )
    answer = await face.request(method, path, headers=headers, **body)
    assert answer == (403, 20, {"statusCode": 20, "statusMessage": "Access denied"})
    assert await face.kinds() == []


@pytest.mark.parametrize("authorization", [JANE, JANE.replace("Basic", "basic"), "Bearer demo-jane"])
async def test_basic_and_bearer_are_taken_with_each_request(face: Face, authorization: str) -> None:
    """Credentials alone are enough, without any cookie."""
    assert await read(face, Authorization=authorization) == (200, "jane")


async def test_who_proves_who_they_are_goes_on_with_the_cookie(
    serve: Serve, journal: Journal, server: Server, open_store: OpenStore
) -> None:
    """The cookie set in answer to credentials speaks for the user alone, at every process on the store."""
    face, other = await serve(journal), await serve(Journal(await open_store(server.url)))
    for path in READ[:-1]:
        assert await cookie(face, path, Authorization=JANE) is not None
    given = await cookie(face, Authorization=JANE)
    assert given is not None
    assert (given["httponly"], given["path"], given["samesite"], given["secure"]) == (
        True,
        "/api/v2",
        "Lax",
        "",
    )
    for process in (face, other):
        assert await read(process, Cookie=f"JSESSIONID={given.value}") == (200, "jane")
    dial = {"operationName": "Dial", "destination": "15002"}
    headers = {"Cookie": f"JSESSIONID={given.value}"}
    assert (await other.request("POST", f"/me/devices/{JANES}/calls", json=dial, headers=headers)).code == 0


async def test_credentials_decide_over_the_cookie(face: Face) -> None:
    """Where both are given, credentials speak: wrong ones are denied, another user's make another session."""
    given = await cookie(face, Authorization=JANE)
    assert given is not None
    session = f"JSESSIONID={given.value}"
    assert await read(face, Cookie=session, Authorization="Bearer nobody") == (403, 20)
    assert await read(face, Cookie=session, Authorization="Bearer demo-john") == (200, "john")
    assert await cookie(face, Cookie=session, Authorization=JANE) is None
    johns = await cookie(face, Cookie=session, Authorization="Bearer demo-john")
    assert johns is not None
    assert johns.value != given.value


async def test_the_cookie_stays_on_https_where_the_service_does(serve: Serve, journal: Journal) -> None:
    """With a public URL of https, browsers are told to send the cookie over nothing else."""
    face = await serve(journal, Settings(public_url="https://calls.example.com"))
    given = await cookie(face, Authorization=JANE)
    assert given is not None
    assert given["secure"] is True


async def test_uris_begin_with_the_public_url_whatever_the_host_header_says(
    serve: Serve, journal: Journal
) -> None:
    """Who sends a Host header of their choice does not choose the links others follow."""
    face = await serve(journal, Settings(public_url="https://calls.example.com/"))
    headers = {"Authorization": JANE, "Host": "evil.example.org"}
    answer = await face.request("GET", "/me/devices", headers=headers)
    assert answer.body["uris"] == [f"https://calls.example.com/api/v2/devices/{JANES}"]


async def test_without_the_store_clients_are_told_to_come_back(
    serve: Serve, faulty_server: Server, open_store: OpenStore
) -> None:
    """While the store is away what needs it is 503 with Retry-After; then all goes on by itself."""
    face = await serve(Journal(await open_store(faulty_server.url, timeout=1.0)))
    given = await cookie(face, Authorization=JANE)
    assert given is not None
    faulty_server.kill()
    session = {"Cookie": f"JSESSIONID={given.value}"}
    for headers in ({"Authorization": JANE}, session):
        face.client.session.cookie_jar.clear()
        async with face.client.get("/api/v2/me/calls", headers=headers) as response:
            assert (response.status, int(response.headers["Retry-After"]) > 0) == (503, True)
            assert (await response.json())["statusCode"] == 4
    faulty_server.start()

    async def served() -> bool:
        return await read(face, **session) == (200, "jane")

    await eventually(served, what="the session is honoured again")


@pytest.mark.parametrize(
    ("url", "origins", "expected"),
    [
        ("https://calls.example.com", ("https://desk.example.org",), "None"),
        ("https://calls.example.com", (), "Lax"),
        ("http://calls.example.com", ("https://desk.example.org",), "Lax"),
    ],
)
async def test_pages_of_other_sites_send_the_cookie_only_where_origins_are_listed(
    serve: Serve, journal: Journal, url: str, origins: tuple[str, ...], expected: str
) -> None:
    """And over HTTPS, without which browsers refuse such a cookie."""
    face = await serve(journal, Settings(public_url=url, cors_origins=origins))
    given = await cookie(face, Authorization=JANE)
    assert given is not None
    assert given["samesite"] == expected


async def test_the_end_of_the_working_session_takes_the_cookie_back(face: Face) -> None:
    """It speaks for nobody any more, and the browser is told to forget it."""
    body = {"operationName": "EndContactCenterSession"}
    async with face.client.post("/api/v2/me", json=body, headers={"Authorization": JANE}) as response:
        assert (response.status, face.ended) == (200, [])
    given = await cookie(face, Authorization=JANE)
    assert given is not None
    session = {"Cookie": f"JSESSIONID={given.value}"}
    async with face.client.post("/api/v2/me", json=body, headers=session) as response:
        assert response.status == 200
        assert (response.cookies["JSESSIONID"].value, response.cookies["JSESSIONID"]["max-age"]) == ("", "0")
    assert await read(face, **session) == (403, 20)
    [ended] = face.ended  # what else it began is known by the hash of it
    assert (ended.user.login, ended.login) == ("jane", sha256(given.value.encode()).hexdigest())
