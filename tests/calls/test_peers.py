"""Where a leg that left by joining two calls has its counterpart."""

from __future__ import annotations

import pytest

from relay.calls.happenings import CallPlaced, CallsJoined, LegAnswered, LegMade, LegTransferred, Step
from relay.calls.model import CallType, PartyState, Peer, Session
from relay.calls.transitions import apply_steps
from tests.calls.calling import ACCOUNT, ALEX, JANE, JOHN, OUTSIDE


def _talking(call: str, callee: str) -> list[Step]:
    """Return how jane calls somebody who answers; the legs are ``<call>1`` and ``<call>2``."""
    address = {"john": JOHN, "alex": ALEX}[callee]
    placed = CallPlaced(
        session_id=call,
        account=ACCOUNT,
        type=CallType.INTERNAL,
        caller_leg=f"{call}1",
        caller=JANE,
        destination=address,
    )
    made = LegMade(leg=f"{call}2", address=address, far=JANE)
    return [Step(call, happening) for happening in (placed, made, LegAnswered(leg=f"{call}2"))]


@pytest.mark.parametrize("leaves", [True, False])
def test_a_leg_that_was_joined_names_its_counterpart_and_its_place(*, leaves: bool) -> None:
    """Every leg with a peer names a leg of another session, and its place among that session's legs."""
    target = LegMade(leg="b3", address=OUTSIDE, far=JANE)
    steps = [
        *_talking("a", "john"),
        *_talking("b", "alex"),
        Step("b", LegTransferred(leg="b2", target=target)),
        Step("b", LegAnswered(leg="b3")),
        Step("a", CallsJoined(leg="a1", other=Peer("b", "b1"), leaves=leaves)),
    ]
    sessions, _ = apply_steps([], steps, 1)
    peers = {(session.id, party.id): party.peer for session in sessions.values() for party in session.parties}
    assert peers["b", "b1"] == Peer("a", "a1", 1)
    assert peers["b", "b3"] == Peer("a", "b3", 3)
    assert peers["a", "a1"] == (Peer("b", "b1", 1) if leaves else None)
    for peer in peers.values():
        assert peer is None or _leg(sessions[peer.session], peer.place) == peer.leg
    assert sessions["b"].parties[2].state is PartyState.GONE


def test_a_leg_has_a_place_in_the_sessions_it_is_in() -> None:
    """Places are counted from 1 in the order in which legs came; a leg that is elsewhere has none."""
    steps = [
        *_talking("a", "john"),
        *_talking("b", "alex"),
        Step("a", CallsJoined(leg="a1", other=Peer("b", "b1"), leaves=False)),
    ]
    sessions, _ = apply_steps([], steps, 1)
    assert [sessions["a"].place(leg) for leg in ("a1", "a2", "b2", "b1")] == [1, 2, 3, 0]


def _leg(session: Session, place: int) -> str:
    return session.parties[place - 1].id
