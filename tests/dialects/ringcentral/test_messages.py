"""What is said on WebSockets: messages that are read, and the places by which sessions are recovered."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.dialects.ringcentral.sockets.messages import (
    LONGEST,
    MalformedMessageError,
    Place,
    place,
    read,
    said,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


def test_a_request_is_read() -> None:
    """The method in upper case, the path without query and slash; no body is an empty one."""
    asked = read(b'[{"type":"ClientRequest","messageId":"m","method":"post","path":"/a/?b=c"},{"d":1}]')
    assert asked == ("ClientRequest", "m", "POST", "/a", {"d": 1})
    for text in (b'[{"path":"/a"}]', b'[{"path":"/a"},null]'):
        assert read(text).body == {}


@given(st.one_of(st.binary(max_size=60), JSON.map(msgspec.json.encode)))
def test_no_message_makes_reading_fail(text: bytes) -> None:
    """It is read, or refused."""
    try:
        asked = read(text)
    except MalformedMessageError:
        return
    assert all(isinstance(one, str) for one in asked[:4])


@pytest.mark.parametrize("text", [b"[]", b"{}", b"", b'["\\ud800"]', b"[" * 30_000, b"[{}, {}, {}]", b"\xff"])
def test_a_client_is_told_what_a_message_is(text: bytes) -> None:
    """In words about its message, and not about what reads it."""
    with pytest.raises(MalformedMessageError, match=r"^a message must be a JSON array of a head and a body$"):
        read(text)


def test_a_deep_message_is_refused() -> None:
    """However deep it is nested."""
    with pytest.raises(MalformedMessageError):
        read(b"[" * (LONGEST // 2) + b"]" * (LONGEST // 2))


@given(
    secret=st.from_regex(r"[0-9]{2}-[0-9a-f]{64}", fullmatch=True),
    sequence=st.integers(0, 10**15 - 1),
    position=st.tuples(st.integers(0, 10**14), st.integers(0, 10**6)),
)
def test_a_place_is_found_again_by_its_token(secret: str, sequence: int, position: tuple[int, int]) -> None:
    """The token goes into a query as it is."""
    here = Place(secret, sequence, f"{position[0]}-{position[1]}")
    assert re.fullmatch(r"[0-9a-f.-]+", here.token)
    assert place(here.token) == here


@given(st.text(max_size=120))
def test_no_text_makes_reading_a_place_fail(text: str) -> None:
    """What is no token is no place."""
    assert place(text) is None


def test_what_is_said_is_json() -> None:
    """A body may be encoded already, and be left out; without a session there is no ``wsc``."""
    here = Place("s", 7, "1-1")
    head, body = msgspec.json.decode(said("ServerNotification", "m", here, b'{"a":1}'))
    assert head["wsc"] == {"token": "s.7.1-1", "sequence": 7}
    assert (head["status"], head["headers"], body) == (200, {}, {"a": 1})
    assert msgspec.json.decode(said("Error", "m", None, {"b": 2}, status=401)) == [
        {"type": "Error", "messageId": "m", "status": 401, "headers": {}},
        {"b": 2},
    ]
    assert len(msgspec.json.decode(said("Heartbeat", "h", here))) == 1
