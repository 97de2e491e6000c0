"""What each operation on one call makes every device, leg and session see, one line a step.

The device stories are GWS v2's documented orders of notifications.
"""

from __future__ import annotations

import pytest

from relay.calls.commands import (
    Answer,
    Clear,
    Conference,
    Consult,
    Hangup,
    Hold,
    LegAction,
    Mute,
    PauseRecording,
    RemoveParticipant,
    ResumeRecording,
    Retrieve,
    SendDtmf,
    StartRecording,
    StopRecording,
    Transfer,
    Unmute,
)
from relay.calls.model import Address, Cause, PartyState
from relay.switch.simulator import PhoneAction
from tests.calls.calling import ALEX, JANE, JOHN, OUTSIDE, device_story, kinds, leg_story, session_story
from tests.switch.exchange import Exchange
from tests.switch.scenes import BUSY, NOBODY, REJECTING, since, talking


async def test_hold_and_retrieve() -> None:
    """Only who pressed hold is told: the far end's state stays."""
    exchange = await talking()
    assert since(await exchange.act(exchange.caller, Hold())) == {"210": ["call Held"]}
    assert exchange.callee.state is PartyState.ANSWERED
    assert since(await exchange.act(exchange.caller, Retrieve())) == {"210": ["call Established"]}
    assert leg_story(exchange.events) == ["held(210,3)", "retrieved(210,4)"]
    assert session_story(exchange.events) == ["7 p-1 Hold", "8 p-1 Answered"]


async def test_hold_at_the_phone() -> None:
    """A person may hold and retrieve by hand, also outside, where only the session's watchers are told."""
    exchange = await talking(JANE, OUTSIDE)
    exchange.press(exchange.callee, PhoneAction.HOLD)
    exchange.press(exchange.callee, PhoneAction.RETRIEVE)
    exchange.press(exchange.caller, PhoneAction.HOLD)
    assert leg_story(exchange.events) == ["held(210,3)"]
    assert session_story(exchange.events) == ["7 p-2 Hold", "8 p-2 Answered", "9 p-1 Hold"]


async def test_mute_and_unmute() -> None:
    """The state stays Established, and the leg says whether it is muted."""
    exchange = await talking()
    assert since(await exchange.act(exchange.callee, Mute())) == {"200": ["call Established muted"]}
    assert since(await exchange.act(exchange.callee, Unmute())) == {"200": ["call Established"]}
    assert leg_story(exchange.events) == ["muted(200,3)", "unmuted(200,4)"]


async def test_tones() -> None:
    """One event for the whole string of digits; the state stays."""
    exchange = await talking()
    assert since(await exchange.act(exchange.caller, SendDtmf("12#"))) == {"210": ["call DtmfSent"]}


async def test_recording() -> None:
    """A recording starts, pauses, resumes and stops; the next one is another."""
    exchange = await talking()
    steps: list[LegAction] = [
        StartRecording(),
        PauseRecording(),
        ResumeRecording(),
        StopRecording(),
        StartRecording(),
    ]
    states, ids = [], []
    for step in steps:
        told = await exchange.act(exchange.caller, step)
        assert since(told) == {"210": ["call CallRecordingStateChange"]}
        states.append(exchange.caller.recording)
        ids.append(exchange.caller.recordings[-1].id)
    assert states == ["recording", "paused", "recording", "stopped", "recording"]
    assert len(set(ids[:4])) == 1
    assert ids[4] != ids[0]
    assert ids[0].isdigit()
    await exchange.act(exchange.callee, Hangup())
    assert [one.state for one in exchange.caller.recordings] == ["stopped", "stopped"]


async def test_a_blind_transfer() -> None:
    """Who transfers sees nothing but its own release; who stays sees the new far end; the target rings."""
    exchange = await talking()
    told = await exchange.act(exchange.caller, Transfer("", {"why": "billing"}), to=ALEX)
    assert since(told) == {
        "210": ["call Released"],
        "200": ["call ParticipantsUpdated 220"],
        "220": ["call Ringing"],
    }
    assert exchange.call.user_data == {"why": "billing"}
    told = await exchange.act(exchange.leg(ALEX), Answer())
    assert since(told) == {"220": ["call Established"], "200": ["call ParticipantsUpdated 220"]}
    await exchange.act(exchange.leg(ALEX), Hangup())
    assert leg_story(exchange.events) == [
        "hungup(210,3) transferred by 210",
        "transferred(200,3)",
        "ringing(220,1)",
        "answered(220,2)",
        "hungup(220,3) normal by 220",
        "hungup(200,4) normal by 220",
    ]
    assert session_story(exchange.events) == [
        "7 p-1 Disconnected",
        "8 p-3 Setup",
        "9 p-3 Proceeding",
        "10 p-3 Answered",
        "11 p-3 Disconnected",
        "12 p-2 Disconnected",
    ]


async def test_a_transfer_names_the_new_far_end() -> None:
    """Who stays and the target have each other as far end, whoever called whom before."""
    exchange = await talking(OUTSIDE, JANE)
    await exchange.act(exchange.callee, Transfer(""), to=ALEX)
    assert exchange.leg(OUTSIDE).far == ALEX
    assert exchange.leg(ALEX).far == OUTSIDE
    assert (exchange.leg(ALEX).caller, exchange.leg(ALEX).callee) == (OUTSIDE, ALEX)


