from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from relay.calls.events import CallEvent
from relay.calls.model import PartyState
from relay.errors import StoreUnavailableError
from relay.journal.commit import ENDED_RETENTION, Change, Timer
from relay.journal.journal import Journal
from relay.journal.link import StoreCommandError
from relay.journal.reading import MOST_KNOWN, LastKnown
from relay.journal.receipts import Receipt
from relay.journal.record import Record, RecordKind
from relay.journal.store import Store
from tests.conftest import OpenStore
from tests.engines import Server
from tests.journal.calls import ACCOUNT, OTHER_ACCOUNT, at, end, ended, place, placed


async def ids_in(store: Store, stream: str) -> list[str]:
    """Return the ids of a stream's entries."""
    return [entry[0].decode() for entry in await store.call("XRANGE", stream, "-", "+")]


async def everything(store: Store) -> dict[bytes, Any]:
    """Return each key with its value, whatever its type; a record's expiry is left out."""
    return {key: await store.call("DUMP", key) for key in sorted(await store.call("KEYS", "relay:{*"))}


async def test_a_commit_writes_the_session_its_event_and_the_indexes(journal: Journal, store: Store) -> None:
    """One commit makes the session readable by id and by leg, live, and its event part of the history."""
    session, events = placed("s1")
    committed = await journal.commit(ACCOUNT, [Change(session)], events, nonce="n1")
    assert committed is not None
    assert not committed.already
    assert await journal.session(ACCOUNT, "s1") == at(session, 1)
    assert await journal.session_of_leg(ACCOUNT, "s1-leg") == at(session, 1)
    assert await journal.live_sessions(ACCOUNT) == [at(session, 1)]
    page = await journal.history(ACCOUNT, None, limit=10)
    assert [entry.id.stream_id for entry in page.entries] == list(committed.ids)
    assert [entry.event for entry in page.entries] == list(events)


async def test_a_lost_race_writes_nothing(journal: Journal, store: Store) -> None:
    """A commit from an outdated version returns None and leaves every key as it is."""
    session = await place(journal, "s1")
    changed, events = ended(session)
    before = await everything(store)
    timer = Timer("s1", "s1-leg", "answer", 5, "t1")
    for version in (0, 2, 7):
        stale = [Change(at(changed, version))]
        assert await journal.commit(ACCOUNT, stale, events, nonce="n2", timers=[timer]) is None
    assert await everything(store) == before


async def test_a_session_that_is_gone_conflicts_with_every_version_read(journal: Journal) -> None:
    """A record that expired or was flushed counts as version 0, so an update of it is refused."""
    changed, events = ended(placed("s1")[0])
    assert await journal.commit(ACCOUNT, [Change(at(changed, 3))], events, nonce="n") is None


async def test_a_known_nonce_writes_nothing_and_answers_with_its_ids(journal: Journal, store: Store) -> None:
    """Repeating a commit as it was returns what the first made, also after the session has moved on."""
    session, events = placed("s1")
    first = await journal.commit(ACCOUNT, [Change(session)], [*events, *events], nonce="n1")
    assert first is not None
    assert len(first.ids) == 2
    await end(journal, at(session, 1))
    before = await everything(store)
    repeated = await journal.commit(ACCOUNT, [Change(session)], [*events, *events], nonce="n1")
    assert repeated == (first.ids, True)
    assert await everything(store) == before


async def test_a_nonce_without_events_is_remembered_too(journal: Journal) -> None:
    """A change that tells nothing is as repeatable as one that does."""
    session, _ = placed("s1")
    assert await journal.commit(ACCOUNT, [Change(session)], [], nonce="quiet") == ((), False)
    assert await journal.commit(ACCOUNT, [Change(session)], [], nonce="quiet") == ((), True)


async def test_a_nonce_is_known_whole(journal: Journal) -> None:
    """The beginning or the end of a known nonce is another nonce."""
    session, _ = placed("s1")
    assert await journal.commit(ACCOUNT, [Change(session)], [], nonce="abc-def")
    for version, nonce in enumerate(("abc", "def", "abc-def-g"), start=1):
        assert await journal.commit(ACCOUNT, [Change(at(session, version))], [], nonce=nonce) == ((), False)


