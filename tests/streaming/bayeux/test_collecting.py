"""Connects that race with changes of their session, with clients that go, and with a store that goes."""

from __future__ import annotations

import asyncio

import pytest

from relay.directory.model import Principal
from relay.errors import StoreUnavailableError
from relay.journal.journal import Journal
from relay.journal.store import Store
from relay.journal.tail import Tail
from relay.streaming.bayeux.collecting import Collecting, EndedError, SupersededError
from relay.streaming.bayeux.connects import Connects
from relay.streaming.bayeux.poll import Poll
from relay.streaming.bayeux.requests import Connect
from relay.streaming.bayeux.session import Answer, Ended, Session, Took
from relay.streaming.bayeux.sessions import Sessions
from relay.streaming.bayeux.stats import BayeuxStats
from relay.streaming.hub import Hub
from tests.conftest import OpenStore
from tests.engines import Server
from tests.streaming.bayeux.pods import ACCOUNT, CALLS, DIRECTORY, phone, tones
from tests.streaming.publishing import Line
from tests.waiting import eventually

RENDERERS = {"gws": tones}
JANE = Principal(ACCOUNT, next(user for user in DIRECTORY.users(ACCOUNT) if user.login == "jane"))


@pytest.fixture
def sessions(store: Store) -> Sessions:
    """Give sessions."""
    return Sessions(store, max_interval=60_000)


@pytest.fixture
def line(journal: Journal) -> Line:
    """Give jane's line."""
    return Line(journal, phone("jane"), account=ACCOUNT)


async def begun(sessions: Sessions, *patterns: str) -> str:
    """Begin a session and return its client id."""
    client = await sessions.create(JANE)
    assert client is not None
    if patterns:
        await sessions.subscribe(JANE, client, patterns)
    return client


async def collecting(
    sessions: Sessions, hub: Hub, client: str, *, hold: float = 0
) -> tuple[Collecting, Poll, Session]:
    """Begin a connect that waits so many seconds, from now on."""
    session = await sessions.connect(JANE, client, hold=60_000)
    assert session is not None
    poll = Poll(ACCOUNT, client, session.generation)
    found = Collecting(
        JANE,
        session,
        poll,
        sessions=sessions,
        hub=hub,
        renderers=RENDERERS,
        event_format="gws",
        deadline=asyncio.get_running_loop().time() + hold,
    )
    return found, poll, session


def numbered(*wanted: int) -> list[bytes]:
    """Return the messages of the tones with these numbers."""
    return [b'{"data":%d,"channel":"/v2/me/calls"}' % number for number in wanted]


async def test_subscription_that_history_hides_is_seen_when_taking(
    sessions: Sessions, hub: Hub, line: Line
) -> None:
    """A subscribe right after the connect began counts, although this process follows only since then."""
    client = await begun(sessions)
    connect, _, _ = await collecting(sessions, hub, client)
    await sessions.subscribe(JANE, client, [CALLS])
    await line.tones(2)
    answer = await connect.collect()
    assert connect.messages == []
    assert await connect.take(answer, 0) is None
    answer = await connect.collect()
    assert await connect.take(answer, 0) is not None
    assert connect.messages == numbered(1, 2)


async def test_subscription_that_history_hides_is_seen_before_waiting(
    sessions: Sessions, hub: Hub, line: Line
) -> None:
    """The same, where the connect may be held: it does not wait for what has happened."""
    client = await begun(sessions)
    connect, _, _ = await collecting(sessions, hub, client, hold=60)
    await sessions.subscribe(JANE, client, [CALLS])
    await line.tones(2)
    async with asyncio.timeout(10):
        assert await connect.take(await connect.collect(), 0) is not None
    assert connect.messages == numbered(1, 2)


async def test_changes_while_waiting_take_effect_in_order(sessions: Sessions, hub: Hub, line: Line) -> None:
    """Subscriptions that come and go while a connect waits match exactly what happens while they last."""
    client = await begun(sessions)
    connect, poll, _ = await collecting(sessions, hub, client, hold=60)
    waiting = asyncio.create_task(connect.collect())
    await eventually(lambda: poll.waiting)
    await line.tones(1)
    await sessions.subscribe(JANE, client, ["/v2/me/devices"])
    await sessions.subscribe(JANE, client, [CALLS])
    await sessions.unsubscribe(JANE, client, [CALLS])
    await line.tones(1)
    await sessions.subscribe(JANE, client, ["/**"])
    await line.tones(1)
    assert await connect.take(await waiting, 0) is not None
    assert connect.messages == numbered(3)


async def test_later_connect_anywhere_ends_a_wait_that_has_something(
    sessions: Sessions, hub: Hub, line: Line
) -> None:
    """Of two connects that do not know of each other only the later can take."""
    client = await begun(sessions, CALLS)
    older, _, _ = await collecting(sessions, hub, client)
    newer, _, _ = await collecting(sessions, hub, client)
    await line.tones(1)
    with pytest.raises(SupersededError):
        await older.take(await older.collect(), 0)
    assert await newer.take(await newer.collect(), 0) is not None
    assert newer.messages == numbered(1)


@pytest.mark.parametrize("why", [Ended.DISCONNECTED, Ended.EXPIRED])
async def test_end_of_the_session_ends_the_wait(sessions: Sessions, hub: Hub, why: Ended) -> None:
    """A connect whose session ends learns why."""
    client = await begun(sessions, CALLS)
    connect, poll, _ = await collecting(sessions, hub, client, hold=60)
    waiting = asyncio.create_task(connect.collect())
    await eventually(lambda: poll.waiting)
    await sessions.end(JANE, client, why)
    with pytest.raises(EndedError) as ended:
        await waiting
    assert ended.value.why is why


