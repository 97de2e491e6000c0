"""How a supervisor takes part in a call, and what of it whom is told."""

from __future__ import annotations

import pytest

from relay.calls.commands import (
    BargeIn,
    Conference,
    Consult,
    Hangup,
    ListenIn,
    MuteMonitored,
    RemoveParticipant,
    Transfer,
    UnmuteMonitored,
)
from relay.calls.model import Address, MonitorMode, Party
from tests.calls.calling import ALEX, JANE, JOHN, OUTSIDE, leg_story, session_story
from tests.switch.exchange import Exchange
from tests.switch.scenes import since, talking

BOSS = Address(number="15009", name="Max Boss", extension="290", user_id="max", device_id="phone-of-max")


async def supervised(mode: MonitorMode, callee: Address = JOHN) -> tuple[Exchange, Party]:
    """Have alex take part in jane's call, and begin the story after it."""
    exchange = await talking(JANE, callee)
    await exchange.supervise(exchange.caller, ALEX, mode)
    exchange.events.clear()
    return exchange, exchange.leg(ALEX)


@pytest.mark.parametrize("mode", [MonitorMode.LISTEN, MonitorMode.COACH])
async def test_listening_in_is_told_to_the_supervisor_alone(mode: MonitorMode) -> None:
    """The others neither hear nor see the supervisor, who sees them all."""
    exchange = await talking()
    told = await exchange.supervise(exchange.caller, ALEX, mode)
    assert since(told) == {"220": ["call Established muted"]}
    assert leg_story(told) == ["answered(220,1)"]
    assert session_story(told) == ["7 p-3 Answered"]
    supervisor = exchange.leg(ALEX)
    assert [party.address for party in exchange.call.participants(supervisor)] == [JANE, JOHN]
    assert [party.address for party in exchange.call.participants(exchange.caller)] == [JOHN]
    assert "clear" not in exchange.allowed(exchange.caller)


async def test_barging_in_is_seen_by_all() -> None:
    """Whoever barges in at once is one more in the call."""
    exchange = await talking()
    told = await exchange.supervise(exchange.caller, ALEX, MonitorMode.BARGE)
    assert since(told) == {
        "220": ["call Established"],
        "210": ["call ParticipantsUpdated 200 220"],
        "200": ["call ParticipantsUpdated 210 220"],
    }


async def test_a_supervisor_changes_sides() -> None:
    """Barging in, the supervisor is no longer muted, and in sight; listening in again, neither."""
    exchange, supervisor = await supervised(MonitorMode.COACH)
    assert exchange.allowed(supervisor) == {
        "hangup", "set-user-data", "remove-participant", "barge-in", "mute-monitored",
    }  # fmt: skip
    assert since(await exchange.act(supervisor, BargeIn())) == {
        "220": ["call Established"],
        "210": ["call ParticipantsUpdated 200 220"],
        "200": ["call ParticipantsUpdated 210 220"],
    }
    assert "listen-in" in exchange.allowed(supervisor)
    assert "barge-in" not in exchange.allowed(supervisor)
    assert since(await exchange.act(supervisor, ListenIn())) == {
        "220": ["call Established muted"],
        "210": ["call ParticipantsUpdated 200"],
        "200": ["call ParticipantsUpdated 210"],
    }
    assert leg_story(exchange.events)[0] == "unmuted(220,2)"


async def test_the_monitored_one_is_silenced() -> None:
    """Both the supervisor and the monitored one are told; it ends when the supervisor goes."""
    exchange, supervisor = await supervised(MonitorMode.LISTEN)
    told = await exchange.act(supervisor, MuteMonitored())
    assert since(told) == {
        "210": ["call MonitoredUserMutedStateChange"],
        "220": ["call MonitoredUserMutedStateChange"],
    }
    assert (exchange.caller.silenced, exchange.caller.muted) == (True, False)
    assert "unmute-monitored" in exchange.allowed(supervisor)
    await exchange.act(supervisor, UnmuteMonitored())
    assert (exchange.caller.silenced, exchange.caller.muted) == (False, False)
    await exchange.act(supervisor, MuteMonitored())
    told = await exchange.act(supervisor, Hangup())
    assert since(told) == {"220": ["call Released"], "210": ["call MonitoredUserMutedStateChange"]}
    assert [exchange.caller.silenced, exchange.call.live] == [False, True]


async def test_a_supervisor_who_goes_leaves_the_call_as_it_was() -> None:
    """Nobody is told of one who listened in; of one who barged in all are."""
    exchange, supervisor = await supervised(MonitorMode.LISTEN)
    assert since(await exchange.act(supervisor, Hangup())) == {"220": ["call Released"]}
    exchange, supervisor = await supervised(MonitorMode.BARGE)
    assert set(since(await exchange.act(supervisor, Hangup()))) == {"220", "210", "200"}
    assert exchange.call.live


@pytest.mark.parametrize("mode", MonitorMode)
async def test_supervision_ends_with_the_call(mode: MonitorMode) -> None:
    """A supervisor does not keep a call alive, whoever of the others leaves."""
    for leaving in (JANE, JOHN):
        exchange, _ = await supervised(mode)
        await exchange.act(exchange.leg(leaving), Hangup())
        assert not exchange.legs()
        assert len([line for line in leg_story(exchange.events) if line.startswith("hungup")]) == 3


async def test_supervision_ends_where_its_leg_leaves() -> None:
    """A transfer takes the monitored leg out of the call, and the supervisor with it."""
    exchange, _ = await supervised(MonitorMode.LISTEN)
    told = await exchange.act(exchange.caller, Transfer(""), to=OUTSIDE)
    assert leg_story(told) == [
        "hungup(210,3) transferred by 210",
        "hungup(220,2) normal by None",
        "transferred(200,3)",
    ]
    assert exchange.leg(JOHN).far == OUTSIDE


async def test_a_supervisor_removes_a_participant() -> None:
    """Whom the supervisor removes is released in the supervisor's name."""
    exchange, supervisor = await supervised(MonitorMode.LISTEN)
    await exchange.act(exchange.caller, Conference(""), to=OUTSIDE)
    exchange.run(until=exchange.now + 200)
    told = await exchange.act(supervisor, RemoveParticipant("200"))
    assert leg_story(told)[0] == "hungup(200,4) normal by 220"
    assert [party.address for party in exchange.call.participants(exchange.caller)] == [OUTSIDE]


async def test_a_supervised_call_is_no_second_call_at_the_supervisors_device() -> None:
    """A supervisor who listens in can hold, swap and consult in own calls as if not."""
    exchange, _ = await supervised(MonitorMode.LISTEN)
    own = await exchange.dial(ALEX, OUTSIDE)
    exchange.run(until=exchange.now + 200)
    leg = exchange.leg(ALEX, 1)
    assert exchange.session_of(leg).id == own.id
    assert {"merge", "swap"}.isdisjoint(exchange.allowed(leg))
    await exchange.act(leg, Consult(""), to=BOSS)
    assert "retrieve" in exchange.allowed(leg)
