"""Whom a request speaks for."""

from __future__ import annotations

import base64

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from relay.directory.loading import demo
from relay.http.authentication import basic_credentials, bearer_token, principal

DIRECTORY = demo()


def asking(authorization: str | None) -> web.Request:
    """Return a request with that Authorization header."""
    return make_mocked_request(
        "GET", "/", headers={} if authorization is None else {"Authorization": authorization}
    )


def basic(text: str, encoding: str = "utf-8") -> str:
    """Return the header value of the Basic scheme."""
    return "Basic " + base64.b64encode(text.encode(encoding)).decode()


@pytest.mark.parametrize("authorization", ["Bearer demo-jane", "bearer demo-jane", "BEARER   demo-jane  "])
async def test_a_bearer_token_is_known_however_its_scheme_is_spelt(authorization: str) -> None:
    """Scheme names have no case (RFC 9110, section 11.1)."""
    found = await principal(asking(authorization), DIRECTORY, basic=False, bearer=True)
    assert found is not None
    assert found.user.login == "jane"


async def test_basic_credentials_are_known() -> None:
    """Login and password in UTF-8, a colon between them; the password may hold more of them."""
    found = await principal(asking(basic("jane:demo")), DIRECTORY, basic=True, bearer=False)
    assert found is not None
    assert found.name == "Jane Doe"
    assert basic_credentials(asking(basic("jane:a:b"))) == ("jane", "a:b")
    assert basic_credentials(asking(basic("żółw:hasło"))) == ("żółw", "hasło")


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer demo-nobody",
        "Bearerdemo-jane",
        "Bearer demo-jane demo-jane",
        "Digest demo-jane",
        "demo-jane",
        "Basic",
        "Basic ????",
        "Basic amFuZQ",
        basic("jane"),
        basic("jane:wrong"),
        basic("żółw:demo", "utf-16"),
        basic("jäne:demo", "latin-1"),
    ],
)
async def test_anything_else_speaks_for_nobody(authorization: str | None) -> None:
    """No header makes authentication fail in another way."""
    assert await principal(asking(authorization), DIRECTORY, basic=True, bearer=True) is None


async def test_only_the_schemes_of_a_face_count() -> None:
    """A face that takes tokens takes no passwords, and the other way round."""
    assert await principal(asking(basic("jane:demo")), DIRECTORY, basic=False, bearer=True) is None
    assert await principal(asking("Bearer demo-jane"), DIRECTORY, basic=True, bearer=False) is None


def test_a_given_token_is_told_from_none() -> None:
    """So that a face can say which of the two is wrong."""
    assert bearer_token(asking(None)) is None
    assert bearer_token(asking(basic("jane:demo"))) is None
    assert bearer_token(asking("Bearer x")) == "x"
