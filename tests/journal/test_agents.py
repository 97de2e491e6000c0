"""Users' states in the store, each change told of the user and of each of their devices."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from relay.calls.agents import Agent, AgentEvent, AgentState, AgentStatus
from relay.calls.devices import DeviceEvent, DeviceSettings, DeviceState
from relay.journal.journal import Journal
from relay.journal.record import Entry, RecordKind
from relay.journal.store import Store
from tests.journal.calls import ACCOUNT, HERE, OTHER_ACCOUNT

JANE = replace(HERE, user_id="jane")
READY = AgentState(status=AgentStatus.READY)
AWAY = AgentState(status=AgentStatus.NOT_READY, reason="Lunch")


def agent_event(state: AgentState) -> AgentEvent:
    """Return what is told of Jane."""
    return AgentEvent(account=ACCOUNT, user=JANE, state=state, time=7)


def device_event() -> DeviceEvent:
    """Return what is told of Jane's device, but for what the store knows."""
    return DeviceEvent(account=ACCOUNT, device=JANE, time=7, supervisor=True)


async def told(store: Store) -> list[Entry]:
    """Return the account's records."""
    partition = store.keys(ACCOUNT).partition
    found = await store.read_stream(partition, "0-0", count=99, block_ms=0)
    return [Entry.of(partition, stream_id, fields) for stream_id, fields in found]


async def test_a_user_nobody_heard_of_is_logged_out(journal: Journal) -> None:
    """Nothing in the store is a user who has not logged in, in each account by itself."""
    assert await journal.agent(ACCOUNT, "jane") == Agent()
    await journal.put_agent(agent_event(READY), [], Agent())
    assert await journal.agent(ACCOUNT, "jane") == Agent(state=READY, revision=1)
    assert await journal.agent(OTHER_ACCOUNT, "jane") == Agent()


async def test_a_state_is_written_with_the_records_that_tell_of_it(journal: Journal, store: Store) -> None:
    """One step changes it and tells of the user and of their device, with what is set there."""
    settings = DeviceSettings(do_not_disturb=True)
    await journal.put_settings(replace(device_event(), settings=settings), DeviceState())
    made = await journal.put_agent(agent_event(AWAY), [device_event()], Agent())
    *_, of_user, of_device = await told(store)
    assert (of_user.id.stream_id, of_user.kind, of_user.lane) == (made, RecordKind.AGENT, "agent:jane")
    assert of_user.told == agent_event(AWAY)
    assert of_device.told == replace(device_event(), settings=settings, agent=AWAY)
    assert of_user.address == of_device.address == JANE
    history = await journal.history(ACCOUNT, None, limit=10)
    assert [entry.told for entry in history.entries[-2:]] == [of_user.told, of_device.told]


async def test_a_device_is_told_of_with_its_users_state(journal: Journal, store: Store) -> None:
    """Who sets something at a device, hears what state its user is in."""
    await journal.put_agent(agent_event(READY), [device_event()], Agent())
    await journal.put_settings(
        replace(device_event(), settings=DeviceSettings(forward_to=HERE)), DeviceState()
    )
    last = (await told(store))[-1].told
    assert last == replace(device_event(), settings=DeviceSettings(forward_to=HERE), agent=READY)


async def test_of_changes_made_at_once_one_wins(journal: Journal, store: Store) -> None:
    """The others write nothing."""
    made = await asyncio.gather(
        *(journal.put_agent(agent_event(READY), [device_event()], Agent()) for _ in range(5))
    )
    assert sum(one is not None for one in made) == 1
    assert (await journal.agent(ACCOUNT, "jane")).revision == 1
    assert [entry.kind for entry in await told(store)] == [RecordKind.AGENT, RecordKind.DEVICE]
