"""Commands as values: tones, user data and the operation each one is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.calls.capabilities import Operation
from relay.calls.commands import (
    DTMF,
    Answer,
    AttachUserData,
    DeleteUserData,
    DeleteUserDataPair,
    Hangup,
    Reject,
    SendDtmf,
    SetDisposition,
    UpdateUserData,
)
from relay.calls.user_data import MAX_NESTING, MAX_USER_DATA, merged, user_data_after, user_data_fits

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
user_data = st.dictionaries(st.text(max_size=3), json_values, max_size=4)


def test_each_command_knows_its_operation() -> None:
    """Capabilities list operations; every command names the one it needs."""
    assert Answer().operation is Operation.ANSWER
    assert Reject().operation is Operation.REJECT
    assert Hangup().operation is Operation.HANGUP
    assert SendDtmf("1").operation is Operation.SEND_DTMF
    for change in (AttachUserData({}), UpdateUserData({}), DeleteUserDataPair("k"), DeleteUserData()):
        assert change.operation is Operation.SET_USER_DATA


@pytest.mark.parametrize("digits", ["0", "0123456789*#ABCD", "1" * 64])
def test_keypad_digits_are_tones(digits: str) -> None:
    """Digits, star, hash and A to D can be sent, up to 64 at once."""
    assert DTMF.fullmatch(digits)


@pytest.mark.parametrize("digits", ["", "E", "a", "1 2", "1\n", "+1", "२", "1" * 65])
def test_anything_else_is_no_tone(digits: str) -> None:
    """Other characters, lower case, and more than 64 tones are refused."""
    assert DTMF.fullmatch(digits) is None


def test_a_given_key_replaces_and_the_others_stay() -> None:
    """Attach and update set the given keys only."""
    for change in (AttachUserData({"b": 3, "c": 4}), UpdateUserData({"b": 3, "c": 4})):
        assert user_data_after({"a": 1, "b": 2}, change) == {"a": 1, "b": 3, "c": 4}


def test_null_removes_a_key() -> None:
    """A null is the absence of a value."""
    assert user_data_after({"a": 1, "b": 2}, UpdateUserData({"a": None, "x": None})) == {"b": 2}


def test_deleting_one_key_or_all() -> None:
    """A pair is deleted by its key, whether or not it is there; all user data at once."""
    assert user_data_after({"a": 1, "b": 2}, DeleteUserDataPair("a")) == {"b": 2}
    assert user_data_after({"b": 2}, DeleteUserDataPair("a")) == {"b": 2}
    assert user_data_after({"b": 2}, DeleteUserData()) == {}


def test_a_disposition_is_a_pair_of_user_data() -> None:
    """What came of a call is noted under a key of its own, or a given one."""
    assert user_data_after({"a": 1}, SetDisposition("sold")) == {"a": 1, "DispositionCode": "sold"}
    assert user_data_after({"k": 1}, SetDisposition("sold", "k")) == {"k": "sold"}


@given(user_data, user_data)
def test_merging_never_changes_what_it_was_given(one: dict[str, Any], other: dict[str, Any]) -> None:
    """The result is new, has every value given last, and holds no null at the top."""
    before = (dict(one), dict(other))
    result = merged(one, other)
    assert (one, other) == before
    assert all(value is not None for value in result.values())
    assert all(result[key] == value for key, value in other.items() if value is not None)


def test_the_limit_is_bytes_of_json() -> None:
    """User data of exactly the limit fits; one byte more does not, however few characters it has."""
    overhead = len(msgspec.json.encode({"k": ""}))
    assert user_data_fits({"k": "x" * (MAX_USER_DATA - overhead)})
    assert not user_data_fits({"k": "x" * (MAX_USER_DATA - overhead + 1)})
    assert not user_data_fits({"k": "é" * (MAX_USER_DATA // 2)})


def test_too_deep_user_data_does_not_fit() -> None:
    """Nesting is limited, so that every reader of an event can decode it; endless depth raises nothing."""

    def nested(levels: int) -> Any:
        value: Any = 1
        for level in range(levels):
            value = {"k": value} if level % 2 else [value]
        return value

    assert user_data_fits({"k": nested(MAX_NESTING - 1)})
    assert not user_data_fits({"k": nested(MAX_NESTING)})
    assert not user_data_fits({"k": nested(100_000)})


@pytest.mark.parametrize("value", [object(), "\ud800", {1, "a"} | {object()}])
def test_what_json_cannot_write_does_not_fit(value: Any) -> None:
    """Half a surrogate pair, or an object of Python's own, is refused rather than raised."""
    assert not user_data_fits({"k": value})


@given(user_data)
def test_user_data_that_fits_survives_the_journal(data: dict[str, Any]) -> None:
    """What fits is read back from JSON as it was."""
    if user_data_fits(data):
        assert msgspec.json.decode(msgspec.json.encode(data)) == data
