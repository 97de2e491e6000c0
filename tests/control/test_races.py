"""Many commands on one call, in one process and in two: one order wins, nothing is lost or done twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from relay.calls.commands import Answer, Hangup, Reject, SendDtmf, UpdateUserData
from relay.control import Accepted
from relay.control.changing import LONGEST_PAUSE, MAX_TRIES, pause
from relay.errors import ContendedError, NotAllowedNowError, NotParticipantError
from relay.journal.commit import Committed
from relay.journal.journal import Journal
from relay.journal.store import Store
from tests.conftest import OpenStore
from tests.control.office import Office
from tests.engines import Server


@pytest.fixture
async def other(server: Server, open_store: OpenStore, office: Office) -> Office:
    """Give another process's control on the same store."""
    return Office(Journal(await open_store(server.url)))


class Counting(Journal):
    """A journal that counts how often a commit is tried."""

    commits = 0

    async def commit(self, *args: Any, **options: Any) -> Committed | None:
        """Count, and commit."""
        self.commits += 1
        return await super().commit(*args, **options)


class Outrun(Counting):
    """A journal whose every commit comes a moment after another process's."""

    def __init__(self, store: Store, other: Office, call: Accepted) -> None:
        super().__init__(store)
        self._other = other
        self._leg = call.party.id

    async def commit(self, *args: Any, **options: Any) -> Committed | None:
        """Let the other process go first."""
        await self._other.control.act(
            self._other.jane, leg=self._leg, action=UpdateUserData({"n": self.commits + 1})
        )
        return await super().commit(*args, **options)


@pytest.mark.parametrize("round_", range(5))
async def test_two_processes_race_for_one_leg(office: Office, other: Office, round_: int) -> None:
    """Answer and reject at the same moment: one wins, the other learns what is allowed or that it ended."""
    dialled = await office.dial(office.jane, "200")
    john = dialled.session.parties[1].id
    results = await asyncio.gather(
        office.control.act(office.john, leg=john, action=Answer()),
        other.control.act(office.john, leg=john, action=Reject()),
        return_exceptions=True,
    )
    refused = [result for result in results if isinstance(result, BaseException)]
    assert len(refused) == 1
    session = await office.session(dialled.session.id)
    if isinstance(results[1], BaseException):
        assert isinstance(refused[0], NotAllowedNowError)
        assert {"hangup", "hold"} <= set(refused[0].allowed)
        assert "answer" not in refused[0].allowed
        assert session.live
    else:
        assert isinstance(refused[0], NotParticipantError)
        assert not session.live
    assert session.version == 2


async def test_two_processes_answer_one_leg(office: Office, other: Office) -> None:
    """The same command twice at the same moment answers once."""
    dialled = await office.dial(office.jane, "200")
    john = dialled.session.parties[1].id
    results = await asyncio.gather(
        *(each.control.act(each.john, leg=john, action=Answer()) for each in (office, other)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, NotAllowedNowError) for result in results) == 1
    assert (await office.leg_story())[2:] == ["answered(200,2)", "answered(210,2)"]


async def test_no_update_is_lost_between_processes(office: Office, other: Office) -> None:
    """Of twenty-five commands from each of two processes on one call all take effect, in one order."""
    dialled = await office.dial(office.jane, "200")
    updates = [
        each.control.act(each.jane, leg=dialled.party.id, action=UpdateUserData({f"{name}{number}": number}))
        for number in range(25)
        for name, each in (("here", office), ("there", other))
    ]
    await asyncio.gather(*updates)
    session = await office.session(dialled.session.id)
    assert len(session.user_data) == 50
    assert session.version == 51
    assert [
        e.leg_sequence
        for e in await office.events()
        if e.party_id == dialled.party.id and e.kind == "user_data"
    ] == [*range(2, 52)]


async def test_fifty_commands_in_one_process_do_not_storm(store: Store) -> None:
    """Commands on one call queue up, so none of them loses a race: one commit each."""
    journal = Counting(store)
    office = Office(journal)
    dialled = await office.dial(office.jane, "200")
    digits = [str(number % 10) for number in range(50)]
    await asyncio.gather(
        *(office.control.act(office.jane, leg=dialled.party.id, action=SendDtmf(digit)) for digit in digits)
    )
    assert journal.commits == 1 + 50
    sent = [event.details["digits"] for event in await office.events() if event.kind == "dtmf"]
    assert sent == digits  # in the order they were asked
    assert "sessions=0 commands=0" in repr(office.control)


async def test_a_call_that_is_contended_for_ever_is_given_up(
    store: Store, other: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losing every try ends with "try again", and nothing is written."""
    monkeypatch.setattr("relay.control.changing.LONGEST_PAUSE", 0.001)
    dialled = await other.dial(other.jane, "200")
    office = Office(Outrun(store, other, dialled))
    with pytest.raises(ContendedError):
        await office.control.act(office.jane, leg=dialled.party.id, action=Hangup())
    session = await other.session(dialled.session.id)
    assert session.live
    assert session.user_data == {"n": MAX_TRIES}
    assert session.version == 1 + MAX_TRIES


async def test_commands_and_a_timer_at_the_same_moment(office: Office, other: Office) -> None:
    """A pickup due as its caller hangs up: whichever is first, the call ends and stays ended."""
    for _ in range(5):
        dialled = await office.dial(office.jane, "200", two_step=True)
        (pickup,) = [timer for timer in await office.timers() if timer.session == dialled.session.id]
        await asyncio.gather(
            other.elapse(pickup), office.control.act(office.jane, leg=dialled.party.id, action=Hangup())
        )
        assert not (await office.session(dialled.session.id)).live
    assert await office.timers() == []


def test_pauses_grow_to_a_bound() -> None:
    """Pauses spread over a bound that doubles up to the longest."""
    assert pause(0, 0.0) == 0
    bounds = [pause(tries, 1.0) for tries in range(MAX_TRIES)]
    assert bounds == sorted(bounds)
    assert bounds[1] == 2 * bounds[0]
    assert bounds[-1] == LONGEST_PAUSE
    assert sum(bounds) / 2 < 1
