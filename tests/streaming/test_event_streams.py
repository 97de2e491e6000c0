from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from relay.calls.events import CallEvent, EventId
from relay.dialects.v3.render import render
from relay.journal.journal import Journal
from relay.journal.tail import Tail
from relay.streaming.hub import Hub
from relay.streaming.stream import End, Limits
from relay.subscriptions.rendering import Rendered
from tests.calls.calling import ACCOUNT, JANE, JOHN
from tests.conftest import OpenStore
from tests.engines import Server
from tests.journal.records import account_in
from tests.streaming.conftest import MakeClient, OpenOffice
from tests.streaming.publishing import Line
from tests.streaming.serving import Client, Office
from tests.waiting import eventually


async def joined(office: Office, count: int) -> None:
    """Wait until so many streams are live."""

    def live() -> int:
        feeds = office.streams._hub._feeds.values()
        streams = [stream for feed in feeds for stream in feed._streams.values()]
        return sum(link.group is not None for stream in streams for link in stream.links)

    await eventually(lambda: live() == count, what=f"{count} live streams")


async def test_events_carry_type_data_and_the_stream_id(
    office: Office, clients: MakeClient, journal: Journal
) -> None:
    """The id is what the client resumes from; the data is the v3 rendering."""
    client = await clients(office).open()
    await joined(office, 1)
    [first, second] = await Line(journal).tones(2)
    assert await client.has(2) == [1, 2]
    assert [event.type for event in client.reader.events] == ["call.leg.dtmf"] * 2
    assert [event.last_id for event in client.reader.events] == [first, second]


async def test_nothing_is_missed_from_the_head_on(
    office: Office, clients: MakeClient, journal: Journal
) -> None:
    """Whoever sees the stream open may act at once: the reader knows where it is by then."""
    for number in range(20):
        account = account_in(number % 16, number=number)
        client = await clients(office, f"account={account}").open()
        await Line(journal, account=account).tones()
        assert await client.has(1) == [1]


