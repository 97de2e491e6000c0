"""The laws of calls that grow, change hands and come together, for any happenings in any order."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.calls.capabilities import capabilities
from relay.calls.endings import goes_on
from relay.calls.events import NUMBERING, CallEvent
from relay.calls.happenings import (
    CallCleared,
    CallPlaced,
    CallsJoined,
    Happening,
    LegAnswered,
    LegEnded,
    LegHeld,
    LegMade,
    LegMuted,
    LegParked,
    LegPickedUp,
    LegReplied,
    LegRetrieved,
    LegRinging,
    LegTransferred,
    Step,
    UserDataReplaced,
    VoicemailReached,
)
from relay.calls.lines import lines_of
from relay.calls.model import Address, Cause, Peer, Reason, Role, Session, call_type
from relay.calls.transitions import apply_steps
from tests.calls.calling import ACCOUNT, ALEX, JANE, JOHN, OUTSIDE

PLACED = {"a": (JANE, JOHN), "b": (JANE, ALEX)}
"""Two calls at jane's phone: each has the legs ``<call>1`` and ``<call>2``."""

CALLS = st.sampled_from(sorted(PLACED))
ORDINALS = st.integers(1, 5)
PHONES = st.sampled_from([JANE, JOHN, ALEX])
TARGETS = st.sampled_from([JOHN, ALEX, OUTSIDE, Address(number="+12025550124")])


class Life(NamedTuple):
    """What happens, one step after another, each with the sessions as they were after it."""

    steps: list[Step]
    sessions: list[dict[str, Session]]
    events: list[CallEvent]