async def test_answer_is_bounded_and_the_rest_stays(sessions: Sessions, hub: Hub, line: Line) -> None:
    """A backlog is told in answers of about the most there may be in one, without gap or repeat."""
    client = await begun(sessions, CALLS)
    for _ in range(25):
        await line.tones(100)
    told: list[bytes] = []
    counts = []
    while len(told) < 2500:
        connect, _, _ = await collecting(sessions, hub, client)
        assert await connect.take(await connect.collect(), 0) is not None
        counts.append(len(connect.messages))
        told += connect.messages
    assert told == numbered(*range(1, 2501))
    assert max(counts) <= 1100


async def test_trimmed_history_ends_the_session(
    sessions: Sessions, hub: Hub, line: Line, store: Store
) -> None:
    """A session whose events are gone is told so, rather than going on with a hole."""
    client = await begun(sessions, CALLS)
    await line.tones(5)
    keys = store.keys(ACCOUNT)
    for stream in (keys.events, keys.log(ACCOUNT)):
        await store.call("XTRIM", stream, "MAXLEN", "=", 2)
    connect, _, _ = await collecting(sessions, hub, client)
    with pytest.raises(EndedError) as ended:
        await connect.collect()
    assert ended.value.why is Ended.LOST


async def test_session_that_missed_nothing_outlives_trimming(
    sessions: Sessions, hub: Hub, line: Line, store: Store
) -> None:
    """What was trimmed before the session's subscription does not concern it."""
    client = await begun(sessions)
    await line.tones(5)
    await sessions.subscribe(JANE, client, [CALLS])
    await line.tones(2)
    keys = store.keys(ACCOUNT)
    await store.call("XTRIM", keys.events, "MAXLEN", "=", 3)
    await store.call("XTRIM", keys.log(ACCOUNT), "MAXLEN", "=", 2)
    connect, _, _ = await collecting(sessions, hub, client)
    assert await connect.take(await connect.collect(), 0) is not None
    assert connect.messages == numbered(6, 7)


class Slow(Sessions):
    """Sessions whose takes reach the store but whose answers never come."""

    async def take(self, answer: Answer, *, changed: str, extra: int = 0, got: bool = False) -> Took:
        """Take, and wait for ever."""
        await super().take(answer, changed=changed, extra=extra, got=got)
        self.taken.set()
        await asyncio.Event().wait()
        raise AssertionError("never")

    taken = asyncio.Event()


@pytest.fixture
def stats() -> BayeuxStats:
    """Give counts."""
    return BayeuxStats()


def connects_of(sessions: Sessions, hub: Hub, stats: BayeuxStats) -> Connects:
    """Return the connects of a process that holds them for up to a minute."""
    return Connects(sessions, hub, RENDERERS, stats, timeout=60_000, event_format="gws")


def connect_of(client: str, *, ack: int | None = None) -> Connect:
    """Return a connect message as it is read."""
    message = {"channel": "/meta/connect", "clientId": client}
    return Connect(message, client, None, 0, advised=False, ack=ack)


async def test_answer_of_a_client_that_drops_while_it_is_taken_is_put_back(
    store: Store, sessions: Sessions, hub: Hub, line: Line, stats: BayeuxStats
) -> None:
    """The next connect gets what the store had already moved behind."""
    slow = Slow(store, max_interval=60_000)
    slow.taken = asyncio.Event()
    client = await begun(sessions, CALLS)
    await line.tones(2)
    dropping = connects_of(slow, hub, stats)
    handler = asyncio.create_task(dropping.serve(JANE, connect_of(client), hold=True))
    await slow.taken.wait()
    found = await sessions.read(ACCOUNT, client)
    assert isinstance(found, Session)
    assert found.cursor != "0-0"
    handler.cancel()
    await asyncio.wait((handler,))
    await dropping.stop()
    assert (stats.dropped, stats.put_back, stats.not_put_back) == (1, 1, 0)
    collected = await connects_of(sessions, hub, stats).serve(JANE, connect_of(client), hold=True)
    assert collected.messages == numbered(1, 2)


async def test_answer_is_kept_when_the_store_fails_under_it(
    faulty_server: Server, open_store: OpenStore, stats: BayeuxStats
) -> None:
    """A connect that found the store away is refused, and the next one after its return gets everything."""
    store = await open_store(faulty_server.url, timeout=1.0)
    journal, tail = Journal(store), Tail(store)
    hub = Hub(tail, journal)
    sessions = Sessions(store, max_interval=60_000)
    client = await begun(sessions, CALLS)
    connects = connects_of(sessions, hub, stats)
    try:
        await connects.serve(JANE, connect_of(client), hold=True)
        await Line(journal, phone("jane"), account=ACCOUNT).tones(2)
        held = asyncio.create_task(connects.serve(JANE, connect_of(client), hold=False))
        faulty_server.pause()
        with pytest.raises(StoreUnavailableError):
            await held
        faulty_server.resume()
        await eventually(lambda: store.call("PING"))
        await connects.stop()
        found = await connects.serve(JANE, connect_of(client), hold=True)
        assert found.messages == numbered(1, 2)
    finally:
        await connects.stop()
        await hub.stop()
        await tail.stop()
