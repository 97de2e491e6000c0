"""Requests of the right form that cannot be meant, and random ones: refused clearly, nothing half-written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.demo import JANE, JOHN, TENANT
from tests.harness.endpoints import BAYEUX, ENDPOINTS, Endpoint
from tests.harness.raw import Reply, send
from tests.harness.stage import Stage, refused

CONTROL = ENDPOINTS[0]
DIAL = Endpoint("POST", f"/api/v2/me/devices/{JANE.device}/calls")
LARGE = {"a": "x" * 17_000}
DEEP: Any = json.loads('{"a":' * 300 + "1" + "}" * 300)
NO_DESTINATION = [
    "",
    " ",
    "abc",
    "999",
    "+",
    "+1",
    "+0123456789",
    "2" * 100,
    "210",
    "15000",
    "25000",
    "\uff12\uff10\uff10",
    "200;1",
    "2\x000",
]
FUZZ = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def command(name: str, **payload: Any) -> dict[str, Any]:
    """Return Jane's command."""
    user = {"tenant_id": TENANT, "user_extension": JANE.extension}
    return {"command": name, "user": user, "payload": payload}


def ask(stage: Stage, endpoint: Endpoint, body: Any) -> Reply:
    """Send a body as JSON."""
    return stage.ask(endpoint, body=json.dumps(body).encode())


def test_destinations_that_nobody_has_are_refused(stage: Stage) -> None:
    """Nothing, no number, nobody's, the caller's own, another tenant's: v3 points at it, GWS names it."""
    before = stage.written()
    for destination in NO_DESTINATION:
        reply = ask(stage, CONTROL, command("click-to-dial", destination=destination))
        refused(CONTROL, reply, destination)
        assert reply.status == 422
        assert reply.json["errors"][0]["pointer"] == "/payload/destination"
        reply = ask(stage, DIAL, {"operationName": "Dial", "destination": {"phoneNumber": destination}})
        refused(DIAL, reply, destination)
        assert reply.json["statusCode"] in (1, 2)
    assert stage.written() == before


def test_user_data_that_is_too_much_is_refused(stage: Stage) -> None:
    """More than 16 KiB, or nested beyond reason, at dial and in a call."""
    before = stage.written()
    on_call = Endpoint("POST", f"/api/v2/me/calls/{stage.call}")
    for user_data in (LARGE, DEEP):
        refused(
            CONTROL,
            ask(stage, CONTROL, command("click-to-dial", destination="220", user_data=user_data)),
            "large",
        )
        dial = {"operationName": "Dial", "destination": {"phoneNumber": "15003"}, "userData": user_data}
        refused(DIAL, ask(stage, DIAL, dial), "large")
        attach = {"operationName": "AttachUserData", "userData": user_data}
        refused(on_call, ask(stage, on_call, attach), "large")
    assert stage.written() == before


@pytest.mark.parametrize("name", ["answer", "reject", "hangup"])
def test_legs_that_are_not_ones_own_are_refused(name: str, stage: Stage) -> None:
    """Unknown, empty, absurdly named, and somebody else's legs are all no active leg of Jane's."""
    before = stage.written()
    for leg in ("", "none", stage.ringing, "\x00", "*", "{}", "x" * 10_000, "\U0001f600"):
        reply = ask(stage, CONTROL, command(name, call_leg_id=leg))
        refused(CONTROL, reply, leg)
        assert reply.json["code"] == "not_active_participant", leg
    assert stage.written() == before


def test_what_the_state_does_not_allow_is_refused(stage: Stage) -> None:
    """An answered leg is neither answered again nor rejected; what is allowed is listed."""
    before = stage.written()
    for name in ("answer", "reject"):
        reply = ask(stage, CONTROL, command(name, call_leg_id=stage.leg))
        assert (reply.status, reply.json["code"]) == (409, "not_allowed_now")
        assert "hangup" in reply.json["detail"]
    on_call = Endpoint("POST", f"/api/v2/me/calls/{stage.call}")
    for operation in ("Answer", "Retrieve", "Nonsense", "answer"):
        refused(on_call, ask(stage, on_call, {"operationName": operation}), operation)
    simulator = Endpoint("POST", f"/v3/simulator/parties/{stage.leg}/answer")
    refused(simulator, stage.ask(simulator), "answered already")
    assert stage.written() == before


