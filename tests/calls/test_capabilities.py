"""Capabilities: what a leg allows in each state, alone and beside other calls of its device."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from relay.calls.capabilities import LAW, MONITOR_LAW, PAIRS, UNLISTED, Operation, capabilities, pairs
from relay.calls.lines import Line
from relay.calls.model import CallType, Party, PartyState, Recording, RecordingState, Role, Session
from tests.calls.calling import ACCOUNT, ALEX, JANE, JOHN

ALWAYS = {"hangup", "set-user-data"}
ALERTED = ALWAYS | {"answer", "reject", "forward", "reply"}
DIALLING = ALWAYS | {"send-dtmf"}
PICKED_UP = DIALLING | {"hold", "mute", "start-recording"}
ONWARDS = {"transfer", "conference", "consult", "flip"}
TALKING = PICKED_UP | ONWARDS
ON_HOLD = ALWAYS | ONWARDS | {"retrieve"}
LEAVE = {"complete-transfer", "bridge"}

OWN = Party(id="own", role=Role.CALLER, address=JANE, far=JOHN, created_at=0, state=PartyState.ANSWERED)
FAR = Party(id="far", role=Role.CALLEE, address=JOHN, far=JANE, created_at=0, state=PartyState.ANSWERED)
THIRD = Party(id="third", role=Role.CALLEE, address=ALEX, far=JANE, created_at=0, state=PartyState.ANSWERED)


def allowed(own: Party, *others: Party, beside: tuple[Line, ...] = ()) -> set[str]:
    """Return what a leg allows in a call with others."""
    session = Session(
        id="call", account=ACCOUNT, type=CallType.INTERNAL, created_at=0, parties=(own, *others)
    )
    return set(capabilities(session, own, beside))


def conferring(own: Party, *others: Party, beside: tuple[Line, ...] = ()) -> set[str]:
    """Return what a leg allows in a conference that was placed as one."""
    session = Session(
        id="call",
        account=ACCOUNT,
        type=CallType.INTERNAL,
        created_at=0,
        parties=(own, *others),
        conference=True,
    )
    return set(capabilities(session, own, beside))


def line(state: PartyState, *, talking: bool = True, consults: str | None = None) -> Line:
    """Return another leg at the same device."""
    return Line(session="other", leg="second", state=state, talking=talking, consults=consults)


@pytest.mark.parametrize(
    ("role", "state", "expected"),
    [
        (Role.CALLER, PartyState.SETUP, DIALLING),
        (Role.CALLER, PartyState.PROCEEDING, DIALLING),
        (Role.CALLER, PartyState.ANSWERED, TALKING),
        (Role.CALLER, PartyState.HELD, ON_HOLD),
        (Role.CALLER, PartyState.DISCONNECTED, set()),
        (Role.CALLEE, PartyState.SETUP, ALERTED),
        (Role.CALLEE, PartyState.PROCEEDING, ALERTED),
        (Role.CALLEE, PartyState.ANSWERED, TALKING | {"park"}),
        (Role.CALLEE, PartyState.HELD, ON_HOLD | {"park"}),
        (Role.CALLEE, PartyState.PARKED, ALWAYS | {"pick-up"}),
        (Role.CALLEE, PartyState.VOICEMAIL, ALWAYS),
        (Role.CALLEE, PartyState.GONE, set()),
    ],
)
def test_a_legs_role_and_state_tell_what_it_allows(role: Role, state: PartyState, expected: set[str]) -> None:
    """Only an alerted leg can be answered or rejected, only a held one retrieved, an ended one nothing."""
    assert allowed(replace(OWN, role=role, state=state), FAR) == expected


def test_only_who_talks_with_somebody_can_lead_a_call_onwards() -> None:
    """A caller whose own phone was picked up first cannot transfer while the far end rings."""
    assert allowed(OWN, replace(FAR, state=PartyState.PROCEEDING)) == PICKED_UP
    assert allowed(OWN, replace(FAR, state=PartyState.HELD)) == TALKING
    assert allowed(replace(OWN, state=PartyState.HELD), replace(FAR, state=PartyState.SETUP)) == {
        *ALWAYS,
        "retrieve",
    }


def test_mute_is_a_switch() -> None:
    """A muted leg can be unmuted, any other muted; a held one neither."""
    assert allowed(replace(OWN, muted=True), FAR) == TALKING - {"mute"} | {"unmute"}
    assert allowed(replace(OWN, muted=True, state=PartyState.HELD), FAR) == ON_HOLD


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (RecordingState.RECORDING, {"stop-recording", "pause-recording"}),
        (RecordingState.PAUSED, {"stop-recording", "resume-recording"}),
        (RecordingState.STOPPED, {"start-recording"}),
    ],
)
def test_a_recording_allows_its_next_states(state: RecordingState, expected: set[str]) -> None:
    """One that runs is paused or stopped, a paused one resumed or stopped; then another may start."""
    recorded = replace(OWN, recordings=(Recording("1", RecordingState.STOPPED), Recording("2", state)))
    assert allowed(recorded, FAR) == TALKING - {"start-recording"} | expected
    assert allowed(replace(recorded, state=PartyState.HELD), FAR) == ON_HOLD


def test_a_conference_is_cleared_by_anyone_and_thinned_by_its_owner() -> None:
    """With three in the call everybody may clear it, and who made it may remove others."""
    assert allowed(OWN, FAR, THIRD) == TALKING | {"clear"}
    assert allowed(replace(OWN, owner=True), FAR, THIRD) == TALKING | {"clear", "remove-participant"}
    assert allowed(replace(OWN, owner=True, state=PartyState.HELD), FAR, THIRD) == ON_HOLD | {
        "clear",
        "remove-participant",
    }
    ringing = replace(THIRD, state=PartyState.PROCEEDING)
    assert "clear" not in allowed(ringing, OWN, FAR)
    ended = replace(THIRD, state=PartyState.DISCONNECTED)
    assert allowed(replace(OWN, owner=True), FAR, ended) == TALKING


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        (PartyState.ANSWERED, PartyState.SETUP, set()),
        (PartyState.ANSWERED, PartyState.PROCEEDING, set()),
        (PartyState.ANSWERED, PartyState.ANSWERED, {"merge", "bridge"}),
        (PartyState.ANSWERED, PartyState.HELD, {"merge", "bridge", "swap"}),
        (PartyState.HELD, PartyState.SETUP, set()),
        (PartyState.HELD, PartyState.ANSWERED, {"merge", "bridge", "swap"}),
        (PartyState.HELD, PartyState.HELD, {"merge", "bridge"}),
    ],
)
def test_a_second_call_at_the_device_can_be_swapped_and_merged(
    own: PartyState, other: PartyState, expected: set[str]
) -> None:
    """Two picked up calls merge; one held and one not swap, and then the held one is not just retrieved."""
    alone = TALKING if own is PartyState.ANSWERED else ON_HOLD
    if own is PartyState.HELD and other is PartyState.ANSWERED:
        alone = alone - {"retrieve"}
    leg = replace(OWN, state=own)
    assert allowed(leg, FAR, beside=(line(other),)) == alone | expected


@pytest.mark.parametrize(
    ("parent", "consult", "expected"),
    [
        (PartyState.HELD, PartyState.SETUP, LEAVE),
        (PartyState.HELD, PartyState.ANSWERED, LEAVE | {"complete-conference", "merge", "swap"}),
        (PartyState.ANSWERED, PartyState.HELD, LEAVE | {"complete-conference", "merge", "swap"}),
        (PartyState.HELD, PartyState.PROCEEDING, LEAVE),
        (PartyState.ANSWERED, PartyState.SETUP, LEAVE),
    ],
)
def test_a_consult_call_completes_from_either_side(
    parent: PartyState, consult: PartyState, expected: set[str]
) -> None:
    """While it is dialled it can only be a transfer; both calls list the same."""
    two_calls = set(PAIRS)
    of_parent = allowed(replace(OWN, state=parent), FAR, beside=(line(consult, consults="own"),))
    asking = replace(OWN, state=consult, consults="second")
    of_consult = allowed(asking, THIRD, beside=(line(parent),))
    assert of_parent & two_calls == of_consult & two_calls == expected


def test_a_transfer_leaves_somebody_who_talks() -> None:
    """Where nobody of the two calls has been picked up yet, there is nobody to transfer."""
    ringing = replace(FAR, state=PartyState.PROCEEDING)
    held = replace(OWN, state=PartyState.HELD)
    dialled = line(PartyState.SETUP, talking=False, consults="own")
    assert "complete-transfer" not in allowed(held, ringing, beside=(dialled,))
    assert "complete-transfer" in allowed(held, FAR, beside=(dialled,))


def test_unrelated_calls_are_not_completed() -> None:
    """A call that asks advice for another one is nothing to this one, but may be left to it."""
    beside = (line(PartyState.ANSWERED, consults="somebody else's"),)
    held = replace(OWN, state=PartyState.HELD)
    assert allowed(held, FAR, beside=beside) & set(PAIRS) == {"merge", "bridge", "swap"}


def test_an_operation_on_two_calls_goes_with_the_right_one() -> None:
    """Of several calls at the device, each operation goes with those it lists for."""
    session = Session(id="call", account=ACCOUNT, type=CallType.INTERNAL, created_at=0, parties=(OWN, FAR))
    assert pairs(Operation.SWAP, session, OWN, line(PartyState.HELD))
    assert not pairs(Operation.SWAP, session, OWN, line(PartyState.ANSWERED))
    assert not pairs(Operation.COMPLETE_TRANSFER, session, OWN, line(PartyState.HELD))


def test_unrelated_calls_are_left_to_each_other_only_with_people_in_both() -> None:
    """Where nobody else talks in one of them, the other's people would be left with nobody."""
    assert "bridge" in allowed(OWN, FAR, beside=(line(PartyState.HELD),))
    assert "bridge" not in allowed(OWN, FAR, beside=(line(PartyState.HELD, talking=False),))
    assert "bridge" not in allowed(
        OWN, replace(FAR, state=PartyState.PARKED), beside=(line(PartyState.HELD),)
    )


