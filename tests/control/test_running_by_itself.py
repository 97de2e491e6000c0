"""Simulated calls with their timers run by the partitions' owner, in real time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from relay.calls.commands import Hangup
from relay.control import Control
from relay.journal.journal import Journal
from relay.journal.ownership import Ownership
from relay.journal.tail import Tail
from relay.journal.timers import Timers
from relay.switch.simulator import Simulator
from tests.conftest import OpenStore
from tests.control.office import Office
from tests.engines import Server
from tests.waiting import eventually


@pytest.fixture
async def office(server: Server, open_store: OpenStore) -> AsyncIterator[Office]:
    """Give an office whose process owns every partition and whose clock is the wall's."""
    store = await open_store(server.url, partitions=4)
    office = Office(Journal(store))
    office.simulator = Simulator(office.directory.device, ring_timeout=1)
    office.control = Control(office.journal, office.directory, office.simulator)
    tail = Tail(store)
    ownership = Ownership(store, "here", [Timers(store, tail, office.control.elapse)])
    await ownership.start()
    yield office
    await ownership.stop()
    await tail.stop()


async def test_calls_go_on_by_themselves(office: Office) -> None:
    """Phones pick up, ring out, answer and hang up when it is time, and no timer is left."""
    internal = await office.dial(office.jane, "200", two_step=True)
    outbound = await office.dial(office.jane, "+12025550104", two_step=True)
    answered = await office.dial(office.alex, "+12025550123")

    async def all_is_said() -> bool:
        ended = [await office.session(call.session.id) for call in (internal, outbound)]
        return not any(session.live for session in ended) and not await office.timers()

    await eventually(all_is_said, within=20)
    told = await office.events()

    def story(session: str) -> list[str]:
        of_call = (event for event in told if event.session.id == session and event.kind != "capabilities")
        return [f"{event.kind} {event.party.cause or ''}" for event in of_call]

    assert story(internal.session.id) == [
        "dialing ", "answered ", "setup ", "ringing ", "ended no_answer", "ended no_answer",
    ]  # fmt: skip
    assert story(outbound.session.id) == [
        "dialing ", "answered ", "ringing ", "answered ", "ended normal", "ended normal",
    ]  # fmt: skip
    assert story(answered.session.id) == [
        "dialing ", "ringing ", "proceeding ", "answered ", "answered ",
    ]  # fmt: skip
    await office.control.act(office.alex, leg=answered.party.id, action=Hangup())


async def test_a_pickup_is_not_late(office: Office) -> None:
    """The own phone picks up 0.2 s after its click-to-dial, give or take what a busy machine adds."""
    dialled = await office.dial(office.jane, "200", two_step=True)

    async def picked_up() -> int | None:
        return (await office.session(dialled.session.id)).parties[0].answered_at

    answered_at = await eventually(picked_up)
    assert 200 <= answered_at - dialled.session.created_at < 2_000
