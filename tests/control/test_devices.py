"""What users set at their devices, and what it does to calls."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from relay.calls.commands import Answer, Conference, Consult, Transfer
from relay.calls.devices import DeviceAction, DeviceEvent, DoNotDisturb, ForwardCalls
from relay.directory.model import Principal
from relay.errors import DrainingError, InvalidFieldError, NotAllowedError, NotAllowedNowError, NotFoundError
from relay.journal.record import Entry, RecordKind
from tests.control.office import ACCOUNT, OUTSIDE, START, Office

ON, OFF = DoNotDisturb(on=True), DoNotDisturb(on=False)


async def put(office: Office, who: Principal, action: DeviceAction) -> DeviceEvent:
    """Set something at the user's phone."""
    return await office.control.set_device(who, device_id=who.user.devices[0].id, action=action)


async def told(office: Office) -> list[DeviceEvent]:
    """Return what the journal tells of devices."""
    store = office.journal.store
    partition = store.keys(ACCOUNT).partition
    entries = [
        Entry.of(partition, *one) for one in await store.read_stream(partition, "0-0", count=99, block_ms=0)
    ]
    return [
        msgspec.json.decode(entry.data, type=DeviceEvent)
        for entry in entries
        if entry.kind is RecordKind.DEVICE
    ]


async def test_each_change_is_told_once_with_all_that_is_set(office: Office) -> None:
    """The journal has a record of the device's own kind for every change, and the store what is set now."""
    made = [
        await put(office, office.john, ON),
        await put(office, office.john, ForwardCalls("220")),
        await put(office, office.john, OFF),
    ]
    assert await told(office) == made
    assert [event.settings.do_not_disturb for event in made] == [True, True, False]
    assert (made[0].device.extension, made[0].time) == ("200", START)
    state = await office.control.device(office.john, office.john.user.devices[0].id)
    assert state.settings == made[-1].settings
    assert state.settings.forward_to is not None
    assert state.settings.forward_to.extension == "220"


async def test_a_switch_is_only_turned_the_other_way(office: Office) -> None:
    """What is so already is refused, and what can be done is told."""
    with pytest.raises(NotAllowedNowError) as refused:
        await put(office, office.john, OFF)
    assert refused.value.allowed == ("do-not-disturb-on", "forward-on")
    with pytest.raises(NotAllowedNowError):
        await put(office, office.john, ForwardCalls(None))
    await put(office, office.john, ForwardCalls(OUTSIDE))
    with pytest.raises(NotAllowedNowError) as refused:
        await put(office, office.john, ForwardCalls("220"))
    assert refused.value.allowed == ("do-not-disturb-on", "forward-off")


async def test_changes_at_the_same_moment_are_all_kept(office: Office) -> None:
    """Two settings changed at once do not overwrite one another."""
    await asyncio.gather(put(office, office.john, ON), put(office, office.john, ForwardCalls("220")))
    state = await office.control.device(office.john, office.john.user.devices[0].id)
    assert (state.settings.do_not_disturb, state.revision) == (True, 2)
    assert state.settings.forward_to is not None


async def test_a_device_is_set_by_its_user(office: Office) -> None:
    """Others' devices are refused, other tenants' unknown; an admin may read any of the account."""
    device = office.john.user.devices[0].id
    for who, error in (
        (office.jane, NotAllowedError),
        (office.admin, NotAllowedError),
        (office.mallory, NotFoundError),
    ):
        with pytest.raises(error):
            await office.control.set_device(who, device_id=device, action=ON)
    assert not (await office.control.device(office.admin, device)).settings.do_not_disturb
    with pytest.raises(NotAllowedError):
        await office.control.device(office.jane, device)
    with pytest.raises(NotFoundError):
        await office.control.device(office.mallory, device)
    assert await told(office) == []
    office.control.drain()
    with pytest.raises(DrainingError):
        await put(office, office.john, ON)


