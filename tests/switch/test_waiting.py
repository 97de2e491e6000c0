"""What each way of not talking on makes every device, leg and session see, one line a step.

Parked and picked up, left to mailboxes, forwarded, flipped, replied to; and conferences placed as such.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from relay.calls.commands import (
    Answer,
    Bridge,
    BringIn,
    Flip,
    Forward,
    ForwardToVoicemail,
    Hangup,
    Hold,
    Park,
    PickUp,
    Reject,
    Reply,
    StartRecording,
    TransferToOrbit,
    TransferToVoicemail,
)
from relay.calls.model import Address, MonitorMode, PartyState, Reason
from relay.switch.simulator import PhoneAction
from tests.calls.calling import ALEX, JANE, JOHN, OUTSIDE, device_story, kinds, leg_story, session_story
from tests.switch.exchange import Exchange
from tests.switch.scenes import BUSY, since, talking

ELSEWHERE = Address(number="+12025550124")


async def ringing() -> Exchange:
    """Return an exchange with one call that rings, its story so far left out."""
    exchange = Exchange()
    await exchange.dial(JANE, JOHN)
    exchange.events.clear()
    return exchange


async def test_parking_and_picking_up() -> None:
    """Who parks sees its call held and then released; who waits, that the call cannot be led onwards."""
    exchange = await talking()
    parked = exchange.callee
    assert since(await exchange.act(parked, Park())) == {
        "200": ["call Held"],
        "210": ["call ParticipantsUpdated 200"],
    }
    assert exchange.allowed(exchange.callee) == {"hangup", "set-user-data", "pick-up"}
    assert not exchange.simulator.possible(exchange.call, exchange.callee)
    assert "transfer" not in exchange.allowed(exchange.caller)
    told = await exchange.act(parked, PickUp(""), to=ALEX)
    assert since(told) == {
        "200": ["call Released"],
        "220": ["call Established"],
        "210": ["call ParticipantsUpdated 220"],
    }
    assert exchange.leg(ALEX).far == JANE
    assert exchange.caller.far == ALEX
    await exchange.act(exchange.leg(ALEX), Hangup())
    assert leg_story(exchange.events) == [
        "held(200,3)",
        "hungup(200,4) transferred by 200",
        "answered(220,1)",
        "transferred(210,3)",
        "hungup(220,2) normal by 220",
        "hungup(210,4) normal by 220",
    ]
    assert session_story(exchange.events) == [
        "7 p-2 Parked",
        "8 p-2 Disconnected",
        "9 p-3 Answered",
        "10 p-3 Disconnected",
        "11 p-1 Disconnected",
    ]


async def test_who_waits_parked_may_give_up() -> None:
    """The parked leg ends with the call, which had been answered."""
    exchange = await talking()
    await exchange.act(exchange.callee, Park())
    told = await exchange.act(exchange.caller, Hangup())
    assert leg_story(told) == ["hungup(210,3) normal by 210", "hungup(200,4) normal by 210"]


async def test_parking_ends_recordings_and_supervision() -> None:
    """The phone they were about is no longer in the call."""
    exchange = await talking()
    await exchange.act(exchange.callee, StartRecording())
    await exchange.supervise(exchange.callee, ALEX, MonitorMode.LISTEN)
    await exchange.act(exchange.callee, Park())
    assert exchange.callee.recording == "stopped"
    assert not exchange.legs(ALEX)
    assert exchange.call.live


async def test_a_call_in_a_parking_place() -> None:
    """Its leg there is nobody's; whoever stays sees where it is."""
    exchange = await talking(OUTSIDE, JANE)
    await exchange.act(exchange.callee, TransferToOrbit("*802"))
    waiting = exchange.leg(Address(number="*802"))
    assert (waiting.state, waiting.park, waiting.ours) == (PartyState.PARKED, "*802", False)
    assert exchange.call.type == "inbound"
    await exchange.act(waiting, PickUp(""), to=JOHN)
    exchange.press(exchange.caller, PhoneAction.HANGUP)
    assert session_story(exchange.events) == [
        "7 p-2 Disconnected",
        "8 p-3 Parked",
        "9 p-3 Disconnected",
        "10 p-4 Answered",
        "11 p-1 Disconnected",
        "12 p-4 Disconnected",
    ]


