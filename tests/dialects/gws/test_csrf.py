"""The optional CSRF protection: what is offered with reads is demanded of what changes something."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

import pytest
from aiohttp import encode_basic_auth

from relay.journal.journal import Journal
from relay.settings import Settings
from tests.dialects.gws.conftest import Serve
from tests.dialects.gws.face import JANES, Answer, Face

JANE, JOHN = encode_basic_auth("jane", "demo"), encode_basic_auth("john", "demo")
READY = {"operationName": "Ready"}
VOICE = "/me/channels/voice"


@pytest.fixture
async def guarded(serve: Serve, journal: Journal) -> Face:
    """Give GWS with the protection on."""
    return await serve(journal, Settings(gws_csrf=True))


class Login(NamedTuple):
    """What a client knows after its first read."""

    cookie: str
    token: str


async def login(face: Face, path: str = "/me", **headers: str) -> Login:
    """Read something as a browser does, and keep what the answer offers."""
    face.client.session.cookie_jar.clear()
    async with face.client.get(f"/api/v2{path}", headers=headers) as response:
        assert response.status == 200
        assert response.headers["X-CSRF-HEADER"] == "X-CSRF-TOKEN"
        token = response.headers["X-CSRF-TOKEN"]
        assert str(uuid.UUID(token)) == token
        cookie = response.cookies.get("JSESSIONID")
        return Login("" if cookie is None else f"JSESSIONID={cookie.value}", token)


async def post(face: Face, path: str = VOICE, body: Any = READY, **headers: str | None) -> Answer:
    """Post with these headers alone; None leaves one out."""
    face.client.session.cookie_jar.clear()
    sent = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
    return await face.request("POST", path, json=body, headers=sent)


async def test_a_client_that_sends_back_what_it_is_offered_is_served(guarded: Face) -> None:
    """With the cookie alone, and with credentials beside it; the token stays as long as the session."""
    jane = await login(guarded, Authorization=JANE)
    for credentials in (None, JANE):
        answer = await post(guarded, Cookie=jane.cookie, X_CSRF_TOKEN=jane.token, Authorization=credentials)
        assert answer == (200, 0, {"statusCode": 0})
    assert (await login(guarded, "/me/calls", Cookie=jane.cookie)).token == jane.token
    dial = {"operationName": "Dial", "destination": "15002"}
    headers = {"Cookie": jane.cookie, "X_CSRF_TOKEN": jane.token}
    assert (await post(guarded, f"/me/devices/{JANES}/calls", dial, **headers)).code == 0


async def test_every_process_knows_the_token(guarded: Face, serve: Serve) -> None:
    """What one process offers, another takes."""
    other = await serve(guarded.journal, Settings(gws_csrf=True))
    jane = await login(guarded, Authorization=JANE)
    assert (await post(other, Cookie=jane.cookie, X_CSRF_TOKEN=jane.token)).code == 0


@pytest.mark.parametrize(
    ("with_cookie", "token", "credentials"),
    [
        (True, None, None),
        (True, "", None),
        (True, str(uuid.UUID(int=7)), None),
        (True, "\xe9", None),
        (True, None, JANE),
        (True, "john's", None),
        (True, "own", JOHN),
        (False, None, JANE),
        (False, "own", JANE),
    ],
)
async def test_without_the_right_token_nothing_is_changed(
    guarded: Face, with_cookie: bool, token: str | None, credentials: str | None
) -> None:
    """Missing, wrong, another's, and one without its session: forbidden, in the published words."""
    jane, john = await login(guarded, Authorization=JANE), await login(guarded, Authorization=JOHN)
    given = {"own": jane.token, "john's": john.token}.get(token or "", token)
    answer = await post(
        guarded, Cookie=jane.cookie if with_cookie else None, X_CSRF_TOKEN=given, Authorization=credentials
    )
    assert answer == (403, 3, {"statusCode": 3, "statusMessage": "Missing or invalid Csrf token"})
    shown = await guarded.request("GET", VOICE, headers={"Authorization": JANE})
    assert shown.body["channel"]["userState"]["state"] == "LoggedOut"


async def test_nobody_is_told_that_they_are_nobody(guarded: Face) -> None:
    """Who does not say who they are is denied as ever, and is offered nothing."""
    assert (await post(guarded, X_CSRF_TOKEN=str(uuid.UUID(int=7))))[:2] == (403, 20)
    async with guarded.client.get("/api/v2/diagnostics/version") as response:
        assert "X-CSRF-TOKEN" not in response.headers


async def test_the_protection_is_off_unless_it_is_set(face: Face) -> None:
    """Then nothing is offered and nothing demanded: some clients never send the token."""
    async with face.client.get("/api/v2/me", headers={"Authorization": JANE}) as response:
        assert "X-CSRF-HEADER" not in response.headers
        assert "X-CSRF-TOKEN" not in response.headers
    assert (await post(face, Authorization=JANE)).code == 0


async def test_the_end_of_the_working_session_ends_the_cookies(guarded: Face) -> None:
    """Its cookie and its token open nothing any more; credentials begin another."""
    jane = await login(guarded, Authorization=JANE)
    headers = {"Cookie": jane.cookie, "X_CSRF_TOKEN": jane.token}
    assert (await post(guarded, "/me", {"operationName": "EndContactCenterSession"}, **headers)).code == 0
    assert (await post(guarded, **headers))[:2] == (403, 20)
    again = await login(guarded, Authorization=JANE)
    assert again.cookie != jane.cookie
    assert again.token != jane.token
