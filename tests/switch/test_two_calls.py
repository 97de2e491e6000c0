"""What operations on two calls of a device make everybody see: consult, complete, swap, merge.

The device stories are GWS v2's documented orders of notifications.
"""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from relay.calls.capabilities import PAIRS, capabilities
from relay.calls.commands import (
    Answer,
    CompleteConference,
    CompleteTransfer,
    Consult,
    Hangup,
    Hold,
    Merge,
    Swap,
)
from relay.calls.events import CallEvent
from relay.calls.model import PartyState
from relay.switch.simulator import PhoneAction
from tests.calls.calling import ALEX, JANE, JOHN, device_story, leg_story, session_story
from tests.switch.exchange import Exchange
from tests.switch.scenes import BUSY, consulting, since, talking

PAIRED = {operation.value for operation in PAIRS} - {"bring-in"}
LEAVE = {"complete-transfer", "bridge"}


async def test_consulting_holds_and_dials() -> None:
    """The original is held, then the new call dials, related to it."""
    exchange = await talking()
    told = await exchange.act(exchange.caller, Consult("", {"note": 1}), to=ALEX)
    assert device_story(told, JANE) == ["call Held", "call-2 Dialing"]
    assert device_story(told, ALEX) == ["call-2 Ringing"]
    consult = exchange.sessions["call-2"]
    assert (consult.parent, consult.user_data) == ("call", {"note": 1})
    assert consult.parties[0].consults == exchange.caller.id
    told = await exchange.act(exchange.leg(ALEX), Answer())
    assert since(told) == {
        "220": ["call-2 Established"],
        "210": ["call-2 Established", "call ParticipantsUpdated 200"],  # it can be swapped now
    }


async def test_consulting_from_a_held_call_holds_nothing() -> None:
    """There is no second Held."""
    exchange = await talking()
    await exchange.act(exchange.caller, Hold())
    told = await exchange.act(exchange.caller, Consult(""), to=ALEX)
    assert device_story(told, JANE) == ["call-2 Dialing", "call ParticipantsUpdated 200"]


async def test_hanging_up_a_consult_call_leaves_its_parent_held() -> None:
    """The original stays held until it is retrieved."""
    exchange = await consulting()
    told = await exchange.act(exchange.leg(JANE, 1), Hangup())
    assert device_story(told, JANE) == ["call-2 Released", "call ParticipantsUpdated 200"]
    assert exchange.caller.state is PartyState.HELD
    assert "retrieve" in exchange.allowed(exchange.caller)


@pytest.mark.parametrize("asked_of", [0, 1])
async def test_completing_a_transfer(asked_of: int) -> None:
    """Original released, consult released; then the two others share the original call."""
    exchange = await consulting()
    one, other = exchange.leg(JANE, asked_of), exchange.leg(JANE, 1 - asked_of)
    alex = exchange.leg(ALEX)
    told = await exchange.act(one, CompleteTransfer(), other=other)
    assert since(told) == {
        "210": ["call Released", "call-2 Released"],
        "200": ["call ParticipantsUpdated 220"],
        "220": ["call-2 Released", "call Established"],
    }
    assert [leg.id for leg in exchange.legs()] == [exchange.callee.id, alex.id]
    assert not exchange.sessions["call-2"].live
    assert (exchange.leg(ALEX).far, exchange.leg(JOHN).far) == (JOHN, ALEX)
    assert leg_story(told) == [
        "hungup(210,4) transferred by 210",
        "hungup(210,3) transferred by 210",
        "transferred(220,3)",
        "transferred(200,3)",
    ]
    told = await exchange.act(exchange.leg(ALEX), Hangup())
    assert leg_story(told) == ["hungup(220,4) normal by 220", "hungup(200,4) normal by 220"]


async def test_completing_a_transfer_as_sessions_see_it() -> None:
    """Who leaves is gone to its peer, then disconnected; who moves is gone, and a new party there."""
    exchange = await consulting()
    told = await exchange.act(exchange.caller, CompleteTransfer(), other=exchange.leg(JANE, 1))
    assert [(event.session.id, line) for event, line in zip(told, _session_lines(told), strict=True)] == [
        ("call", "p-1 Gone"),
        ("call", "p-1 Disconnected"),
        ("call-2", "p-1 Gone"),
        ("call-2", "p-1 Disconnected"),
        ("call-2", "p-2 Gone"),
        ("call-2", "p-2 Disconnected"),
        ("call", "p-3 joined"),
        ("call", None),
    ]
    peers = {(e.session.id, e.party_id): e.party.peer for e in told if e.kind == "gone"}
    assert {(one, two.session if two else None) for (one, _), two in peers.items()} == {
        ("call", "call-2"),
        ("call-2", "call"),
    }


def _session_lines(told: tuple[CallEvent, ...]) -> list[str | None]:
    lines = [session_story([event]) for event in told]
    return [line[0].partition(" ")[2] if line else None for line in lines]


async def test_completing_a_transfer_while_the_consult_call_is_dialled() -> None:
    """The target goes on ringing, now for who stays, and is then answered there."""
    exchange = await consulting(answered=False)
    told = await exchange.act(exchange.caller, CompleteTransfer(), other=exchange.leg(JANE, 1))
    assert since(told) == {
        "210": ["call Released", "call-2 Released"],
        "200": ["call ParticipantsUpdated 220"],
        "220": ["call-2 Released", "call Ringing"],
    }
    timers = exchange.simulator.timers(exchange.call)
    assert [(timer.leg, timer.action) for timer in timers] == [(exchange.leg(ALEX).id, "no_answer")]
    told = await exchange.act(exchange.leg(ALEX), Answer())
    assert since(told) == {"220": ["call Established"], "200": ["call ParticipantsUpdated 220"]}


