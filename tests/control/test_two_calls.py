"""Operations on two calls, and those that lead to somebody: who may, with what, and what is left."""

from __future__ import annotations

import pytest

from relay.calls.commands import (
    Action,
    Answer,
    CompleteConference,
    CompleteTransfer,
    Conference,
    Consult,
    Hangup,
    Hold,
    Merge,
    RemoveParticipant,
    SetDisposition,
    Swap,
    Transfer,
)
from relay.calls.model import Party, PartyState
from relay.calls.user_data import MAX_USER_DATA
from relay.control import Accepted
from relay.control.situation import MOST_LINES
from relay.directory.model import Principal
from relay.errors import InvalidFieldError, NotAllowedNowError, NotParticipantError
from relay.switch.simulator import PhoneAction
from tests.control.office import ACCOUNT, OUTSIDE, Office


async def talk(office: Office, destination: str = "200", who: Principal | None = None) -> Accepted:
    """Have jane, or another, call somebody who answers."""
    dialled = await office.dial(who or office.jane, destination)
    await pick_up(office, dialled.session.parties[1])
    return dialled


async def pick_up(office: Office, party: Party) -> None:
    """Answer at a phone, by hand."""
    await office.control.simulate_phone(office.admin, party.id, PhoneAction.ANSWER)


async def ask(office: Office, leg: str, action: Action, who: Principal | None = None) -> Accepted:
    """Ask something, as jane unless told otherwise."""
    return await office.control.act(who or office.jane, leg=leg, action=action)


async def consult(office: Office, *, answered: bool = True) -> tuple[Accepted, Accepted]:
    """Have jane talk with john and ask alex for advice."""
    original = await talk(office)
    consult = await ask(office, original.party.id, Consult("220"))
    if answered:
        await pick_up(office, consult.session.parties[1])
    return original, consult


async def test_a_consult_call_is_accepted_with_its_own_leg(office: Office) -> None:
    """The new leg can be used at once; both calls are committed together."""
    original, consult_ = await consult(office, answered=False)
    assert consult_.session == await office.session(consult_.session.id)
    assert consult_.session.parent == original.session.id
    assert consult_.party.consults == original.party.id
    assert (await office.session(original.session.id)).parties[0].state is PartyState.HELD
    held, dialing, *_ = [event for event in await office.events() if event.command_id == consult_.command_id]
    assert [held.kind, dialing.kind] == ["held", "dialing"]
    assert [line.leg for line in dialing.beside] == [original.party.id]


async def test_a_repeated_consult_is_the_same_call(office: Office) -> None:
    """The same command id of the same user makes one consult call."""
    original = await talk(office)
    asked = [
        await office.control.act(office.jane, leg=original.party.id, action=Consult("220"), command_id="once")
        for _ in range(2)
    ]
    assert asked[0].session.id == asked[1].session.id
    assert len(await office.control.live(office.jane)) == 2


@pytest.mark.parametrize("from_consult", [True, False])
@pytest.mark.parametrize("named", [True, False])
async def test_a_transfer_completes_from_either_call(
    office: Office, *, from_consult: bool, named: bool
) -> None:
    """The other call may be named or is found; those who remain share the original call."""
    original, advice = await consult(office)
    one, other = (advice, original) if from_consult else (original, advice)
    done = await ask(office, one.party.id, CompleteTransfer(other.party.id if named else None))
    assert done.party.cause == "transferred"
    john, alex = original.session.parties[1], advice.session.parties[1]
    for who, leg in ((office.john, john.id), (office.alex, alex.id)):
        session, party = await office.control.leg(who, leg)
        assert (session.id, party.live) == (original.session.id, True)
    assert not (await office.session(advice.session.id)).live
    assert await office.control.live(office.jane) == []
    ended = await ask(office, alex.id, Hangup(), office.alex)
    assert not ended.session.live
    assert {event.session.id for event in (await office.events())[-2:]} == {original.session.id}


async def test_a_conference_keeps_the_one_who_made_it(office: Office) -> None:
    """All three share the original call, and its maker may remove the others."""
    original, advice = await consult(office)
    done = await ask(office, advice.party.id, CompleteConference())
    assert (done.session.id, done.party.cause) == (advice.session.id, "transferred")
    await ask(office, original.party.id, RemoveParticipant("220"))
    session = await office.session(original.session.id)
    live = [party.address.extension for party in session.parties if party.live]
    assert live == ["210", "200"]
    with pytest.raises(NotAllowedNowError):
        await ask(office, original.party.id, RemoveParticipant("220"))


