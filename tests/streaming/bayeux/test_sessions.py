"""Sessions in the store, script by script."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from relay.directory.model import Principal
from relay.journal.journal import Journal
from relay.journal.leases import LeaseLostError, Leases
from relay.journal.store import Store
from relay.streaming.bayeux.expiry import BayeuxExpiry
from relay.streaming.bayeux.session import Answer, Ended, Session, Subscribed, Taken
from relay.streaming.bayeux.sessions import MAX_SUBSCRIPTIONS, Sessions
from relay.streaming.bayeux.stats import BayeuxStats
from tests.streaming.bayeux.pods import ACCOUNT, CALLS, DIRECTORY
from tests.waiting import eventually

LONG = 60_000
CHANGED = "0-0"
"""What a session has that was never subscribed."""
JANE, JOHN, MALLORY = (
    Principal(account.id, user)
    for account in DIRECTORY.accounts()
    for user in account.users
    if user.login in ("jane", "john", "mallory")
)


@pytest.fixture
def sessions(store: Store) -> Sessions:
    """Give sessions that live for a minute, two of them a user."""
    return Sessions(store, max_interval=LONG, max_sessions=2)


async def begun(sessions: Sessions, principal: Principal = JANE) -> str:
    """Begin a session and return its client id."""
    client = await sessions.create(principal)
    assert client is not None
    return client


async def connected(sessions: Sessions, client: str) -> Session:
    """Begin a connect and return what it finds."""
    found = await sessions.connect(JANE, client, hold=0)
    assert found is not None
    return found


async def records(store: Store) -> list[bytes]:
    """Return the journal's records of the account's partition."""
    found = await store.read_stream(store.keys(ACCOUNT).partition, "0-0", count=1000, block_ms=0)
    return [fields[b"d"] for _, fields in found]


async def test_client_id_names_its_partition(sessions: Sessions, store: Store) -> None:
    """A client id is alphanumeric, begins with its partition's number and has 128 random bits after it."""
    client = await begun(sessions)
    assert client.isalnum()
    assert int(client[:4]) == store.keys(ACCOUNT).partition
    assert len(bytes.fromhex(client[4:])) * 8 == 128


async def test_session_begins_at_the_end_of_the_journal(sessions: Sessions, journal: Journal) -> None:
    """A new session's cursor is the last id there is, also in a journal without entries."""
    first = await begun(sessions)
    assert (await connected(sessions, first)).cursor == "0-0"
    await sessions.subscribe(JANE, first, [CALLS])
    last = await journal.last_id(journal.store.keys(ACCOUNT).partition)
    assert (await connected(sessions, await begun(sessions))).cursor == last != "0-0"


async def test_connects_count_up(sessions: Sessions) -> None:
    """Each connect is of a generation of its own, the first of 1."""
    client = await begun(sessions)
    assert [(await connected(sessions, client)).generation for _ in range(3)] == [1, 2, 3]


async def test_subscriptions_begin_at_their_record(
    sessions: Sessions, store: Store, journal: Journal
) -> None:
    """New subscriptions get the id of the record that tells of them; known ones keep theirs."""
    client = await begun(sessions)
    assert await sessions.subscribe(JANE, client, [CALLS, "/v2/**"]) is Subscribed.DONE
    first = await journal.last_id(store.keys(ACCOUNT).partition)
    assert await sessions.subscribe(JANE, client, [CALLS]) is Subscribed.DONE
    assert await sessions.subscribe(JANE, client, [CALLS, "/**"]) is Subscribed.DONE
    second = await journal.last_id(store.keys(ACCOUNT).partition)
    found = await connected(sessions, client)
    assert found.subscriptions == {CALLS: first, "/v2/**": first, "/**": second}
    assert found.changed == second
    assert await sessions.read(ACCOUNT, client) == found
    assert await records(store) == [b'{"client":"%b","change":"subscribed"}' % client.encode()] * 2


async def test_unsubscribing_takes_away_what_is_there(sessions: Sessions, store: Store) -> None:
    """Unsubscribing tells of what went, and of nothing where nothing did."""
    client = await begun(sessions)
    await sessions.subscribe(JANE, client, [CALLS, "/**"])
    assert await sessions.unsubscribe(JANE, client, [CALLS, "/v2/me/devices"])
    assert await sessions.unsubscribe(JANE, client, [CALLS])
    assert list((await connected(sessions, client)).subscriptions) == ["/**"]
    assert (await records(store))[1:] == [b'{"client":"%b","change":"unsubscribed"}' % client.encode()]


