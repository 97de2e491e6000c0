from __future__ import annotations

from collections import Counter

import pytest

from relay.calls.events import CallEvent, EventId
from relay.calls.happenings import CallPlaced
from relay.calls.model import CallType
from relay.dialects.v3.render import render
from relay.errors import InvalidFieldError
from relay.journal.record import Entry, RecordKind
from relay.streaming.frames import Framing
from relay.streaming.selection import Framed
from relay.subscriptions.rendering import Rendered, rendered
from tests.calls.calling import ACCOUNT, JANE, JOHN
from tests.harness.happening import apply
from tests.streaming.eventstream import Dechunker, Reader


def entry(number: int) -> Entry:
    """Make an entry of jane's phone being called out from."""
    placed = CallPlaced(
        session_id="s",
        account=ACCOUNT,
        type=CallType.INTERNAL,
        caller_leg="leg",
        caller=JANE,
        destination=JOHN,
    )
    _, [event] = apply(None, placed, 1)
    made = Entry(EventId(5, f"{number}-0"), RecordKind.CALL, ACCOUNT, b"")
    made._event = event
    return made


class Counting:
    """A renderer that counts what it is asked."""

    def __init__(self, *, fails_on: str = "") -> None:
        self.asked: Counter[str] = Counter()
        self._fails_on = fails_on

    def __call__(self, event_id: EventId, event: CallEvent) -> Rendered | None:
        """Count, and render or fail."""
        self.asked[event_id.stream_id] += 1
        if event_id.stream_id == self._fails_on:
            raise RuntimeError("broken on purpose")
        return render(event_id, event)


def test_all_selections_of_a_format_share_one_rendering_and_all_of_a_framing_one_frame() -> None:
    """Whatever they filter, and whoever they are for."""
    counting = Counting()
    entries = [entry(number) for number in range(3)]
    formats = {"v3": counting}
    chunked = [
        Framed.of("v3", Framing.CHUNKED, formats),
        Framed.of("v3", Framing.CHUNKED, formats, types=["call.leg.*"]),
        Framed.of("v3", Framing.CHUNKED, formats, extensions=["210"], user_id="jane"),
    ]
    plain = Framed.of("v3", Framing.PLAIN, formats)
    bodies = [selection.pick(entries) for selection in chunked]
    assert bodies[0] is not None
    assert bodies[0] == bodies[1] == bodies[2]
    frames = [entry.rendered["v3 chunked"] for entry in entries]
    assert plain.pick(entries) == Dechunker().feed(bodies[0])
    assert [entry.rendered["v3 chunked"] for entry in entries] == frames
    assert counting.asked == {"0-0": 1, "1-0": 1, "2-0": 1}


def test_selections_that_want_the_same_are_equal() -> None:
    """So their members share a group; the order they were asked in does not matter."""
    one = Framed.of("v3", Framing.CHUNKED, {"v3": render}, types=["b", "a"], extensions=["1", "2"])
    same = Framed.of("v3", Framing.CHUNKED, {"v3": Counting()}, types=["a", "b", "a"], extensions=["2", "1"])
    other = Framed.of("v3", Framing.CHUNKED, {"v3": render}, types=["a"], extensions=["1", "2"])
    assert one == same
    assert hash(one) == hash(same)
    assert one != other


def test_an_event_that_cannot_be_rendered_holds_up_none_of_the_others() -> None:
    """It is tried once, and shown to nobody."""
    counting = Counting(fails_on="1-0")
    selection = Framed.of("v3", Framing.PLAIN, {"v3": counting})
    entries = [entry(number) for number in range(3)]
    for _ in range(2):
        picked = selection.pick(entries)
        assert picked is not None
        reader = Reader()
        reader.feed(picked)
        assert [event.last_id for event in reader.events] == ["0-0", "2-0"]
    assert rendered(entries[1], "v3", {"v3": counting}) is None
    assert counting.asked["1-0"] == 1


def test_nothing_that_matches_is_nothing_to_write() -> None:
    """No member is woken for it."""
    selection = Framed.of("v3", Framing.PLAIN, {"v3": render}, extensions=["999"])
    assert selection.pick([entry(1)]) is None


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("format", {"event_format": "xml"}),
        ("types", {"types": ["a*b"]}),
        ("extensions", {"extensions": ["jane"]}),
    ],
)
def test_what_cannot_be_selected_is_named(field: str, asked: dict[str, object]) -> None:
    """The error names the field and says what is right."""
    event_format = str(asked.pop("event_format", "v3"))
    with pytest.raises(InvalidFieldError) as caught:
        Framed.of(event_format, Framing.PLAIN, {"v3": render}, **asked)  # type: ignore[arg-type]
    assert caught.value.field == field