@pytest.mark.parametrize(
    ("target", "cause"), [(BUSY, "busy"), (NOBODY, "no_answer"), (REJECTING, "rejected")]
)
async def test_a_blind_transfer_that_fails_ends_the_call(target: Address, cause: str) -> None:
    """Who was transferred to somebody who does not come hears so, and is released."""
    exchange = await talking()
    await exchange.act(exchange.caller, Transfer(""), to=target)
    exchange.run()
    assert leg_story(exchange.events) == [
        "hungup(210,3) transferred by 210",
        "transferred(200,3)",
        f"hungup(200,4) {cause} by None",
    ]


async def test_giving_up_while_the_transfer_target_rings() -> None:
    """Who hangs up before the target answers has canceled; the target's phone stops."""
    exchange = await talking()
    await exchange.act(exchange.caller, Transfer(""), to=ALEX)
    await exchange.act(exchange.leg(JOHN), Hangup())
    assert leg_story(exchange.events)[-2:] == [
        "hungup(200,4) canceled by 200",
        "hungup(220,2) canceled by 200",
    ]


async def test_a_single_step_conference() -> None:
    """Everybody in the call sees who is added at once, and again when somebody leaves."""
    exchange = await talking()
    told = await exchange.act(exchange.caller, Conference("", {"topic": 1}), to=ALEX)
    assert since(told) == {
        "210": ["call ParticipantsUpdated 200 220"],
        "200": ["call ParticipantsUpdated 210 220"],
        "220": ["call Ringing"],
    }
    assert exchange.call.user_data == {"topic": 1}
    assert since(await exchange.act(exchange.leg(ALEX), Answer())) == {"220": ["call Established"]}
    assert since(await exchange.act(exchange.leg(JOHN), Hangup())) == {
        "210": ["call ParticipantsUpdated 220"],
        "200": ["call Released"],
        "220": ["call ParticipantsUpdated 210"],
    }
    told = await exchange.act(exchange.leg(ALEX), Hangup())
    assert leg_story(told) == ["hungup(220,4) normal by 220", "hungup(210,5) normal by 220"]


async def test_a_conference_that_fails_goes_on_without() -> None:
    """Who asked is told that nobody came and why; the others that there is nobody new."""
    exchange = await talking()
    await exchange.act(exchange.caller, Conference(""), to=BUSY)
    exchange.events.clear()
    exchange.run()
    assert since(exchange.events) == {
        "210": ["call Error"],
        "200": ["call ParticipantsUpdated 210"],
    }
    [failed] = [event for event in exchange.events if event.kind == "failed"]
    assert failed.details == {"participant": "+12025550101", "cause": "busy"}
    assert exchange.leg(JANE).owner
    assert "remove-participant" not in exchange.allowed(exchange.leg(JANE))


async def test_removing_a_participant() -> None:
    """Who made the conference removes one, and the call is an ordinary one again."""
    exchange = await talking()
    await exchange.act(exchange.caller, Conference(""), to=ALEX)
    await exchange.act(exchange.leg(ALEX), Answer())
    assert "remove-participant" not in exchange.allowed(exchange.leg(JOHN))
    told = await exchange.act(exchange.caller, RemoveParticipant("220"))
    assert since(told) == {
        "210": ["call ParticipantsUpdated 200"],
        "200": ["call ParticipantsUpdated 210"],
        "220": ["call Released"],
    }
    assert leg_story(told)[0] == "hungup(220,3) normal by 210"
    assert {"clear", "remove-participant"}.isdisjoint(exchange.allowed(exchange.caller))


async def test_removing_one_who_still_rings_cancels() -> None:
    """Whoever is removed before answering was canceled."""
    exchange = await talking()
    await exchange.act(exchange.caller, Conference(""), to=ALEX)
    told = await exchange.act(exchange.caller, RemoveParticipant("15003"))
    assert leg_story(told)[0] == "hungup(220,2) canceled by 210"


async def test_clearing_a_conference() -> None:
    """Anyone in it may release everybody at once."""
    exchange = await talking()
    await exchange.act(exchange.caller, Conference(""), to=ALEX)
    await exchange.act(exchange.leg(ALEX), Answer())
    told = await exchange.act(exchange.leg(ALEX), Clear())
    assert leg_story(told) == [
        "hungup(220,3) normal by 220",
        "hungup(210,4) normal by 220",
        "hungup(200,4) normal by 220",
    ]


async def test_outside_phones_that_are_left_with_each_other_hang_up() -> None:
    """Nobody of ours can end their call, so they do after a while."""
    exchange = await talking(JANE, OUTSIDE)
    left = exchange.now
    await exchange.act(exchange.caller, Transfer(""), to=Address(number="+12025550124"))
    exchange.run()
    assert not exchange.legs()
    assert exchange.now == left + 30_000
    assert leg_story(exchange.events) == ["hungup(210,3) transferred by 210"]


async def test_a_phone_that_takes_no_calls_is_busy() -> None:
    """Who calls, adds, transfers to or consults it finds it busy at once, and it does not ring."""
    exchange = Exchange()
    await exchange.dial(JANE, JOHN, busy=True)
    assert kinds(exchange.events) == ["dialing 210", "setup 200", "connected 210", "ended 200", "ended 210"]
    assert {party.cause for party in exchange.call.parties} == {Cause.BUSY}
    exchange = await talking()
    assert kinds(await exchange.act(exchange.caller, Conference(""), to=ALEX, busy=True))[-3:] == [
        "ended 220",
        "failed 210",
        "participants 200",
    ]
    told = await exchange.act(exchange.caller, Consult(""), to=ALEX, busy=True)
    assert device_story(told, JANE) == ["call Held", "call-2 Dialing", "call-2 Released"]
    told = await exchange.act(exchange.caller, Transfer(""), to=ALEX, busy=True)
    assert leg_story(told)[-1] == "hungup(200,6) busy by None"
