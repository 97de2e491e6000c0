"""What simulated calls tell, from dialling to the end, event by event."""

from __future__ import annotations

import pytest

from relay.calls.commands import Answer, Hangup, Reject, SendDtmf
from relay.calls.model import Address, Cause
from relay.switch.simulator import PhoneAction
from tests.calls.calling import JANE, JOHN, OUTSIDE, extensions, kinds, leg_story, session_story
from tests.switch.exchange import START, Exchange, Set


async def test_click_to_dial_answered_and_ended_by_the_caller() -> None:
    """210 clicks to dial 200, both answer, 210 hangs up."""
    exchange = Exchange()
    await exchange.dial(JANE, JOHN, two_step=True)
    exchange.run(until=1000)
    await exchange.act(exchange.callee, Answer())
    await exchange.act(exchange.caller, Hangup())
    assert leg_story(exchange.events) == [
        "ringing(210,1)",
        "answered(210,2)",
        "ringing(200,1)",
        "answered(200,2)",
        "hungup(210,3) normal by 210",
        "hungup(200,3) normal by 210",
    ]
    assert session_story(exchange.events) == [
        "2 p-1 Setup",
        "3 p-1 Answered",
        "4 p-2 Setup",
        "5 p-2 Proceeding",
        "6 p-2 Answered",
        "7 p-1 Disconnected",
        "8 p-2 Disconnected",
    ]
    assert exchange.caller.answered_at == START + 200
    assert not exchange.fire()


async def test_click_to_dial_caller_never_picks_up() -> None:
    """The caller's own phone is given up after the ring timeout, and the destination is never dialled."""
    exchange = Exchange({"phone-of-jane": Set(pickup_after=None)}, ring_timeout=30)
    await exchange.dial(JANE, JOHN, two_step=True)
    exchange.run()
    assert leg_story(exchange.events) == ["ringing(210,1)", "hungup(210,2) no_answer by None"]
    assert extensions(exchange.call) == ["210"]
    assert exchange.now == 30_000


async def test_click_to_dial_caller_picks_up_too_late() -> None:
    """A phone that would pick up after the ring timeout does not."""
    exchange = Exchange({"phone-of-jane": Set(pickup_after=40)}, ring_timeout=30)
    await exchange.dial(JANE, JOHN, two_step=True)
    exchange.run()
    assert leg_story(exchange.events)[-1] == "hungup(210,2) no_answer by None"


async def test_click_to_dial_to_a_busy_phone() -> None:
    """200 is busy: both legs end as busy, and nobody ended the call."""
    exchange = Exchange()
    await exchange.dial(JANE, JOHN, two_step=True)
    exchange.run(until=500)
    exchange.press(exchange.callee, PhoneAction.BUSY)
    assert leg_story(exchange.events) == [
        "ringing(210,1)",
        "answered(210,2)",
        "ringing(200,1)",
        "hungup(200,2) busy by None",
        "hungup(210,3) busy by None",
    ]


async def test_click_to_dial_canceled_while_the_own_phone_rings() -> None:
    """A caller who hangs up before picking up has canceled; leg 200 never exists."""
    exchange = Exchange()
    await exchange.dial(JANE, JOHN, two_step=True)
    await exchange.act(exchange.caller, Hangup())
    exchange.run()
    assert leg_story(exchange.events) == ["ringing(210,1)", "hungup(210,2) canceled by 210"]
    assert extensions(exchange.call) == ["210"]


async def test_click_to_dial_outside() -> None:
    """The outside number is dialled once the caller's phone is picked up, and answers by itself."""
    exchange = Exchange()
    await exchange.dial(JANE, OUTSIDE, two_step=True)
    exchange.run()
    assert kinds(exchange.events) == [
        "dialing 210",
        "answered 210",
        "ringing +12025550123",
        "answered +12025550123",
        "capabilities 210",
    ]
    assert exchange.now == 400


async def test_dialling_inside() -> None:
    """A dialled phone of ours rings at once, and until it is answered."""
    exchange = Exchange()
    await exchange.dial(JANE, JOHN)
    assert kinds(exchange.events) == ["dialing 210", "setup 200", "connected 210", "ringing 200"]
    exchange.run(until=59_000)
    await exchange.act(exchange.callee, Answer())
    await exchange.act(exchange.callee, Hangup())
    assert leg_story(exchange.events) == [
        "ringing(210,1)",
        "ringing(200,1)",
        "answered(200,2)",
        "answered(210,2)",
        "hungup(200,3) normal by 200",
        "hungup(210,3) normal by 200",
    ]
    assert session_story(exchange.events) == [
        "2 p-1 Setup",
        "3 p-2 Setup",
        "4 p-1 Answered",
        "5 p-2 Proceeding",
        "6 p-2 Answered",
        "7 p-2 Disconnected",
        "8 p-1 Disconnected",
    ]


async def test_nobody_answers_inside() -> None:
    """A phone of ours that is not answered is given up after the ring timeout; both legs end as no_answer."""
    exchange = Exchange(ring_timeout=20)
    await exchange.dial(JANE, JOHN)
    exchange.run()
    assert leg_story(exchange.events)[2:] == [
        "hungup(200,2) no_answer by None",
        "hungup(210,2) no_answer by None",
    ]
    assert exchange.now == 20_000


