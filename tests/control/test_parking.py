"""Parked calls: one to a place, wherever they come from, and picked up once by whoever is first."""

from __future__ import annotations

import asyncio

import pytest

from relay.calls.commands import (
    Action,
    Answer,
    Bridge,
    Flip,
    Hangup,
    Hold,
    Park,
    PickUp,
    TransferToOrbit,
    TransferToVoicemail,
)
from relay.calls.model import Party, PartyState
from relay.control import Accepted
from relay.directory.model import Principal
from relay.errors import (
    InvalidFieldError,
    NotAllowedError,
    NotAllowedNowError,
    NotFoundError,
    NotParticipantError,
    RefusedError,
)
from relay.journal.journal import Journal
from tests.conftest import OpenStore
from tests.control.office import OUTSIDE, Office
from tests.engines import Server


@pytest.fixture
async def other(server: Server, open_store: OpenStore, office: Office) -> Office:
    """Give another process's control on the same store."""
    return Office(Journal(await open_store(server.url)))


def phone(who: Principal) -> str:
    """Return the id of the user's phone."""
    return who.user.devices[0].id


async def ask(office: Office, leg: str, action: Action, who: Principal | None = None) -> Accepted:
    """Ask something, as jane unless told otherwise."""
    return await office.control.act(who or office.jane, leg=leg, action=action)


async def answered(office: Office) -> Party:
    """Have somebody call jane from outside, and jane answer; return her leg."""
    session = await office.control.simulate_inbound(office.jane.account, OUTSIDE, "210")
    return (await ask(office, session.parties[1].id, Answer())).party


async def parked(office: Office) -> Party:
    """Have jane answer a call and park it; return her leg."""
    return (await ask(office, (await answered(office)).id, Park())).party


async def test_calls_parked_at_one_moment_get_places_of_their_own(office: Office, other: Office) -> None:
    """Two processes that see the same places free do not take the same."""
    legs = [await answered(office) for _ in range(8)]
    asking = (ask((office, other)[number % 2], leg.id, Park()) for number, leg in enumerate(legs))
    places = [accepted.party.park for accepted in await asyncio.gather(*asking)]
    assert sorted(filter(None, places)) == [f"*{number}" for number in range(801, 809)]


@pytest.mark.parametrize("round_", range(3))
async def test_one_place_takes_one_call(office: Office, other: Office, round_: int) -> None:
    """Of two transfers there at the same moment one is refused, and its call goes on."""
    legs = [(await answered(office)).id for _ in range(2)]
    results = await asyncio.gather(
        *(ask(one, leg, TransferToOrbit("*811")) for one, leg in zip((office, other), legs, strict=True)),
        return_exceptions=True,
    )
    [refused] = [number for number, result in enumerate(results) if isinstance(result, BaseException)]
    assert isinstance(results[refused], NotAllowedNowError)
    _, party = await office.control.leg(office.jane, legs[refused])
    assert party.present


@pytest.mark.parametrize("round_", range(3))
async def test_one_picks_up(office: Office, other: Office, round_: int) -> None:
    """The other learns that it is too late."""
    leg = (await parked(office)).id
    results = await asyncio.gather(
        ask(office, leg, PickUp(phone(office.john)), office.john),
        ask(other, leg, PickUp(phone(other.alex)), other.alex),
        return_exceptions=True,
    )
    assert sorted(isinstance(result, RefusedError) for result in results) == [False, True]
    [session] = await office.control.live(office.admin)
    assert [party.state for party in session.parties if party.live] == [PartyState.ANSWERED] * 2


async def test_a_parked_call_is_at_no_phone(office: Office) -> None:
    """The phone that parked it is free: what it does goes by its other calls alone."""
    leg = await parked(office)
    states = await office.journal.device_states(office.jane.account, [phone(office.jane), "*801"])
    assert states[phone(office.jane)].lines == ()
    assert [line.leg for line in states["*801"].lines] == [leg.id]
    talking = await answered(office)
    with pytest.raises(NotAllowedNowError):
        await ask(office, talking.id, Bridge(leg.id))
    taken = await ask(office, leg.id, PickUp(phone(office.jane)))
    assert (taken.party.state, taken.party.added_by) == (PartyState.ANSWERED, leg.id)
    assert (await office.journal.device_states(office.jane.account, ["*801"]))["*801"].lines == ()


async def test_who_may_pick_up_what(office: Office) -> None:
    """A parked call anybody of the account, at an own phone; any other call nobody."""
    leg, talking = await parked(office), await answered(office)
    for device, error in (("none", NotFoundError), (phone(office.john), NotAllowedError)):
        with pytest.raises(error):
            await ask(office, leg.id, PickUp(device))
    with pytest.raises(NotParticipantError):
        await ask(office, talking.id, PickUp(phone(office.john)), office.john)
    with pytest.raises(NotAllowedNowError):
        await ask(office, talking.id, PickUp(phone(office.jane)))
    with pytest.raises(NotParticipantError):
        await ask(office, leg.id, PickUp(phone(office.mallory)), office.mallory)
    with pytest.raises(NotParticipantError):
        await ask(office, leg.id, Hangup(), office.john)


async def test_who_may_see_a_parked_call(office: Office) -> None:
    """Everybody of the account while it is parked, as anybody may take it."""
    leg = await parked(office)
    session, _ = await office.control.leg(office.jane, leg.id)
    assert (await office.control.session(office.alex, session.id)).id == session.id
    with pytest.raises(NotFoundError):
        await office.control.session(office.mallory, session.id)
    await ask(office, leg.id, PickUp(phone(office.john)), office.john)
    with pytest.raises(NotAllowedError):
        await office.control.session(office.alex, session.id)


async def test_where_a_call_cannot_be_left(office: Office) -> None:
    """Places, mailboxes and phones that are not there are told by the parameter's name."""
    leg = await answered(office)
    for action, field in ((TransferToOrbit("*800"), "orbit"), (TransferToVoicemail("nobody"), "mailbox")):
        with pytest.raises(InvalidFieldError) as refused:
            await ask(office, leg.id, action)
        assert refused.value.field == field
    with pytest.raises(InvalidFieldError):
        await ask(office, leg.id, TransferToVoicemail(office.admin.user.id))
    with pytest.raises(NotFoundError):
        await ask(office, leg.id, Flip("none"))


async def test_a_call_that_waits_does_so_without_end_for_its_owner_and_not_for_others(office: Office) -> None:
    """Who parked it can end it; where nobody can, an outside caller gives up after a minute."""
    leg = await parked(office)
    await office.run_timers()
    assert (await office.control.leg(office.jane, leg.id))[1].state is PartyState.PARKED
    await ask(office, leg.id, Hangup())
    gone = await answered(office)
    await ask(office, gone.id, TransferToOrbit("*801"))
    began = office.now
    await office.run_timers()
    assert (await office.control.live(office.admin), office.now - began) == ([], 60_000)


async def test_a_process_started_anew_knows_who_is_parked(office: Office, other: Office) -> None:
    """Places and calls are in the store: any process parks beside them, and picks up."""
    leg = await parked(office)
    assert (await parked(other)).park == "*802"
    taken = await ask(other, leg.id, PickUp(phone(other.alex)), other.alex)
    assert (await ask(office, taken.party.id, Hold(), office.alex)).party.state is PartyState.HELD
