from __future__ import annotations

import re

import pytest
from aiohttp import encode_basic_auth

from relay.dialects.ringcentral.oauth import JWT
from tests.conftest import OpenStore
from tests.dialects.ringcentral.conftest import Serve
from tests.dialects.ringcentral.face import Face
from tests.engines import Server


async def test_a_jwt_login_answers_what_sdks_need(face: Face) -> None:
    """A user's bearer token as assertion gives both tokens, their lives as numbers, and the owner."""
    tokens = await face.login()
    assert re.fullmatch(r"[0-9]{2}-[0-9a-f]{64}", tokens["access_token"])
    assert tokens["refresh_token"] != tokens["access_token"]
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 3600)
    assert tokens["refresh_token_expires_in"] == 604_800
    assert tokens["owner_id"] == "400100000210"
    assert {"CallControl", "ReadPresence"} <= set(tokens["scope"].split())
    assert tokens["endpoint_id"]
    assert tokens["session_id"]


@pytest.mark.parametrize(
    ("form", "owner"),
    [
        ({"username": "jane"}, "400100000210"),
        ({"username": "jane*210"}, "400100000210"),
        ({"username": "jane", "extension": "210"}, "400100000210"),
        ({"username": "admin", "extension": ""}, "400100000001"),
        ({"username": "+12025550199*200"}, "400100000200"),
        ({"username": "+1 (202) 555-0199", "extension": "200"}, "400100000200"),
        ({"username": "15003"}, "400100000220"),
    ],
)
async def test_a_password_login_names_its_user_as_clients_do(
    face: Face, form: dict[str, str], owner: str
) -> None:
    """A user name, a number with an extension after a star or on its own, and a phone's number log in."""
    answer = await face.oauth(grant_type="password", password="demo", **form)
    assert (answer.status, answer.body["owner_id"]) == (200, owner)


@pytest.mark.parametrize(
    "form",
    [
        {"username": "jane", "password": "wrong"},
        {"username": "jane*200", "password": "demo"},
        {"username": "admin", "extension": "210", "password": "demo"},
        {"username": "nobody", "password": "demo"},
        {"username": "+12025550199", "password": "demo"},
        {"username": "+12025550199*999", "password": "demo"},
        {"username": "jane"},
    ],
)
async def test_wrong_credentials_are_refused_alike(face: Face, form: dict[str, str]) -> None:
    """A wrong password, an unknown user and another's extension give the same answer."""
    answer = await face.oauth(grant_type="password", **form)
    assert (answer.status, answer.body["error"], answer.code) == (400, "invalid_grant", "OAU-140")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("form", "error", "code"),
    [
        ({}, "invalid_request", "OAU-250"),
        ({"grant_type": "authorization_code"}, "invalid_request", "OAU-250"),
        ({"grant_type": JWT}, "invalid_request", "CMN-101"),
        ({"grant_type": JWT, "assertion": "demo-nobody"}, "invalid_grant", "OAU-140"),
        ({"grant_type": "password"}, "invalid_request", "CMN-101"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant", "OAU-213"),
        (
            {"grant_type": JWT, "assertion": "demo-jane", "access_token_ttl": "soon"},
            "invalid_request",
            "CMN-101",
        ),
    ],
)
async def test_a_grant_that_cannot_be_used_is_refused(
    face: Face, form: dict[str, str], error: str, code: str
) -> None:
    """Unknown grant types, missing members and unknown tokens have the codes of the published endpoint."""
    answer = await face.oauth(**form)
    assert (answer.status, answer.body["error"], answer.code) == (400, error, code)


