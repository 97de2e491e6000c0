"""Trimming: by age and bytes, from the oldest end, never past what is fanned out."""

from __future__ import annotations

import asyncio
import itertools

import pytest
import structlog.testing
from hypothesis import given
from hypothesis import strategies as st

from relay.journal.ids import StreamId, parse
from relay.journal.journal import Journal
from relay.journal.keys import Keys
from relay.journal.leases import Lease, LeaseLostError, Leases
from relay.journal.record import Entry
from relay.journal.store import Store
from relay.journal.trim import Bound, Trimming, age_bound, fan_out_bound, surplus
from tests.journal.records import account_in, append
from tests.waiting import eventually

PARTITION = 6
ACCOUNT, NEIGHBOUR = account_in(PARTITION), account_in(PARTITION, number=1)
HOUR = 3600
UNLIMITED = 2**50


@pytest.fixture
async def lease(store: Store) -> Lease:
    """Give the ownership of the partition."""
    taken = await Leases(store, "owner", ttl=60).acquire(PARTITION)
    assert taken is not None
    return taken


@pytest.fixture
def keys(store: Store) -> Keys:
    """Give the partition's keys."""
    return store.keys_at(PARTITION)


async def aged(store: Store, count: int, *, account: str = ACCOUNT, hours: float = 2) -> list[str]:
    """Write entries and the account's log as of some hours ago; return their ids."""
    keys, then = store.keys_at(PARTITION), await store.time_ms() - round(hours * HOUR * 1000)
    last = await store.call("XREVRANGE", keys.events, "+", "-", "COUNT", 1)
    first = itertools.count((parse(last[0][0].decode()).seq + 1) if last else 0)
    ids = [f"{then}-{seq}" for seq in itertools.islice(first, count)]
    for stream_id in ids:
        await store.call("XADD", keys.events, stream_id, "k", "subscription", "a", account, "d", "{}")
        await store.call("XADD", keys.log(account), stream_id, "", "")
    return ids


async def ids_in(store: Store, stream: str) -> list[str]:
    """Return the ids a stream has."""
    [found] = await store.fetch([("XRANGE", stream, "-", "+")])
    return [stream_id.decode() for stream_id, _ in found]


async def fanned_out(store: Store, cursor: str) -> None:
    """Set the fan-out cursor."""
    await store.call("SET", store.keys_at(PARTITION).cursor, cursor)


async def test_entries_past_their_age_are_cut_from_journal_and_logs(
    store: Store, journal: Journal, lease: Lease, keys: Keys
) -> None:
    """What is older than the retention goes, from its accounts' logs too; what is younger stays."""
    await aged(store, 3)
    await aged(store, 2, account=NEIGHBOUR)
    young = await append(journal, ACCOUNT, 4)
    await fanned_out(store, young[-1])
    trimming = Trimming(store, retention=HOUR, max_bytes=UNLIMITED)
    await trimming.trim(lease)
    assert await ids_in(store, keys.events) == young
    assert await ids_in(store, keys.log(ACCOUNT)) == []
    assert await ids_in(store, keys.log(NEIGHBOUR)) == []
    assert trimming.cut == 5
    await trimming.trim(lease)
    assert trimming.cut == 5


async def test_a_cut_is_made_in_steps(store: Store, lease: Lease, keys: Keys) -> None:
    """However much has to go, the server is given small pieces, each handed to the hook before."""
    ids = await aged(store, 25)
    await fanned_out(store, ids[-1])
    seen: list[list[str]] = []

    async def before_cut(of: Lease, entries: list[Entry]) -> None:
        assert of is lease
        assert await ids_in(store, keys.events) == ids[sum(map(len, seen)) :]
        seen.append([entry.id.stream_id for entry in entries])

    await Trimming(store, retention=HOUR, max_bytes=UNLIMITED, before_cut=before_cut, step=10).trim(lease)
    assert seen == [ids[:10], ids[10:20], ids[20:]]
    assert await ids_in(store, keys.events) == []


