"""Reading payloads, and what a message asks for before anybody is asked."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.streaming.bayeux import errors
from relay.streaming.bayeux.messages import MAX_MESSAGES, MalformedPayloadError, from_form, from_json
from relay.streaming.bayeux.replies import failure, success
from relay.streaming.bayeux.requests import (
    LONGEST,
    MAX_SUBSCRIPTIONS,
    Connect,
    Denied,
    Disconnect,
    Handshake,
    Publish,
    Refused,
    Subscribe,
    Unsubscribe,
    read,
)

TYPES = ("long-polling",)
TOO_MANY = ["/v2/a"] * (MAX_SUBSCRIPTIONS + 1)
HANDSHAKE = {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    ["id", "channel", "clientId", "version", "supportedConnectionTypes", "connectionType", "advice",
     "subscription", "data", "ext"]
)  # fmt: skip
META = st.sampled_from(
    [f"/meta/{name}" for name in ("handshake", "connect", "subscribe", "unsubscribe", "disconnect", "foo")]
)


def error_of(message: dict[str, Any]) -> str | None:
    """Return the error a message is refused with before or after its session is found, or None."""
    request = read(message, TYPES)
    return request.error if isinstance(request, Refused | Denied) else None


@pytest.mark.parametrize("body", [b'[{"channel":"/a"}]', b' {"channel":"/a"} '])
def test_a_lone_message_is_an_array_of_one(body: bytes) -> None:
    """A message may come without the array."""
    assert from_json(body) == [{"channel": "/a"}]


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"[", b"[]", b"1", b'"a"', b"null", b"[1]", b"[[]]", b'[{"a":1}', b"[" * 100_000, b"\xff"],
)
def test_what_is_no_payload_is_malformed(body: bytes) -> None:
    """Other JSON, an empty array, and what is no JSON at all."""
    with pytest.raises(MalformedPayloadError):
        from_json(body)


def test_payloads_are_bounded() -> None:
    """A payload has a most number of messages, in a form as well."""
    assert len(from_json(msgspec.json.encode([{}] * MAX_MESSAGES))) == MAX_MESSAGES
    many = msgspec.json.encode([{}] * (MAX_MESSAGES + 1))
    with pytest.raises(MalformedPayloadError):
        from_json(many)
    with pytest.raises(MalformedPayloadError):
        from_form(urlencode({"message": many}).encode())


def test_forms_may_have_many_message_fields() -> None:
    """Each field is a message or an array of them; other fields are passed over."""
    body = urlencode([("message", '[{"id":"1"},{"id":"2"}]'), ("x", "y"), ("message", '{"id":"3"}')])
    assert from_form(body.encode()) == [{"id": "1"}, {"id": "2"}, {"id": "3"}]


@pytest.mark.parametrize("body", [b"", b"x=y", b"message=", b"message=%5B%5D", b"message=1", b"\xff=1"])
def test_forms_without_messages_are_malformed(body: bytes) -> None:
    """A form needs a message."""
    with pytest.raises(MalformedPayloadError):
        from_form(body)


@given(st.dictionaries(FIELDS, JSON), META | JSON)
def test_any_message_can_be_read_and_answered(message: dict[str, Any], channel: Any) -> None:
    """Whatever a message holds, it asks for something or is refused, and its reply can be encoded."""
    message["channel"] = channel
    request = read(message, TYPES)
    reply = failure(request.message, getattr(request, "error", None) or errors.UNKNOWN_CLIENT)
    assert msgspec.json.decode(msgspec.json.encode(reply))["successful"] is False


@pytest.mark.parametrize("given_", ["1", "a-b.c", "", "x" * 64, 0, 7, -1, 2**40])
def test_ids_are_echoed_as_they_came(given_: str | int) -> None:
    """A reply has the id of its request, of the same type."""
    assert success({"id": given_, "channel": "/meta/connect"})["id"] == given_


@pytest.mark.parametrize("given_", ["x" * 65, 1.5, True, [], {}, ["1"]])
def test_other_ids_are_refused_and_not_echoed(given_: Any) -> None:
    """Ids are short strings or integers."""
    refused = read({"id": given_, "channel": "/meta/connect"}, TYPES)
    assert isinstance(refused, Refused)
    assert refused.error == "405::message_id_invalid"
    assert "id" not in failure(refused.message, refused.error)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({}, "400::channel_missing"),
        ({"channel": None}, "400::channel_missing"),
        ({"channel": 7}, "405::channel_invalid"),
        ({"channel": "foo", "data": 1}, "405:foo:channel_invalid"),
        ({"channel": "/a/*", "data": 1}, "405:/a/*:channel_invalid"),
        ({"channel": "/a:b,c\n", "data": 1}, "405:/a b c :channel_invalid"),
        ({"channel": "/v2/me/calls", "data": 1}, "403:/v2/me/calls:publish_denied"),
        ({"channel": "/foo", "data": None}, "403:/foo:publish_denied"),
        ({"channel": "/meta/foo"}, "403:/meta/foo:publish_denied"),
        ({"channel": "/foo"}, "400::data_missing"),
        ({"channel": "/service/x"}, "400::data_missing"),
        ({"channel": "/service/x", "data": {}}, None),
        ({"channel": "/meta/subscribe"}, "403::subscription_missing"),
        ({"channel": "/meta/subscribe", "subscription": []}, "403::subscription_invalid"),
        ({"channel": "/meta/subscribe", "subscription": 7}, "403::subscription_invalid"),
        ({"channel": "/meta/subscribe", "subscription": "x"}, "403::subscription_invalid"),
        ({"channel": "/meta/subscribe", "subscription": ["/v2/a", "//b"]}, "403::subscription_invalid"),
        ({"channel": "/meta/subscribe", "subscription": TOO_MANY}, "403::subscription_invalid"),
        ({"channel": "/meta/subscribe", "subscription": "/meta/*"}, "403:/meta/*:subscribe_denied"),
        ({"channel": "/meta/subscribe", "subscription": ["/v2/a", "/b"]}, "403:/b:subscribe_denied"),
        ({"channel": "/meta/subscribe", "subscription": TOO_MANY[1:]}, None),
        ({"channel": "/meta/unsubscribe"}, "403::subscription_missing"),
        ({"channel": "/meta/unsubscribe", "subscription": "x"}, "403::subscription_invalid"),
        ({"channel": "/meta/unsubscribe", "subscription": "/foo"}, None),
        ({**HANDSHAKE, "version": None}, "402:version:parameter_missing"),
        ({**HANDSHAKE, "version": "2.0"}, "300:2.0:Version mismatch"),
        ({**HANDSHAKE, "version": "one"}, "300:one:Version mismatch"),
        ({**HANDSHAKE, "version": "1"}, None),
        ({**HANDSHAKE, "minimumVersion": "1.0"}, None),
        ({**HANDSHAKE, "minimumVersion": "0.9"}, None),
        ({**HANDSHAKE, "minimumVersion": 2}, None),
        ({**HANDSHAKE, "minimumVersion": "1.1"}, "300:1.1:Version mismatch"),
        ({**HANDSHAKE, "minimumVersion": "2"}, "300:2:Version mismatch"),
        ({**HANDSHAKE, "supportedConnectionTypes": None}, "402:supportedConnectionTypes:parameter_missing"),
        ({**HANDSHAKE, "supportedConnectionTypes": "x"}, "402:supportedConnectionTypes:parameter_missing"),
        (
            {**HANDSHAKE, "supportedConnectionTypes": ["iframe", 7]},
            "301:iframe:Connection types not supported",
        ),
        ({"channel": "/meta/connect"}, None),
        ({"channel": "/meta/connect", "connectionType": "long-polling"}, None),
        (
            {"channel": "/meta/connect", "connectionType": "carrier-pigeon"},
            "301:carrier-pigeon:Connection types not supported",
        ),
        ({"channel": "/meta/connect", "connectionType": []}, "301::Connection types not supported"),
    ],
)  # fmt: skip
def test_errors(message: dict[str, Any], error: str | None) -> None:
    """Each fault has its error text."""
    assert error_of(message) == error


@pytest.mark.parametrize(
    ("advice", "hold", "extra"),
    [
        (None, None, 0),
        ({}, None, 0),
        ({"timeout": 0}, 0, 0),
        ({"timeout": 1000}, 1000, 0),
        ({"timeout": 1000.5}, 1000, 0),
        ({"timeout": -1}, None, 0),
        ({"timeout": True}, None, 0),
        ({"timeout": "5"}, None, 0),
        ({"timeout": 10**12}, LONGEST, 0),
        ({"timeout": 0, "interval": 5000}, 0, 5000),
        ({"timeout": 0, "interval": 10**12}, 0, LONGEST),
        ({"timeout": 10, "interval": 5000}, 10, 0),
        ({"interval": 5000}, None, 0),
    ],
)
def test_clients_advise_how_long_to_hold(advice: Any, hold: int | None, extra: int) -> None:
    """Advice is milliseconds within a limit; an interval counts only where the client asks for no hold."""
    request = read({"channel": "/meta/connect", "clientId": "c", "advice": advice}, TYPES)
    assert isinstance(request, Connect)
    assert (request.hold, request.extra, request.advised) == (hold, extra, advice is not None)


def test_requests_say_what_they_are_about() -> None:
    """Patterns come once each, without service channels, on which nothing is published."""
    patterns = ["/v2/a", "/service/x", "/v2/a", "/**"]
    message: dict[str, Any] = {"channel": "/meta/subscribe", "clientId": "c", "subscription": patterns}
    assert read(message, TYPES) == Subscribe(message, "c", ("/v2/a", "/**"))
    message = {"channel": "/meta/unsubscribe", "clientId": "c", "subscription": "/foo"}
    assert read(message, TYPES) == Unsubscribe(message, "c", ("/foo",))
    message = {"channel": "/meta/disconnect", "clientId": "c"}
    assert read(message, TYPES) == Disconnect(message, "c")
    message = {"channel": "/service/x", "data": 1, "clientId": "c"}
    assert read(message, TYPES) == Publish(message, "c")
    assert read(HANDSHAKE, TYPES) == Handshake(HANDSHAKE)