async def test_a_session_remembers_its_last_16_nonces(journal: Journal) -> None:
    """Of 20 commits the last 16 can be repeated; what is remembered does not grow."""
    session, events = placed("s1")
    made = [
        await journal.commit(ACCOUNT, [Change(at(session, version))], events, nonce=f"n{version}")
        for version in range(20)
    ]
    again = [
        await journal.commit(ACCOUNT, [Change(at(session, 99))], events, nonce=f"n{version}")
        for version in range(20)
    ]
    assert again[:4] == [None] * 4
    for first, second in zip(made[4:], again[4:], strict=True):
        assert first is not None
        assert second == (first.ids, True)


async def test_several_sessions_change_together_or_not_at_all(journal: Journal, store: Store) -> None:
    """A commit of two sessions needs both versions, and then writes both, under one nonce."""
    one, two = await place(journal, "one"), await place(journal, "two")
    (one_ended, one_events), (two_ended, two_events) = ended(one), ended(two)
    events = [*one_events, *two_events]
    before = await everything(store)
    stale = [Change(one_ended), Change(at(two_ended, 9))]
    assert await journal.commit(ACCOUNT, stale, events, nonce="both") is None
    assert await everything(store) == before
    committed = await journal.commit(ACCOUNT, [Change(one_ended), Change(two_ended)], events, nonce="both")
    assert committed is not None
    assert len(committed.ids) == 2
    assert await journal.session(ACCOUNT, "one") == at(one_ended, 2)
    assert await journal.session(ACCOUNT, "two") == at(two_ended, 2)
    assert await journal.commit(ACCOUNT, [Change(two_ended)], events, nonce="both") == (committed.ids, True)


async def test_a_leg_that_moves_is_found_by_its_live_session(journal: Journal) -> None:
    """Where two changed sessions list a leg, the one that lives is the leg's."""
    one, two = await place(journal, "one"), await place(journal, "two")
    [leg] = two.parties
    taken_over = replace(one, parties=(*one.parties, leg))
    two_ended, events = ended(two)
    for changes in ([Change(taken_over), Change(two_ended)],):
        assert await journal.commit(ACCOUNT, changes, events, nonce="merge")
    assert await journal.session_of_leg(ACCOUNT, "two-leg") == at(taken_over, 2)


async def test_a_leg_that_another_process_moved_or_ended_is_found(journal: Journal, store: Store) -> None:
    """Where a process last saw a leg is no more than a guess."""
    other = Journal(store)
    one, two = await place(journal, "one"), await place(journal, "two")
    assert await other.session_of_leg(ACCOUNT, "two-leg") == two
    [leg] = two.parties
    kept = replace(one, parties=(*one.parties, leg))
    left = replace(two, parties=(replace(leg, state=PartyState.GONE),))
    assert await journal.commit(ACCOUNT, [Change(kept, one), Change(left, two)], [], nonce="join")
    assert await other.session_of_leg(ACCOUNT, "two-leg") == at(kept, 2)
    over, events = ended(at(kept, 2))
    assert await journal.commit(ACCOUNT, [Change(over, at(kept, 2))], events, nonce="end")
    assert await other.session_of_leg(ACCOUNT, "two-leg") == at(over, 3)
    await store.call("FLUSHALL")
    assert await other.session_of_leg(ACCOUNT, "two-leg") is None


def test_no_more_legs_are_remembered_than_bounded() -> None:
    """A process that sees ever new calls does not grow by them."""
    known = LastKnown()
    for number in range(2 * MOST_KNOWN + 1):
        known.note(f"leg-{number}", "session")
        assert f"leg-{number}" in known
    assert len(known) <= MOST_KNOWN


async def test_an_ended_session_leaves_the_live_set_and_expires_after_an_hour(
    journal: Journal, store: Store
) -> None:
    """Its record and legs can still be read, and have an expiry; a live session's have none."""
    session = await place(journal, "s1")
    keys = store.keys(ACCOUNT)
    assert await store.call("PTTL", keys.call("s1")) == await store.call("PTTL", keys.leg("s1-leg")) == -1
    await end(journal, session)
    assert await journal.live_sessions(ACCOUNT) == []
    found = await journal.session_of_leg(ACCOUNT, "s1-leg")
    assert found is not None
    assert not found.live
    for key in (keys.call("s1"), keys.leg("s1-leg")):
        assert 0 < await store.call("PTTL", key) <= ENDED_RETENTION * 1000


