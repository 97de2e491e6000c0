"""Connects served where the last answer ended, without beginning in the store, and how that stays exact."""

from __future__ import annotations

import asyncio

import pytest

from relay.errors import StoreUnavailableError
from relay.journal.store import Store
from relay.streaming.bayeux.collecting import Collected, SupersededError
from relay.streaming.bayeux.resumed import Resumed
from relay.streaming.hub import Hub
from tests.conftest import OpenStore
from tests.harness.proxy import StoreProxy
from tests.streaming.bayeux.pods import ACCOUNT, CALLS
from tests.streaming.bayeux.processes import Process
from tests.streaming.bayeux.processes import far as far  # noqa: PLC0414 - fixtures
from tests.streaming.bayeux.processes import other as other  # noqa: PLC0414
from tests.streaming.bayeux.processes import process as process  # noqa: PLC0414
from tests.streaming.bayeux.processes import proxy as proxy  # noqa: PLC0414
from tests.streaming.bayeux.test_collecting import (
    JANE,
    begun,
    connect_of,
    numbered,
)
from tests.streaming.bayeux.test_collecting import line as line  # noqa: PLC0414 - a fixture
from tests.streaming.publishing import Line
from tests.waiting import eventually


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


async def acking(process: Process) -> str:
    """Begin a session that acknowledges, with its first connect behind it, and return its client id."""
    client = await process.sessions.create(JANE, acks=True)
    assert client is not None
    await process.sessions.subscribe(JANE, client, [CALLS])
    assert await told(process, client, 0) == (1, [])
    return client


async def told(process: Process, client: str, ack: int, *, pushing: bool = False) -> tuple[int, list[bytes]]:
    """Poll with an acknowledgement, and return the answer's number and events."""
    found = await process.connects.serve(JANE, connect_of(client, ack=ack), hold=True, pushing=pushing)
    return found.batch, found.messages


async def test_client_that_acknowledges_goes_on_too(process: Process, line: Line) -> None:
    """As long as it has got each answer, only the first poll begins in the store."""
    client = await acking(process)
    for number in (1, 2, 3):
        await line.tones(1)
        assert await told(process, client, number) == (number + 1, numbered(number))
    assert await process.generation(client) == 1


async def test_answer_not_acknowledged_is_told_again_after_polls_that_went_on(
    process: Process, other: Process, line: Line
) -> None:
    """Wherever the client asks, it gets the last answer again and none before that."""
    client = await acking(process)
    for number in (1, 2, 3):
        await line.tones(1)
        assert await told(process, client, number) == (number + 1, numbered(number))
    assert await told(process, client, 3) == (5, numbered(3))
    await line.tones(1)
    assert await told(process, client, 5) == (6, numbered(4))
    assert await told(other, client, 5) == (7, numbered(4))
    await line.tones(1)
    assert await told(other, client, 7) == (8, numbered(5))


async def test_connect_by_another_transport_begins_anew(process: Process, line: Line) -> None:
    """It is told to its session, and whoever pushes learns of it."""
    client = await acking(process)
    await line.tones(2)
    assert await told(process, client, 1, pushing=True) == (2, numbered(1, 2))
    assert await process.generation(client) == 2
    await line.tones(1)
    assert await told(process, client, 2, pushing=True) == (3, numbered(3))
    assert await process.generation(client) == 2
    await line.tones(1)
    assert await told(process, client, 3) == (4, numbered(4))
    assert await process.generation(client) == 3


async def test_poll_that_goes_on_is_given_up_without_loss(process: Process, line: Line) -> None:
    """Cancelled while it waits or while it is taken, its events are the next poll's."""
    client = await begun(process.sessions, CALLS)
    assert await process.polls(client) == []
    held = process.polls(client)
    await process.holds()
    held.cancel()
    await asyncio.wait((held,))
    assert process.stats.held == 0
    await process.connects.stop()
    await line.tones(1)
    assert await process.polls(client) == numbered(1)
    last = (await line.tones(1))[-1]
    await process.reaches(last)
    taken = process.polls(client)
    await asyncio.sleep(0)  # it has begun, and asked the store
    taken.cancel()
    await asyncio.wait((taken,))
    await process.connects.stop()
    assert await process.polls(client) == numbered(2)
    assert process.stats.dropped == 2


