"""Bad input on every endpoint: a clear error, never a 5xx, and nothing written."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dialects.v3.face import TENANT, Answer, Face, command

JSON: Final = {"Content-Type": "application/json"}


class Endpoint(NamedTuple):
    """One endpoint, and what it takes."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    """A body whose shape is right; None where none is taken."""
    query: tuple[str, ...] = ()
    """Parameters whose values can be wrong."""

    @property
    def name(self) -> str:
        """What a test is called by."""
        return f"{self.method} {self.path}"


ENDPOINTS: Final = (
    Endpoint("POST", "/call_control/", command("click-to-dial", destination="200", user_data={"a": 1})),
    Endpoint("POST", "/call_control", command("hangup", call_leg_id="x")),
    Endpoint("GET", "/calls/", query=("state", "extension")),
    Endpoint("GET", "/calls/x"),
    Endpoint("GET", "/events/", query=("after", "type", "extension", "limit")),
    Endpoint("GET", "/events/stream", query=("last_event_id", "type", "extension", "format")),
    Endpoint(
        "POST", "/subscriptions/", {"url": "http://127.0.0.1:1/", "types": ["call.leg.*"], "timeout": 5}
    ),
    Endpoint("GET", "/subscriptions/", query=("cursor", "limit")),
    Endpoint("GET", "/subscriptions/x"),
    Endpoint("DELETE", "/subscriptions/x"),
    Endpoint("GET", "/subscriptions/x/secret"),
    Endpoint("GET", "/deliveries/", query=("status", "type", "since", "cursor", "limit")),
    Endpoint("GET", "/deliveries/x"),
    Endpoint("POST", "/deliveries/x/resend"),
    Endpoint("POST", "/simulator/calls/", {"from": "+12025550123", "to": "210", "user_data": {}}),
    Endpoint("POST", "/simulator/parties/x/dtmf", {"digits": "1"}),
    Endpoint("POST", "/simulator/parties/x/answer"),
)
WITH_BODY: Final = tuple(one for one in ENDPOINTS if one.body)
WITH_QUERY: Final = tuple(one for one in ENDPOINTS if one.query)
WITH_ID: Final = tuple(one for one in ENDPOINTS if "/x" in one.path)

NO_JSON: Final = (
    b"",
    b"{",
    b"{]",
    b"nonsense",
    b"\xff\xfe",
    b"{'a': 1}",
    b'{"a": NaN}',
    b"\x00",
    b"[" * 50_000,
)
NO_OBJECT: Final = (b"[]", b"null", b"7", b"true", b'"text"', b"[{}]")
WRONG_VALUES: Final[list[Any]] = [
    None,
    True,
    7,
    -1,
    1.5,
    "",
    "\x00",
    "x" * 3000,
    "\ud7ff\U0001f600",
    [],
    [None],
    {},
    {"a": []},
]
WRONG_KINDS: Final[list[Any]] = [{}, None, 7, [[]]]
WRONG_PARAMETERS: Final = (
    "%00",
    "%FF",
    "%F0%9F%98%80",
    "-1",
    "1e9",
    "x" * 2000,
    "<x>",
    "' OR 1=1",
    "%0D%0AX: y",
)
WRONG_IDS: Final = (
    "%00",
    "%FF",
    "%2F",
    "..%2F..",
    "%F0%9F%98%80",
    "*",
    "x" * 3000,
    "{p00}",
    "a b",
    "%0D%0A",
    ":",
    "$",
)


def by_name(endpoint: Endpoint) -> str:
    """Name a test's endpoint."""
    return endpoint.name