async def test_too_many_subscriptions_are_refused_as_a_whole(sessions: Sessions) -> None:
    """A subscribe that would go beyond the limit adds nothing."""
    client = await begun(sessions)
    patterns = [f"/v2/{number}" for number in range(MAX_SUBSCRIPTIONS)]
    assert await sessions.subscribe(JANE, client, patterns[1:]) is Subscribed.DONE
    assert await sessions.subscribe(JANE, client, [patterns[0], "/v2/one-more"]) is Subscribed.FULL
    assert await sessions.subscribe(JANE, client, [patterns[0], patterns[1], patterns[0]]) is Subscribed.DONE
    assert len((await connected(sessions, client)).subscriptions) == MAX_SUBSCRIPTIONS


async def test_ended_session_leaves_why_for_a_while(sessions: Sessions, store: Store) -> None:
    """Whoever still holds a connect can read why its session ended; nobody else finds it."""
    client = await begun(sessions)
    assert await sessions.end(JANE, client, Ended.DISCONNECTED)
    assert await sessions.read(ACCOUNT, client) is Ended.DISCONNECTED
    assert 0 < await store.call("TTL", store.keys(ACCOUNT).bayeux(client)) <= 60
    assert await sessions.connect(JANE, client, hold=0) is None
    assert not await sessions.touch(JANE, client)
    assert not await sessions.end(JANE, client, Ended.DISCONNECTED)
    assert await sessions.read(ACCOUNT, client[:-1] + "x") is Ended.EXPIRED


async def test_sessions_of_a_user_are_limited(sessions: Sessions, store: Store) -> None:
    """A user with as many sessions as allowed gets no further one until one ends; others are free."""
    first, _ = await begun(sessions), await begun(sessions)
    assert await sessions.create(JANE) is None
    await begun(sessions, JOHN)
    assert await sessions.end(JANE, first, Ended.DISCONNECTED)
    last = await begun(sessions)
    for client in (last, _):
        assert await sessions.end(JANE, client, Ended.DISCONNECTED)
    assert list(await store.call("HGETALL", store.keys(ACCOUNT).bayeux_users)) == [
        f"{ACCOUNT}/{JOHN.user.id}".encode()
    ]


@pytest.mark.parametrize("other", [JOHN, MALLORY], ids=["john", "mallory"])
async def test_sessions_of_others_are_unknown(sessions: Sessions, other: Principal) -> None:
    """Who presents another user's client id is answered as if there were no such session."""
    client = await begun(sessions)
    assert not await sessions.touch(other, client)
    assert await sessions.connect(other, client, hold=0) is None
    assert await sessions.subscribe(other, client, [CALLS]) is Subscribed.UNKNOWN
    assert not await sessions.unsubscribe(other, client, [CALLS])
    assert not await sessions.end(other, client, Ended.DISCONNECTED)
    assert (await connected(sessions, client)).generation == 1


@pytest.mark.parametrize("client", ["", "0", "x" * 36, "0007", "0007" + "0" * 32, "9" * 36, "\N{BELL}\n"])
async def test_ids_that_no_session_has_are_unknown(sessions: Sessions, client: str) -> None:
    """A client id that was never given out is answered as one that is over."""
    assert not await sessions.touch(JANE, client)
    assert await sessions.connect(JANE, client, hold=0) is None


async def test_only_the_last_connect_takes(sessions: Sessions) -> None:
    """A connect that was followed by another cannot move the cursor, and none of an ended session can."""
    client = await begun(sessions)
    older, newer = await connected(sessions, client), await connected(sessions, client)
    assert (await sessions.take(answer(older, "5-0"), changed=CHANGED)).taken is Taken.SUPERSEDED
    assert (await connected(sessions, client)).cursor == "0-0"
    newer = await connected(sessions, client)
    assert (await sessions.take(answer(newer, "7-0"), changed=newer.changed)).taken is Taken.DONE
    assert (await connected(sessions, client)).cursor == "7-0"
    await sessions.end(JANE, client, Ended.DISCONNECTED)
    assert (await sessions.take(answer(newer, "9-0"), changed=CHANGED)).taken is Taken.UNKNOWN


async def test_what_was_collected_for_other_subscriptions_is_not_taken(sessions: Sessions) -> None:
    """A connect that does not know of the session's last change cannot move the cursor."""
    client = await begun(sessions)
    held = await connected(sessions, client)
    await sessions.subscribe(JANE, client, [CALLS])
    assert (await sessions.take(answer(held, "5-0"), changed=held.changed)).taken is Taken.CHANGED
    found = await sessions.read(ACCOUNT, client)
    assert isinstance(found, Session)
    assert found.cursor == held.cursor
    assert (await sessions.take(answer(held, "5-0"), changed=found.changed)).taken is Taken.DONE