async def test_what_is_not_fanned_out_stays(store: Store, lease: Lease, keys: Keys) -> None:
    """However old, entries after the cursor are kept, in the logs too."""
    ids = await aged(store, 5)
    await fanned_out(store, ids[1])
    await Trimming(store, retention=HOUR, max_bytes=UNLIMITED).trim(lease)
    assert await ids_in(store, keys.events) == ids[2:]
    assert await ids_in(store, keys.log(ACCOUNT)) == ids[2:]


async def test_an_entry_in_the_middle_of_its_fan_out_stays(store: Store, lease: Lease, keys: Keys) -> None:
    """A cursor with an offset keeps the entry it names."""
    ids = await aged(store, 5)
    await fanned_out(store, f"{ids[2]}:500")
    await Trimming(store, retention=HOUR, max_bytes=UNLIMITED).trim(lease)
    assert await ids_in(store, keys.events) == ids[2:]


async def test_without_a_cursor_nothing_is_cut(store: Store, journal: Journal, lease: Lease) -> None:
    """Before a webhook owner ran for the first time nothing is fanned out, so nothing may go."""
    ids = await aged(store, 5)
    ids += await append(journal, ACCOUNT, 2000, size=1500)
    await Trimming(store, retention=HOUR, max_bytes=1_000_000).trim(lease)
    assert await ids_in(store, store.keys_at(PARTITION).events) == ids


async def test_a_partition_over_its_bytes_is_cut_early(
    store: Store, journal: Journal, lease: Lease, keys: Keys
) -> None:
    """Young entries go, oldest first, until the stream fits; about as many as needed, and no more."""
    ids = await append(journal, ACCOUNT, 3000, size=1500)
    await fanned_out(store, ids[-1])
    limit = 2_000_000
    trimming = Trimming(store, retention=HOUR, max_bytes=limit)
    await trimming.trim(lease)
    left = await ids_in(store, keys.events)
    assert left == ids[-len(left) :]
    assert 0.8 * limit < await store.call("MEMORY", "USAGE", keys.events, "SAMPLES", 0) < 1.1 * limit


async def test_a_partition_held_at_its_bytes_by_a_slow_fan_out_is_told_once(
    store: Store, journal: Journal, lease: Lease, keys: Keys
) -> None:
    """Over its bytes with nothing that may go, it is warned of once, and once more when that is over."""
    ids = await append(journal, ACCOUNT, 2000, size=1500)
    await fanned_out(store, ids[0])
    trimming = Trimming(store, retention=HOUR, max_bytes=1_500_000)
    with structlog.testing.capture_logs() as logs:
        await trimming.trim(lease)
        await trimming.trim(lease)
        assert await ids_in(store, keys.events) == ids[1:]
        assert [entry["event"] for entry in logs] == ["journal over its bytes: fan-out is behind"]
        await fanned_out(store, ids[-1])
        await trimming.trim(lease)
    assert [entry["event"] for entry in logs][1:] == ["journal within its bytes again"]


async def test_nothing_is_cut_when_the_hook_fails(store: Store, lease: Lease, keys: Keys) -> None:
    """Bodies that could not be parked stay in the journal."""
    ids = await aged(store, 3)
    await fanned_out(store, ids[-1])

    async def before_cut(of: Lease, entries: list[Entry]) -> None:
        raise RuntimeError("no room to park")

    with pytest.raises(RuntimeError):
        await Trimming(store, retention=HOUR, max_bytes=UNLIMITED, before_cut=before_cut).trim(lease)
    assert await ids_in(store, keys.events) == ids


