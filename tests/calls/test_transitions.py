"""Transitions: what each happening makes of a call, and what is told of it."""

from __future__ import annotations

import pytest

from relay.calls.events import CallEvent
from relay.calls.happenings import (
    CallPlaced,
    DtmfSent,
    Happening,
    LegAnswered,
    LegEnded,
    LegMade,
    LegRinging,
    UserDataReplaced,
)
from relay.calls.model import Address, CallType, Cause, PartyState, Session, call_type
from relay.calls.transitions import ImpossibleHappeningError
from tests.calls.calling import ACCOUNT, JANE, JOHN, OUTSIDE, apply_all, kinds, leg_story
from tests.harness.happening import apply

NOW = 1_763_717_404_218


def placed(caller: Address = JANE, callee: Address = JOHN, *, two_step: bool = False) -> CallPlaced:
    """Return the beginning of a call; its legs are ``one`` and ``two``."""
    return CallPlaced(
        session_id="call",
        account=ACCOUNT,
        type=call_type(caller, callee),
        caller_leg="one",
        caller=caller,
        destination=callee,
        two_step=two_step,
        user_data={"order": "7"},
    )


def after(*happenings: Happening) -> tuple[Session, tuple[CallEvent, ...]]:
    """Apply happenings to nothing, each a millisecond after the one before."""
    session: Session | None = None
    events: list[CallEvent] = []
    for step, happening in enumerate(happenings):
        session, told = apply(session, happening, NOW + step)
        events += told
    assert session is not None
    return session, tuple(events)


MADE = LegMade(leg="two", address=JOHN, far=JANE)
RINGS = LegRinging(leg="two")
ANSWERED = LegAnswered(leg="two")


def test_a_call_begins_with_the_callers_leg() -> None:
    """Placing a call makes one leg, in setup, with the call's data and times."""
    session, events = after(placed())
    assert kinds(events) == ["dialing 210"]
    assert session.type is CallType.INTERNAL
    assert (session.created_at, session.version, session.user_data) == (NOW, 0, {"order": "7"})
    (party,) = session.parties
    assert (party.state, party.far, party.created_at, party.answered_at) == (
        PartyState.SETUP,
        JOHN,
        NOW,
        None,
    )
    assert events[0].session == session


@pytest.mark.parametrize(
    ("caller", "callee", "kind"),
    [(JANE, JOHN, "internal"), (JANE, OUTSIDE, "outbound"), (OUTSIDE, JANE, "inbound")],
)
def test_the_ends_tell_a_calls_type(caller: Address, callee: Address, kind: str) -> None:
    """A call is internal, outbound or inbound by which of its ends are ours."""
    assert call_type(caller, callee) == kind


def test_an_internal_call_is_told_in_order() -> None:
    """The caller is told of as connected once the callee's leg is made, and established when it answers."""
    session, events = after(placed(), MADE, RINGS, ANSWERED)
    assert kinds(events) == [
        "dialing 210", "setup 200", "connected 210", "ringing 200", "answered 200", "established 210",
    ]  # fmt: skip
    assert [party.state for party in session.parties] == [PartyState.ANSWERED] * 2
    assert [party.answered_at for party in session.parties] == [NOW + 3] * 2


def test_an_outside_callees_leg_is_made_in_silence() -> None:
    """A leg at an outside number is told of from its ringing on, and its caller answers with it."""
    _, events = after(placed(JANE, OUTSIDE), LegMade(leg="two", address=OUTSIDE, far=JANE), RINGS, ANSWERED)
    assert kinds(events) == [
        "dialing 210", "ringing +12025550123", "proceeding 210", "answered +12025550123", "answered 210",
    ]  # fmt: skip
    assert leg_story(events) == ["ringing(210,1)", "answered(210,2)"]