async def test_answer_that_comes_too_late_to_be_taken_is_told_by_the_later_poll(
    proxy: StoreProxy, far: Process, other: Process, line: Line
) -> None:
    """Nor are events told in its place that have come meanwhile: each is told once, by the later poll."""
    client = await begun(far.sessions, CALLS)
    assert await far.polls(client) == []
    held = far.polls(client)
    await far.holds()
    later = other.polls(client)
    await other.holds()
    proxy.late = 0.3
    await line.tones(1)
    assert await later == numbered(1)
    await far.reaches((await line.tones(1))[-1])
    with pytest.raises(SupersededError):
        await held
    assert await other.polls(client) == numbered(2)
    proxy.late = 0


async def test_poll_that_goes_on_learns_that_the_store_is_away(
    proxy: StoreProxy, far: Process, other: Process, line: Line
) -> None:
    """It fails, as it is not known whether its answer was taken, and the events are told by the next."""
    client = await begun(far.sessions, CALLS)
    assert await far.polls(client) == []
    held = far.polls(client)
    await far.holds()
    await proxy.cut()
    await line.tones(1)
    with pytest.raises(StoreUnavailableError):
        await held
    assert far.stats.held == 0
    assert await other.polls(client) == numbered(1)


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
    proxy: StoreProxy, far: Process, other: Process, line: Line
) -> None:
    """The time a reply takes does not make the connect elsewhere look later than the poll."""
    client = await begun(far.sessions, CALLS)
    assert await far.polls(client) == []
    await line.tones(1)
    assert await other.polls(client) == numbered(1)
    await line.tones(1)
    proxy.late = 0.2
    assert await far.polls(client) == numbered(2)
    proxy.late = 0


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


async def test_client_that_leaves_as_its_answer_is_taken_is_told_by_the_next_poll(
    process: Process, line: Line, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The store's reply may come in the very step in which the connect is cancelled: nothing is lost."""
    client = await begun(process.sessions, CALLS)
    assert await process.polls(client) == []
    held = process.polls(client)
    await process.holds()
    take = Resumed.set_result

    def leave_first(resumed: Resumed, reply: int) -> None:
        monkeypatch.undo()
        held.cancel()
        take(resumed, reply)

    monkeypatch.setattr(Resumed, "set_result", leave_first)
    await line.tones(1)
    await asyncio.wait((held,))
    assert held.cancelled()
    assert await process.polls(client) == numbered(1)
    assert "a reply was not taken" not in capfd.readouterr().out


async def test_client_that_leaves_as_its_answer_was_found_is_counted_once(
    process: Process, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may leave in the very step in which the task ends that served it: the next poll is told, once."""
    client = await begun(process.sessions, CALLS)
    assert await process.polls(client) == []
    found = Resumed._found

    def leave_first(resumed: Resumed, finding: asyncio.Task[Collected]) -> None:
        monkeypatch.undo()
        resumed.cancel()
        found(resumed, finding)

    monkeypatch.setattr(Resumed, "_found", leave_first)
    ended: list[Collected | BaseException] = []
    assert process.connects.resume(JANE, connect_of(client), ended.append) is not None
    await process.sessions.subscribe(JANE, client, ["/v2/me/devices"])  # a task must serve it from here on
    await line.tones(1)
    await eventually(lambda: process.stats.dropped)
    await process.connects.stop()
    assert (ended, process.stats.dropped, process.stats.put_back) == ([], 1, 1)
    assert await process.polls(client) == numbered(1)


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


async def test_held_session_does_not_expire_after_an_outage(
    open_store: OpenStore, proxy: StoreProxy, hub: Hub, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    """The store is told of the poll once it is back, if it could not be told when its time had come."""
    process = Process(await open_store(proxy.url), hub, max_interval=1000)
    client = await begun(process.sessions, CALLS)
    assert await process.polls(client) == []
    await proxy.cut()
    held = process.polls(client)
    await process.holds()
    await eventually(lambda: "store unavailable" in capfd.readouterr().out)
    await proxy.open()
    due = store.keys(ACCOUNT).bayeux_due
    soon = await store.time_ms() + 30_000
    await eventually(lambda: _due_after(store, due, client, soon))
    held.cancel()
    await asyncio.wait((held,))


async def test_connect_that_begins_as_the_process_stops_is_held_briefly(
    process: Process, other: Process
) -> None:
    """It is answered within about a second, although it was to be held for a minute when it came."""
    client = await begun(process.sessions, CALLS)
    assert await other.polls(client) == []
    held = process.polls(client)
    await asyncio.sleep(0)  # it is on its way to the store
    await process.connects.drain()
    async with asyncio.timeout(10):
        assert await held == []


async def _is(process: Process, client: str, generation: int) -> bool:
    return await process.generation(client) == generation


async def _due_after(store: Store, due: str, client: str, at: int) -> bool:
    return bool(await store.call("ZSCORE", due, client) > at)
