from __future__ import annotations

from relay.calls.happenings import (
    CallPlaced,
    CallsJoined,
    DtmfSent,
    Happening,
    LegAnswered,
    LegEnded,
    LegHeld,
    LegMade,
    LegMuted,
    LegRinging,
    LegTransferred,
    Step,
)
from relay.calls.model import Address, CallType, PartyState, Peer, Reason
from relay.calls.presence import PresenceChange, presence_changes
from relay.calls.transitions import apply_steps
from tests.calls.calling import ACCOUNT, ALEX, JANE, JOHN, OUTSIDE

NOW = 1_763_717_404_218


def placed(call: str, callee: Address = JOHN) -> list[Step]:
    """Return how jane calls somebody; the legs are ``<call>1`` and ``<call>2``."""
    call_placed = CallPlaced(
        session_id=call,
        account=ACCOUNT,
        type=CallType.INTERNAL,
        caller_leg=f"{call}1",
        caller=JANE,
        destination=callee,
    )
    made = LegMade(leg=f"{call}2", address=callee, far=JANE)
    return [Step(call, one) for one in (call_placed, made, LegRinging(leg=f"{call}2"))]


def last(*steps: Step) -> list[PresenceChange]:
    """Return what the last of these steps changes about users' calls."""
    before, _ = apply_steps([], steps[:-1], NOW)
    _, events = apply_steps(before.values(), steps[-1:], NOW + 1000)
    return presence_changes(events)


def brief(changes: list[PresenceChange]) -> list[str]:
    """Return each change as a line: whose, the legs that live with their states, and those that ended."""
    return [
        " ".join(
            (
                f"{change.user.extension}:",
                *(f"{call.leg} {call.state}" for call in change.calls),
                *(f"-{call.leg}" for call in change.ended),
            )
        )
        for change in changes
    ]


def test_placing_a_call_changes_both_ends() -> None:
    """One change for each user, with the leg as it is after all that happened at once."""
    _, events = apply_steps([], placed("a"), NOW)
    changes = presence_changes(events)
    assert brief(changes) == ["210: a1 setup", "200: a2 setup"]
    [call] = changes[0].calls
    assert (call.session, call.place, call.connected, call.since) == ("a", 1, True, NOW)
    assert (call.caller, call.callee) == (JANE, JOHN)
    assert changes[0].account == ACCOUNT


def test_a_leg_outside_has_no_presence() -> None:
    """Only users have."""
    _, events = apply_steps([], placed("a", OUTSIDE), NOW)
    assert brief(presence_changes(events)) == ["210: a1 setup"]


def _at(call: str, happening: Happening) -> Step:
    return Step(call, happening)


def test_what_changes_presence_and_what_does_not() -> None:
    """Answering, holding and ending do; ringing on, tones and muting do not."""
    answered = _at("a", LegAnswered(leg="a2"))
    assert brief(last(*placed("a"), answered)) == ["200: a2 answered"]
    assert brief(last(*placed("a"), answered, _at("a", LegHeld(leg="a1")))) == ["210: a1 held"]
    assert last(*placed("a"), answered, _at("a", LegMuted(leg="a1", muted=True))) == []
    assert last(*placed("a"), answered, _at("a", DtmfSent(leg="a1", digits="1"))) == []
    ended = last(*placed("a"), answered, _at("a", LegEnded(leg="a2")))
    assert brief(ended) == ["200: -a2", "210: -a1"]
    assert ended[0].ended[0].state is PartyState.DISCONNECTED
    assert ended[0].time == NOW + 1000


def test_a_call_left_to_ones_own_mailbox_is_over() -> None:
    """Its user is in no call; the caller has the mailbox at the other end."""
    mailbox = Address(number="15002", extension="200", user_id="john")
    target = LegMade(leg="a3", address=mailbox, far=JANE)
    left = _at("a", LegTransferred(leg="a2", target=target, reason=Reason.MAILBOX))
    assert brief(last(*placed("a"), left)) == ["200: -a2", "210: a1 setup"]


def test_a_leg_that_moves_is_in_its_new_call() -> None:
    """Joining two calls leaves each user with the calls that they are in then."""
    steps = [*placed("a"), _at("a", LegAnswered(leg="a2")), *placed("b", ALEX)]
    steps += [
        _at("b", LegAnswered(leg="b2")),
        _at("a", CallsJoined(leg="a1", other=Peer("b", "b1"), leaves=True)),
    ]
    changes = {change.user.extension: change for change in last(*steps)}
    assert [call.leg for call in changes["210"].ended] == ["a1", "b1"]
    [moved] = changes["220"].calls
    assert (moved.leg, moved.session, moved.place) == ("b2", "a", 3)
    assert [(call.leg, call.callee) for call in changes["200"].calls] == [("a2", JOHN)]