async def test_a_stale_owner_cuts_nothing(store: Store, lease: Lease, keys: Keys) -> None:
    """Once somebody else owns the partition the cut is refused."""
    ids = await aged(store, 3)
    await fanned_out(store, ids[-1])
    await store.call("SET", keys.lease, "somebody else's")
    with pytest.raises(LeaseLostError):
        await Trimming(store, retention=HOUR, max_bytes=UNLIMITED).trim(lease)
    assert await ids_in(store, keys.events) == ids


async def test_a_cursor_set_back_in_between_is_respected(store: Store, lease: Lease, keys: Keys) -> None:
    """The script itself looks at the cursor: what it says at that moment counts."""
    ids = await aged(store, 3)
    await fanned_out(store, ids[-1])

    async def before_cut(of: Lease, entries: list[Entry]) -> None:
        await fanned_out(store, ids[0])

    trimming = Trimming(store, retention=HOUR, max_bytes=UNLIMITED, before_cut=before_cut)
    await trimming.trim(lease)
    assert await ids_in(store, keys.events) == ids
    assert trimming.cut == 0


async def test_entries_that_cannot_be_read_are_cut_too(store: Store, lease: Lease, keys: Keys) -> None:
    """A malformed entry does not keep itself and all after it for ever."""
    ids = await aged(store, 1)
    broken = f"{parse(ids[0]).ms}-7"
    await store.call("XADD", keys.events, broken, "nonsense", "1")
    await fanned_out(store, broken)
    seen: list[Entry] = []

    async def before_cut(of: Lease, entries: list[Entry]) -> None:
        seen.extend(entries)

    await Trimming(store, retention=HOUR, max_bytes=UNLIMITED, before_cut=before_cut).trim(lease)
    assert [entry.id.stream_id for entry in seen] == ids
    assert await ids_in(store, keys.events) == []


async def test_an_empty_partition_is_left_alone(store: Store, lease: Lease) -> None:
    """Without a stream there is nothing to do."""
    await fanned_out(store, "0-0")
    trimming = Trimming(store, retention=HOUR, max_bytes=1)
    await trimming.trim(lease)
    assert trimming.cut == 0


async def test_the_duty_trims_again_and_again(store: Store, lease: Lease, keys: Keys) -> None:
    """As a duty it looks at its partition every period, until cancelled."""
    await fanned_out(store, f"{await store.time_ms()}-0")
    trimming = Trimming(store, retention=HOUR, max_bytes=UNLIMITED, period=0.01)
    running = asyncio.create_task(trimming.run(lease))
    for cut in (2, 4):
        await aged(store, 2, hours=3 - cut / 4)
        await eventually(lambda: trimming.cut == cut)  # noqa: B023 - awaited in its turn
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@given(now=st.integers(10**12, 10**13), retention=st.floats(0.001, 10**10), ms=st.integers(1, 10**13))
def test_an_entry_is_old_exactly_when_its_age_is_over_the_retention(
    now: int, retention: float, ms: int
) -> None:
    """The bound of age takes in every entry that is too old, to the millisecond, and none that is not."""
    assert (StreamId(ms, 3) <= age_bound(now, retention).id) == (now - ms > retention * 1000)


@given(length=st.integers(1, 10**6), average=st.integers(1, 10**5), limit=st.integers(1, 10**9))
def test_what_is_left_after_the_surplus_fits_the_limit(length: int, average: int, limit: int) -> None:
    """The surplus is the least number of average entries whose loss brings the bytes within the limit."""
    used = length * average
    gone = surplus(length, used, limit)
    assert 0 <= gone <= length
    assert (length - gone) * average <= limit
    assert gone == 0 or (length - gone + 1) * average > limit * (1 - 1e-9)


def test_the_stricter_bound_is_the_smaller_one() -> None:
    """Of two bounds at one entry, the one that leaves it out is the smaller."""
    whole, part = fan_out_bound("5-1"), fan_out_bound("5-1:0")
    assert part == Bound(StreamId(5, 1), inclusive=False) < whole
    assert (whole.range_end, part.range_end) == ("5-1", "(5-1")
