"""Dialling: who may call whom, what is committed, and a repeated command."""

from __future__ import annotations

import asyncio

import pytest

from relay.calls.commands import Hangup, UpdateUserData
from relay.calls.model import CallType, PartyState
from relay.calls.user_data import MAX_USER_DATA
from relay.errors import DrainingError, InvalidFieldError, NotAllowedError, NotFoundError
from relay.switch.simulator import PhoneAction
from tests.control.office import ACCOUNT, OTHER_ACCOUNT, START, Office


async def test_dialling_inside_commits_both_legs_at_once(office: Office) -> None:
    """The callee's leg is made and rings in the commit that places the call."""
    accepted = await office.dial(office.jane, "200", user_data={"order": "7"}, traceparent="00-a-b-01")
    assert await office.kinds() == ["dialing 210", "setup 200", "connected 210", "ringing 200"]
    session = await office.session(accepted.session.id)
    assert session == accepted.session
    assert (session.version, session.type, session.created_at) == (1, CallType.INTERNAL, START)
    assert session.user_data == {"order": "7"}
    assert accepted.party == session.parties[0]
    assert [party.address.number for party in session.parties] == ["15000", "15002"]
    assert {(event.command_id, event.traceparent) for event in await office.events()} == {
        (accepted.command_id, "00-a-b-01")
    }


async def test_click_to_dial_waits_for_the_own_phone(office: Office) -> None:
    """In two steps only the caller's leg is made, and usable at once; the callee follows the pickup."""
    accepted = await office.dial(office.jane, "200", two_step=True)
    assert accepted.party.state is PartyState.SETUP
    assert await office.kinds() == ["dialing 210"]
    (timer,) = await office.timers()
    await office.elapse(timer)
    assert await office.kinds() == ["dialing 210", "answered 210", "setup 200", "ringing 200"]


@pytest.mark.parametrize("destination", ["200", "15002", "15-002"])
async def test_extension_and_directory_number_lead_to_one_phone(office: Office, destination: str) -> None:
    """A user is called by extension or by number."""
    accepted = await office.dial(office.jane, destination)
    assert accepted.session.parties[1].address.extension == "200"


async def test_dialling_outside(office: Office) -> None:
    """E.164 leads outside, however it is written."""
    accepted = await office.dial(office.jane, "+1 (202) 555-0123")
    assert accepted.session.type is CallType.OUTBOUND
    assert accepted.session.parties[1].address.number == "+12025550123"


@pytest.mark.parametrize("destination", ["999", "25000", "210", "15000", "", "john", "12025550123", "+1"])
async def test_a_destination_that_leads_nowhere_is_refused(office: Office, destination: str) -> None:
    """Digits that nobody in the account has, one's own number and what is no number make no call."""
    with pytest.raises(InvalidFieldError) as refused:
        await office.dial(office.jane, destination)
    assert refused.value.field == "destination"
    assert await office.events() == []


async def test_dialling_from_anothers_phone_is_refused(office: Office) -> None:
    """A device must be the user's own: a colleague's is forbidden, another tenant's is as unknown as none."""
    with pytest.raises(NotAllowedError):
        await office.control.dial(
            office.jane, device_id=office.john.user.devices[0].id, destination="220", two_step=True
        )
    for device in (office.mallory.user.devices[0].id, "none"):
        with pytest.raises(NotFoundError):
            await office.control.dial(office.jane, device_id=device, destination="200", two_step=True)
    assert await office.events() == []


async def test_a_call_carries_user_data_up_to_a_limit(office: Office) -> None:
    """Too much user data is refused before anything happens; a null is no value."""
    with pytest.raises(InvalidFieldError) as refused:
        await office.dial(office.jane, user_data={"k": "x" * MAX_USER_DATA})
    assert refused.value.field == "user_data"
    accepted = await office.dial(office.jane, user_data={"a": 1, "b": None})
    assert accepted.session.user_data == {"a": 1}


async def test_a_repeated_command_is_the_same_call(office: Office) -> None:
    """The same command id of the same user places one call, also when both come at once or much later."""
    accepted, again = await asyncio.gather(
        *(office.dial(office.jane, "200", command_id="cmd") for _ in range(2))
    )
    assert again == accepted
    for round_ in range(20):  # more commits than a call's record keeps nonces
        await office.control.act(office.jane, leg=accepted.party.id, action=UpdateUserData({"n": round_}))
    later = await office.dial(office.jane, "200", command_id="cmd")
    assert later.party.id == accepted.party.id
    assert later.session.version == 21
    assert (await office.kinds())[:5] == [
        "dialing 210", "setup 200", "connected 210", "ringing 200", "user_data 210",
    ]  # fmt: skip


async def test_command_ids_are_a_users_own(office: Office) -> None:
    """Two users, and two tenants, may use the same command id without meeting."""
    calls = [
        await office.dial(office.jane, "200", command_id="cmd"),
        await office.dial(office.john, "210", command_id="cmd"),
        await office.dial(office.mallory, "+12025550123", command_id="cmd"),
    ]
    assert len({accepted.session.id for accepted in calls}) == 3
    assert [accepted.session.account for accepted in calls] == [ACCOUNT, ACCOUNT, OTHER_ACCOUNT]


async def test_a_draining_process_takes_no_commands(office: Office) -> None:
    """Once draining, new commands are refused while reads and timers go on."""
    accepted = await office.dial(office.jane, two_step=True)
    office.control.drain()
    with pytest.raises(DrainingError):
        await office.dial(office.jane)
    with pytest.raises(DrainingError):
        await office.control.act(office.jane, leg=accepted.party.id, action=Hangup())
    with pytest.raises(DrainingError):
        await office.control.simulate_inbound(ACCOUNT, "+12025550123", "210")
    with pytest.raises(DrainingError):
        await office.control.simulate_phone(office.jane, accepted.party.id, PhoneAction.HANGUP)
    (timer,) = await office.timers()
    await office.elapse(timer)
    assert (await office.control.session(office.jane, accepted.session.id)).parties[0].answered_at