def test_urls_that_must_not_be_called_are_refused(stage: Stage) -> None:
    """Webhooks go to http and https URLs of public or allowed addresses only; the pointer is the URL's."""
    before = stage.written()
    endpoint = Endpoint("POST", "/v3/subscriptions")
    for url in (
        "", "nonsense", "//x", "http://", "http:///x", "ftp://127.0.0.1/", "file:///etc/passwd",
        "http://10.0.0.1/", "http://[::]/", "http://169.254.169.254/latest", "http://0.0.0.0/", "http://167772161/",
        "http://user:password@10.0.0.1/", "http://[fe80::1]/", "http://127.0.0.1:99999/", "http://a b/",
        "http://x.invalid\x00/", "http://127.0.0.1:9/" + "x" * 5000,
    ):  # fmt: skip
        reply = ask(stage, endpoint, {"url": url})
        refused(endpoint, reply, url)
        assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/url"), (url, reply)
    assert stage.written() == before


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40)
)
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    [
        "command", "user", "payload", "tenant_id", "user_extension", "destination", "call_leg_id",
        "user_data", "url", "types", "extensions", "format", "retries", "headers", "from", "to",
        "digits", "channels",
        "operationName", "phoneNumber", "userData", "channel", "clientId", "subscription", "id",
        "ext", "advice", "connectionType", "version", "supportedConnectionTypes", "data",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    [
        "click-to-dial", "hangup", "Dial", "Answer", "210", "/meta/connect", "/meta/subscribe",
        "/meta/handshake", "v3", "gws",
    ]
)  # fmt: skip
BODIES = st.recursive(
    JSON_VALUES | WORDS,
    lambda inner: st.dictionaries(NAMES, inner, max_size=5) | st.lists(inner, max_size=3),
    max_leaves=10,
)
WITH_BODY = [one for one in ENDPOINTS if one.bodies]


@FUZZ
@given(endpoint=st.sampled_from(WITH_BODY), body=BODIES)
def test_random_bodies_break_nothing(endpoint: Endpoint, body: Any, stage: Stage) -> None:
    """Whatever JSON an endpoint is sent, the answer is the client's fault at most."""
    reply = ask(stage, endpoint, body)
    assert reply.status < 500, reply
    if reply.status != 200 and endpoint.face != BAYEUX:
        refused(endpoint, reply, body)


@FUZZ
@given(
    path=st.binary(min_size=1, max_size=60),
    prefix=st.sampled_from([one.path() for one in ENDPOINTS]),
    query=st.booleans(),
)
def test_random_paths_and_queries_break_nothing(path: bytes, prefix: str, query: bool, stage: Stage) -> None:
    """Whatever bytes follow a path, the answer is the client's fault at most."""
    target = path.translate(None, b" \t\r\n\x00\x0b\x0c")
    data = f"GET {prefix}{'?' if query else '/'}".encode() + target
    assert (
        send(stage.relay.port, data + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET").status
        < 500
    )


@FUZZ
@given(data=JSON_VALUES)
def test_random_user_data_is_kept_as_it_is_or_refused(data: Any, stage: Stage) -> None:
    """A call carries any JSON object, unchanged where it is read back; what is no object is refused."""
    reply = ask(stage, CONTROL, command("click-to-dial", destination=JOHN.extension, user_data=data))
    if reply.status != 202:
        refused(CONTROL, reply, data)
        assert not isinstance(data, dict) or any(
            pointer["pointer"].startswith("/payload/user_data") for pointer in reply.json["errors"]
        )
        return
    leg = reply.json["call_leg_id"]
    read = stage.ask(Endpoint("GET", f"/v3/calls/{leg}"))
    assert read.json["user_data"] == {
        name: value for name, value in (data or {}).items() if value is not None
    }
    assert ask(stage, CONTROL, command("hangup", call_leg_id=leg)).status == 202