async def test_what_has_a_receipt_is_not_written_again(journal: Journal) -> None:
    """Whatever its nonce, and whatever has become of the session; the receipt says what came of it."""
    session, events = placed("s1")
    receipt = Receipt("command", "s1", None)
    assert await journal.receipt(ACCOUNT, "command") is None
    committed = await journal.commit(ACCOUNT, [Change(session)], events, nonce="n1", receipt=receipt)
    assert committed is not None
    assert not committed.already
    again = await journal.commit(ACCOUNT, [Change(at(session, 1))], events, nonce="n2", receipt=receipt)
    assert again == ((), True)
    assert await journal.receipt(ACCOUNT, "command") == receipt
    assert len((await journal.history(ACCOUNT, None, limit=10)).entries) == len(events)


async def test_timers_come_and_go_with_the_commit(journal: Journal, store: Store) -> None:
    """A commit adds timers at their due times and removes those that are done, also without a change."""
    first, second = (
        Timer("s1", "s1-leg", "pick-up", 1500, "t1"),
        Timer("s1", "s1-leg", "ring-out", 9000, "t2"),
    )
    session, events = placed("s1")
    assert await journal.commit(ACCOUNT, [Change(session)], events, nonce="n1", timers=[first, second])
    timers = store.keys(ACCOUNT).timers
    assert [due for _, due in await store.call("ZRANGE", timers, 0, -1, "WITHSCORES")] == [1500, 9000]
    changed = [Change(at(session, 1))]
    assert await journal.commit(ACCOUNT, changed, [], nonce="t1", done=[first])
    assert await store.call("ZCARD", timers) == 1
    assert await journal.commit(ACCOUNT, [], [], nonce="t2", done=[second]) == ((), False)
    assert await store.call("ZCARD", timers) == 0


async def test_accounts_of_one_partition_do_not_see_each_other(open_store: OpenStore, server: Server) -> None:
    """Sessions, legs, live sets and history are each account's own, even where they share a partition."""
    journal = Journal(await open_store(server.url, partitions=1))
    await place(journal, "mine")
    await place(journal, "theirs", account=OTHER_ACCOUNT)
    assert await journal.session(ACCOUNT, "theirs") is None
    assert await journal.session_of_leg(ACCOUNT, "theirs-leg") is None
    assert [session.id for session in await journal.live_sessions(ACCOUNT)] == ["mine"]
    page = await journal.history(OTHER_ACCOUNT, None, limit=10)
    assert [entry.account for entry in page.entries] == [OTHER_ACCOUNT]


async def test_what_a_change_leaves_as_it_was_is_not_written_again(journal: Journal, store: Store) -> None:
    """With the call as it was read, only its record is; without, everything about its legs is."""
    before = await place(journal, "s1")
    await journal.commit(ACCOUNT, [Change(before, before)], [], nonce="n1")
    keys = store.keys(ACCOUNT)
    indexes = [keys.leg("s1-leg"), keys.live(ACCOUNT), keys.device(ACCOUNT, "device-1")]
    there = [await store.call("DUMP", key) for key in indexes]
    await store.call("DEL", *indexes)
    await journal.commit(ACCOUNT, [Change(at(before, 2), at(before, 2))], [], nonce="n2")
    assert await store.call("EXISTS", *indexes) == 0
    await journal.commit(ACCOUNT, [Change(at(before, 3))], [], nonce="n3")
    assert [await store.call("DUMP", key) for key in indexes] == there
    assert await journal.session(ACCOUNT, "s1") == at(before, 4)


@pytest.mark.parametrize("key", ["live", "timers", "call", "events"])
async def test_a_key_of_a_wrong_type_fails_the_commit_before_anything_is_written(
    journal: Journal, store: Store, key: str
) -> None:
    """Whatever key is not what it should be, the store holds the same after the error as before."""
    keys = store.keys(ACCOUNT)
    broken = {
        "live": keys.live(ACCOUNT),
        "timers": keys.timers,
        "call": keys.call("s1"),
        "events": keys.events,
    }
    await store.call("SET", broken[key], "not what it should be")
    before = await everything(store)
    session, events = placed("s1")
    timer = Timer("s1", "s1-leg", "answer", 5, "t1")
    with pytest.raises(StoreCommandError, match="WRONGTYPE"):
        await journal.commit(ACCOUNT, [Change(session)], events, nonce="n1", timers=[timer])
    assert await everything(store) == before