def test_who_had_a_reply_read_cannot_answer_any_more() -> None:
    """The phone rings no longer; only the wait for the end of the message can be cut short."""
    ringing = replace(OWN, role=Role.CALLEE, state=PartyState.PROCEEDING)
    assert allowed(ringing, FAR) == ALERTED
    assert allowed(replace(ringing, replied_at=1), FAR) == ALWAYS


def test_a_call_of_three_cannot_be_parked() -> None:
    """Nor can a caller park; the call that comes back would not be the one that was parked."""
    callee = replace(OWN, role=Role.CALLEE)
    assert "park" in allowed(callee, FAR)
    assert "park" not in allowed(callee, FAR, THIRD)
    assert "park" not in allowed(OWN, FAR)


def test_a_placed_conference_takes_in_calls_and_is_not_recorded() -> None:
    """Its owner brings in whom the same phone talks to, and is the only one who can."""
    other = (line(PartyState.HELD),)
    host = replace(OWN, owner=True)
    assert conferring(host, beside=other) == {*PICKED_UP, "merge", "swap", "bring-in"} - {"start-recording"}
    with_one = {"bridge", "bring-in", "transfer", "clear", "remove-participant"}
    assert with_one <= conferring(host, FAR, beside=other)
    assert "bring-in" not in conferring(OWN, FAR, beside=other)
    assert "bring-in" not in allowed(host, FAR, beside=other)


def test_every_operation_has_its_law() -> None:
    """Only a disposition is never listed."""
    assert {*LAW, *MONITOR_LAW, *UNLISTED} == set(Operation)
    assert {Operation.SET_DISPOSITION} == UNLISTED
