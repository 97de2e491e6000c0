from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.streaming import frames
from relay.streaming.frames import Framing
from tests.streaming.eventstream import Dechunker, Reader, Received

WORDS = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda word: not word.startswith(" ")
)
DATA = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


def read(data: bytes) -> Reader:
    """Read a whole stream."""
    reader = Reader()
    reader.feed(data)
    return reader


def lines(data: str) -> str:
    """Return data as a client gets it: every line end has become LF."""
    return data.replace("\r\n", "\n").replace("\r", "\n")


EVENTS = st.lists(st.tuples(WORDS, DATA, st.from_regex(r"\d{1,13}-\d{1,5}", fullmatch=True)))


@given(EVENTS, st.integers(1, 40))
def test_events_come_back_whole_however_they_are_cut(events: list[tuple[str, str, str]], step: int) -> None:
    """Type, id and data of every event survive a strict parser, chunked, and cut anywhere on the way."""
    framed = [frames.event(name, data.encode(), stream_id=stream_id) for name, data, stream_id in events]
    body = b"".join(map(frames.chunk, framed))
    dechunker, reader = Dechunker(), Reader()
    for at in range(0, len(body), step):
        reader.feed(dechunker.feed(body[at : at + step]))
    assert reader.events == [Received(name, lines(data), stream_id) for name, data, stream_id in events]


@given(WORDS, DATA)
def test_an_event_without_an_id_leaves_the_clients_last_id_alone(name: str, data: str) -> None:
    """What is told beside the journal must not become a place to resume from."""
    reader = read(frames.event("a", b"1", stream_id="7-0") + frames.event(name, data.encode()))
    assert reader.events[-1] == Received(name, lines(data), "7-0")


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b"])
def test_what_would_break_a_field_is_refused(bad: str) -> None:
    """A line break would end the field, and NUL would make the client ignore the id."""
    with pytest.raises(ValueError, match="line breaks or NUL"):
        frames.event(bad, b"")
    with pytest.raises(ValueError, match="line breaks or NUL"):
        frames.event("a", b"", stream_id=bad)


def test_a_stream_opens_with_the_pause_before_reconnecting_and_a_comment() -> None:
    """The first bytes say nothing but that the stream is open."""
    reader = read(frames.OPENING)
    assert (reader.retries, reader.comments, reader.events) == ([2000], 1, [])


def test_a_position_is_an_id_without_an_event() -> None:
    """A client that has been told nothing yet resumes from where its stream opened."""
    reader = read(frames.OPENING + frames.position("7-0"))
    assert (reader.last_id, reader.events) == ("7-0", [])


def test_a_heartbeat_is_a_comment() -> None:
    """It keeps the connection, and the client's last id as it was."""
    reader = read(frames.event("a", b"1", stream_id="7-0") + frames.HEARTBEAT)
    assert (reader.comments, reader.last_id, len(reader.events)) == (1, "7-0", 1)


@pytest.mark.parametrize("oldest", ["9-0", None])
def test_a_gap_tells_what_was_asked_and_what_is_left(oldest: str | None) -> None:
    """It is an event of its own type, without an id."""
    [told] = read(frames.gap("evt_07_5-0", oldest)).events
    assert (told.type, told.last_id) == ("relay.gap", "")
    assert msgspec.json.decode(told.data) == {"type": "relay.gap", "after": "evt_07_5-0", "oldest": oldest}


def test_http_1_0_gets_the_frames_as_they_are() -> None:
    """Only HTTP/1.1 knows chunks."""
    assert Framing.PLAIN.apply(b":\n\n") == b":\n\n"
    assert Framing.CHUNKED.apply(b":\n\n") == b"3\r\n:\n\n\r\n"


def test_the_last_chunk_ends_a_body() -> None:
    """What is written before it arrives whole."""
    dechunker = Dechunker()
    assert dechunker.feed(frames.chunk(b"x" * 300) + b"0\r\n\r\n") == b"x" * 300
    assert dechunker.ended