@pytest.mark.parametrize("ahead", [True, False])
async def test_a_log_that_cannot_take_the_ids_is_begun_anew(
    journal: Journal, store: Store, *, ahead: bool
) -> None:
    """A log of a history that is gone, or of another type, does not stop commits."""
    keys = store.keys(ACCOUNT)
    if ahead:
        await store.call("XADD", keys.log(ACCOUNT), "99999999999999-0", "", "")
    else:
        await store.call("SET", keys.log(ACCOUNT), "not a stream")
    session, events = placed("s1")
    committed = await journal.commit(ACCOUNT, [Change(session)], [*events, *events], nonce="n1")
    assert committed is not None
    assert await ids_in(store, keys.log(ACCOUNT)) == list(committed.ids)


async def test_a_store_without_memory_refuses_whole_commits(
    faulty_server: Server, open_store: OpenStore
) -> None:
    """Out of memory is unavailability: nothing is half-written, and it ends with its cause."""
    store = await open_store(faulty_server.url)
    journal = Journal(store)
    await place(journal, "s0")
    await store.call("CONFIG", "SET", "maxmemory", "1")
    session, events = placed("s1")
    before = await everything(store)
    with pytest.raises(StoreUnavailableError, match="OOM"):
        await journal.commit(ACCOUNT, [Change(session)], events, nonce="n1")
    assert await everything(store) == before
    await store.call("CONFIG", "SET", "maxmemory", "0")
    assert await journal.commit(ACCOUNT, [Change(session)], events, nonce="n1")


async def test_racing_writers_lose_no_change(journal: Journal, store: Store) -> None:
    """Of writers that read, change and commit one session at once, each commit counts exactly once."""
    session, events = placed("s1")

    async def writer(name: int) -> None:
        for number in range(5):
            while True:
                read = await journal.session(ACCOUNT, "s1") or session
                change = replace(read, user_data={**read.user_data, f"{name}-{number}": "done"})
                if await journal.commit(ACCOUNT, [Change(change)], events, nonce=f"{name}-{number}"):
                    break

    await asyncio.gather(*map(writer, range(8)))
    last = await journal.session(ACCOUNT, "s1")
    assert last is not None
    assert (last.version, len(last.user_data)) == (40, 40)
    keys = store.keys(ACCOUNT)
    assert await ids_in(store, keys.events) == await ids_in(store, keys.log(ACCOUNT))
    assert await store.call("XLEN", keys.events) == 40


@pytest.mark.parametrize("nonce", ["", "two words", "line\n", " "])
async def test_a_nonce_is_one_word(journal: Journal, nonce: str) -> None:
    """What could not be found again in the record is refused."""
    with pytest.raises(ValueError, match="one word"):
        await journal.commit(ACCOUNT, [Change(placed("s1")[0])], [], nonce=nonce)


async def test_changes_that_make_no_commit_are_refused(journal: Journal) -> None:
    """Events without a change, a session twice, or another account's session are the caller's mistake."""
    session, events = placed("s1")
    stranger, _ = placed("s2", account=OTHER_ACCOUNT)
    wrong: list[tuple[list[Change], tuple[CallEvent, ...]]] = [
        ([], events),
        ([Change(session), Change(session)], events),
        ([Change(session), Change(stranger)], events),
    ]
    for changes, told in wrong:
        with pytest.raises(ValueError, match=r"commit|change"):
            await journal.commit(ACCOUNT, changes, told, nonce="n")
    assert await journal.history(ACCOUNT, None, limit=1) == ([], None, False)


async def test_appended_records_follow_one_another(journal: Journal, store: Store) -> None:
    """Records that tell of no call are in the journal, in order, and not in the account's history."""
    records = [Record(RecordKind.SUBSCRIPTION, ACCOUNT, b"{}"), Record(RecordKind.BAYEUX, ACCOUNT, b"[]")]
    ids = await journal.append(ACCOUNT, records)
    entries = await journal.entries(ACCOUNT, ids)
    assert [(entry.kind, entry.account, entry.data) for entry in entries] == records
    assert (await journal.history(ACCOUNT, None, limit=10)).entries == []
    assert await journal.append(ACCOUNT, []) == []
    assert await journal.last_id(store.keys(ACCOUNT).partition) == ids[-1]
