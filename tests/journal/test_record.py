from __future__ import annotations

import msgspec
import pytest

from relay.journal.record import Entry, MalformedEntryError
from tests.journal.calls import ACCOUNT, placed


def fields(**changed: bytes) -> dict[bytes, bytes]:
    """Return the fields of a call record, some of them changed."""
    _, [event] = placed("s1")
    found = {"k": b"call", "a": ACCOUNT.encode(), "d": msgspec.json.encode(event)} | changed
    return {name.encode(): value for name, value in found.items()}


def test_an_entry_gives_back_the_event_that_was_written() -> None:
    """A call record's event is the committed one, decoded once for all who ask."""
    entry = Entry.of(7, "1763717404218-0", fields())
    _, [event] = placed("s1")
    assert entry.event == event
    assert entry.event is entry.event
    assert str(entry.id) == "evt_07_1763717404218-0"


@pytest.mark.parametrize("wrong", [{"k": b"unheard-of"}, {"a": b"\xff"}])
def test_an_entry_of_another_version_is_malformed_by_name(wrong: dict[str, bytes]) -> None:
    """What cannot be read is said with its id, so that readers can skip it."""
    with pytest.raises(MalformedEntryError, match="evt_07_1-0"):
        Entry.of(7, "1-0", fields(**wrong))


def test_an_entry_without_a_field_is_malformed() -> None:
    """Each field is needed."""
    for name in (b"k", b"a", b"d"):
        with pytest.raises(MalformedEntryError):
            Entry.of(7, "1-0", {key: value for key, value in fields().items() if key != name})


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b'{"kind":"unheard-of"}'])
def test_data_that_is_no_event_is_malformed_when_asked_for(data: bytes) -> None:
    """The entry itself can be passed on; only who needs the event learns that it has none."""
    entry = Entry.of(7, "1-0", fields(d=data))
    with pytest.raises(MalformedEntryError, match="evt_07_1-0"):
        _ = entry.event
    assert not entry.readable


def test_other_kinds_have_no_event() -> None:
    """A record that tells of no call is not read as one."""
    with pytest.raises(MalformedEntryError, match="subscription"):
        _ = Entry.of(7, "1-0", fields(k=b"subscription")).event
