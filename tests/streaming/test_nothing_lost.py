"""The counts: every event of every client, over many resumes and over a hundred thousand deliveries."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Final

import pytest

from relay.journal.journal import Journal
from relay.journal.tail import Tail
from relay.streaming.hub import Hub
from tests.calls.calling import ACCOUNT, JANE, JOHN
from tests.conftest import OpenStore
from tests.engines import Server
from tests.streaming.conftest import MakeClient
from tests.streaming.listening import Keeping, Tones
from tests.streaming.publishing import Line
from tests.streaming.serving import Client, Office
from tests.waiting import eventually

CLIENTS: Final = 24
RESUMES: Final = 8
"""How often each client drops its connection and comes back."""
MEMBERS: Final = 400
"""Clients of the big count: both ends of their sockets stay below the usual limit of 1,024 open files."""
EVENTS: Final = 300
"""Events of the big count; with `MEMBERS` it makes 120,000 deliveries."""


async def publish(line: Line, stop: asyncio.Event) -> None:
    """Commit events in bursts of changing size until stopped."""
    chance = random.Random(7)
    while not stop.is_set():
        await line.tones(chance.choice([1, 1, 1, 2, 5, 20]))
        await asyncio.sleep(chance.choice([0, 0, 0.001, 0.005]))


async def resume_often(client: Client, ports: list[int], seed: int) -> None:
    """Drop the connection at some moment, and come back after another to any server, again and again."""
    chance = random.Random(seed)
    for _ in range(RESUMES):
        client.port = chance.choice(ports)
        await client.open()
        await client.has(len(client.digits) + chance.randint(0, 30))
        await asyncio.sleep(chance.random() * 0.02)
        await client.kill()
        await asyncio.sleep(chance.random() * 0.05)
    await client.open()


@pytest.fixture
async def branch(server: Server, open_store: OpenStore) -> AsyncIterator[Office]:
    """Give a second server with a tail and a hub of its own, as another process has."""
    store = await open_store(server.url)
    tail = Tail(store)
    hub = Hub(tail, Journal(store))
    branch = await Office(hub).start()
    yield branch
    await branch.stop()
    await hub.stop()
    await tail.stop()


async def test_clients_that_resume_under_load_get_every_event_exactly_once(
    office: Office, branch: Office, clients: MakeClient, journal: Journal
) -> None:
    """From history, ring and live end, at either process, whatever the moment: no gap, repeat or disorder."""
    line, stop = Line(journal), asyncio.Event()
    [start] = await line.tones()
    following = [clients(office, f"last_event_id={start}") for _ in range(CLIENTS)]
    publishing = asyncio.create_task(publish(line, stop))
    ports = [office.port, branch.port]
    await asyncio.gather(*(resume_often(client, ports, seed) for seed, client in enumerate(following)))
    stop.set()
    await publishing
    [_] = await line.tones()
    for client in following:
        assert await client.has(line.sent - 1, within=60) == list(range(2, line.sent + 1))
        assert {event.type for event in client.reader.events} == {"call.leg.dtmf"}


async def test_members_that_resume_under_load_get_every_event_exactly_once(
    hub: Hub, journal: Journal
) -> None:
    """The same below HTTP, where a join takes microseconds and meets every state of a round."""
    line, stop = Line(journal), asyncio.Event()
    [start] = await line.tones()
    publishing = asyncio.create_task(publish(line, stop))

    async def follow(seed: int) -> Keeping:
        chance, member, position = random.Random(seed), Keeping(), start
        for _ in range(30):
            link = await hub.join(ACCOUNT, member, Tones(), after=position)
            for _ in range(chance.randint(0, 40)):
                await asyncio.sleep(0)
            link.leave()
            position = link.position
        await hub.join(ACCOUNT, member, Tones(), after=position)
        return member

    members = await asyncio.gather(*(follow(seed) for seed in range(50)))
    stop.set()
    await publishing
    [_] = await line.tones()
    for member in members:
        await eventually(lambda told=member.told: told and told[-1] == line.sent)  # type: ignore[misc]
        assert member.told == list(range(2, line.sent + 1))


async def test_a_hundred_thousand_deliveries_are_all_there(
    office: Office, clients: MakeClient, journal: Journal
) -> None:
    """Every event at every one of 400 clients is counted, a fifth of them resumed in the midst of it."""
    of_jane, of_john = Line(journal, JANE), Line(journal, JOHN)
    following = [clients(office) for _ in range(MEMBERS)]
    for client in following:
        await client.open()
    for number in range(EVENTS // 4):
        await of_jane.tones(3)
        await of_john.tones(1)
        if number == EVENTS // 8:
            for client in following[::5]:
                await client.has(1)
                await client.kill()
                await client.open()
    for client in following:
        await client.has(EVENTS, within=60)
    assert (of_jane.sent, of_john.sent) == (EVENTS * 3 // 4, EVENTS // 4)
    deliveries = 0
    for client in following:
        assert len(client.digits) == EVENTS
        assert len({event.last_id for event in client.reader.events}) == EVENTS
        by_leg = [event.digits for event in client.reader.events if '"user_extension":"210"' in event.data]
        assert by_leg == list(range(1, of_jane.sent + 1))
        deliveries += len(client.digits)
    assert deliveries >= 100_000
