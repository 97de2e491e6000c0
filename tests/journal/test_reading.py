from __future__ import annotations

import asyncio

import pytest

from relay.journal.ids import InvalidIdError
from relay.journal.journal import Journal
from relay.journal.reading import MAX_PAGE
from relay.journal.store import Store
from tests.engines import Server
from tests.journal.calls import ACCOUNT, end, place
from tests.journal.records import account_in, append


async def history_of(journal: Journal, count: int) -> list[str]:
    """Place calls and return the ids of their events."""
    for number in range(count):
        await place(journal, f"s{number}")
    page = await journal.history(ACCOUNT, None, limit=count)
    return [entry.id.stream_id for entry in page.entries]


async def trim(store: Store, first_left: str, *, log_too: bool = True) -> None:
    """Cut everything before an id, as trimming does."""
    keys = store.keys(ACCOUNT)
    await store.call("XTRIM", keys.events, "MINID", first_left)
    if log_too:
        await store.call("XTRIM", keys.log(ACCOUNT), "MINID", first_left)


async def test_pages_of_history_join_without_gap_or_repeat(journal: Journal) -> None:
    """Going on after each page's last scanned id gives every event once, in order."""
    ids = await history_of(journal, 10)
    seen: list[str] = []
    after: str | None = None
    more = True
    while more:
        page = await journal.history(ACCOUNT, after, limit=4)
        seen += [entry.id.stream_id for entry in page.entries]
        after, more = page.scanned_to, page.more
    assert seen == ids
    assert after == ids[-1]


async def test_a_page_that_ends_with_the_history_has_no_more(journal: Journal) -> None:
    """A page of exactly what is left says so; beyond the end the position stays."""
    ids = await history_of(journal, 3)
    page = await journal.history(ACCOUNT, None, limit=3)
    assert (len(page.entries), page.more) == (3, False)
    assert await journal.history(ACCOUNT, ids[-1], limit=3) == ([], ids[-1], False)


async def test_history_ends_at_until(journal: Journal) -> None:
    """``until`` is the last id that may come; both forms of an id are read."""
    ids = await history_of(journal, 5)
    page = await journal.history(ACCOUNT, f"evt_03_{ids[0]}", limit=10, until=ids[3])
    assert [entry.id.stream_id for entry in page.entries] == ids[1:4]
    assert not page.more


async def test_an_entry_knows_its_partition_and_event(journal: Journal, store: Store) -> None:
    """An entry's id is the event's id everywhere."""
    [stream_id] = await history_of(journal, 1)
    [entry] = await journal.entries(ACCOUNT, [stream_id])
    partition = store.keys(ACCOUNT).partition
    assert str(entry.id) == f"evt_{partition:02d}_{stream_id}"
    assert entry.event is entry.event
    assert entry.event.session.id == "s0"


async def test_a_page_is_fetched_in_two_round_trips(journal: Journal, store: Store) -> None:
    """The ids are one, the bodies of a hundred of them together another."""
    await history_of(journal, 100)
    before = store._reading.batches
    page = await journal.history(ACCOUNT, None, limit=100)
    assert len(page.entries) == 100
    assert store._reading.batches - before == 2


async def test_a_page_is_bounded(journal: Journal, store: Store) -> None:
    """However much is asked for, one page holds at most so many events."""
    keys = store.keys(ACCOUNT)
    numbers = range(1, MAX_PAGE + 3)
    await asyncio.gather(
        *(store.submit("XADD", keys.log(ACCOUNT), f"{number}-0", "", "") for number in numbers)
    )
    page = await journal.history(ACCOUNT, None, limit=10**9)
    assert (page.entries, page.scanned_to, page.more) == ([], f"{MAX_PAGE}-0", True)


async def test_what_is_no_id_is_refused(journal: Journal) -> None:
    """A position that cannot be read is the caller's mistake, not a fault of the store."""
    for wrong in ("", "now", "$", "1", "1-2-3", "evt_1-1", "-1-0", "1-99999999999999999999", "\u0661-\u0660"):
        with pytest.raises(InvalidIdError):
            await journal.history(ACCOUNT, wrong, limit=1)


async def test_entries_that_are_trimmed_or_unreadable_are_left_out(journal: Journal, store: Store) -> None:
    """Bodies come in the order of the ids asked for, those that are there."""
    ids = await history_of(journal, 3)
    events = store.keys(ACCOUNT).events
    await store.call("XDEL", events, ids[1])
    broken = (await store.call("XADD", events, "*", "k", "unknown", "a", ACCOUNT, "d", "{}")).decode()
    entries = await journal.entries(ACCOUNT, [ids[2], ids[1], broken, ids[0]])
    assert [entry.id.stream_id for entry in entries] == [ids[2], ids[0]]