async def refused(face: Face, endpoint: Endpoint, **options: Any) -> Answer:
    """Send a request that is refused as the client's fault, and by which nothing is written."""
    before = await face.written()
    path = options.pop("path", endpoint.path)
    answer = await face.request(endpoint.method, path, **options)
    assert 400 <= answer.status < 500, (answer.status, answer.body)
    assert answer.code
    if answer.status == 422:
        assert all(pointer == "" or pointer.startswith("/") for pointer in answer.pointers)
        assert answer.pointers
    assert await face.written() == before
    return answer


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=by_name)
async def test_nobody_gets_in_without_a_known_token(face: Face, endpoint: Endpoint) -> None:
    """Each of these is a 401 with a challenge, whatever else is wrong."""
    for authorization, code in (
        (None, "missing_token"),
        ("", "missing_token"),
        ("demo-jane", "missing_token"),
        ("Basic amFuZTpkZW1v", "missing_token"),
        ("Bearer", "invalid_token"),
        ("Bearer demo-jane x", "invalid_token"),
        ("Bearer " + "x" * 5000, "invalid_token"),
        ("Bearer żółw", "invalid_token"),
    ):
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = await refused(face, endpoint, user=None, headers=headers, data=b"{")
        assert (answer.status, answer.code) == (401, code), authorization
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=by_name)
async def test_a_wrong_method_names_the_right_ones(face: Face, endpoint: Endpoint) -> None:
    """In the Allow header, as HTTP demands."""
    for method in ("PUT", "TRACE", "PROPFIND"):
        answer = await refused(face, endpoint._replace(method=method))
        assert (answer.status, answer.code) == (405, "method_not_allowed")
        assert endpoint.method in answer.headers["Allow"]


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=by_name)
async def test_a_body_that_is_no_json_object_is_refused(face: Face, endpoint: Endpoint) -> None:
    """What is no JSON, what is no object, what was encoded twice, and what is too large are told apart."""
    for body in NO_JSON:
        answer = await refused(face, endpoint, data=body, headers=JSON)
        if not body and endpoint.path.endswith("dtmf"):
            assert (answer.status, answer.pointers) == (422, ["/digits"])  # its siblings take no body
        else:
            assert (answer.status, answer.code) == (400, "invalid_json"), body[:20]
            assert "position" in answer.body
    for body in NO_OBJECT:
        answer = await refused(face, endpoint, data=body, headers=JSON)
        assert (answer.status, answer.code, answer.pointers) == (422, "invalid_field", [""])
    twice = json.dumps(json.dumps(endpoint.body)).encode()
    assert (await refused(face, endpoint, data=twice, headers=JSON)).code == "double_encoded_json"
    large = json.dumps({**(endpoint.body or {}), "more": "x" * 70_000}).encode()
    assert (await refused(face, endpoint, data=large, headers=JSON)).code == "body_too_large"


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=by_name)
async def test_a_body_of_another_type_is_refused(face: Face, endpoint: Endpoint) -> None:
    """Although it may well be JSON."""
    body = json.dumps(endpoint.body).encode()
    for media_type in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "?",
    ):
        answer = await refused(face, endpoint, data=body, headers={"Content-Type": media_type})
        assert (answer.status, answer.code) == (415, "unsupported_media_type")
        assert answer.body["accepted"] == ["application/json"]


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=by_name)
async def test_every_member_is_checked(face: Face, endpoint: Endpoint) -> None:
    """A member that is missing, unknown or of a wrong kind is pointed at."""
    assert endpoint.body is not None
    unknown = await refused(face, endpoint, json={**endpoint.body, "a/b": 1})
    assert (unknown.code, unknown.pointers) == ("invalid_field", ["/a~1b"])
    nothing = await refused(face, endpoint, json={})
    assert all(error["code"] == "required" for error in nothing.body["errors"])
    for name, inner in endpoint.body.items():
        if isinstance(inner, dict) and name in ("user", "payload"):
            answer = await refused(face, endpoint, json={**endpoint.body, name: {**inner, "extra": 1}})
            assert answer.pointers == [f"/{name}/extra"]
            for key in inner.keys() - {"user_data"}:
                for value in WRONG_KINDS:
                    body = {**endpoint.body, name: {**inner, key: value}}
                    assert (await refused(face, endpoint, json=body)).pointers == [f"/{name}/{key}"]
        elif name not in ("user_data", "timeout"):
            for value in WRONG_KINDS:
                answer = await refused(face, endpoint, json={**endpoint.body, name: value})
                assert answer.pointers[0].startswith(f"/{name}")


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=by_name)
async def test_no_value_makes_an_endpoint_fail(face: Face, endpoint: Endpoint) -> None:
    """Whatever stands in whatever place, it is taken or refused."""
    assert endpoint.body is not None
    for name, inner in endpoint.body.items():
        for value in WRONG_VALUES:
            places = [value]
            if isinstance(inner, dict):
                places += [{**inner, key: value} for key in inner]
            for place in places:
                answer = await face.request(
                    endpoint.method, endpoint.path, json={**endpoint.body, name: place}
                )
                assert answer.status < 500, (name, place, answer.body)


