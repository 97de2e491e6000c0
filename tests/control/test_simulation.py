"""Simulated calls under control: timers, inbound calls and phones."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from relay.calls.commands import Answer, Hangup
from relay.calls.model import CallType
from relay.calls.user_data import MAX_USER_DATA
from relay.errors import InvalidFieldError, NotAllowedError, NotAllowedNowError, NotFoundError
from relay.journal.commit import Timer
from relay.switch.simulator import PhoneAction
from tests.control.office import ACCOUNT, OUTSIDE, START, Office


async def test_click_to_dial_to_the_end(office: Office) -> None:
    """210 clicks to dial 200, both answer, 210 hangs up: the whole story as it is in the journal."""
    dialled = await office.dial(office.jane, "200", two_step=True)
    (pickup,) = await office.timers()
    assert pickup.due == START + 200
    await office.elapse(pickup)
    callee = await office.callee(dialled)
    await office.control.act(office.john, leg=callee.id, action=Answer())
    await office.control.act(office.jane, leg=dialled.party.id, action=Hangup())
    assert await office.leg_story() == [
        "ringing(210,1)",
        "answered(210,2)",
        "ringing(200,1)",
        "answered(200,2)",
        "hungup(210,3) normal by 210",
        "hungup(200,3) normal by 210",
    ]
    assert await office.timers() == []


async def test_a_busy_number_outside(office: Office) -> None:
    """Timers tell the rest of a call that nobody touches."""
    dialled = await office.dial(office.jane, "+12025550101", two_step=True)
    await office.run_timers()
    assert await office.leg_story() == ["ringing(210,1)", "answered(210,2)", "hungup(210,3) busy by None"]
    assert office.now == START + 400
    assert {event.command_id for event in await office.events()} == {dialled.command_id}


async def test_nobody_answers(office: Office) -> None:
    """A ringing leg has its end in the journal from the start; answered, it has none."""
    dialled = await office.dial(office.jane, "200")
    (ring,) = await office.timers()
    assert (ring.action, ring.due) == ("no_answer", START + 60_000)
    await office.elapse(ring)
    assert (await office.session(dialled.session.id)).parties[1].cause == "no_answer"
    again = await office.dial(office.jane, "200")
    await office.control.act(office.john, leg=again.session.parties[1].id, action=Answer())
    assert await office.timers() == []


async def test_a_timer_that_fires_again_has_no_second_effect(office: Office) -> None:
    """Two owners of a partition, or one after a restart, may carry out the same timer."""
    await office.dial(office.jane, "200", two_step=True)
    (pickup,) = await office.timers()
    await office.elapse(pickup)
    told = await office.events()
    await office.elapse(pickup)
    assert await office.events() == told
    assert [timer.action for timer in await office.timers()] == ["no_answer"]


async def test_a_timer_of_a_call_that_is_gone_brings_nothing(office: Office) -> None:
    """A timer may outlive its call, also its record."""
    dialled = await office.dial(office.jane, "200", two_step=True)
    (pickup,) = await office.timers()
    await office.control.act(office.jane, leg=dialled.party.id, action=Hangup())
    told = await office.events()
    partition = office.journal.store.keys(ACCOUNT).partition
    await office.control.elapse(partition, pickup)
    await office.control.elapse(partition, replace(pickup, session="gone"))
    await office.control.elapse(partition, replace(pickup, leg="gone"))
    assert await office.events() == told
    assert await office.timers() == []


async def test_a_timer_of_settings_that_are_gone_is_replaced(office: Office) -> None:
    """A phone that no longer answers by itself does not, and still does not ring for ever."""
    dialled = await office.dial(office.jane, "200")
    (ring,) = await office.timers()
    await office.journal.store.call("DEL", office.journal.store.keys(ACCOUNT).timers)
    await office.elapse(Timer(ring.session, ring.leg, "answer", START, f"{ring.leg}:answer"))
    assert await office.timers() == [ring]
    assert await office.session(dialled.session.id) == dialled.session


async def test_an_inbound_call(office: Office) -> None:
    """An outside number rings one of our phones, with user data and without a command's id."""
    session = await office.control.simulate_inbound(ACCOUNT, "+1 202 555 0123", "210", {"a": 1, "b": None})
    assert session == await office.session(session.id)
    assert (session.type, session.user_data) == (CallType.INBOUND, {"a": 1})
    caller, callee = session.parties
    assert (caller.address.number, caller.ours, callee.address.extension) == (OUTSIDE, False, "210")
    assert await office.kinds() == [f"dialing {OUTSIDE}", "setup 210", f"connected {OUTSIDE}", "ringing 210"]
    await office.control.act(office.jane, leg=callee.id, action=Answer())
    await office.control.simulate_phone(office.admin, caller.id, PhoneAction.HANGUP)
    assert (await office.leg_story())[-1] == "hungup(210,3) normal by None"