async def test_a_call_between_users_stays_internal_in_a_mailbox() -> None:
    """Mailboxes and parking places are not outside."""
    exchange = await talking()
    told = await exchange.act(exchange.callee, TransferToVoicemail(""), to=ALEX)
    assert since(told) == {"200": ["call Released"], "210": ["call ParticipantsUpdated 220"]}
    assert exchange.call.type == "internal"
    assert not exchange.allowed(exchange.caller) & {"transfer", "conference", "consult"}
    exchange.run()
    assert session_story(exchange.events) == [
        "7 p-2 Disconnected",
        "8 p-3 VoiceMail",
        "9 p-3 Disconnected",
        "10 p-1 Disconnected",
    ]
    assert exchange.now == 30_000


async def test_a_mailbox_answers_for_one_who_does_not() -> None:
    """The caller is answered by it, and may hang up on it."""
    exchange = await ringing()
    await exchange.act(exchange.callee, ForwardToVoicemail(""), to=JOHN)
    assert exchange.caller.state is PartyState.ANSWERED
    await exchange.act(exchange.caller, Hangup())
    assert leg_story(exchange.events) == [
        "hungup(200,2) rejected by 200",
        "transferred(210,2)",
        "answered(210,3)",
        "hungup(210,4) normal by 210",
    ]


async def test_ones_own_mailbox_answers_in_the_place_of_ones_phone() -> None:
    """The phone's leg ends as a refused one; to who counts parties it goes on, as the mailbox."""
    exchange = await ringing()
    refused = exchange.callee
    told = await exchange.act(refused, ForwardToVoicemail(""), to=JOHN)
    assert kinds(told) == [
        "released 200",
        "transferred 210",
        "voicemail 200",
        "established 210",
    ]
    assert since(told)["200"] == ["call Released"]
    mailbox = exchange.call.parties[2]
    assert exchange.call.at_place(2) == mailbox
    assert exchange.call.place(mailbox.id) == exchange.call.place(refused.id) == 2
    assert exchange.call.at_place(3) is None
    exchange.run()
    assert exchange.now == 30_000
    assert session_story(exchange.events) == ["6 p-2 VoiceMail", "7 p-2 Disconnected", "8 p-1 Disconnected"]


async def test_forwarding() -> None:
    """The phone that rang stops, and another one rings for the same caller."""
    exchange = await ringing()
    told = await exchange.act(exchange.callee, Forward("", {"why": "out"}), to=ALEX)
    assert since(told) == {
        "200": ["call Released"],
        "210": ["call ParticipantsUpdated 220"],
        "220": ["call Ringing"],
    }
    assert exchange.call.user_data == {"why": "out"}
    assert since(await exchange.act(exchange.leg(ALEX), Answer())) == {
        "220": ["call Established"],
        "210": ["call Established"],
    }


async def test_forwarding_a_call_to_somebody_who_does_not_come() -> None:
    """The caller hears why, as if that one had been called."""
    exchange = await ringing()
    await exchange.act(exchange.callee, Forward(""), to=BUSY)
    exchange.run()
    assert leg_story(exchange.events)[-1] == "hungup(210,3) busy by None"


@pytest.mark.parametrize("held", [True, False])
async def test_flipping(held: bool) -> None:
    """The own leg leaves, and the same user's phone rings anew for whoever stays."""
    exchange = await talking()
    if held:
        await exchange.act(exchange.caller, Hold())
    told = await exchange.act(exchange.caller, Flip(""), to=JANE)
    assert device_story(told, JANE) == ["call Released", "call Ringing"]
    assert device_story(told, JOHN) == ["call ParticipantsUpdated 210"]
    assert leg_story(await exchange.act(exchange.leg(JANE), Answer())) == ["answered(210,2)"]
    assert exchange.leg(JANE).far == JOHN


async def flipping() -> Exchange:
    """Return an exchange with a call of Jane and John, whom Jane wants to talk to at Alex's phone instead."""
    exchange = await talking()
    told = await exchange.act(exchange.caller, Flip(""), to=ALEX)
    assert since(told) == {
        "210": ["call ParticipantsUpdated 200 220"],
        "200": ["call ParticipantsUpdated 210 220"],
        "220": ["call Ringing"],
    }
    exchange.events.clear()
    return exchange


