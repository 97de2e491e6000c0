"""Timers: run when due, in order within a session, and gone once they have run."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import structlog.testing

from relay.errors import ContendedError, StoreUnavailableError
from relay.journal.commit import Change, Timer
from relay.journal.journal import Journal
from relay.journal.leases import Lease, LeaseLostError, Leases
from relay.journal.store import Store
from relay.journal.tail import Tail
from relay.journal.timers import CONCURRENCY, PAGE, Timers
from tests.engines import Server
from tests.journal.calls import placed
from tests.journal.records import account_in, append
from tests.waiting import eventually

PARTITION = 11
ACCOUNT = account_in(PARTITION)
_nonces = itertools.count()

Run = Callable[[Timers], None]


@pytest.fixture
async def tail(store: Store) -> AsyncIterator[Tail]:
    """Give a tail of the empty store."""
    tail = Tail(store)
    yield tail
    await tail.stop()


@pytest.fixture
async def lease(store: Store) -> Lease:
    """Give the ownership of the partition."""
    taken = await Leases(store, "owner", ttl=60).acquire(PARTITION)
    assert taken is not None
    return taken


@pytest.fixture
async def run(lease: Lease) -> AsyncIterator[Run]:
    """Give a function that runs the duty; it is cancelled when the test ends."""
    running: list[asyncio.Task[None]] = []

    def start(timers: Timers) -> None:
        running.append(asyncio.create_task(timers.run(lease)))

    yield start
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def add(journal: Journal, session: str, *, after_ms: int = 0, action: str = "answer") -> Timer:
    """Add a timer that is due so many milliseconds from now."""
    due = await journal.store.time_ms() + after_ms
    timer = Timer(
        session=session, leg=f"{session}-leg", action=action, due=due, nonce=f"timer-{next(_nonces)}"
    )
    await journal.commit(ACCOUNT, [], [], nonce=timer.nonce, timers=[timer])
    return timer


async def waiting(store: Store) -> int:
    """Count the timers in the store."""
    return int(await store.call("ZCARD", store.keys_at(PARTITION).timers))


class Ran:
    """An elapse that notes which timers ran, when by the store's clock, and how many at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.timers: list[Timer] = []
        self.late: list[int] = []
        self.at_once = 0
        self.most_at_once = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, partition: int, timer: Timer) -> None:
        """Note the timer; end when told to."""
        assert partition == PARTITION
        self.late.append(await self._store.time_ms() - timer.due)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.timers.append(timer)
        await self.go_on.wait()
        self.at_once -= 1


async def test_timers_run_once_when_they_are_due_and_are_gone_then(
    store: Store, journal: Journal, tail: Tail, run: Run
) -> None:
    """Each runs no earlier than its time and not long after; nothing of it is left."""
    ran = Ran(store)
    later = await add(journal, "b", after_ms=300)
    sooner = await add(journal, "a", after_ms=50)
    past = await add(journal, "c", after_ms=-5000)
    run(Timers(store, tail, ran))
    await eventually(lambda: len(ran.timers) == 3)
    assert ran.timers == [past, sooner, later]
    assert min(ran.late) >= 0
    assert max(ran.late[1:]) < 250, "well before the next poll"
    await eventually(lambda: _empty(store))
    assert len(ran.timers) == 3


async def _empty(store: Store) -> bool:
    return await waiting(store) == 0


async def test_a_timer_that_comes_with_an_event_wakes_its_duty(
    store: Store, journal: Journal, tail: Tail, run: Run
) -> None:
    """A timer added while nothing is due runs on time: the duty hears of it by its event, not by polling."""
    ran = Ran(store)
    timers = Timers(store, tail, ran, poll=60)
    run(timers)
    await eventually(lambda: timers.looks)
    session, events = placed("s", account=ACCOUNT)
    due = await store.time_ms() + 30
    timer = Timer(session="s", leg="s-leg", action="answer", due=due, nonce="n")
    await eventually(lambda: "1 listening" in repr(tail) and "None" not in repr(tail))
    await journal.commit(ACCOUNT, [Change(session)], events, nonce="place", timers=[timer])
    await eventually(lambda: ran.timers == [timer])


async def test_a_timer_that_comes_alone_is_found_by_polling(
    store: Store, journal: Journal, tail: Tail, run: Run
) -> None:
    """Should no event tell of it, a timer runs at the next poll."""
    ran = Ran(store)
    timers = Timers(store, tail, ran, poll=0.1)
    run(timers)
    await eventually(lambda: timers.looks)
    timer = await add(journal, "s")
    await eventually(lambda: ran.timers == [timer])


async def test_idle_timers_cost_one_look_a_poll(store: Store, tail: Tail, run: Run) -> None:
    """With nothing due the duty looks once per poll and does nothing else."""
    timers = Timers(store, tail, Ran(store), poll=0.2)
    run(timers)
    began = asyncio.get_running_loop().time()
    await eventually(lambda: timers.looks >= 6)
    assert asyncio.get_running_loop().time() - began > 5 * 0.19


async def test_many_events_share_a_look(store: Store, journal: Journal, tail: Tail, run: Run) -> None:
    """However fast events come, the duty looks at most every hundredth of a second."""
    timers = Timers(store, tail, Ran(store), poll=60)
    run(timers)
    await eventually(lambda: timers.looks)
    began = asyncio.get_running_loop().time()
    for _ in range(200):
        await append(journal, ACCOUNT)
    assert timers.looks <= 2 + (asyncio.get_running_loop().time() - began) / 0.01


