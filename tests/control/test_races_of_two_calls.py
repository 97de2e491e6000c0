"""Commands that change two calls at once, from one process and two: all or nothing, and none for ever."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from relay.calls.commands import (
    Action,
    Answer,
    CompleteConference,
    CompleteTransfer,
    Consult,
    Hangup,
    Hold,
    Mute,
    Retrieve,
    SendDtmf,
    Swap,
    UpdateUserData,
)
from relay.control import Accepted
from relay.control.permissions import LegMovedError
from relay.control.turns import Turns
from relay.errors import NotAllowedNowError, NotParticipantError, RefusedError
from relay.journal.journal import Journal
from tests.conftest import OpenStore
from tests.control.office import Office
from tests.engines import Server


@pytest.fixture
async def other(server: Server, open_store: OpenStore, office: Office) -> Office:
    """Give another process's control on the same store."""
    return Office(Journal(await open_store(server.url)))


async def consulting(office: Office) -> tuple[Accepted, Accepted]:
    """Have jane talk with john and, on a consult call, with alex."""
    original = await office.dial(office.jane, "200")
    await office.control.act(office.john, leg=original.session.parties[1].id, action=Answer())
    advice = await office.control.act(office.jane, leg=original.party.id, action=Consult("220"))
    await office.control.act(office.alex, leg=advice.session.parties[1].id, action=Answer())
    return original, advice


async def consistent(office: Office) -> None:
    """Check that the journal's events count without gaps and agree with what is stored."""
    counts: Counter[str] = Counter()
    for event in await office.events():
        if event.party.ours and event.leg_sequence == counts[event.party_id] + 1:
            counts[event.party_id] += 1
        assert not event.party.ours or event.leg_sequence == counts[event.party_id]
    for session in await office.control.live(office.admin):
        for party in session.parties:
            assert not (party.live and party.ours) or party.sequence == counts[party.id]


@pytest.mark.parametrize("round_", range(5))
async def test_two_processes_complete_one_transfer(office: Office, other: Office, round_: int) -> None:
    """From either call, at the same moment: it is completed once."""
    original, advice = await consulting(office)
    results = await asyncio.gather(
        office.control.act(office.jane, leg=original.party.id, action=CompleteTransfer()),
        other.control.act(office.jane, leg=advice.party.id, action=CompleteConference()),
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, BaseException)]
    assert len(refused) == 1
    assert isinstance(refused[0], NotParticipantError | NotAllowedNowError)
    await consistent(office)
    assert not (await office.session(advice.session.id)).live


@pytest.mark.parametrize("round_", range(5))
async def test_completing_and_hanging_up_at_the_same_moment(
    office: Office, other: Office, round_: int
) -> None:
    """A consult call that ends as it is completed was either completed before, or is refused."""
    original, advice = await consulting(office)
    alex = advice.session.parties[1].id
    results = await asyncio.gather(
        office.control.act(office.jane, leg=original.party.id, action=CompleteTransfer()),
        other.control.act(office.alex, leg=alex, action=Hangup()),
        return_exceptions=True,
    )
    # The leg may have moved: then it is hung up where it went, and with it the call.
    assert not isinstance(results[1], BaseException)
    left = await office.session(original.session.id)
    if isinstance(results[0], BaseException):
        assert isinstance(results[0], NotAllowedNowError | NotParticipantError)
        assert left.live
    else:
        assert not left.live
    await consistent(office)


async def test_swaps_from_both_sides_at_once_take_turns(office: Office, other: Office) -> None:
    """Commands on the same two calls, named in either order, neither wait for ever nor half happen."""
    original, advice = await consulting(office)
    legs = [original.party.id, advice.party.id]
    swaps = [
        each.control.act(each.jane, leg=legs[turn], action=Swap(legs[1 - turn]))
        for _ in range(10)
        for turn in (0, 1)
        for each in (office, other)
    ]
    results = await asyncio.gather(*swaps, return_exceptions=True)
    assert [result for result in results if isinstance(result, BaseException)] == []
    states = [(await office.session(one.session.id)).parties[0].state for one in (original, advice)]
    assert sorted(states) == ["answered", "held"]
    await consistent(office)


async def test_fifty_commands_of_all_kinds_on_two_calls(office: Office, other: Office) -> None:
    """Each is carried out or told what is allowed; afterwards everything fits together."""
    original, advice = await consulting(office)
    legs = [original.party.id, advice.party.id]
    actions: list[Action] = [
        Hold(),
        Retrieve(),
        Mute(),
        SendDtmf("1"),
        UpdateUserData({"k": 1}),
    ]
    commands = [
        each.control.act(each.jane, leg=legs[number % 2], action=actions[number % len(actions)])
        for number in range(24)
        for each in (office, other)
    ]
    completing = [
        each.control.act(each.jane, leg=legs[0], action=CompleteTransfer(legs[1])) for each in (office, other)
    ]
    results = await asyncio.gather(*commands, *completing, return_exceptions=True)
    failed = [result for result in results if isinstance(result, BaseException)]
    assert all(isinstance(result, RefusedError) for result in failed)
    assert sum(not isinstance(result, BaseException) for result in results[-2:]) == 1
    await consistent(office)
    assert await office.control.live(office.jane) == []


async def test_a_leg_that_moves_while_its_command_waits_is_found_again(office: Office) -> None:
    """A command that looked up a call before the leg left it is carried out where the leg is now."""
    original, advice = await consulting(office)
    alex = advice.session.parties[1].id
    old = await office.session(advice.session.id)
    await office.control.act(office.jane, leg=original.party.id, action=CompleteTransfer())
    looked_up = office.journal.session_of_leg
    answers = [old]

    async def stale_first(account: str, leg: str) -> object:
        return answers.pop() if answers else await looked_up(account, leg)

    office.journal.session_of_leg = stale_first  # type: ignore[assignment, method-assign]
    held = await office.control.act(office.alex, leg=alex, action=Hold())
    assert held.session.id == original.session.id
    assert issubclass(LegMovedError, NotParticipantError)


async def test_turns_of_several_calls_are_taken_in_one_order() -> None:
    """Whoever names the same calls in another order takes them in the same."""
    turns, held = Turns(), []

    async def take(name: str, *sessions: str) -> None:
        async with turns.turns(sessions) as waited:
            held.append((name, waited))
            await asyncio.sleep(0)  # let the other try

    await asyncio.gather(take("one", "a", "b"), take("other", "b", "a"))
    assert held == [("one", False), ("other", True)]
    assert repr(turns) == "<Turns sessions=0 commands=0>"
