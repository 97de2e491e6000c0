"""Bad input on every endpoint of the running service: a clear error, never a 5xx, and nothing written."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from relay.app.faces import public_app
from relay.app.parts import assemble
from relay.directory.loading import demo
from relay.journal.store import Store
from relay.settings import Settings
from tests.harness.endpoints import BAYEUX, ENDPOINTS, GWS, RINGCENTRAL, Endpoint
from tests.harness.raw import Headers
from tests.harness.stage import JSON, Stage, refused

EVERY = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.route}")
WITH_BODY = [one for one in ENDPOINTS if one.bodies]

NO_JSON = [
    b"", b" ", b"{", b"nonsense", b"{'a': 1}", b'{"a": NaN}', b'{"a": 1e999}', b"\x00", b"\xff\xfe{}",
    b"\xed\xa0\x80", b'"\\ud800"', b"[" * 60_000, b'{"a":' * 10_000, b"{}{}", b'"{\\"a\\": 1}"',
]  # fmt: skip
NO_OBJECT = [b"null", b"7", b"-0", b'"text"', b"true"]
WRONG_VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    10**400,
    1.5,
    "",
    "\x00",
    "x" * 3000,
    "\U0001f600",
    [],
    [[]],
    {},
    {"a": []},
]
WRONG_TEXTS = [
    "",
    "%00",
    "%FF",
    "%ED%A0%80",
    "-1",
    "1e9",
    "9" * 40,
    "x" * 4000,
    "%0D%0AX:y",
    "a%2Fb",
    "..%2F..",
    "%",
    "*",
    "{}",
    "$",
]
NOBODY: list[Headers] = [
    [("Authorization", value)]
    for value in (
        "", "Bearer", "Bearer ", "Bearer unknown", "Bearer demo-jane demo-jane", "Basic", "Basic !!!",
        "Basic amFuZQ==", "Basic amFuZTp3cm9uZw==", "Digest x", b"Bearer \xff\xfe", b"\x80",
        "Bearer " + "x" * 7000,
    )
]  # fmt: skip


async def test_the_list_of_endpoints_is_complete(store: Store) -> None:
    """These tests know every route of the public port, and no other."""
    async with AsyncExitStack() as stack:
        settings = Settings()
        app = public_app(assemble(stack, settings, demo(), store), demo(), settings)
        served = {
            (route.method, (route.resource.canonical if route.resource else "").rstrip("/"))
            for route in app.router.routes()
            if route.method not in ("HEAD", "OPTIONS")
        }
    tunnels = {
        ("POST", endpoint.route)
        for endpoint in ENDPOINTS
        if endpoint.face == RINGCENTRAL and endpoint.route != f"{RINGCENTRAL}/ws"
    }
    assert served == tunnels | {(endpoint.method, endpoint.route) for endpoint in ENDPOINTS}


@EVERY
def test_nobody_is_let_in_without_credentials(endpoint: Endpoint, stage: Stage) -> None:
    """Absent, unknown and malformed credentials are refused alike, before anything else is looked at."""
    before = stage.written()
    for headers in NOBODY:
        reply = stage.ask(endpoint, headers=headers, body=b"[{}]" if endpoint.face == BAYEUX else None)
        if endpoint.open:
            assert reply.status == 200
        elif endpoint.face == BAYEUX:
            assert reply.json[0]["error"].startswith("401"), headers
        else:
            refused(endpoint, reply, headers)
            assert reply.status == (403 if endpoint.face == GWS else 401), headers
    assert stage.written() == before


@EVERY
def test_methods_that_are_not_served_are_refused(endpoint: Endpoint, stage: Stage) -> None:
    """405 with the methods that are."""
    before = stage.written()
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
        served = {one.method for one in ENDPOINTS if one.route == endpoint.route}
        if method not in served and not (endpoint.face == BAYEUX and method in ("GET", "POST")):
            reply = stage.ask(endpoint, method=method)
            assert reply.status == 405, (method, reply)
            assert reply.headers["allow"], method
            refused(endpoint, reply, method)
    assert stage.written() == before


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda one: f"{one.method} {one.route}")
def test_broken_bodies_are_refused(endpoint: Endpoint, stage: Stage) -> None:
    """No JSON, no object, too much, another media type, members that are absent or of a wrong kind."""
    before = stage.written()
    for body in [*NO_JSON, *NO_OBJECT]:
        empty_is_fine = not body and endpoint.route.endswith("{action}")
        refused(
            endpoint,
            stage.ask(endpoint, path=endpoint.path(action="answer") if empty_is_fine else "", body=body),
            body,
        )
    for kind in (
        "text/plain",
        "multipart/form-data",
        "application/json; charset=utf-16x",
        "",
        "a/b/c",
        b"\xff",
    ):
        refused(endpoint, stage.ask(endpoint, headers=[("Content-Type", kind)], body=b"{}"), kind)
    refused(endpoint, stage.ask(endpoint, body=b'{"a": "' + b"x" * 1_100_000 + b'"}'), "a large body")
    for shape in endpoint.bodies:
        for broken in variants(shape):
            reply = stage.ask(endpoint, body=json.dumps(broken).encode())
            if endpoint.face == BAYEUX:
                assert reply.status in (200, 400), (broken, reply)
                assert reply.status == 400 or not any(one["successful"] for one in reply.json), broken
            else:
                refused(endpoint, reply, broken)
    assert stage.written() == before


def variants(body: Any) -> Iterator[Any]:
    """Yield the body with each member, at any depth, left out, doubled in kind, or of another value."""
    yield from ({}, {**body, "surplus": 1})
    for path in _paths(body):
        for value in [*WRONG_VALUES, ...]:
            broken = copy.deepcopy(body)
            inner = broken
            for step in path[:-1]:
                inner = inner[step]
            if value is ...:
                del inner[path[-1]]
            else:
                inner[path[-1]] = value
            yield broken


def _paths(value: Any) -> Iterator[list[Any]]:
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in members:
        yield [key]
        yield from ([key, *rest] for rest in _paths(inner))


@EVERY
def test_broken_queries_and_ids_are_refused(endpoint: Endpoint, stage: Stage) -> None:
    """Parameters and ids that cannot be are told so, or name nothing; nowhere do they break anything."""
    before = stage.written()
    for text in WRONG_TEXTS:
        for name in endpoint.query:
            reply = stage.ask(endpoint, query=f"{name}={text}&{name}={text}")
            assert reply.status in (200, 400, 403, 404), (name, text, reply)
            if reply.status != 200:
                refused(endpoint, reply, (name, text))
        if endpoint.named and text:
            refused(endpoint, stage.ask(endpoint, path=endpoint.path(text), body=b"{}"), text)
        if "{action}" in endpoint.route and text:
            refused(endpoint, stage.ask(endpoint, path=endpoint.path(stage.leg, text)), text)
    for query in ("&&==&", "%", "%FF=%FF", "a=" + "x" * 7000, b"\xff\xfe", "x[]=1", ";" * 500):
        reply = stage.ask(endpoint, query=query, body=b"[]" if endpoint.face == BAYEUX else None)
        assert reply.status < 500, (query, reply)
    assert endpoint.makes or stage.written() == before


@EVERY
def test_broken_headers_break_nothing(endpoint: Endpoint, stage: Stage) -> None:
    """Whatever a header has, the answer is the client's fault at most."""
    before = stage.written()
    broken: list[tuple[str, str | bytes]] = [
        ("Cookie", "JSESSIONID=nonsense; BAYEUX_BROWSER=" + "x" * 3000), ("Cookie", b"\xff=\xff; ;=;"),
        ("Accept", "nonsense"), ("Accept-Encoding", "nonsense"), ("Content-Encoding", "gzip"),
        ("Content-Encoding", "nonsense"), ("traceparent", "00-zz-zz-00"), ("traceparent", b"\xff"),
        ("Idempotency-Key", ""), ("Idempotency-Key", "x" * 3000), ("Idempotency-Key", b"\xff"),
        ("Last-Event-ID", "nonsense"), ("Last-Event-ID", b"\xff"), ("Origin", "null"), ("Origin", b"\xff"),
        ("Range", "bytes=5-1"), ("If-Match", "*"), ("Expect", "nonsense"), ("X-Forwarded-Host", "evil"),
        ("Content-Length", "-1"), ("Content-Length", "5, 5"), ("Transfer-Encoding", "nonsense"),
        ("Upgrade", "websocket"),
    ]  # fmt: skip
    for header in broken:
        path = endpoint.path(stage.leg) if endpoint.method == "DELETE" else ""
        reply = stage.ask(endpoint, path=path, headers=[header, JSON], body=b"nonsense")
        assert reply.status < 500, (header, reply)
    assert stage.written() == before