async def test_a_stream_is_not_open_before_a_slow_process_knows_where_it_begins(
    office: Office, clients: MakeClient, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed once the head was sent comes, though finding the live end took long."""
    monkeypatch.setattr("relay.streaming.sse.POSITION_WITHIN", 0.01)
    late, found = asyncio.Event(), Hub.position

    async def position(hub: Hub, account: str) -> str:
        await late.wait()
        return await found(hub, account)

    monkeypatch.setattr(Hub, "position", position)
    opening = asyncio.create_task(clients(office).open())
    await asyncio.wait((opening,), timeout=0.2)
    assert not opening.done()
    late.set()
    client = await opening
    await Line(journal).tones()
    assert await client.has(1) == [1]


async def test_http_1_0_gets_an_unchunked_stream(
    office: Office, clients: MakeClient, journal: Journal
) -> None:
    """A proxy that speaks HTTP/1.0 behind itself reads until the connection closes."""
    client = await clients(office, version="1.0").open()
    assert "Transfer-Encoding" not in client.headers
    assert client.headers["Connection"] == "close"
    await joined(office, 1)
    await Line(journal).tones(3)
    assert await client.has(3) == [1, 2, 3]
    await office.streams.drain()
    await eventually(lambda: client.closed, what="the end of the connection")


async def test_the_header_wins_over_the_query(office: Office, clients: MakeClient, journal: Journal) -> None:
    """A browser that reconnects sends both: the address it was opened with, and where it is."""
    ids = await Line(journal).tones(5)
    client = await clients(office, f"last_event_id={ids[0]}").open()
    assert await client.has(4) == [2, 3, 4, 5]
    again = await clients(office, f"last_event_id={ids[0]}").open(header=ids[2])
    assert await again.has(2) == [4, 5]


@pytest.mark.parametrize("asked", ["yesterday", "-1", "evt_7_1-0", "1-0 ", "99999999999999999999-0"])
async def test_what_is_no_event_id_is_refused(office: Office, clients: MakeClient, asked: str) -> None:
    """Before the stream is opened, with an answer that says what an id looks like."""
    client = await clients(office).open(header=f"x{asked}" if asked == "1-0 " else asked)
    assert client.status == 400
    assert office.streams.ended == {}


async def test_a_gap_is_told_in_the_clients_own_words(
    office: Office, clients: MakeClient, journal: Journal, server: Server
) -> None:
    """It comes first, has no id, and names the id just as it was asked for."""
    ids = await Line(journal).tones(6)
    keys = journal.store.keys(ACCOUNT)
    with server.client as store:
        for key in (keys.events, keys.log(ACCOUNT)):
            store.xtrim(key, minid=ids[3], approximate=False)
    asked = f"evt_{keys.partition:02d}_{ids[0]}"
    client = await clients(office).open(header=asked)
    assert await client.has(3) == [4, 5, 6]
    gap = client.reader.events[0]
    assert (gap.type, gap.last_id) == ("relay.gap", "")
    assert gap.data == f'{{"type":"relay.gap","after":"{asked}","oldest":"{ids[3]}"}}'


async def test_filters_choose_by_type_extension_and_user(
    office: Office, clients: MakeClient, journal: Journal
) -> None:
    """Each stream has exactly what it asked for and may see."""
    asking = {
        "everything": "",
        "legs": "type=call.leg.*",
        "other types": "type=call.leg.answered&type=call.leg.hung*",
        "210": "extension=210",
        "210 or 200": "extension=210&extension=200",
        "220": "extension=220",
        "as john": "user=john",
        "as john, 210": "user=john&extension=210",
    }
    opened = {name: await clients(office, query).open() for name, query in asking.items()}
    await joined(office, len(opened))
    of_jane, of_john = Line(journal, JANE), Line(journal, JOHN)
    await of_jane.tones(2)
    of_john.sent = 10
    await of_john.tones(2)
    await opened["everything"].has(4)
    await opened["as john"].has(2)
    assert {name: client.digits for name, client in opened.items()} == {
        "everything": [1, 2, 11, 12],
        "legs": [1, 2, 11, 12],
        "other types": [],
        "210": [1, 2],
        "210 or 200": [1, 2, 11, 12],
        "220": [],
        "as john": [11, 12],
        "as john, 210": [],
    }


@pytest.mark.parametrize("query", ["format=xml", "type=call.*.leg", "extension=jane"])
async def test_what_cannot_be_selected_is_refused(office: Office, clients: MakeClient, query: str) -> None:
    """Before the stream is opened."""
    client = await clients(office, query).open()
    assert client.status == 400


async def test_an_event_is_rendered_once_however_many_follow(
    open_office: OpenOffice, clients: MakeClient, journal: Journal
) -> None:
    """The work for a subscriber is one write of bytes that all share."""
    rendered: Counter[EventId] = Counter()

    def counting(event_id: EventId, event: CallEvent) -> Rendered | None:
        rendered[event_id] += 1
        return render(event_id, event)

    office = await open_office(renderers={"v3": counting})
    queries = ["", "", "extension=210", "type=call.leg.*", "user=jane"]
    opened = [await clients(office, query).open() for query in queries]
    opened.append(await clients(office, version="1.0").open())
    await joined(office, 6)
    await Line(journal).tones(30)
    for client in opened:
        await client.has(30)
    assert len(rendered) == 30
    assert set(rendered.values()) == {1}


async def test_one_read_leaves_in_one_write(office: Office, clients: MakeClient, journal: Journal) -> None:
    """Events committed together reach the socket together."""
    client = await clients(office).open()
    await joined(office, 1)
    [stream] = office.streams._streams
    writes: list[bytes] = []
    stream.deliver = Watched(stream.deliver, writes)
    await Line(journal).tones(40)
    assert await client.has(40) == list(range(1, 41))
    assert len(writes) == 1


def waiting(office: Office) -> int:
    """Return the bytes that wait for the slowest client."""
    return max((stream.waiting for stream in office.streams._streams), default=0)


class Watched:
    """Writes, and tells what is written."""

    def __init__(self, write: Callable[[bytes], None], writes: list[bytes]) -> None:
        self._write = write
        self._writes = writes

    def __call__(self, data: bytes) -> None:
        """Note what is written, and write it."""
        self._writes.append(data)
        self._write(data)


async def test_quiet_streams_have_heartbeats(open_office: OpenOffice, clients: MakeClient) -> None:
    """Comments at the period, to each, from one timer that stops with the last stream."""
    office = await open_office(heartbeat_seconds=0.3)
    opened = [await clients(office).open() for _ in range(3)]
    await eventually(lambda: all(client.reader.comments >= 4 for client in opened), what="three heartbeats")
    assert all(client.reader.events == [] for client in opened)
    for client in opened:
        await client.kill()
    await eventually(lambda: not len(office.streams), what="no stream")
    assert office.streams._heartbeats._timer is None


async def test_a_client_that_leaves_is_noticed_at_once(
    office: Office, clients: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of it stays: no stream, no member, no task; and it is nothing to complain about."""
    tasks = asyncio.all_tasks()
    client = await clients(office).open()
    await joined(office, 1)
    await client.kill()
    await joined(office, 0)
    await eventually(lambda: office.streams.ended == {End.CLOSED: 1}, what="the end")
    await eventually(
        lambda: {task.get_name()[:4] for task in asyncio.all_tasks() - tasks} <= {"tail", "feed", "pipe"},
        what=f"no task left of {asyncio.all_tasks() - tasks}",
    )
    assert caplog.records == []


async def test_clients_that_leave_while_they_are_written_to_are_nothing_to_complain_about(
    office: Office, clients: MakeClient, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether a write or the reader finds it first, no error is logged."""
    opened = [await clients(office).open() for _ in range(20)]
    await joined(office, 20)
    line = Line(journal, user_data={"note": "x" * 10_000})
    for client in opened:
        await line.tones(2)
        await client.kill()
        await line.tones(2)
    await eventually(lambda: not len(office.streams), what="no stream")
    assert office.streams.ended == {End.CLOSED: 20}
    assert caplog.records == []


async def test_draining_ends_every_stream_in_good_order(
    open_office: OpenOffice, clients: MakeClient, journal: Journal
) -> None:
    """Clients are told to come back at different times, bodies end properly, and new streams are refused."""
    office = await open_office()
    opened = [await clients(office).open() for _ in range(10)]
    await joined(office, 10)
    await Line(journal).tones(3)
    for client in opened:
        await client.has(3)
    await office.streams.drain()
    await eventually(lambda: all(client.closed for client in opened), what="the end of all connections")
    assert all(client.ended for client in opened)
    hints = [client.reader.retries[-1] for client in opened]
    assert all(1_000 <= hint <= 10_000 for hint in hints)
    assert len(set(hints)) > 1
    assert office.streams.ended == {End.DRAINED: 10}
    late = await clients(office).open()
    assert (late.status, late.headers["Retry-After"]) == (503, "2")


async def test_draining_does_not_wait_for_a_replay_or_a_client_that_does_not_read(
    open_office: OpenOffice, clients: MakeClient, journal: Journal
) -> None:
    """A stopping process has so much time and no more."""
    office = await open_office()
    line = Line(journal, user_data={"note": "x" * 10_000})
    [first, *_] = await line.tones(300)
    client = clients(office, f"last_event_id={first}", receive_bytes=4096)
    await client.open(read=False)
    await eventually(lambda: waiting(office) > 0, what="bytes that cannot be written")
    await asyncio.wait_for(office.streams.drain(within=0.2), 5)
    await eventually(lambda: not len(office.streams), what="no stream")


async def test_a_stream_outlasts_an_outage_of_the_store(
    faulty_server: Server, open_store: OpenStore, clients: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Open before, opened during, or resumed during it: each goes on by itself, without a gap or a repeat."""
    monkeypatch.setattr("relay.streaming.sse.POSITION_WITHIN", 0.1)
    store = await open_store(faulty_server.url)
    journal, tail = Journal(store), Tail(store)
    hub = Hub(tail, journal)
    office = await Office(hub, heartbeat_seconds=0.2).start()
    line = Line(journal)
    [_, since, *_] = await line.tones(4)
    before = await clients(office, f"last_event_id={since}").open()
    await before.has(2)
    faulty_server.kill()
    resumed = await clients(office, f"last_event_id={since}&account={ACCOUNT}").open()
    elsewhere = await clients(office, f"account={account_in(3)}").open()
    await eventually(lambda: elsewhere.reader.comments > 2, what="heartbeats during the outage")
    faulty_server.start()
    await joined(office, 3)
    await line.tones(2)
    await Line(journal, account=account_in(3)).tones(1)
    assert [await before.has(4), await resumed.has(4)] == [[3, 4, 5, 6]] * 2
    assert await elsewhere.has(1) == [1]
    assert office.streams.ended == {}
    await office.stop()
    await hub.stop()
    await tail.stop()


async def test_one_process_takes_so_many_streams(open_office: OpenOffice, clients: MakeClient) -> None:
    """More are told to come back later, and find room once somebody has left."""
    office = await open_office(limits=Limits(streams=2))
    opened = [await clients(office).open() for _ in range(2)]
    refused = await clients(office).open()
    assert (refused.status, refused.headers["Retry-After"]) == (503, "10")
    await opened[0].kill()
    await eventually(lambda: len(office.streams) == 1, what="room")
    assert (await clients(office).open()).status == 200


async def test_a_stalled_reader_is_cut_off_and_nobody_else_notices(
    open_office: OpenOffice, clients: MakeClient, journal: Journal
) -> None:
    """Its buffer is bounded, the others have every event meanwhile, and it resumes without a loss."""
    limits = Limits(buffer_bytes=256 * 1024, socket_bytes=16 * 1024)
    office = await open_office(limits=limits)
    stalled: Client = clients(office, receive_bytes=4096)
    await stalled.open(read=False)
    readers = [await clients(office).open() for _ in range(20)]
    await joined(office, 21)
    line = Line(journal, user_data={"note": "x" * 8_000})
    [first] = await line.tones()
    most = 0
    for _ in range(60):
        await line.tones(5)
        for reader in readers:  # they are no faster than this process lets them read
            await reader.has(line.sent)
        most = max(most, waiting(office))
    assert office.streams.ended == {End.BUFFER: 1}
    assert most < limits.buffer_bytes + 5 * 10_000
    for reader in readers:
        assert await reader.has(301) == list(range(1, 302))
    stalled.reader.last_id = first
    await stalled.open()
    assert await stalled.has(300) == list(range(2, 302))


async def test_a_reader_that_stays_slow_is_cut_off_in_time(
    open_office: OpenOffice, clients: MakeClient, journal: Journal
) -> None:
    """Even one that is below the limit of bytes may not hold them for ever; heartbeats find it."""
    limits = Limits(slow_seconds=0.3, socket_bytes=16 * 1024)
    office = await open_office(limits=limits, heartbeat_seconds=0.1)
    slow = await clients(office, receive_bytes=4096).open(read=False)
    await joined(office, 1)
    await Line(journal, user_data={"note": "x" * 15_000}).tones(20)
    await eventually(lambda: len(office.streams) == 0, what="the end, by relay or by the kernel")
    slow.read()
    await eventually(lambda: slow.closed, what="the end of the connection")
    assert not slow.ended


async def test_a_replay_waits_for_a_slow_reader(
    open_office: OpenOffice, clients: MakeClient, journal: Journal
) -> None:
    """History of many megabytes reaches a client at its own pace, within the same bound of memory."""
    limits = Limits(buffer_bytes=256 * 1024, socket_bytes=16 * 1024)
    office = await open_office(limits=limits)
    line = Line(journal, user_data={"note": "x" * 10_000})
    [first, *_] = await line.tones(400)
    client = clients(office, f"last_event_id={first}", receive_bytes=4096)
    await client.open(read=False)
    await eventually(lambda: waiting(office) > 0, what="bytes that cannot be written")
    assert waiting(office) < limits.buffer_bytes
    client.read()
    await line.tones(2)
    assert await client.has(401) == list(range(2, 403))
    assert office.streams.ended == {}
