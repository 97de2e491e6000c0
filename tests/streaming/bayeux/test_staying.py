"""Connects served where the last answer ended, without beginning in the store, and how that stays exact."""

from __future__ import annotations

import asyncio

import pytest

from relay.journal.store import Store
from relay.streaming.bayeux.connects import Connects
from relay.streaming.bayeux.sessions import Session, Sessions
from relay.streaming.bayeux.stats import BayeuxStats
from relay.streaming.hub import Hub
from tests.conftest import OpenStore
from tests.engines import Server
from tests.harness.proxy import StoreProxy
from tests.streaming.bayeux.pods import ACCOUNT, CALLS
from tests.streaming.bayeux.test_collecting import (
    JANE,
    RENDERERS,
    begun,
    connect_of,
    numbered,
)
from tests.streaming.bayeux.test_collecting import line as line  # noqa: PLC0414 - a fixture
from tests.streaming.publishing import Line
from tests.waiting import eventually


class Process:
    """A process that serves connects."""

    def __init__(self, store: Store, hub: Hub, *, max_interval: int = 60_000) -> None:
        self.sessions = Sessions(store, max_interval=max_interval)
        self.stats = BayeuxStats()
        self.connects = Connects(
            self.sessions, hub, RENDERERS, self.stats, timeout=60_000, event_format="gws"
        )

    def polls(self, client: str) -> asyncio.Task[list[bytes]]:
        """Begin to poll; the result is the events."""

        async def poll() -> list[bytes]:
            return (await self.connects.serve(JANE, connect_of(client), hold=True)).messages

        return asyncio.create_task(poll())

    async def holds(self) -> None:
        """Wait until a connect is held."""
        await eventually(lambda: self.stats.held == 1)
        await asyncio.sleep(0)

    async def generation(self, client: str) -> int:
        """Return how many connects of a session have begun in the store."""
        found = await self.sessions.read(ACCOUNT, client)
        assert isinstance(found, Session)
        return found.generation


@pytest.fixture
async def process(store: Store, hub: Hub) -> Process:
    """Give a process."""
    return Process(store, hub)


@pytest.fixture
async def other(store: Store, hub: Hub) -> Process:
    """Give another process."""
    return Process(store, hub)


async def test_next_connect_goes_on_where_the_last_answer_ended(process: Process, line: Line) -> None:
    """Events before, between and during polls are told once, and only the first poll begins in the store."""
    client = await begun(process.sessions, CALLS)
    await line.tones(1)
    assert await process.polls(client) == numbered(1)
    await line.tones(2)
    assert await process.polls(client) == numbered(2, 3)
    held = process.polls(client)
    await process.holds()
    await line.tones(1)
    assert await held == numbered(4)
    assert await process.generation(client) == 1


async def test_subscribing_between_polls_begins_anew(process: Process, line: Line) -> None:
    """A change of the session between two polls counts from the next one on."""
    client = await begun(process.sessions, CALLS)
    assert await process.polls(client) == []
    await process.sessions.unsubscribe(JANE, client, [CALLS])
    await line.tones(1)
    await process.sessions.subscribe(JANE, client, [CALLS])
    await line.tones(1)
    assert await process.polls(client) == numbered(2)


async def test_poll_that_comes_back_from_another_process_is_the_later_one(
    process: Process, other: Process, line: Line
) -> None:
    """What the other process has told is not told again, and nothing is missed."""
    client = await begun(process.sessions, CALLS)
    assert await process.polls(client) == []
    await line.tones(1)
    assert await other.polls(client) == numbered(1)
    held = process.polls(client)
    await process.holds()
    await line.tones(1)
    assert await held == numbered(2)


async def test_poll_that_comes_back_is_answered_however_late_the_store_replies(
    server: Server, open_store: OpenStore, hub: Hub, other: Process, line: Line
) -> None:
    """The time a reply takes does not make the connect elsewhere look later than the poll."""
    proxy = StoreProxy(server.socket)
    await proxy.open()
    process = Process(await open_store(proxy.url), hub)
    client = await begun(process.sessions, CALLS)
    assert await process.polls(client) == []
    await line.tones(1)
    assert await other.polls(client) == numbered(1)
    await line.tones(1)
    proxy.late = 0.2
    assert await process.polls(client) == numbered(2)
    proxy.late = 0
    await proxy.cut()


async def test_poll_that_comes_back_learns_of_it_while_it_is_held(
    process: Process, other: Process, line: Line
) -> None:
    """It begins in the store before long, so that no connect left behind at the other process can take."""
    client = await begun(process.sessions, CALLS)
    assert await process.polls(client) == []
    await line.tones(1)
    assert await other.polls(client) == numbered(1)
    left = other.polls(client)
    await other.holds()
    held = process.polls(client)
    await eventually(lambda: _is(process, client, 3))
    await line.tones(1)
    assert await held == numbered(2)
    left.cancel()
    await asyncio.wait((left,))


async def test_poll_elsewhere_ends_one_that_goes_on_here(
    process: Process, other: Process, line: Line
) -> None:
    """Of two polls the later gets the events, whichever process it comes to."""
    client = await begun(process.sessions, CALLS)
    assert await process.polls(client) == []
    held = process.polls(client)
    await process.holds()
    later = other.polls(client)
    await other.holds()
    await eventually(lambda: _is(process, client, 2))
    await line.tones(1)
    assert await later == numbered(1)
    assert process.stats.events == 0
    held.cancel()
    await asyncio.wait((held,))


async def test_answer_that_is_given_back_is_told_by_the_next_poll(process: Process, line: Line) -> None:
    """An answer that could not be written is put back, also where a poll of the session is held already."""
    client = await begun(process.sessions, CALLS)
    await line.tones(1)
    first = await process.connects.serve(JANE, connect_of(client), hold=True)
    assert first.answer is not None
    held = process.polls(client)
    await process.holds()
    process.connects.give_back([first.answer])
    assert await held == numbered(1)


async def test_held_session_does_not_expire(store: Store, hub: Hub) -> None:
    """The store is told of a poll that is held for longer than sessions live between polls."""
    process = Process(store, hub, max_interval=1000)
    client = await begun(process.sessions, CALLS)
    assert await process.polls(client) == []
    held = process.polls(client)
    await process.holds()
    due = store.keys(ACCOUNT).bayeux_due
    soon = await store.time_ms() + 30_000
    await eventually(lambda: _due_after(store, due, client, soon))
    held.cancel()
    await asyncio.wait((held,))


async def _is(process: Process, client: str, generation: int) -> bool:
    return await process.generation(client) == generation


async def _due_after(store: Store, due: str, client: str, at: int) -> bool:
    return bool(await store.call("ZSCORE", due, client) > at)