async def test_timers_of_a_session_run_one_after_another(
    store: Store, journal: Journal, tail: Tail, run: Run
) -> None:
    """A session's next timer waits for the one before; other sessions do not."""
    ran = Ran(store)
    ran.go_on.clear()
    first = [await add(journal, "busy", after_ms=-100 + n) for n in range(5)]
    other = await add(journal, "other")
    run(Timers(store, tail, ran))
    await eventually(lambda: len(ran.timers) == 2)
    assert ran.timers == [first[0], other]
    ran.go_on.set()
    await eventually(lambda: _empty(store))
    assert [timer for timer in ran.timers if timer.session == "busy"] == first


async def test_so_many_sessions_at_a_time_and_all_in_the_end(
    store: Store, journal: Journal, tail: Tail, run: Run
) -> None:
    """More due timers than may run at once, and than a page holds, all run, within the bound."""
    ran = Ran(store)
    ran.go_on.clear()
    count = PAGE + CONCURRENCY
    await asyncio.gather(*(add(journal, f"session-{n}") for n in range(count)))
    run(Timers(store, tail, ran))
    await eventually(lambda: ran.at_once == CONCURRENCY)
    ran.go_on.set()
    await eventually(lambda: _empty(store))
    assert len(ran.timers) == len({timer.nonce for timer in ran.timers}) == count
    assert ran.most_at_once == CONCURRENCY


async def test_a_timer_is_tried_again_while_a_part_is_away(
    store: Store, journal: Journal, tail: Tail, run: Run
) -> None:
    """A contended session or an absent store delays its timers; they stay until they have run."""
    faults = [ContendedError("busy"), StoreUnavailableError("away"), None]
    tries: list[int] = []

    async def elapse(partition: int, timer: Timer) -> None:
        tries.append(await waiting(store))
        fault = faults[len(tries) - 1]
        if fault is not None:
            raise fault

    await add(journal, "s")
    run(Timers(store, tail, elapse, retry_pause=0.05))
    await eventually(lambda: _empty(store))
    assert tries == [1, 1, 1]


async def test_a_timer_that_cannot_run_is_logged_and_taken_out(
    store: Store, journal: Journal, tail: Tail, run: Run
) -> None:
    """An elapse that fails is not tried for ever; the session's next timer runs."""
    tried: list[str] = []

    async def elapse(partition: int, timer: Timer) -> None:
        tried.append(timer.action)
        if timer.action == "impossible":
            raise RuntimeError("a switch's fault")

    await add(journal, "s", action="impossible", after_ms=-10)
    await add(journal, "s", action="answer")
    with structlog.testing.capture_logs() as logs:
        run(Timers(store, tail, elapse))
        await eventually(lambda: _empty(store))
    assert tried == ["impossible", "answer"]
    assert [entry["event"] for entry in logs] == ["timer failed"]


async def test_a_timer_that_cannot_be_read_is_logged_and_taken_out(
    store: Store, journal: Journal, tail: Tail, run: Run
) -> None:
    """A member that is no timer does not keep the others from running."""
    ran = Ran(store)
    await store.call("ZADD", store.keys_at(PARTITION).timers, 1, "nonsense")
    timer = await add(journal, "s")
    with structlog.testing.capture_logs() as logs:
        run(Timers(store, tail, ran))
        await eventually(lambda: _empty(store))
    assert ran.timers == [timer]
    assert [entry["event"] for entry in logs] == ["timer cannot be read"]


async def test_a_stale_owner_runs_no_timers(store: Store, journal: Journal, tail: Tail, lease: Lease) -> None:
    """Once somebody else owns the partition the duty ends with the loss, and its timers stay."""
    ran = Ran(store)
    ran.go_on.clear()
    await add(journal, "running")
    duty = asyncio.create_task(Timers(store, tail, ran, poll=0.05).run(lease))
    await eventually(lambda: ran.timers)
    await store.call("SET", store.keys_at(PARTITION).lease, "somebody else's")
    with pytest.raises(LeaseLostError):
        await duty
    assert ran.at_once == 1, "it was cancelled where it was"
    assert await waiting(store) == 1
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("timers-of-")]


async def test_timers_go_on_with_the_next_owner_where_the_last_one_stopped(
    store: Store, journal: Journal, tail: Tail, lease: Lease
) -> None:
    """What was running when the owner stopped is run again; what had run is not."""
    first, second = Ran(store), Ran(store)
    done = await add(journal, "done", after_ms=-10)
    await _once(Timers(store, tail, first), lease, lambda: _empty(store))
    first.go_on.clear()
    interrupted = await add(journal, "interrupted")
    await _once(Timers(store, tail, first), lease, lambda: first.timers == [done, interrupted])
    await _once(Timers(store, tail, second), lease, lambda: _empty(store))
    assert second.timers == [interrupted]


async def test_timers_survive_a_crash_of_the_store(
    faulty_server: Server, open_store: Callable[..., Awaitable[Store]]
) -> None:
    """Timers added before a crash of the server run after it."""
    store = await open_store(faulty_server.url)
    tail = Tail(store)
    ran = Ran(store)
    timer = await add(Journal(store), "s", after_ms=200)
    faulty_server.kill()
    faulty_server.start()
    lease = await eventually(lambda: Leases(store, "owner", ttl=60).acquire(PARTITION))
    try:
        await _once(Timers(store, tail, ran), lease, lambda: _empty(store))
    finally:
        await tail.stop()
    assert ran.timers == [timer]


async def _once(timers: Timers, lease: Lease, until: Callable[[], object]) -> None:
    """Run the duty until a condition holds, then cancel it."""
    task = asyncio.create_task(timers.run(lease))
    await eventually(until)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
