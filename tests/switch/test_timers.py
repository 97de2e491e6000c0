"""Timers of the simulated switch: what they are, and what one brings that comes late or twice."""

from __future__ import annotations

from msgspec.structs import replace

from relay.calls.commands import Answer, Hangup
from relay.switch.simulator import Simulator
from tests.calls.calling import JANE, JOHN
from tests.switch.exchange import START, Exchange, Set


async def test_timers_follow_from_the_session_alone() -> None:
    """Another simulator with the same settings has the same timers, so a restart changes nothing."""
    exchange, restarted = Exchange(), Exchange()
    await exchange.dial(JANE, JOHN, two_step=True)
    (timer,) = exchange.simulator.timers(exchange.call)
    assert restarted.simulator.timers(exchange.call) == (timer,)
    assert (timer.session, timer.leg, timer.action) == ("call", exchange.caller.id, "answer")
    assert timer.due == START + 200
    assert timer.nonce.split() == [timer.nonce]


async def test_answering_ends_the_wait() -> None:
    """The ring timer is gone once the leg is answered, and no other comes."""
    exchange = Exchange()
    await exchange.dial(JANE, JOHN)
    assert [timer.action for timer in exchange.simulator.timers(exchange.call)] == ["no_answer"]
    await exchange.act(exchange.callee, Answer())
    assert exchange.simulator.timers(exchange.call) == ()


async def test_a_timer_whose_leg_is_past_it_brings_nothing() -> None:
    """A timer that fires twice, after the call's end, or for a leg that is not there, has no effect."""
    exchange = Exchange()
    await exchange.dial(JANE, JOHN, two_step=True)
    (timer,) = exchange.simulator.timers(exchange.call)
    exchange.fire()
    assert exchange.simulator.elapsed(exchange.call, timer) == ()
    assert exchange.simulator.elapsed(exchange.call, replace(timer, leg="unknown")) == ()
    await exchange.act(exchange.caller, Hangup())
    assert exchange.simulator.elapsed(exchange.call, timer) == ()


async def test_a_changed_setting_wins_over_a_timer_from_before() -> None:
    """A phone that no longer answers by itself does not, although a timer says so."""
    exchange = Exchange({"phone-of-john": Set(answer_after=5)})
    await exchange.dial(JANE, JOHN)
    (timer,) = exchange.simulator.timers(exchange.call)
    assert timer.action == "answer"
    assert Exchange().simulator.elapsed(exchange.call, timer) == ()


async def test_a_phone_that_left_the_directory_rings_to_its_end() -> None:
    """A call to a device that nobody knows any more ends as no_answer."""
    exchange = Exchange()
    exchange.simulator = Simulator(lambda _: None, ring_timeout=60)
    await exchange.dial(JANE, JOHN)
    exchange.run()
    assert exchange.callee.cause == "no_answer"