async def test_the_body_must_be_a_form(face: Face) -> None:
    """JSON is not taken for a form, nor are bytes that are no text."""
    path = "/restapi/oauth/token"
    assert (await face.request("POST", path, None, json={"grant_type": JWT})).status == 415
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await face.request("POST", path, None, data=b"grant_type=%FF", headers=headers)
    assert (answer.status, answer.body["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("asked", "lives"),
    [
        ({"access_token_ttl": "1200", "refresh_token_ttl": "86400"}, (1200, 86_400)),
        ({"access_token_ttl": "60", "refresh_token_ttl": "9999999"}, (600, 2_592_000)),
        ({"access_token_ttl": "7200"}, (3600, 604_800)),
    ],
)
async def test_lives_can_be_asked_for_within_bounds(
    face: Face, asked: dict[str, str], lives: tuple[int, int]
) -> None:
    """The two ttl members set the tokens' lives; the store forgets each then, the login with the later."""
    tokens = (await face.oauth(grant_type=JWT, assertion="demo-jane", **asked)).body
    assert (tokens["expires_in"], tokens["refresh_token_expires_in"]) == lives
    store = face.journal.store
    kept = sorted([await store.call("TTL", key) for key in await store.call("KEYS", "*:token:*")])
    assert all(
        life - 10 <= left <= life for left, life in zip(kept, sorted((*lives, max(lives))), strict=True)
    )


@pytest.mark.parametrize(
    ("auth", "form", "code"),
    [
        (("demo-client", "wrong"), {}, "OAU-146"),
        (("nobody", "demo-secret"), {}, "OAU-146"),
        (None, {}, "OAU-146"),
        (None, {"client_id": "demo-client"}, "OAU-146"),
        (None, {"client_id": "demo-client", "client_secret": "wrong"}, "OAU-146"),
    ],
)
async def test_an_app_must_prove_itself(
    face: Face, auth: tuple[str, str] | None, form: dict[str, str], code: str
) -> None:
    """Without the app's id and secret nobody logs in, whatever they know of a user."""
    path = "/restapi/oauth/token"
    data = {"grant_type": JWT, "assertion": "demo-jane", **form}
    headers = {"Authorization": encode_basic_auth(*auth)} if auth else {}
    answer = await face.request("POST", path, None, data=data, headers=headers)
    assert (answer.status, answer.body["error"], answer.code) == (401, "invalid_client", code)
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


async def test_an_app_may_name_itself_in_the_body(face: Face) -> None:
    """Id and secret as members of the form do as well as the header."""
    data = {"grant_type": JWT, "assertion": "demo-jane", "client_id": "demo-client"}
    path = "/restapi/oauth/token"
    answer = await face.request("POST", path, None, data={**data, "client_secret": "demo-secret"})
    assert answer.status == 200


async def test_an_authorization_header_that_is_not_basic_is_refused(face: Face) -> None:
    """What cannot be read as id and secret is told from what is wrong."""
    headers = {"Authorization": "Basic !!!"}
    answer = await face.request("POST", "/restapi/oauth/token", None, data={"a": "b"}, headers=headers)
    assert (answer.status, answer.code) == (401, "OAU-153")


async def test_refreshing_spends_the_pair(face: Face) -> None:
    """A refresh token gives a new pair once; the old tokens are good for nothing then."""
    first = await face.login()
    answer = await face.oauth(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (answer.status, answer.body["owner_id"]) == (200, "400100000210")
    again = await face.oauth(grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (again.status, again.code) == (400, "OAU-213")
    assert await _status(face, first["access_token"]) == 401
    assert await _status(face, answer.body["access_token"]) == 404  # let in, to a path that is not there


async def test_an_access_token_refreshes_nothing(face: Face) -> None:
    """Each token is good for its own use only."""
    tokens = await face.login()
    answer = await face.oauth(grant_type="refresh_token", refresh_token=tokens["access_token"])
    assert answer.code == "OAU-213"
    assert await _status(face, tokens["refresh_token"]) == 401


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_revoking_either_token_ends_the_login(face: Face, which: str) -> None:
    """After a logout neither token is taken; logging out again is no error."""
    tokens = await face.login()
    assert (await face.oauth("revoke", token=tokens[which])).status == 200
    assert (await face.oauth("revoke", token=tokens[which])).status == 200
    assert await _status(face, tokens["access_token"]) == 401
    answer = await face.oauth(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert answer.code == "OAU-213"


@pytest.mark.parametrize("scheme", ["bearer", "Bearer", "BEARER"])
async def test_the_bearer_scheme_is_read_in_any_case(face: Face, scheme: str) -> None:
    """SDKs write the scheme as the token's type is spelled, or as the RFC does."""
    token = (await face.login())["access_token"]
    path = "/restapi/v1.0/account/~/telephony/sessions/s-1"
    answer = await face.request("GET", path, None, headers={"Authorization": f"{scheme} {token}"})
    assert answer.status == 404


async def test_a_token_may_come_in_the_query(face: Face) -> None:
    """``access_token`` does where no header can be set."""
    token = (await face.login())["access_token"]
    answer = await face.request("GET", f"/telephony/sessions/s-1?access_token={token}", None)
    assert answer.status == 404


@pytest.mark.parametrize(
    ("headers", "word", "code"),
    [
        ({}, "AGW-401", "AGW-401"),
        ({"Authorization": "Basic amFuZTpkZW1v"}, "AGW-401", "AGW-401"),
        ({"Authorization": "Bearer demo-jane"}, "TokenInvalid", "OAU-149"),
        ({"Authorization": "Bearer 99-" + "0" * 64}, "TokenInvalid", "OAU-149"),
        ({"Authorization": "Bearer 03-" + "0" * 64}, "TokenInvalid", "OAU-213"),
    ],
)
async def test_a_request_without_a_good_token_is_refused(
    face: Face, headers: dict[str, str], word: str, code: str
) -> None:
    """No token, one of another face, and one that was never issued are told apart."""
    answer = await face.request("GET", "/telephony/sessions/s-1", None, headers=headers)
    assert (answer.status, answer.body["errorCode"], answer.code) == (401, word, code)


async def test_every_process_honours_a_token(face: Face, serve: Serve) -> None:
    """A token issued by one process is good at another, and so is its revocation."""
    other = await serve()
    token = (await face.login())["access_token"]
    assert await _status(other, token) == 404
    await other.oauth("revoke", token=token)
    assert await _status(face, token) == 401


async def test_the_store_keeps_no_token(face: Face, server: Server) -> None:
    """Whoever reads the store finds hashes, and cannot log in with them."""
    tokens = await face.login()
    with server.client as client:
        kept = b"".join(key + client.dump(key) for key in client.keys("*:token:*"))
    assert kept
    for name in ("access_token", "refresh_token"):
        assert tokens[name].encode() not in kept
        assert tokens[name].partition("-")[2].encode() not in kept


async def test_a_socket_token_is_issued_to_who_is_logged_in(face: Face) -> None:
    """The token for a WebSocket comes with the URI it is good at."""
    answer = await face.post("/restapi/oauth/wstoken")
    assert answer.status == 200
    assert answer.body["uri"] == "ws://127.0.0.1:8080/restapi/ws"
    assert answer.body["expires_in"] == 30
    assert (await face.post("/restapi/oauth/wstoken", user=None)).status == 401


async def test_while_the_store_is_away_nobody_is_logged_out(
    faulty_server: Server, open_store: OpenStore, serve_on: Serve
) -> None:
    """Without the store a token's answer is 503 with Retry-After, not 401."""
    store = await open_store(faulty_server.url)
    face = await serve_on(store)
    token = await face.token("jane")
    faulty_server.kill()
    headers = {"Authorization": f"bearer {token}"}
    answer = await face.request("GET", "/telephony/sessions/s-1", None, headers=headers)
    assert (answer.status, answer.code) == (503, "CMN-201")
    assert int(answer.headers["Retry-After"]) > 0


async def _status(face: Face, token: str) -> int:
    """Return what a request with that token is answered."""
    path, headers = "/telephony/sessions/s-1", {"Authorization": f"bearer {token}"}
    return (await face.request("GET", path, None, headers=headers)).status