@pytest.mark.parametrize(
    ("from_", "to", "field"),
    [
        ("200", "210", "from"),
        ("", "210", "from"),
        ("anonymous", "210", "from"),
        (OUTSIDE, OUTSIDE, "to"),
        (OUTSIDE, "999", "to"),
        (OUTSIDE, "", "to"),
    ],
)
async def test_an_inbound_call_crosses_the_edge(office: Office, from_: str, to: str, field: str) -> None:
    """It comes from outside and leads inside."""
    with pytest.raises(InvalidFieldError) as refused:
        await office.control.simulate_inbound(ACCOUNT, from_, to)
    assert refused.value.field == field
    assert await office.events() == []


async def test_an_inbound_calls_user_data_is_limited(office: Office) -> None:
    """The limit of a call holds whoever makes it."""
    with pytest.raises(InvalidFieldError):
        await office.control.simulate_inbound(ACCOUNT, OUTSIDE, "210", {"k": "x" * MAX_USER_DATA})


async def test_acting_at_a_phone(office: Office) -> None:
    """Whose phone it is, and an admin, may answer, send tones and hang up at it."""
    dialled = await office.dial(office.jane, "200")
    john = (await office.callee(dialled)).id
    await office.control.simulate_phone(office.john, john, PhoneAction.ANSWER)
    await office.control.simulate_phone(office.admin, john, PhoneAction.DTMF, "42")
    await office.control.simulate_phone(office.jane, dialled.party.id, PhoneAction.HANGUP)
    assert (await office.leg_story())[2:] == [
        "answered(200,2)",
        "answered(210,2)",
        "dtmf(200,3)",
        "hungup(210,3) normal by 210",
        "hungup(200,4) normal by 210",
    ]


async def test_an_outside_phone_answers_by_hand(office: Office) -> None:
    """An admin acts as the far end of an outbound call; its own timer then has nothing left to do."""
    dialled = await office.dial(office.jane, "+12025550101")
    (busy,) = await office.timers()
    await office.control.simulate_phone(office.admin, dialled.session.parties[1].id, PhoneAction.ANSWER)
    assert await office.timers() == []
    await office.elapse(busy)
    assert await office.leg_story() == ["ringing(210,1)", "answered(210,2)"]


async def test_only_an_admin_acts_at_anothers_phone(office: Office) -> None:
    """An agent's hand does not reach a colleague's phone, nor an outside one; other tenants' are unknown."""
    inside = (await office.dial(office.jane, "200")).session
    outside = (await office.dial(office.jane, OUTSIDE)).session
    for leg in (inside.parties[1].id, outside.parties[1].id):
        with pytest.raises(NotAllowedError):
            await office.control.simulate_phone(office.jane, leg, PhoneAction.ANSWER)
        with pytest.raises(NotFoundError):
            await office.control.simulate_phone(office.mallory, leg, PhoneAction.ANSWER)
    with pytest.raises(NotFoundError):
        await office.control.simulate_phone(office.admin, "none", PhoneAction.ANSWER)


async def test_a_phone_does_what_its_state_allows(office: Office) -> None:
    """What cannot be done is refused with what can; digits must be tones."""
    dialled = await office.dial(office.jane, "200")
    john = (await office.callee(dialled)).id
    with pytest.raises(NotAllowedNowError) as refused:
        await office.control.simulate_phone(office.john, john, PhoneAction.DTMF, "1")
    assert refused.value.allowed == ("answer", "busy", "hangup", "reject")
    with pytest.raises(InvalidFieldError):
        await office.control.simulate_phone(office.john, john, PhoneAction.DTMF, "x")
    await office.control.simulate_phone(office.john, john, PhoneAction.BUSY)
    for action in PhoneAction:
        with pytest.raises(NotAllowedNowError) as ended:
            await office.control.simulate_phone(office.john, john, action, "1")
        assert ended.value.allowed == ()