async def test_a_phone_that_answers_by_itself() -> None:
    """A device's own delay answers for it."""
    exchange = Exchange({"phone-of-john": Set(answer_after=1.5)})
    await exchange.dial(JANE, JOHN)
    exchange.run()
    assert leg_story(exchange.events)[2:] == ["answered(200,2)", "answered(210,2)"]
    assert exchange.callee.answered_at == START + 1500


async def test_rejecting() -> None:
    """A callee who rejects ended the call."""
    exchange = Exchange()
    await exchange.dial(JANE, JOHN)
    await exchange.act(exchange.callee, Reject())
    assert leg_story(exchange.events)[2:] == [
        "hungup(200,2) rejected by 200",
        "hungup(210,2) rejected by 200",
    ]


async def test_canceling() -> None:
    """A caller who hangs up while the callee rings has canceled."""
    exchange = Exchange()
    await exchange.dial(JANE, JOHN)
    await exchange.act(exchange.caller, Hangup())
    assert leg_story(exchange.events)[2:] == [
        "hungup(210,2) canceled by 210",
        "hungup(200,2) canceled by 210",
    ]


@pytest.mark.parametrize(
    ("number", "story", "took"),
    [
        ("+12025550123", ["answered(210,2)"], 200),
        ("+4930123456", ["answered(210,2)"], 200),
        ("+12025550101", ["hungup(210,2) busy by None"], 200),
        ("+13125550101", ["hungup(210,2) busy by None"], 200),
        ("+12025550102", ["hungup(210,2) no_answer by None"], 60_000),
        ("+12025550103", ["hungup(210,2) rejected by None"], 200),
        ("+12025550104", ["answered(210,2)", "hungup(210,3) normal by None"], 1200),
        ("+12025550105", ["hungup(210,2) failed by None"], 200),
        ("+492025550101", ["answered(210,2)"], 200),
    ],
)
async def test_outside_numbers(number: str, story: list[str], took: int) -> None:
    """Outside numbers answer after 0.2 s; test numbers of the fictional range do what their end says."""
    exchange = Exchange()
    await exchange.dial(JANE, Address(number=number))
    exchange.run()
    assert leg_story(exchange.events) == ["ringing(210,1)", *story]
    assert exchange.now == took


async def test_an_outbound_call_as_the_session_sees_it() -> None:
    """Both legs are told of to who watches the session, the outside one from its ringing on."""
    exchange = Exchange()
    await exchange.dial(JANE, Address(number="+12025550104"))
    exchange.run()
    assert session_story(exchange.events) == [
        "2 p-1 Setup",
        "3 p-2 Proceeding",
        "4 p-1 Proceeding",
        "5 p-2 Answered",
        "6 p-1 Answered",
        "7 p-2 Disconnected",
        "8 p-1 Disconnected",
    ]


async def test_an_inbound_call() -> None:
    """A call from outside rings one of our phones until someone answers; outside legs make no leg events."""
    exchange = Exchange()
    await exchange.dial(OUTSIDE, JANE)
    await exchange.act(exchange.callee, Answer())
    await exchange.act(exchange.callee, SendDtmf("5#"))
    exchange.press(exchange.caller, PhoneAction.HANGUP)
    assert leg_story(exchange.events) == [
        "ringing(210,1)",
        "answered(210,2)",
        "dtmf(210,3)",
        "hungup(210,4) normal by None",
    ]
    assert session_story(exchange.events) == [
        "2 p-1 Setup",
        "3 p-2 Setup",
        "4 p-1 Answered",
        "5 p-2 Proceeding",
        "6 p-2 Answered",
        "7 p-1 Disconnected",
        "8 p-2 Disconnected",
    ]


@pytest.mark.parametrize(
    ("action", "cause", "by"),
    [
        (PhoneAction.REJECT, Cause.REJECTED, "210"),
        (PhoneAction.BUSY, Cause.BUSY, None),
        (PhoneAction.HANGUP, Cause.CANCELED, "210"),
    ],
)
async def test_refusing_at_the_own_phone(action: PhoneAction, cause: Cause, by: str | None) -> None:
    """What is done at the click-to-dial caller's ringing phone ends the call before anyone is dialled."""
    exchange = Exchange({"phone-of-jane": Set(pickup_after=None)})
    await exchange.dial(JANE, JOHN, two_step=True)
    exchange.press(exchange.caller, action)
    assert (exchange.caller.cause, exchange.caller.ended_by) == (cause, by)
    assert extensions(exchange.call) == ["210"]
    assert not exchange.fire()


async def test_picking_up_by_hand_at_the_own_phone() -> None:
    """A person may pick up the click-to-dial caller's phone before it does so by itself."""
    exchange = Exchange({"phone-of-jane": Set(pickup_after=None)})
    await exchange.dial(JANE, JOHN, two_step=True)
    exchange.press(exchange.caller, PhoneAction.ANSWER)
    assert kinds(exchange.events) == ["dialing 210", "answered 210", "setup 200", "ringing 200"]
