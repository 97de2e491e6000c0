"""Reading bodies: bounded, of the right type, JSON objects; everything else is told apart."""

from __future__ import annotations

import gzip
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_aiohttp.plugin import AiohttpClient

from relay.errors import InvalidFieldError, RefusedError
from relay.http.body import (
    BodyTooLargeError,
    DoubleEncodedJsonError,
    InvalidJsonError,
    UnsupportedMediaTypeError,
    json_object,
)
from relay.http.errors import errors_middleware

Client = TestClient[web.Request, web.Application]

JSON = {"Content-Type": "application/json"}
LIMIT = 1000


@pytest.fixture
async def client(aiohttp_client: AiohttpClient) -> Client:
    """Give a client of a server that answers what `json_object` returned or raised."""

    async def read(request: web.Request) -> web.Response:
        try:
            found = await json_object(request, LIMIT, empty="empty" in request.query)
        except RefusedError as error:
            position = getattr(error, "position", None)
            return web.json_response(
                {"error": type(error).__name__, "said": str(error), "position": position}
            )
        return web.json_response({"read": found})

    answer_for_errors = errors_middleware({}, lambda request, error: web.Response(status=500))
    app = web.Application(middlewares=[answer_for_errors])
    app.router.add_post("/", read)
    return await aiohttp_client(app)


async def answer(
    client: Client, body: bytes, headers: dict[str, str] | None = None, path: str = "/"
) -> dict[str, object]:
    """Post the body and return what became of it."""
    response = await client.post(path, data=body, headers=JSON if headers is None else headers)
    assert response.status == 200
    return dict(await response.json())


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF8",
    ],
)
async def test_an_object_is_read(client: Client, content_type: str) -> None:
    """JSON in UTF-8, however its type is spelt, is read."""
    body = '{"name": "Żółw", "n": [1, null]}'.encode()
    assert await answer(client, body, {"Content-Type": content_type}) == {
        "read": {"name": "Żółw", "n": [1, None]}
    }


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "application/jsonp",
        "x",
        "",
    ],
)
async def test_another_type_is_refused(client: Client, content_type: str) -> None:
    """Another media type or character set is named as such, before the body is looked at."""
    found = await answer(client, b"{", {"Content-Type": content_type})
    assert found["error"] == UnsupportedMediaTypeError.__name__


async def test_an_untyped_body_is_refused(client: Client) -> None:
    """A browser sends such bodies across origins without asking first."""
    async with client.request("POST", "/", data=b"{}", skip_auto_headers=["Content-Type"]) as response:
        assert (await response.json())["error"] == UnsupportedMediaTypeError.__name__


@pytest.mark.parametrize(
    ("body", "position"),
    [
        (b"{x}", 1),
        (b'{"a": 1}}', 8),
        (b'{"a": NaN}', 6),
        (b'{"a": Infinity}', 6),
        (b"{'a': 1}", 1),
        (b'{"a": 1', 7),
        (b'{"a": "\xff"}', 7),
        (b'{"a": "\xed\xa0\x80"}', 7),
        (b'{"a": "\\ud800"}', None),
        (b"\xef\xbb\xbf{}", 0),
        (b"", None),
        (b" \n", None),
        (b'{"a": 1e999}', None),
        (b"[" * 999, None),
    ],
)
async def test_what_is_no_json_is_refused_with_its_position(
    client: Client, body: bytes, position: int | None
) -> None:
    """The byte where it goes wrong is told where one can be named; NaN is no JSON."""
    found = await answer(client, body)
    assert found["error"] == InvalidJsonError.__name__
    assert found["position"] == position


async def test_deep_nesting_is_refused(aiohttp_client: AiohttpClient) -> None:
    """A body of nothing but brackets is an error of its sender, not of the server."""

    async def read(request: web.Request) -> web.Response:
        with pytest.raises(InvalidJsonError):
            await json_object(request)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", read)
    client = await aiohttp_client(app)
    for body in (b"[" * 60_000, b'{"a":' * 12_000, b"[" * 30_000 + b"]" * 30_000):
        assert (await client.post("/", data=body, headers=JSON)).status == 200


async def test_json_in_a_json_string_is_told_apart(client: Client) -> None:
    """A body that was encoded twice gets a message of its own."""
    once = json.dumps({"command": "hangup"})
    found = await answer(client, json.dumps(once).encode())
    assert found["error"] == DoubleEncodedJsonError.__name__
    assert "json=data" in str(found["said"])


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"text"', b'"[1]"', b'"{"', b"[{}]"])
async def test_json_that_is_no_object_is_refused(client: Client, body: bytes) -> None:
    """Other JSON is a fault of the whole body."""
    assert (await answer(client, body))["error"] == InvalidFieldError.__name__


async def test_a_large_body_is_refused(client: Client) -> None:
    """It does not matter whether its length is told beforehand, or compressed away."""
    large = b'{"a": "' + b"x" * LIMIT + b'"}'

    async def chunks() -> object:
        for n in range(0, len(large), 100):
            yield large[n : n + 100]

    assert (await answer(client, large))["error"] == BodyTooLargeError.__name__
    async with client.post("/", data=chunks(), headers=JSON) as response:
        assert (await response.json())["error"] == BodyTooLargeError.__name__
    squeezed = gzip.compress(b'{"a": "' + b"x" * 100_000 + b'"}')
    assert len(squeezed) < LIMIT
    found = await answer(client, squeezed, {**JSON, "Content-Encoding": "gzip"})
    assert found["error"] == BodyTooLargeError.__name__


async def test_a_body_of_exactly_the_limit_is_read(client: Client) -> None:
    """The limit is the largest size that is taken."""
    body = b'{"a": "' + b"x" * (LIMIT - 9) + b'"}'
    assert len(body) == LIMIT
    assert "read" in await answer(client, body)


async def test_a_compressed_body_is_read(client: Client) -> None:
    """Compression, where it is told, is undone."""
    found = await answer(client, gzip.compress(b'{"a": 1}'), {**JSON, "Content-Encoding": "gzip"})
    assert found == {"read": {"a": 1}}


async def test_a_body_that_does_not_unpack_is_refused(client: Client) -> None:
    """Garbage that says it is compressed is the sender's fault."""
    response = await client.post("/", data=b"garbage", headers={**JSON, "Content-Encoding": "gzip"})
    assert (await response.json())["error"] == InvalidJsonError.__name__
    assert await answer(client, b'{"a": 1}') == {"read": {"a": 1}}


async def test_a_missing_body_may_be_allowed(client: Client) -> None:
    """Where nothing need be said, nothing is an empty object; something must still be JSON."""
    assert await answer(client, b"", {}, "/?empty") == {"read": {}}
    assert (await answer(client, b"", {}))["error"] == UnsupportedMediaTypeError.__name__
    assert (await answer(client, b"x", JSON, "/?empty"))["error"] == InvalidJsonError.__name__


async def test_the_last_of_equal_keys_stands(client: Client) -> None:
    """As with most readers of JSON."""
    assert await answer(client, b'{"a": 1, "a": 2}') == {"read": {"a": 2}}


@given(
    body=st.binary(max_size=200) | st.text(alphabet='{}[]",:\\u01truefalsn d8', max_size=60).map(str.encode)
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
async def test_no_body_makes_reading_fail(client: Client, body: bytes) -> None:
    """Any bytes are read or refused."""
    found = await answer(client, body)
    assert "read" in found or "error" in found