async def test_flipping_to_another_phone() -> None:
    """The call stays at the one phone until the other is answered; then the leg there leaves."""
    exchange = await flipping()
    assert not any(party.owner for party in exchange.call.parties)
    told = await exchange.act(exchange.leg(ALEX), Answer())
    assert leg_story(told) == [
        "answered(220,2)",
        "hungup(210,4) transferred by 210",
        "participants(220,3)",
        "transferred(200,4)",
    ]
    assert exchange.caller.reason is Reason.FLIP
    assert exchange.leg(ALEX).far == JOHN
    assert exchange.callee.far == ALEX


async def test_a_flip_that_is_refused_leaves_the_call_as_it_was() -> None:
    """Nor does anything come of one that is not answered, or whose phone takes no calls."""
    exchange = await flipping()
    before = exchange.caller, exchange.callee
    told = await exchange.act(exchange.leg(ALEX), Reject())
    assert since(told)["220"] == ["call Released"]
    for phone, leg in zip(before, (exchange.caller, exchange.callee), strict=True):
        assert replace(leg, sequence=0) == replace(phone, sequence=0)
    await exchange.act(exchange.caller, Flip(""), to=ALEX)
    exchange.run()
    await exchange.act(exchange.caller, Flip(""), to=ALEX, busy=True)
    assert exchange.legs() == [exchange.caller, exchange.callee]
    assert "transfer" in exchange.allowed(exchange.caller)


@pytest.mark.parametrize("leaver", [JANE, JOHN])
async def test_a_flip_ends_with_its_call(leaver: Address) -> None:
    """Whoever of the two hangs up before the other phone is answered, that one rings no longer."""
    exchange = await flipping()
    await exchange.act(exchange.leg(leaver), Hangup())
    assert not exchange.legs()


async def test_replying() -> None:
    """Whose phone rang can answer no longer; the call ends when the message is read."""
    exchange = await ringing()
    assert since(await exchange.act(exchange.callee, Reply("later"))) == {
        "200": ["call ParticipantsUpdated 210"]
    }
    assert exchange.allowed(exchange.callee) == {"hangup", "set-user-data"}
    assert not exchange.simulator.possible(exchange.call, exchange.callee)
    exchange.run()
    assert exchange.now == 3000
    assert session_story(exchange.events) == ["6 p-2 replied", "7 p-2 Disconnected", "8 p-1 Disconnected"]


async def test_bridging_calls_that_are_not_related() -> None:
    """The others of both talk on in the call that was named first."""
    exchange = await talking()
    await exchange.act(exchange.caller, Hold())
    await exchange.dial(OUTSIDE, JANE)
    second = exchange.leg(JANE, 1)
    await exchange.act(second, Answer())
    await exchange.act(second, Bridge(), other=exchange.caller)
    session = exchange.sessions["call-2"]
    assert [party.address for party in session.parties if party.live] == [OUTSIDE, JOHN]
    assert (exchange.leg(OUTSIDE).far, exchange.leg(JOHN).far) == (JOHN, OUTSIDE)
    assert not exchange.call.live


async def test_a_conference_grows_call_by_call() -> None:
    """Its owner is in it from the start, alone too; the calls brought in end where they were."""
    exchange = await talking()
    await exchange.act(exchange.caller, Hold())
    conference = await exchange.confer(JANE)
    host = conference.parties[0]
    assert kinds(exchange.events)[-3:] == ["dialing 210", "answered 210", "capabilities 210"]
    told = await exchange.act(host, BringIn(""), other=exchange.caller)
    assert device_story(told, JANE) == ["call Released", "call-2 ParticipantsUpdated 200"]
    assert device_story(told, JOHN) == ["call Released", "call-2 Established"]
    assert leg_story(told) == [
        "hungup(210,4) transferred by 210",
        "transferred(200,3)",
        "participants(210,3)",
    ]
    await exchange.act(exchange.leg(JOHN), Hangup())
    assert exchange.sessions["call-2"].live
    told = await exchange.act(exchange.leg(JANE), Hangup())
    assert leg_story(told) == ["hungup(210,5) normal by 210"]