async def test_live_sessions_are_told_by_age_and_healed(journal: Journal, store: Store) -> None:
    """A member of the live set whose record is gone is not told of, and is taken out."""
    await place(journal, "young", now=3000)
    await place(journal, "old", now=1000)
    await place(journal, "lost", now=2000)
    await end(journal, await place(journal, "ended"))
    keys = store.keys(ACCOUNT)
    await store.call("DEL", keys.call("lost"))
    assert [session.id for session in await journal.live_sessions(ACCOUNT)] == ["old", "young"]
    assert set(await store.call("SMEMBERS", keys.live(ACCOUNT))) == {b"old", b"young"}


async def test_a_timer_finds_its_session_by_partition(journal: Journal, store: Store) -> None:
    """Who knows only the partition reads the session of whatever account."""
    session = await place(journal, "s1")
    partition = store.keys(ACCOUNT).partition
    assert await journal.session_at(partition, "s1") == session
    assert await journal.session_at(partition, "s2") is None


async def test_an_empty_journal_has_no_oldest_and_misses_nothing(journal: Journal) -> None:
    """Before the first event there is no oldest, the last id is 0-0, and nobody has missed anything."""
    assert await journal.oldest(ACCOUNT) is None
    assert await journal.last_id(0) == "0-0"
    assert not await journal.trimmed_after(ACCOUNT, "0-0")


async def test_a_position_beyond_the_end_has_missed_what_the_store_lost(journal: Journal) -> None:
    """An id higher than any the journal has given out comes from a history that is gone."""
    [last] = await history_of(journal, 1)
    assert not await journal.trimmed_after(ACCOUNT, last)
    assert await journal.trimmed_after(ACCOUNT, f"{int(last.split('-')[0]) + 1}-0")


async def test_a_position_of_a_store_that_was_emptied_since_has_missed_something(
    journal: Journal, server: Server
) -> None:
    """Its id lies before everything the new history holds, the account's own or a neighbour's."""
    [old] = await history_of(journal, 1)
    server.flush()
    neighbour = account_in(journal.store.keys(ACCOUNT).partition)
    await append(journal, neighbour)
    assert await journal.trimmed_after(ACCOUNT, old)
    [new] = await history_of(journal, 1)
    assert await journal.trimmed_after(ACCOUNT, old)
    assert not await journal.trimmed_after(ACCOUNT, new)
    assert not await journal.trimmed_after(ACCOUNT, "0-0")


@pytest.mark.parametrize("log_too", [True, False])
async def test_a_reader_is_told_exactly_whether_trimming_passed_it(
    journal: Journal, store: Store, *, log_too: bool
) -> None:
    """Positions before the last trimmed event have missed some; those at or after it have not."""
    ids = await history_of(journal, 4)
    assert await journal.oldest(ACCOUNT) == ids[0]
    await trim(store, ids[2], log_too=log_too)
    assert await journal.oldest(ACCOUNT) == ids[2]
    missed = [await journal.trimmed_after(ACCOUNT, position) for position in ("0-0", *ids)]
    # With its log trimmed as well, nothing tells whether another event lay between ids[1] and ids[2].
    assert missed == [True, True, log_too, False, False]


@pytest.mark.parametrize("log_too", [True, False])
async def test_a_reader_at_the_end_misses_nothing_when_all_is_trimmed(
    journal: Journal, store: Store, *, log_too: bool
) -> None:
    """An account that has been quiet for longer than the retention has no oldest, but its readers no gap."""
    ids = await history_of(journal, 3)
    await trim(store, "99999999999999-0", log_too=log_too)
    assert await journal.oldest(ACCOUNT) is None
    assert await journal.trimmed_after(ACCOUNT, ids[1])
    assert not await journal.trimmed_after(ACCOUNT, ids[2])
    assert await journal.last_id(store.keys(ACCOUNT).partition) == ids[2]


async def test_a_reader_that_followed_the_partition_misses_nothing_of_a_quiet_account(
    journal: Journal, store: Store
) -> None:
    """Who has read up to an entry that is left has no gap, although the account's older events are gone."""
    ids = await history_of(journal, 2)
    [followed] = await append(journal, account_in(store.keys(ACCOUNT).partition))
    await trim(store, followed, log_too=True)
    await place(journal, "later")
    assert await journal.trimmed_after(ACCOUNT, ids[0])
    assert not await journal.trimmed_after(ACCOUNT, followed)
