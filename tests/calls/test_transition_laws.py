"""The laws of the call, for any happenings a switch may tell of, in any order."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from relay.calls.capabilities import capabilities
from relay.calls.events import NUMBERING, CallEvent
from relay.calls.happenings import (
    CallPlaced,
    DtmfSent,
    Happening,
    LegAnswered,
    LegEnded,
    LegHeld,
    LegMade,
    LegMuted,
    LegRetrieved,
    LegRinging,
    RecordingChanged,
    UserDataReplaced,
)
from relay.calls.model import Address, Cause, RecordingState, Session, call_type
from tests.calls.calling import ACCOUNT, JANE, JOHN, OUTSIDE
from tests.harness.happening import apply

legs = st.sampled_from(["one", "two"])
causes = st.sampled_from([None, *Cause])
later_happenings: st.SearchStrategy[Happening] = st.one_of(
    st.builds(LegRinging, leg=legs),
    st.builds(LegAnswered, leg=legs),
    st.builds(LegEnded, leg=legs, cause=causes),
    st.builds(LegHeld, leg=legs),
    st.builds(LegRetrieved, leg=legs),
    st.builds(LegMuted, leg=legs, muted=st.booleans()),
    st.builds(
        RecordingChanged,
        leg=legs,
        recording=st.sampled_from(["r1", "r2"]),
        state=st.sampled_from(RecordingState),
    ),
    st.builds(DtmfSent, leg=legs, digits=st.just("1")),
    st.builds(UserDataReplaced, user_data=st.dictionaries(st.sampled_from("ab"), st.integers(0, 1))),
)
ends = st.sampled_from([(JANE, JOHN), (JANE, OUTSIDE), (OUTSIDE, JANE)])


@st.composite
def lives(draw: st.DrawFn) -> tuple[Happening, ...]:
    """A call with two legs and whatever happens to it, legs made twice and endings repeated included."""
    caller, callee = draw(ends)
    made = LegMade(leg="two", address=callee, far=caller)
    return (
        _placed(caller, callee, two_step=draw(st.booleans())),
        made,
        *draw(st.lists(later_happenings | st.just(made))),
    )


def _placed(caller: Address, callee: Address, *, two_step: bool) -> CallPlaced:
    return CallPlaced(
        session_id="call",
        account=ACCOUNT,
        type=call_type(caller, callee),
        caller_leg="one",
        caller=caller,
        destination=callee,
        two_step=two_step,
    )


def _live(life: tuple[Happening, ...]) -> tuple[list[Session], list[CallEvent]]:
    session: Session | None = None
    sessions: list[Session] = []
    events: list[CallEvent] = []
    for at, happening in enumerate(life):
        session, told = apply(session, happening, at)
        sessions.append(session)
        events += told
    return sessions, events


@given(lives())
def test_sequences_have_no_gaps(life: tuple[Happening, ...]) -> None:
    """A leg of ours counts its events from 1, an outside leg has none; the session counts from 2."""
    sessions, events = _live(life)
    numbered = [event.session_sequence for event in events if NUMBERING[event.kind].session]
    assert numbered == list(range(2, 2 + len(numbered)))
    for party in sessions[-1].parties:
        told = [event for event in events if event.party_id == party.id and NUMBERING[event.kind].leg]
        if party.ours:
            assert [event.leg_sequence for event in told] == list(range(1, 1 + len(told)))
        assert party.sequence == (len(told) if party.ours else 0)


@given(lives())
def test_final_states_are_final(life: tuple[Happening, ...]) -> None:
    """Once a leg has ended it never changes again, is told of no more, and allows nothing."""
    sessions, events = _live(life)
    for before, after in pairwise(sessions):
        for party in before.parties:
            if not party.live:
                assert after.party(party.id) == party
                assert capabilities(after, party) == frozenset()
    endings = Counter(event.party_id for event in events if event.kind == "ended")
    assert all(count == 1 for count in endings.values())
    for party_id in endings:
        assert [event.kind for event in events if event.party_id == party_id][-1] == "ended"


@given(lives())
def test_a_call_ends_as_a_whole(life: tuple[Happening, ...]) -> None:
    """No leg outlives the other, and both ends carry the same cause, name and time."""
    for session in _live(life)[0]:
        assert len({party.live for party in session.parties}) == 1
        if not session.live:
            assert len({(party.cause, party.ended_by, party.ended_at) for party in session.parties}) == 1
            assert all(party.cause is not None for party in session.parties)


@given(lives())
def test_each_event_is_about_one_leg_as_it_then_was(life: tuple[Happening, ...]) -> None:
    """An event holds the session right after its own change, so it renders without another read."""
    sessions, events = _live(life)
    for event in events:
        assert event.party.sequence == event.leg_sequence
        assert event.session.sequence == event.session_sequence
        assert NUMBERING[event.kind].tells_of(event.party)
    told = {event.party_id: event.party for event in events}
    assert all(told[party.id] == party for party in sessions[-1].parties if party.ours)


@given(lives())
def test_a_change_of_state_told_twice_changes_nothing(life: tuple[Happening, ...]) -> None:
    """A switch may repeat what it said of a leg's state."""
    session = None
    for at, happening in enumerate(life):
        session, _ = apply(session, happening, at)
        if not isinstance(happening, CallPlaced | DtmfSent | UserDataReplaced):
            again, told = apply(session, happening, at + 1)
            assert again is session
            assert told == ()


@given(lives())
def test_time_does_not_run_backwards(life: tuple[Happening, ...]) -> None:
    """A session's last change is no later than what made it, and no earlier than the change before."""
    changed = [session.changed_at for session in _live(life)[0]]
    assert changed == sorted(changed)
    assert all(change <= at for at, change in enumerate(changed))


@given(lives())
def test_sessions_and_events_survive_the_journal(life: tuple[Happening, ...]) -> None:
    """Encoding and decoding gives the same values."""
    sessions, events = _live(life)
    values: list[tuple[Any, Any]] = [(Session, sessions[-1]), *((CallEvent, event) for event in events)]
    for kind, value in values:
        assert msgspec.json.decode(msgspec.json.encode(value), type=kind) == value