async def test_answer_is_put_back(sessions: Sessions) -> None:
    """What was taken and not written is there for the next connect."""
    client = await begun(sessions)
    taken = answer(await connected(sessions, client), "5-0")
    await sessions.take(taken, changed=CHANGED)
    assert await sessions.put_back(taken)
    assert (await connected(sessions, client)).cursor == "0-0"


async def test_what_is_put_back_cannot_be_taken_later(sessions: Sessions) -> None:
    """A take that reaches the store after its answer was put back is refused: nobody would tell it."""
    client = await begun(sessions)
    late = answer(await connected(sessions, client), "5-0")
    assert await sessions.put_back(late)
    assert (await sessions.take(late, changed=CHANGED)).taken is Taken.SUPERSEDED
    assert (await connected(sessions, client)).cursor == "0-0"


async def test_sessions_end_with_their_login(sessions: Sessions, store: Store) -> None:
    """Those that it began, and no others; nothing is left of it, and after a day in no case."""
    login, other = replace(JANE, login="one"), replace(JANE, login="another")
    gone = await begun(sessions, login)
    await sessions.end(JANE, gone, Ended.DISCONNECTED)
    mine, others = await begun(sessions, login), await begun(sessions, other)
    key = store.keys(ACCOUNT).bayeux_login("one")
    assert 86_390 < await store.call("TTL", key) <= 86_400
    await sessions.end_login(login)
    assert await sessions.read(ACCOUNT, mine) is Ended.CLOSED
    assert await sessions.touch(JANE, others)
    assert await store.call("EXISTS", key) == 0
    await sessions.end_login(login)


async def test_sessions_that_are_gone_are_not_kept_with_their_login(sessions: Sessions, store: Store) -> None:
    """However many it begins, at most twice as many are known as a user may have, and all that live."""
    login = replace(JANE, login="one")
    lives = await begun(sessions, login)
    for _ in range(10):
        await sessions.end(JANE, await begun(sessions, login), Ended.DISCONNECTED)
    assert await store.call("SCARD", store.keys(ACCOUNT).bayeux_login("one")) <= 4
    await sessions.end_login(login)
    assert await sessions.read(ACCOUNT, lives) is Ended.CLOSED


async def test_connect_tells_of_itself_where_another_is_held(sessions: Sessions, store: Store) -> None:
    """Whoever holds the other learns by a record that it is over; nobody is told of what is answered."""
    client = await begun(sessions)
    before = len(await records(store))
    for _ in range(2):
        found = await connected(sessions, client)
        assert (await sessions.take(answer(found, "5-0"), changed=found.changed)).taken is Taken.DONE
    given_back = await connected(sessions, client)
    await sessions.put_back(answer(given_back, given_back.cursor))
    held = await connected(sessions, client)
    assert len(await records(store)) == before
    later = await connected(sessions, client)
    assert later.changed != held.changed
    assert (await records(store))[before:] == [b'{"client":"%b","change":"moved"}' % client.encode()]
    assert (await sessions.take(answer(later, "7-0"), changed=later.changed)).taken is Taken.DONE
    await sessions.stays(ACCOUNT, client, later.generation, hold=0)
    await connected(sessions, client)
    assert len(await records(store)) == before + 2


async def test_giving_back_nothing_moves_no_cursor(sessions: Sessions) -> None:
    """A connect that has taken nothing leaves the cursor where it is, although others moved it."""
    client = await begun(sessions)
    older = await connected(sessions, client)
    newer = await connected(sessions, client)
    assert await sessions.put_back(answer(older, older.cursor))
    await sessions.take(answer(newer, "7-0"), changed=newer.changed)
    assert not await sessions.put_back(answer(older, older.cursor))
    assert (await connected(sessions, client)).cursor == "7-0"


async def test_what_a_later_connect_took_is_not_put_back(sessions: Sessions, store: Store) -> None:
    """Both may have come to the same id: it was told once, by the later, and the older knows no better."""
    client = await begun(sessions)
    older, newer = await connected(sessions, client), await connected(sessions, client)
    assert (await sessions.take(answer(newer, "5-0"), changed=newer.changed)).taken is Taken.DONE
    told = len(await records(store))
    assert not await sessions.put_back(answer(older, "5-0"))
    assert (await connected(sessions, client)).cursor == "5-0"
    assert len(await records(store)) == told