@pytest.mark.parametrize("destination", ["200", "15002", "999", ""])
async def test_forwarding_leads_somewhere_else(office: Office, destination: str) -> None:
    """A phone is not forwarded to itself, nor to nobody."""
    with pytest.raises(InvalidFieldError) as refused:
        await put(office, office.john, ForwardCalls(destination))
    assert refused.value.field == "destination"


async def test_a_phone_not_to_be_disturbed_is_busy(office: Office) -> None:
    """Callers from inside and outside find it busy, without ringing it; its own calls go out."""
    await put(office, office.john, ON)
    await office.dial(office.jane, "200")
    assert (await office.leg_story())[-2:] == ["hungup(200,1) busy by None", "hungup(210,2) busy by None"]
    session = await office.control.simulate_inbound(ACCOUNT, OUTSIDE, "200")
    assert not session.live
    out = await office.dial(office.john, "210")
    assert out.session.live


async def test_do_not_disturb_counts_when_the_phone_would_ring(office: Office) -> None:
    """A click-to-dial finds the far end as it is once the own phone was picked up."""
    dialled = await office.dial(office.jane, "200", two_step=True)
    await put(office, office.john, ON)
    await office.run_timers()
    assert {party.cause for party in (await office.session(dialled.session.id)).parties} == {"busy"}


async def test_calls_are_forwarded(office: Office) -> None:
    """A call for a forwarded phone rings where it leads, also while the phone must not be disturbed."""
    await put(office, office.john, ON)
    await put(office, office.john, ForwardCalls("220"))
    dialled = await office.dial(office.jane, "200")
    caller, callee = dialled.session.parties
    assert (caller.far.extension, callee.address.extension) == ("200", "220")
    inbound = await office.control.simulate_inbound(ACCOUNT, OUTSIDE, "200")
    assert inbound.parties[1].address.extension == "220"
    two_step = await office.dial(office.jane, "200", two_step=True)
    await office.elapse(next(one for one in await office.timers() if one.session == two_step.session.id))
    assert (await office.callee(two_step)).address.extension == "220"
    await put(office, office.john, ForwardCalls(None))
    await put(office, office.john, OFF)
    assert (await office.dial(office.jane, "200")).session.parties[1].address.extension == "200"


async def test_calls_are_forwarded_outside(office: Office) -> None:
    """The forwarded call is answered where it leads."""
    await put(office, office.john, ForwardCalls(OUTSIDE))
    await office.dial(office.jane, "200")
    await office.run_timers()
    assert (await office.leg_story()) == ["ringing(210,1)", "answered(210,2)"]


async def test_a_ring_of_forwardings_is_busy(office: Office) -> None:
    """Two phones forwarded to each other take nobody's calls; nor does one forwarded to its caller."""
    await put(office, office.john, ForwardCalls("220"))
    await put(office, office.alex, ForwardCalls("200"))
    assert not (await office.dial(office.jane, "200")).session.live
    await put(office, office.alex, ForwardCalls(None))
    assert not (await office.dial(office.alex, "200")).session.live


@pytest.mark.parametrize("action", [Transfer, Conference, Consult])
async def test_calls_in_progress_are_led_where_a_phone_is_forwarded(
    office: Office, action: type[Transfer | Conference | Consult]
) -> None:
    """Transfer, conference and consult follow it; where it leads back into the call, that phone is busy."""
    dialled = await office.dial(office.jane, "200")
    await office.control.act(office.john, leg=dialled.session.parties[1].id, action=Answer())
    await put(office, office.alex, ForwardCalls("200"))
    asked = await office.control.act(office.jane, leg=dialled.party.id, action=action("220"))
    assert asked.session.parties[-1].address.extension == "200"
    assert asked.session.parties[-1].cause == "busy"
    if action is not Transfer:
        await put(office, office.alex, ForwardCalls(None))
        await put(office, office.alex, ForwardCalls("+12025550102"))
        asked = await office.control.act(office.jane, leg=dialled.party.id, action=action("220"))
        assert asked.session.parties[-1].address.number == "+12025550102"