async def test_removing_somebody_who_is_not_there_is_refused(office: Office) -> None:
    """The participant is another live leg, by its id, extension or number, however written."""
    original, _ = await consult(office)
    await ask(office, original.party.id, CompleteConference())
    for wrong in ("210", "999", "", original.party.id, OUTSIDE):
        with pytest.raises(InvalidFieldError) as refused:
            await ask(office, original.party.id, RemoveParticipant(wrong))
        assert refused.value.field == "participant"
    await ask(office, original.party.id, RemoveParticipant("15-002"))


async def test_of_several_consult_calls_one_must_be_named(office: Office) -> None:
    """What could mean two calls is refused, and taken with a name."""
    original, advice = await consult(office)
    second = await ask(office, original.party.id, Consult(OUTSIDE))
    with pytest.raises(InvalidFieldError) as refused:
        await ask(office, original.party.id, CompleteTransfer())
    assert refused.value.field == "other"
    await ask(office, original.party.id, CompleteTransfer(second.party.id))
    assert (await office.session(advice.session.id)).live


@pytest.mark.parametrize("action", [CompleteTransfer, CompleteConference, Swap, Merge])
async def test_the_other_call_must_be_ones_own_and_fit(
    office: Office, action: type[CompleteTransfer | CompleteConference | Swap | Merge]
) -> None:
    """Others' legs, ended and unknown ones are not one's to pair; own ones that do not fit not now."""
    original = await talk(office)
    john = original.session.parties[1].id
    ended = await talk(office, OUTSIDE)
    await ask(office, ended.party.id, Hangup())
    told = await office.events()
    for other in (john, ended.party.id, "none"):
        with pytest.raises((NotParticipantError, NotAllowedNowError)):
            await ask(office, original.party.id, action(other))
    ringing = await office.control.simulate_inbound(office.jane.account, OUTSIDE, "210")
    with pytest.raises(NotAllowedNowError):
        await ask(office, original.party.id, action(ringing.parties[1].id))
    assert (await office.events())[: len(told)] == told
    assert len(await office.events()) == len(told) + 4


@pytest.mark.parametrize("action", [Swap, Merge])
async def test_a_call_is_no_other_call_to_itself(office: Office, action: type[Swap | Merge]) -> None:
    """Naming the call itself is a mistake in the parameter."""
    original = await talk(office)
    with pytest.raises(InvalidFieldError) as refused:
        await ask(office, original.party.id, action(original.party.id))
    assert refused.value.field == "other"


async def test_an_unsuitable_other_call_is_told_from_none(office: Office) -> None:
    """Where the operation is listed, with another call than the one named, the answer says so."""
    original = await talk(office)
    await ask(office, original.party.id, Hold())
    active = await talk(office, OUTSIDE)
    ringing = await office.control.simulate_inbound(office.jane.account, OUTSIDE, "210")
    with pytest.raises(NotAllowedNowError, match="swap with that call is not allowed now"):
        await ask(office, active.party.id, Swap(ringing.parties[1].id))
    await ask(office, active.party.id, Swap(original.party.id))
    states = [(await office.session(one.session.id)).parties[0].state for one in (original, active)]
    assert states == [PartyState.ANSWERED, PartyState.HELD]


async def test_anothers_call_is_not_paired(office: Office) -> None:
    """A colleague's leg is refused as such, whatever the own leg lists."""
    original = await talk(office)
    await ask(office, original.party.id, Hold())
    theirs = await talk(office, "220", office.john)
    with pytest.raises(NotParticipantError):
        await ask(office, original.party.id, Swap(theirs.party.id))


@pytest.mark.parametrize("action", [Transfer, Conference, Consult])
@pytest.mark.parametrize("destination", ["210", "15000", "200", "999", "", "jane"])
async def test_a_call_leads_to_somebody_who_is_not_in_it(
    office: Office, action: type[Transfer | Conference | Consult], destination: str
) -> None:
    """Oneself, who is in the call already, and who does not exist are no destinations."""
    original = await talk(office)
    told = await office.events()
    with pytest.raises(InvalidFieldError) as refused:
        await ask(office, original.party.id, action(destination))
    assert refused.value.field == "destination"
    assert await office.events() == told


