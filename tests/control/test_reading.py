"""Reading calls: an agent sees the own ones, an admin the account's, nobody another tenant's."""

from __future__ import annotations

import pytest

from relay.calls.commands import Hangup
from relay.errors import NotAllowedError, NotFoundError, NotParticipantError
from relay.journal.journal import Journal
from tests.conftest import OpenStore
from tests.control.office import OTHER_ACCOUNT, OUTSIDE, Office
from tests.engines import Server


@pytest.fixture
async def office(server: Server, open_store: OpenStore) -> Office:
    """Give an office whose tenants share one partition."""
    return Office(Journal(await open_store(server.url, partitions=1)))


async def test_live_calls_are_those_one_takes_part_in(office: Office) -> None:
    """Agents see calls with a leg of theirs, oldest first; an admin sees all; ended ones are gone."""
    first = (await office.dial(office.jane, "200")).session
    office.now += 10
    second = (await office.dial(office.alex, OUTSIDE)).session
    office.now += 10
    third = await office.dial(office.jane, OUTSIDE)
    await office.dial(office.mallory, OUTSIDE)

    async def seen(who: str) -> list[str]:
        return [session.id for session in await office.control.live(getattr(office, who))]

    assert await seen("jane") == [first.id, third.session.id]
    assert await seen("john") == [first.id]
    assert await seen("alex") == [second.id]
    assert await seen("admin") == [first.id, second.id, third.session.id]
    await office.control.act(office.jane, leg=third.party.id, action=Hangup())
    assert await seen("jane") == [first.id]


async def test_reading_one_call(office: Office) -> None:
    """Who has a leg in it and an admin may read a call, also after its end."""
    dialled = await office.dial(office.jane, "200")
    for who in (office.jane, office.john, office.admin):
        assert await office.control.session(who, dialled.session.id) == dialled.session
    ended = await office.control.act(office.jane, leg=dialled.party.id, action=Hangup())
    assert await office.control.session(office.john, dialled.session.id) == ended.session
    with pytest.raises(NotAllowedError):
        await office.control.session(office.alex, dialled.session.id)


async def test_reading_one_leg(office: Office) -> None:
    """A user reads the own leg, an admin each leg of ours; the outside leg is nobody's to read."""
    dialled = await office.dial(office.jane, "200")
    jane, john = dialled.session.parties
    assert await office.control.leg(office.jane, jane.id) == (dialled.session, jane)
    assert await office.control.leg(office.admin, john.id) == (dialled.session, john)
    with pytest.raises(NotAllowedError):
        await office.control.leg(office.jane, john.id)
    outside = (await office.dial(office.jane, OUTSIDE)).session.parties[1]
    with pytest.raises(NotFoundError):
        await office.control.leg(office.admin, outside.id)


async def test_the_own_leg_of_a_call(office: Office) -> None:
    """Each participant's own leg is found by the call, ended or not; an admin has none."""
    dialled = await office.dial(office.jane, "200")
    jane, john = dialled.session.parties
    assert await office.control.own_leg(office.jane, dialled.session.id) == jane
    assert await office.control.own_leg(office.john, dialled.session.id) == john
    for who in (office.alex, office.admin):
        with pytest.raises(NotParticipantError):
            await office.control.own_leg(who, dialled.session.id)
    ended = await office.control.act(office.jane, leg=jane.id, action=Hangup())
    assert await office.control.own_leg(office.jane, dialled.session.id) == ended.party


async def test_another_tenants_calls_are_as_unknown_as_none(office: Office) -> None:
    """Nothing tells another tenant's call from one that does not exist, in the same partition too."""
    dialled = await office.dial(office.mallory, OUTSIDE)
    for session, leg in ((dialled.session.id, dialled.party.id), ("none", "none")):
        for who in (office.jane, office.admin):
            with pytest.raises(NotFoundError, match="no such call"):
                await office.control.session(who, session)
            with pytest.raises(NotFoundError, match="no such call"):
                await office.control.own_leg(who, session)
            with pytest.raises(NotFoundError, match="no such call leg"):
                await office.control.leg(who, leg)
            with pytest.raises(NotParticipantError):
                await office.control.act(who, leg=leg, action=Hangup())
    assert (await office.session(dialled.session.id, OTHER_ACCOUNT)).live