@st.composite
def happenings(draw: st.DrawFn, call: str, made: int) -> Happening:
    """Something that may happen to a call, whose next leg would be number ``made``."""
    leg = f"{call}{draw(ORDINALS)}"
    target = LegMade(leg=f"{call}{made}", address=draw(TARGETS), far=JANE, user_data={"t": made})
    other = "b" if call == "a" else "a"
    joining = CallsJoined(leg=f"{call}1", other=Peer(other, f"{other}1"), leaves=draw(st.booleans()))
    options: list[Happening] = [
        LegRinging(leg=leg),
        LegAnswered(leg=leg),
        LegAnswered(leg=f"{call}2"),
        LegHeld(leg=leg),
        LegRetrieved(leg=leg),
        LegMuted(leg=leg, muted=True),
        LegEnded(leg=leg, cause=draw(st.sampled_from([None, *Cause]))),
        LegTransferred(leg=leg, target=target),
        LegTransferred(leg=leg, target=target, reason=Reason.FLIP),
        LegTransferred(leg=leg, target=target, reason=Reason.MAILBOX),
        LegParked(leg=leg, orbit="*801"),
        LegPickedUp(leg=leg, picked_up=f"{call}{made}", address=draw(PHONES)),
        VoicemailReached(leg=leg),
        LegReplied(leg=leg),
        msgspec.structs.replace(target, added_by=leg),
        msgspec.structs.replace(target, added_by=leg, flips=True),
        CallCleared(leg=leg),
        UserDataReplaced(user_data={"k": made}),
        joining,
        joining,
    ]
    return draw(st.sampled_from(options))


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Two calls, placed and mostly answered, and whatever then happens to them."""
    life = Life([], [], [])
    sessions: dict[str, Session] = {}
    for call, (caller, callee) in PLACED.items():
        placed = CallPlaced(
            session_id=call,
            account=ACCOUNT,
            type=call_type(caller, callee),
            caller_leg=f"{call}1",
            caller=caller,
            destination=callee,
        )
        made = LegMade(leg=f"{call}2", address=callee, far=caller)
        answered = (LegAnswered(leg=f"{call}2"),) if draw(st.integers(0, 4)) else ()
        for happening in (placed, made, LegRinging(leg=f"{call}2"), *answered):
            sessions = _happen(life, sessions, Step(call, happening))
    for _ in range(draw(st.integers(0, 12))):
        call = draw(CALLS)
        happening = draw(happenings(call, len(sessions[call].parties) + 1))
        leg = getattr(happening, "leg", None)
        known = leg is None or isinstance(happening, LegMade) or sessions[call].party(leg) is not None
        if known:
            sessions = _happen(life, sessions, Step(call, happening))
    return life


def _happen(life: Life, sessions: dict[str, Session], step: Step) -> dict[str, Session]:
    after, told = apply_steps(sessions.values(), [step], len(life.steps), lines=lines_of(sessions.values()))
    life.steps.append(step)
    life.sessions.append(after)
    life.events.extend(told)
    return after


@settings(max_examples=200)
@given(lives())
def test_sequences_have_no_gaps(life: Life) -> None:
    """A leg counts on in the call it goes to; each session counts its own."""
    counts: dict[str, int] = {}
    for event in life.events:
        if NUMBERING[event.kind].leg and event.party.ours:
            counts[event.party_id] = counts.get(event.party_id, 0) + 1
            assert event.leg_sequence == counts[event.party_id]
        if NUMBERING[event.kind].session:
            counts[event.session.id] = counts.get(event.session.id, 1) + 1
            assert event.session_sequence == counts[event.session.id]


@settings(max_examples=200)
@given(lives())
def test_final_states_are_final(life: Life) -> None:
    """Once a leg has ended in a session, or left it, it never changes there again and allows nothing."""
    for before, after in pairwise(life.sessions):
        for session in before.values():
            for party in session.parties:
                if not party.live:
                    assert after[session.id].party(party.id) == party
                    assert capabilities(after[session.id], party) == frozenset()
    over: set[tuple[str, str]] = set()
    for event in life.events:
        assert (event.session.id, event.party_id) not in over
        if event.kind in ("ended", "moved"):
            over.add((event.session.id, event.party_id))
            assert not event.party.live


@settings(max_examples=200)
@given(lives())
def test_nobody_is_left_alone_or_twice(life: Life) -> None:
    """After every step a live call goes on or is still being set up; a leg lives in one session."""
    for sessions in life.sessions:
        alive: list[str] = []
        for session in sessions.values():
            live = [party for party in session.parties if party.live]
            alive += [party.id for party in live]
            setting_up = any(party.role is Role.CALLER and not party.present for party in live)
            assert not live or setting_up or goes_on(session)
        assert len(set(alive)) == len(alive)


@settings(max_examples=200)
@given(lives())
def test_joining_leaves_one_call_of_two(life: Life) -> None:
    """Whoever was live in either call and did not leave is in the one that stays; the other has ended."""
    for (before, after), step in zip(pairwise(life.sessions), life.steps[1:], strict=True):
        if not isinstance(step.happening, CallsJoined):
            continue
        kept, donor = before[step.session], before[step.happening.other.session]
        own, away = kept.party(step.happening.leg), donor.party(step.happening.other.leg)
        if not (own and own.live and away and away.live):
            assert after == before
            continue
        assert not after[donor.id].live
        stays = {party.id for party in after[kept.id].parties if party.live}
        were = {party.id for party in (*kept.parties, *donor.parties) if party.live}
        assert stays <= were - {away.id}
        assert not (step.happening.leaves and own.id in stays)


@settings(max_examples=200)
@given(lives())
def test_every_change_can_be_told_twice(life: Life) -> None:
    """A switch that repeats itself changes nothing and is not told again, except of user data."""
    for before, step in zip(life.sessions, life.steps, strict=True):
        if isinstance(step.happening, CallPlaced | UserDataReplaced):
            continue
        after, told = apply_steps(before.values(), [step], len(life.steps))
        assert after == before
        assert told == ()


@settings(max_examples=100)
@given(lives())
def test_sessions_and_events_survive_the_journal(life: Life) -> None:
    """Encoding and decoding gives the same values."""
    for session in life.sessions[-1].values():
        assert msgspec.json.decode(msgspec.json.encode(session), type=Session) == session
    for event in life.events:
        assert msgspec.json.decode(msgspec.json.encode(event), type=CallEvent) == event