@pytest.mark.parametrize("action", [Transfer, Conference, Consult])
async def test_user_data_given_on_the_way_is_limited(
    office: Office, action: type[Transfer | Conference | Consult]
) -> None:
    """With what the call carries it may be too much; a consult call has its own."""
    half = "x" * (MAX_USER_DATA // 2)
    dialled = await office.dial(office.jane, "200", user_data={"a": half})
    await pick_up(office, dialled.session.parties[1])
    asking = ask(office, dialled.party.id, action("220", {"b": half}))
    if action is Consult:
        assert (await asking).session.user_data == {"b": half}
    else:
        with pytest.raises(InvalidFieldError) as refused:
            await asking
        assert refused.value.field == "user_data"
    with pytest.raises(InvalidFieldError):
        await ask(office, dialled.party.id, action("220", {"b": half * 2}))


async def test_a_blind_transfer_outside_goes_on_by_itself(office: Office) -> None:
    """Timers carry the call on after its maker has left, until nobody is in it."""
    original = await talk(office)
    await ask(office, original.party.id, Transfer("+12025550104"))
    await office.run_timers()
    session = await office.session(original.session.id)
    assert not session.live
    assert [party.cause for party in session.parties] == ["transferred", "normal", "normal"]


async def test_what_comes_of_a_conference_is_told_with_its_command(office: Office) -> None:
    """Whoever is added answers, or does not come, as the outcome of the command that added it."""
    original = await talk(office)
    busy = await ask(office, original.party.id, Conference("+12025550101"))
    await office.run_timers()
    assert (await office.kinds())[-3:] == ["ended +12025550101", "failed 210", "participants 200"]
    assert {event.command_id for event in (await office.events())[-3:]} == {busy.command_id}
    comes = await ask(office, original.party.id, Conference("+12025550123"))
    await office.run_timers()
    assert (await office.events())[-1].command_id == comes.command_id


async def test_a_leg_that_moved_is_operated_where_it_is(office: Office) -> None:
    """The leg keeps its id in its new call, which the answer names."""
    original, advice = await consult(office)
    await ask(office, original.party.id, CompleteTransfer())
    alex = advice.session.parties[1].id
    held = await ask(office, alex, Hold(), office.alex)
    assert (held.session.id, held.party.state) == (original.session.id, PartyState.HELD)
    sequences = [e.leg_sequence for e in await office.events() if e.party_id == alex and e.leg_sequence]
    assert sequences == sorted(sequences)


async def test_a_second_call_can_be_answered_and_merged(office: Office) -> None:
    """Calls from wherever become one conference."""
    original = await talk(office)
    await ask(office, original.party.id, Hold())
    inbound = await office.control.simulate_inbound(office.jane.account, OUTSIDE, "210")
    leg = inbound.parties[1].id
    await ask(office, leg, Answer())
    await ask(office, leg, Merge(original.party.id))
    session = await office.session(original.session.id)
    assert [party.address.number for party in session.parties if party.live] == ["15000", "15002", OUTSIDE]
    assert not (await office.session(inbound.id)).live


async def test_a_leg_that_went_elsewhere_stays_there(office: Office) -> None:
    """A disposition of the call it came from changes neither where it is found nor what its phone allows."""
    original, consult_ = await consult(office)
    await ask(office, consult_.party.id, CompleteTransfer())
    alex = consult_.session.parties[1].id
    second = await talk(office, who=office.alex, destination=OUTSIDE)
    before = await office.journal.device_states(ACCOUNT, [office.alex.user.devices[0].id])
    await ask(office, consult_.party.id, SetDisposition("sold"))
    assert await office.journal.device_states(ACCOUNT, [office.alex.user.devices[0].id]) == before
    held = await ask(office, alex, Hold(), office.alex)
    assert held.session.id == original.session.id != second.session.id


async def test_a_crowded_phone_is_told_of_call_by_call(office: Office) -> None:
    """Beside more calls than anybody watches a change touches the call it is about, and no other."""
    calls = [await talk(office, OUTSIDE) for _ in range(MOST_LINES + 1)]
    versions = [(await office.session(call.session.id)).version for call in calls]
    await ask(office, calls[0].party.id, Hold())
    await talk(office, OUTSIDE)
    assert [(await office.session(call.session.id)).version for call in calls[1:]] == versions[1:]
