from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.calls.events import EventId
from relay.journal.ids import START, InvalidIdError, StreamId, bare, is_after, parse

numbers = st.integers(0, 2**64 - 1)
stream_ids = st.builds(StreamId, numbers, numbers)


@given(stream_ids, st.integers(0, 1023))
def test_both_forms_of_an_id_are_read(stream_id: StreamId, partition: int) -> None:
    """A stream id and the event id made of it are the same position."""
    assert parse(str(stream_id)) == stream_id
    assert parse(str(EventId(partition, str(stream_id)))) == stream_id
    assert bare(str(EventId(partition, str(stream_id)))) == str(stream_id)


@given(stream_ids, stream_ids)
def test_ids_are_ordered_as_numbers(one: StreamId, other: StreamId) -> None:
    """Order is by milliseconds, then by sequence, never by text."""
    assert is_after(str(one), str(other)) == ((one.ms, one.seq) > (other.ms, other.seq))
    assert not is_after(START, str(one))


@given(st.text(max_size=30))
def test_any_other_text_is_refused(text: str) -> None:
    """Whatever is read as an id is one; nothing else raises anything but InvalidIdError."""
    try:
        found = parse(text)
    except InvalidIdError:
        return
    assert text.endswith(f"{found.seq}")
    assert text.isascii()


@pytest.mark.parametrize(
    "text", ["18446744073709551616-0", "0-18446744073709551616", "1-1 ", "evt_1_1-1", "*", "1-*"]
)
def test_what_the_store_would_not_take_is_refused(text: str) -> None:
    """Too large numbers and other spellings never reach the store."""
    with pytest.raises(InvalidIdError):
        parse(text)