async def test_answer_is_put_back_under_a_later_connect(sessions: Sessions, store: Store) -> None:
    """A later connect, which began behind what is put back, is told; one that has taken keeps its place."""
    client = await begun(sessions)
    taken = answer(await connected(sessions, client), "5-0")
    await sessions.take(taken, changed=CHANGED)
    later = await connected(sessions, client)
    assert later.cursor == "5-0"
    assert await sessions.put_back(taken)
    assert await records(store) == [b'{"client":"%b","change":"put-back"}' % client.encode()]
    found = await sessions.read(ACCOUNT, client)
    assert isinstance(found, Session)
    assert (found.cursor, found.generation) == ("0-0", later.generation)
    await sessions.take(answer(later, "9-0"), changed=found.changed)
    assert not await sessions.put_back(taken)
    assert (await connected(sessions, client)).cursor == "9-0"


def answer(session: Session, position: str) -> Answer:
    """Return the answer that moves a session's cursor to a position."""
    return Answer(ACCOUNT, session.client, session.generation, session.cursor, position)


@pytest.fixture
def brief(store: Store) -> Sessions:
    """Give sessions that live for 50 ms."""
    return Sessions(store, max_interval=50)


async def test_owner_ends_sessions_past_their_time(store: Store, brief: Sessions) -> None:
    """The owner ends a silent session, tells of it, and leaves nothing of it in the store."""
    client = await begun(brief)
    stats = BayeuxStats()
    expiry = BayeuxExpiry(store, stats, grace=0, period=0.02)
    keys = store.keys(ACCOUNT)
    lease = await Leases(store, "tester").acquire(keys.partition)
    assert lease is not None
    duty = asyncio.create_task(expiry.run(lease))
    try:
        await eventually(lambda: stats.expired == 1)
    finally:
        duty.cancel()
        await asyncio.wait((duty,))
    assert await brief.read(ACCOUNT, client) is Ended.EXPIRED
    assert await store.call("EXISTS", keys.bayeux(client), keys.bayeux_due, keys.bayeux_users) == 0
    assert await records(store) == [b'{"client":"%b","change":"expired"}' % client.encode()]


async def test_signs_of_life_prolong_a_session(store: Store, brief: Sessions, sessions: Sessions) -> None:
    """Whatever a client sends prolongs its session; a held connect's time is shortened by its end only."""
    keys = store.keys(ACCOUNT)
    expiry = BayeuxExpiry(store, BayeuxStats(), grace=0)
    lease = await Leases(store, "tester").acquire(keys.partition)
    assert lease is not None

    async def left(client: str) -> float:
        return float(await store.call("ZSCORE", keys.bayeux_due, client)) - await store.time_ms()

    client = await begun(brief)
    for step in (
        sessions.touch(JANE, client),
        sessions.subscribe(JANE, client, [CALLS]),
        sessions.unsubscribe(JANE, client, [CALLS]),
    ):
        await brief.connect(JANE, client, hold=0)
        assert await left(client) <= 50
        assert await step
        assert await left(client) > 50
    held = await brief.connect(JANE, client, hold=LONG)
    assert held is not None
    assert await left(client) > LONG - 5000
    await brief.touch(JANE, client)
    assert await left(client) > LONG - 5000
    assert await expiry.sweep(lease) == 0
    await brief.take(answer(held, "0-1"), changed=held.changed, extra=2000)
    assert 50 < await left(client) <= 2050
    await brief.put_back(answer(held, "0-1"))
    assert await left(client) <= 50


async def test_session_heard_of_meanwhile_is_not_ended(
    store: Store, brief: Sessions, sessions: Sessions
) -> None:
    """A sweep that comes upon a session just prolonged passes it over."""
    client = await begun(brief)
    lease = await Leases(store, "tester").acquire(store.keys(ACCOUNT).partition)
    assert lease is not None
    stats = BayeuxStats()
    expiry = BayeuxExpiry(store, stats, grace=0)
    await eventually(lambda: _due(store, client))
    swept, _ = await asyncio.gather(expiry.sweep(lease), sessions.touch(JANE, client))
    assert (swept, stats.expired) == (1, 0)
    assert isinstance(await sessions.read(ACCOUNT, client), Session)


async def _due(store: Store, client: str) -> bool:
    score = await store.call("ZSCORE", store.keys(ACCOUNT).bayeux_due, client)
    return float(score) <= await store.time_ms()


async def test_only_the_owner_ends_sessions(store: Store, brief: Sessions) -> None:
    """Who has lost the partition is refused."""
    client = await begun(brief)
    leases = Leases(store, "tester")
    lease = await leases.acquire(store.keys(ACCOUNT).partition)
    assert lease is not None
    await leases.release(lease)
    with pytest.raises(LeaseLostError):
        await BayeuxExpiry(store, BayeuxStats(), grace=0).sweep(lease)
    assert isinstance(await brief.read(ACCOUNT, client), Session)
