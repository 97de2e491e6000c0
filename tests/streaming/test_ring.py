from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from relay.calls.events import EventId
from relay.journal.ids import StreamId
from relay.journal.record import Entry, RecordKind
from relay.streaming import ring as rings
from relay.streaming.ring import Ring


def entry(ms: int, size: int = 10) -> Entry:
    """Make an entry of so many bytes."""
    return Entry(EventId(0, f"{ms}-0"), RecordKind.CALL, "account", b"x" * size)


def at(ms: int) -> StreamId:
    """Make an id."""
    return StreamId(ms, 0)


def ids(ring: Ring, after: int, until: int | None = None) -> list[int]:
    """Give the ids that the ring gives."""
    return [held.key.ms for held in ring.after(at(after), until=None if until is None else at(until))]


def test_a_new_ring_reaches_back_to_where_it_began() -> None:
    """It has nothing yet, and misses nothing after its start."""
    ring = Ring(at(5))
    assert (len(ring), ring.start, ring.last, ids(ring, 5)) == (0, at(5), at(5), [])


def test_gives_the_entries_between_two_ids() -> None:
    """The first id is left out, the last one is included; neither need be an entry's."""
    ring = Ring(at(0))
    for ms in (10, 20, 30):
        ring.append(entry(ms), now=0)
    assert ids(ring, 10) == [20, 30]
    assert ids(ring, 15) == [20, 30]
    assert ids(ring, 0, until=20) == [10, 20]
    assert ids(ring, 30) == []
    assert ids(ring, 99) == []


def test_old_entries_go_once_they_are_served() -> None:
    """Age alone does not remove what somebody still waits for."""
    ring = Ring(at(0), seconds=30)
    for ms in (10, 20, 30):
        ring.append(entry(ms), now=ms)
    ring.trim(now=55, served=at(10))
    assert (ring.start, ids(ring, 10)) == (at(10), [20, 30])
    ring.trim(now=55, served=at(30))
    assert (ring.start, ids(ring, 20)) == (at(20), [30])


def test_the_hard_limit_holds_whoever_waits() -> None:
    """Memory is bounded even if nobody is served; the newest entry always stays."""
    ring = Ring(at(0))
    big = rings.RING_HARD_BYTES // 4
    for ms in range(1, 11):
        ring.append(entry(ms, big), now=0)
    assert ring.size <= rings.RING_HARD_BYTES
    assert ring.last == at(10)
    assert ring.start == at(6)
    ring.append(entry(11, 2 * rings.RING_HARD_BYTES), now=0)
    assert (len(ring), ring.start) == (1, at(10))


def test_restarting_forgets_everything() -> None:
    """What comes next may even have smaller ids."""
    ring = Ring(at(50))
    ring.append(entry(60), now=0)
    ring.restart(at(3))
    ring.append(entry(4), now=0)
    assert (ring.start, ids(ring, 3), ring.size) == (at(3), [4], 10)


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(0, 20)), min_size=1), st.integers(0, 300))
def test_nothing_after_its_start_is_ever_missing(steps: list[tuple[int, int]], served: int) -> None:
    """Whatever was trimmed, what it gives after any id it covers is exactly what came."""
    ring = Ring(at(0), seconds=50, max_bytes=1000)
    came: list[int] = []
    now = 0
    for ms, (size, pause) in zip(itertools.count(1), steps, strict=False):
        now += pause
        ring.append(entry(ms, size), now=now)
        came.append(ms)
        ring.trim(now, at(min(served, ms)))
        assert ids(ring, ring.start.ms) == [one for one in came if one > ring.start.ms]
        assert ring.size == sum(len(held.entry.data) for held in ring.after(ring.start))
        assert ring.start <= at(served)