def test_a_callers_own_phone_answers_first_in_two_steps() -> None:
    """In a click-to-dial the caller is answered before the callee's leg is made, and not told of twice."""
    _, events = after(placed(two_step=True), LegAnswered(leg="one"), MADE, RINGS, ANSWERED)
    assert kinds(events) == [
        "dialing 210", "answered 210", "setup 200", "ringing 200", "answered 200", "capabilities 210",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "ending", "cause", "by"),
    [
        ([MADE, RINGS, ANSWERED], LegEnded(leg="one"), Cause.NORMAL, "210"),
        ([MADE, RINGS, ANSWERED], LegEnded(leg="two"), Cause.NORMAL, "200"),
        ([MADE, RINGS], LegEnded(leg="one"), Cause.CANCELED, "210"),
        ([], LegEnded(leg="one"), Cause.CANCELED, "210"),
        ([MADE, RINGS], LegEnded(leg="two"), Cause.REJECTED, "200"),
        ([MADE, RINGS], LegEnded(leg="two", cause=Cause.REJECTED), Cause.REJECTED, "200"),
        ([MADE, RINGS], LegEnded(leg="two", cause=Cause.BUSY), Cause.BUSY, None),
        ([MADE, RINGS], LegEnded(leg="two", cause=Cause.NO_ANSWER), Cause.NO_ANSWER, None),
        ([MADE, RINGS], LegEnded(leg="two", cause=Cause.FAILED), Cause.FAILED, None),
    ],
)
def test_both_ends_of_a_call_end_together(
    steps: list[Happening], ending: LegEnded, cause: Cause, by: str | None
) -> None:
    """The leg that ended is told of first; all carry one cause and who ended the call."""
    session, events = after(placed(), *steps, ending)
    ended = [event for event in events if event.kind == "ended"]
    assert [event.party_id for event in ended] == [
        ending.leg, *(party.id for party in session.parties if party.id != ending.leg)
    ]  # fmt: skip
    assert not session.live
    assert session.ended_at == NOW + 1 + len(steps)
    assert {(party.state, party.cause, party.ended_by) for party in session.parties} == {
        (PartyState.DISCONNECTED, cause, by)
    }


def test_an_outside_end_has_no_name() -> None:
    """A call ended from outside names nobody."""
    session, _ = after(
        placed(OUTSIDE, JANE),
        LegMade(leg="two", address=JANE, far=OUTSIDE),
        RINGS,
        ANSWERED,
        LegEnded(leg="one"),
    )
    assert {(party.cause, party.ended_by) for party in session.parties} == {(Cause.NORMAL, None)}


def test_one_who_hangs_up_before_the_far_end_answered_cancels() -> None:
    """A click-to-dial caller who is answered and gives up while the callee rings has canceled the call."""
    session, _ = after(placed(two_step=True), LegAnswered(leg="one"), MADE, RINGS, LegEnded(leg="one"))
    assert {party.cause for party in session.parties} == {Cause.CANCELED}


def test_tones_are_told_of_the_leg_they_were_sent_from() -> None:
    """Tones are one event of one leg, with the digits; from an outside leg nobody is told."""
    session, _ = after(placed(OUTSIDE, JANE), LegMade(leg="two", address=JANE, far=OUTSIDE), RINGS, ANSWERED)
    _, events = apply(session, DtmfSent(leg="two", digits="1#"), NOW)
    assert [(event.kind, event.party_id, event.details) for event in events] == [
        ("dtmf", "two", {"digits": "1#"})
    ]
    assert apply(session, DtmfSent(leg="one", digits="1"), NOW)[1] == ()


def test_user_data_is_told_of_each_live_leg_of_ours() -> None:
    """A change of the whole call makes one event for each leg it concerns, also when the data is the same."""
    session, _ = after(placed(), MADE, RINGS)
    for _ in range(2):
        session, events = apply(session, UserDataReplaced(user_data={"a": 1}), NOW)
        assert kinds(events) == ["user_data 210", "user_data 200"]
        assert {event.session.user_data["a"] for event in events} == {1}


def test_events_carry_where_they_come_from() -> None:
    """Command and trace reach every event of a happening."""
    _, events = apply_all(None, [placed(), MADE, RINGS], NOW, command_id="cmd", traceparent="00-a-b-01")
    assert len(events) == 4
    assert {(event.command_id, event.traceparent, event.account) for event in events} == {
        ("cmd", "00-a-b-01", ACCOUNT)
    }


def test_a_commands_outcome_is_told_with_its_id() -> None:
    """Until the callee answers, what has no command of its own comes of the one that placed the call."""
    session, told = apply_all(None, [placed(), MADE, RINGS], NOW, command_id="dial")
    session, answered = apply_all(session, [ANSWERED], NOW)
    session, ended = apply_all(session, [LegEnded(leg="two")], NOW)
    assert {event.command_id for event in (*told, *answered)} == {"dial"}
    assert {event.command_id for event in ended} == {None}
    rings, _ = apply_all(None, [placed(), MADE, RINGS], NOW, command_id="dial")
    _, canceled = apply_all(rings, [LegEnded(leg="one")], NOW, command_id="hangup")
    assert {event.command_id for event in canceled} == {"hangup"}


def test_what_cannot_happen_is_an_error() -> None:
    """An unknown leg, a call that is not there, and a call placed twice are faults of the switch."""
    session, _ = after(placed())
    with pytest.raises(ImpossibleHappeningError, match="no leg two"):
        apply(session, RINGS, NOW)
    with pytest.raises(ImpossibleHappeningError, match="without a session"):
        apply(None, RINGS, NOW)
    with pytest.raises(ImpossibleHappeningError, match="placed already"):
        apply(session, placed(), NOW)
