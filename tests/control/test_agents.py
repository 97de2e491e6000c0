"""What users say of themselves: told once a change, the same in every process, and no bar to calls."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from relay.calls.agents import (
    MAX_REASON,
    AgentAction,
    AgentEvent,
    AgentState,
    AgentStatus,
    BeNotReady,
    BeReady,
    LogIn,
    LogOut,
)
from relay.calls.devices import DeviceEvent
from relay.errors import DrainingError, InvalidFieldError
from relay.journal.journal import Journal
from relay.journal.record import Entry
from tests.conftest import OpenStore
from tests.control.office import ACCOUNT, Office
from tests.engines import Server


async def told(office: Office) -> list[AgentEvent | DeviceEvent]:
    """Return what the journal tells of agents and devices."""
    store = office.journal.store
    partition = store.keys(ACCOUNT).partition
    found = await store.read_stream(partition, "0-0", count=999, block_ms=0)
    events = [Entry.of(partition, *one).told for one in found]
    return [event for event in events if isinstance(event, AgentEvent | DeviceEvent)]


async def test_a_change_is_told_of_the_user_and_of_the_device(office: Office) -> None:
    """And what changes nothing is not told."""
    await office.control.set_agent(office.jane, LogIn())
    await office.control.set_agent(office.jane, BeReady())
    assert (await office.control.set_agent(office.jane, LogIn())).status is AgentStatus.READY
    await office.control.set_agent(office.jane, BeReady())
    events = await told(office)
    assert [type(event).__name__ for event in events] == ["AgentEvent", "DeviceEvent"] * 2
    assert [(event.state if isinstance(event, AgentEvent) else event.agent).status for event in events] == [
        "not-ready",
        "not-ready",
        "ready",
        "ready",
    ]
    assert (await office.control.agent_state(ACCOUNT, office.jane.user)).status is AgentStatus.READY
    assert (await office.control.agent_state(ACCOUNT, office.john.user)) == AgentState()


async def test_who_has_no_phone_has_a_state(office: Office) -> None:
    """It is told of the user alone."""
    await office.control.set_agent(office.admin, BeReady())
    [event] = await told(office)
    assert isinstance(event, AgentEvent)
    assert (event.user.user_id, event.user.number) == (office.admin.user.id, "")


async def test_a_reason_is_short(office: Office) -> None:
    """One of the greatest length is taken, a longer one refused, and nothing changes."""
    await office.control.set_agent(office.jane, BeNotReady(reason="x" * MAX_REASON))
    with pytest.raises(InvalidFieldError) as refused:
        await office.control.set_agent(office.jane, BeNotReady(reason="x" * (MAX_REASON + 1)))
    assert refused.value.field == "reason"
    assert len(await told(office)) == 2


async def test_changes_in_two_processes_are_told_one_after_another(
    office: Office, server: Server, open_store: OpenStore
) -> None:
    """Each is told that made a difference, and the last of them is what everybody reads."""
    other = Office(Journal(await open_store(server.url)))
    actions: list[AgentAction] = [BeReady(), BeNotReady(), LogOut(), BeNotReady(reason="Lunch")]
    await asyncio.gather(
        *(one.control.set_agent(one.jane, action) for action in actions for one in (office, other))
    )
    states = [event.state for event in await told(office) if isinstance(event, AgentEvent)]
    assert all(before != after for before, after in itertools.pairwise(states))
    agent = await other.journal.agent(ACCOUNT, office.jane.user.id)
    assert (agent.state, agent.revision) == (states[-1], len(states))


@pytest.mark.parametrize("action", [LogOut(), BeNotReady(reason="Lunch")])
async def test_calls_for_a_number_ring_whatever_its_user_says(office: Office, action: AgentAction) -> None:
    """A state concerns what a queue would hand out, of which there is none; it is no do-not-disturb."""
    await office.control.set_agent(office.john, BeReady())
    await office.control.set_agent(office.john, action)
    dialled = await office.dial(office.jane, "200")
    assert (await office.callee(dialled)).state == "proceeding"


async def test_a_process_that_stops_takes_no_changes(office: Office) -> None:
    """Another one does."""
    office.control.drain()
    with pytest.raises(DrainingError):
        await office.control.set_agent(office.jane, BeReady())