@pytest.mark.parametrize("endpoint", WITH_QUERY, ids=by_name)
async def test_unusable_parameters_are_named(face: Face, endpoint: Endpoint) -> None:
    """Each parameter by itself; what an agent may not ask for is refused as such."""
    for parameter in endpoint.query:
        for value in WRONG_PARAMETERS:
            if (parameter, value) in (("type", "-1"), ("type", "1e9")):
                continue  # a type nobody has is no error
            answer = await refused(face, endpoint, path=f"{endpoint.path}?{parameter}={value}")
            assert (answer.status, answer.code) in ((400, "invalid_field"), (403, "extension_not_owned")), (
                value
            )
            if answer.status == 400:
                assert answer.body["errors"][0]["parameter"] == parameter


@pytest.mark.parametrize("endpoint", WITH_ID, ids=by_name)
async def test_unknown_ids_are_not_found(face: Face, endpoint: Endpoint) -> None:
    """However strange they are."""
    for identifier in WRONG_IDS:
        path = endpoint.path.replace("/x", f"/{identifier}", 1)
        options = {"json": endpoint.body} if endpoint.body else {}
        answer = await refused(face, endpoint, path=path, user="admin", **options)
        assert (answer.status, answer.code) == (404, "not_found"), identifier


@pytest.mark.parametrize(
    "path", ["", "/", "/nothing", "/calls/x/y", "/call_control/x", "/events/streams", "//calls", "/%FF"]
)
async def test_unknown_paths_are_not_found(face: Face, path: str) -> None:
    """In the same format as every other error."""
    for method in ("GET", "POST"):
        answer = await face.request(method, path)
        assert (answer.status, answer.code) == (404, "not_found")


COMMAND_HEAD: Final = (b"POST /v3/call_control/ HTTP/1.1", b"Authorization: Bearer demo-jane")
TYPED_HEAD: Final = (*COMMAND_HEAD, b"Content-Type: application/json")
READ_HEAD: Final = (b"Authorization: Bearer demo-jane", b"", b"")


@pytest.mark.parametrize(
    "lines",
    [
        (
            b"POST /v3/call_control/ HTTP/1.1",
            b"Authorization: Bearer \xff\xfe",
            b"Content-Length: 2",
            b"",
            b"{}",
        ),
        (*COMMAND_HEAD, b"Content-Type: \xff/json", b"Content-Length: 2", b"", b"{}"),
        (*TYPED_HEAD, b"Idempotency-Key: \xff", b"Content-Length: 2", b"", b"{}"),
        (*TYPED_HEAD, b"traceparent: \xff", b"Content-Length: 2", b"", b"{}"),
        (*TYPED_HEAD, b"Content-Encoding: gzip", b"Content-Length: 2", b"", b"{}"),
        (*TYPED_HEAD, b"Transfer-Encoding: chunked", b"", b"zz", b""),
        (b"GET /v3/events/?after=\xff HTTP/1.1", *READ_HEAD),
        (b"GET /v3/calls/\xff\xfe HTTP/1.1", *READ_HEAD),
        (b"GET /v3/events/stream HTTP/1.1", b"Last-Event-ID: \xff", *READ_HEAD),
        (b"GET /v3/" + b"x" * 20_000 + b" HTTP/1.1", b"", b""),
    ],
)
async def test_bytes_that_are_no_text_are_refused(face: Face, lines: tuple[bytes, ...]) -> None:
    """What no HTTP library would send."""
    before = await face.written()
    reader, writer = await asyncio.open_connection("127.0.0.1", face.client.port)
    writer.write(b"\r\n".join((lines[0], b"Host: x", *lines[1:])))
    status = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await writer.wait_closed()
    assert status.split()[1][:1] == b"4", status
    assert await face.written() == before


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(["200", "210", "click-to-dial", "hangup", "x", TENANT]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_MEMBERS = st.sampled_from(
    ["command", "user", "payload", "url", "types", "from", "to", "user_data", "retries"]
)


@given(endpoint=st.sampled_from(WITH_BODY), changed=st.dictionaries(_MEMBERS, _VALUES, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
async def test_no_body_makes_an_endpoint_fail(
    face: Face, endpoint: Endpoint, changed: dict[str, Any]
) -> None:
    """Any JSON is taken, or refused as the client's fault."""
    answer = await face.request(endpoint.method, endpoint.path, json={**(endpoint.body or {}), **changed})
    assert answer.status < 500, answer.body