async def test_completing_a_transfer_to_one_who_then_is_busy() -> None:
    """Whoever was transferred too early hears how it ends."""
    exchange = await consulting(answered=False, to=BUSY)
    await exchange.act(exchange.caller, CompleteTransfer(), other=exchange.leg(JANE, 1))
    exchange.events.clear()
    exchange.run()
    assert leg_story(exchange.events) == ["hungup(200,4) busy by None"]


@pytest.mark.parametrize("asked_of", [0, 1])
async def test_completing_a_conference(asked_of: int) -> None:
    """Consult released, original established, then everybody in it is seen."""
    exchange = await consulting()
    one, other = exchange.leg(JANE, asked_of), exchange.leg(JANE, 1 - asked_of)
    told = await exchange.act(one, CompleteConference(), other=other)
    assert since(told) == {
        "210": ["call-2 Released", "call Established", "call ParticipantsUpdated 200 220"],
        "200": ["call ParticipantsUpdated 210 220"],
        "220": ["call-2 Released", "call Established"],
    }
    assert leg_story(told) == [
        "hungup(210,3) transferred by 210",
        "retrieved(210,4)",
        "transferred(220,3)",
        "participants(210,5)",
        "participants(200,3)",
    ]
    assert "remove-participant" in exchange.allowed(exchange.caller)
    assert {exchange.session_of(leg).id for leg in exchange.legs()} == {"call"}


async def test_what_both_calls_carried_is_kept() -> None:
    """User data of the consult call joins the original's, whose own values stand."""
    exchange = await talking()
    await exchange.act(exchange.caller, Consult("", {"a": 2, "b": 2}), to=ALEX)
    await exchange.act(exchange.leg(ALEX), Answer())
    exchange.sessions["call"] = replace(exchange.call, user_data={"a": 1})
    await exchange.act(exchange.caller, CompleteTransfer(), other=exchange.leg(JANE, 1))
    assert exchange.call.user_data == {"a": 1, "b": 2}


@pytest.mark.parametrize("asked_of", [0, 1])
async def test_swapping(asked_of: int) -> None:
    """One held, then one established, whichever of the two it is asked of."""
    exchange = await consulting()
    one, other = exchange.leg(JANE, asked_of), exchange.leg(JANE, 1 - asked_of)
    told = await exchange.act(one, Swap(""), other=other)
    assert since(told) == {"210": ["call-2 Held", "call Established"]}
    assert "swap" in exchange.allowed(exchange.caller)
    told = await exchange.act(one, Swap(""), other=other)
    assert since(told) == {"210": ["call Held", "call-2 Established"]}


async def test_merging_two_calls() -> None:
    """The call that was talked on is released, and the held one goes on with everybody."""
    exchange = await talking()
    await exchange.act(exchange.caller, Hold())
    await exchange.dial(ALEX, JANE)
    await exchange.act(exchange.leg(JANE, 1), Answer())
    told = await exchange.act(exchange.leg(JANE, 1), Merge(""), other=exchange.caller)
    assert since(told) == {
        "210": ["call-2 Released", "call Established", "call ParticipantsUpdated 200 220"],
        "200": ["call ParticipantsUpdated 210 220"],
        "220": ["call-2 Released", "call Established"],
    }


async def test_merging_two_calls_alike_keeps_the_other() -> None:
    """Neither held, the one that is named goes on."""
    exchange = await talking()
    await exchange.dial(ALEX, JANE)
    await exchange.act(exchange.leg(JANE, 1), Answer())
    told = await exchange.act(exchange.caller, Merge(""), other=exchange.leg(JANE, 1))
    assert device_story(told, JANE) == ["call Released", "call-2 ParticipantsUpdated 220 200"]


async def test_a_phone_that_both_calls_had_stays_once() -> None:
    """Whoever would be in the call twice loses the leg that comes."""
    exchange = await consulting()
    await exchange.dial(JOHN, ALEX)
    await exchange.act(exchange.leg(ALEX, 1), Answer())
    await exchange.act(exchange.leg(JOHN, 1), Merge(""), other=exchange.leg(JOHN))
    told = await exchange.act(exchange.leg(JANE), CompleteTransfer(), other=exchange.leg(JANE, 1))
    assert device_story(told, ALEX) == ["call-2 Released", "call ParticipantsUpdated 200"]
    assert [exchange.session_of(leg).id for leg in exchange.legs()] == ["call", "call"]


async def test_events_tell_what_else_is_at_the_device() -> None:
    """What an event's leg allows follows from the event alone, also beside a second call."""
    exchange = await consulting()
    for event in exchange.events:
        if event.party.address == JANE and event.kind in ("held", "dialing", "established"):
            told = set(capabilities(event.session, event.party, event.beside))
            assert told & PAIRED == (PAIRED if event.kind == "established" else LEAVE)
    assert exchange.allowed(exchange.leg(JANE, 1)) >= PAIRED


async def test_events_carry_only_the_calls_that_matter() -> None:
    """However many calls are at a phone, an event has one for each reason at most, and tells as much."""
    exchange = Exchange()
    for _ in range(12):
        await exchange.dial(JANE, JOHN)
        exchange.press(exchange.legs(JOHN)[-1], PhoneAction.ANSWER)
        await exchange.act(exchange.legs(JANE)[-1], Hold())
    assert len(exchange.legs(JANE)) == 12
    assert max(len(event.beside) for event in exchange.events) <= len(PAIRS) + 1
    last = exchange.events[-1]
    assert set(capabilities(last.session, last.party, last.beside)) == exchange.allowed(last.party)
