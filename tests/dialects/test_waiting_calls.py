"""Calls that wait, as each dialect's subscribers see them."""

from __future__ import annotations

from typing import Any

import msgspec

from relay.calls.events import CallEvent, EventId
from relay.calls.happenings import (
    CallPlaced,
    LegAnswered,
    LegEnded,
    LegMade,
    LegParked,
    LegPickedUp,
    LegReplied,
    LegRinging,
    LegTransferred,
    VoicemailReached,
)
from relay.calls.model import CallType, Reason
from relay.dialects.gws.render import renderer
from relay.dialects.v3.render import render
from tests.calls.calling import apply_all
from tests.dialects.ringcentral.calls import ACCOUNT, JANE, JOHN, SESSION

ID = EventId(7, "1763717404218-0")
_gws = renderer("http://relay.test")

RINGING = (
    CallPlaced(
        session_id=SESSION,
        account=ACCOUNT,
        type=CallType.INTERNAL,
        caller_leg="one",
        caller=JANE,
        destination=JOHN,
    ),
    LegMade(leg="two", address=JOHN, far=JANE),
    LegRinging(leg="two"),
)
TALKING = (*RINGING, LegAnswered(leg="two"))


def told(*happenings: Any, after: int) -> tuple[CallEvent, ...]:
    """Return what is told of a call after so many happenings."""
    session, _ = apply_all(None, happenings[:after], 1000)
    return apply_all(session, happenings[after:], 2000)[1]


def in_gws(events: tuple[CallEvent, ...]) -> list[str]:
    """Return what GWS tells: number, state and what the call allows, save what every call does."""
    lines = []
    for event in events:
        shown = _gws(ID, event)
        if shown is not None:
            data = msgspec.json.decode(shown.body)["data"]
            allowed = sorted({*data["call"]["capabilities"]} & {"Answer", "Hangup", "Hold", "Retrieve"})
            lines.append(" ".join((data["phoneNumber"], data["call"]["state"], *allowed)))
    return lines


def in_v3(events: tuple[CallEvent, ...]) -> list[str]:
    """Return what v3 tells: extension, type and state."""
    bodies = [msgspec.json.decode(shown.body) for event in events if (shown := render(ID, event))]
    return [f"{body['user_extension']} {body['type']} {body['state']}" for body in bodies]


def test_a_parked_call_is_held_to_the_others() -> None:
    """It cannot be retrieved, only ended; picked up, it is over for who parked it."""
    parked = told(*TALKING, LegParked(leg="two", orbit="*801"), after=len(TALKING))
    assert [line for line in in_gws(parked) if line.startswith("15002")] == ["15002 Held Hangup"]
    assert in_v3(parked) == ["200 call.leg.held held"]
    taken = told(
        *TALKING,
        LegParked(leg="two", orbit="*801"),
        LegPickedUp(leg="two", picked_up="three", address=JOHN),
        after=len(TALKING) + 1,
    )
    assert in_gws(taken)[:2] == ["15002 Released", "15002 Established Hangup Hold"]
    assert in_v3(taken) == [
        "200 call.leg.hungup hungup",
        "200 call.leg.answered answered",
        "210 call.leg.transferred answered",
    ]


def test_a_mailbox_is_the_far_end_of_the_call() -> None:
    """It has no leg of its own to the others; whoever waited for an answer has one."""
    mailbox = msgspec.structs.replace(JOHN, device_id=None)
    told_of = told(
        *RINGING,
        LegTransferred(leg="two", target=LegMade(leg="three", address=mailbox, far=JANE)),
        VoicemailReached(leg="three"),
        after=len(RINGING),
    )
    assert in_v3(told_of) == [
        "200 call.leg.hungup hungup",
        "210 call.leg.transferred ringing",
        "210 call.leg.answered answered",
    ]
    assert in_gws(told_of)[0] == "15002 Released"
    assert in_gws(told_of)[-1] == "15000 Established Hangup Hold"


def test_a_call_left_to_ones_own_mailbox_was_rejected() -> None:
    """The phone's leg is over by that, and stays so when the mailbox has taken its message."""
    mailbox = msgspec.structs.replace(JOHN, device_id=None)
    target = LegMade(leg="three", address=mailbox, far=JANE)
    left = (LegTransferred(leg="two", target=target, reason=Reason.MAILBOX), VoicemailReached(leg="three"))
    events = told(*RINGING, *left, LegEnded(leg="three"), after=len(RINGING))
    assert [line for line in in_gws(events) if line.startswith("15002")] == ["15002 Released"]
    assert in_v3(events) == [
        "200 call.leg.hungup hungup",
        "210 call.leg.transferred ringing",
        "210 call.leg.answered answered",
        "210 call.leg.hungup hungup",
    ]
    shown = render(ID, events[0])
    assert shown is not None
    assert msgspec.json.decode(shown.body)["hangup"] == {"cause": "rejected", "by": "200"}


def test_a_call_that_was_replied_to_rings_without_an_answer() -> None:
    """Until the message is read there is nothing to do but to end it."""
    replied = told(*RINGING, LegReplied(leg="two"), after=len(RINGING))
    assert in_gws(replied) == ["15002 Ringing Hangup"]
    assert in_v3(replied) == []
    ended = told(*RINGING, LegReplied(leg="two"), LegEnded(leg="two"), after=len(RINGING) + 1)
    assert in_v3(ended) == ["200 call.leg.hungup hungup", "210 call.leg.hungup hungup"]
