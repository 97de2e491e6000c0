"""Ownership: every partition's duties are done, by one process at a time, whatever becomes of processes."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
import structlog.testing

from relay.errors import StoreUnavailableError
from relay.journal.duties import Duty
from relay.journal.keys import MEMBERS
from relay.journal.leases import SAFE_SHARE, Lease, run_owned
from relay.journal.ownership import Ownership
from relay.journal.scripts import Script
from relay.journal.store import Store
from tests.engines import Server
from tests.waiting import eventually

ALL = frozenset(range(16))
TTL = 1.0
PATIENT = 3.0
"""A TTL for tests in which no lease may end: a busy machine may stand still for a second."""
FAST = {"ttl": TTL, "renew_every": TTL / 4, "poll": 0.05, "restart_pause": 0.02}

Own = Callable[..., Awaitable[Ownership]]


class Working:
    """A duty that notes where it runs, and that fails the test when two run for one partition."""

    name = "working"

    def __init__(self, running: dict[int, int] | None = None) -> None:
        self.running = defaultdict(int) if running is None else running
        self.leases: dict[int, Lease] = {}
        self.starts = 0

    async def run(self, lease: Lease) -> None:
        """Work until cancelled."""
        self.running[lease.partition] += 1
        assert self.running[lease.partition] == 1, f"two owners of partition {lease.partition}"
        self.leases[lease.partition] = lease
        self.starts += 1
        try:
            await asyncio.Event().wait()
        finally:
            del self.leases[lease.partition]
            self.running[lease.partition] -= 1


@pytest.fixture
async def own(store: Store) -> AsyncIterator[Own]:
    """Give a function that starts an ownership; each is stopped when the test ends."""
    started: list[Ownership] = []

    async def owning(name: str, duties: Sequence[Duty], *, at: Store = store, **options: object) -> Ownership:
        started.append(Ownership(at, name, duties, **(FAST | options)))  # type: ignore[arg-type]
        await started[-1].start()
        return started[-1]

    yield owning
    for ownership in started:
        await ownership.stop()


async def holds(ownership: Ownership, count: int, *, within: float = 10) -> None:
    """Wait until a process owns so many partitions."""
    await eventually(lambda: len(ownership.partitions) == count, within=within, what=f"{ownership!r} {count}")


def die(ownership: Ownership) -> None:
    """End a process's part without a goodbye."""
    assert ownership._task is not None
    ownership._task.cancel()
    ownership._task = None


async def test_a_lone_process_does_every_duty_of_every_partition(own: Own) -> None:
    """With nobody else there, all partitions are one process's, and each duty runs in each."""
    one, other = Working(), Working()
    ownership = await own("alone", [one, other])
    await holds(ownership, 16)
    await eventually(lambda: one.leases.keys() == other.leases.keys() == ALL)
    assert all(lease.valid() for lease in one.leases.values())


async def test_processes_share_the_partitions_without_overlap(own: Own) -> None:
    """Processes that join are handed their share, and no partition ever has two owners at work."""
    running: dict[int, int] = defaultdict(int)
    duties = [Working(running) for _ in range(3)]
    first = await own("first", [duties[0]])
    await holds(first, 16)
    second = await own("second", [duties[1]])
    await holds(first, 8)
    await holds(second, 8)
    third = await own("third", [duties[2]])
    await eventually(lambda: sorted(len(one.partitions) for one in (first, second, third)) == [4, 6, 6])
    assert first.partitions | second.partitions | third.partitions == ALL
    await eventually(lambda: sum(running.values()) == 16)


async def test_a_process_that_stops_hands_its_partitions_over_at_once(own: Own) -> None:
    """A graceful stop frees everything without waiting for a TTL, and leaves the members."""
    one, other = await own("one", [Working()], ttl=60), await own("other", [Working()], ttl=60)
    await holds(one, 8)
    await holds(other, 8)
    await one.stop()
    assert one.partitions == frozenset()
    await holds(other, 16)


async def test_a_dead_processs_partitions_move_once_its_leases_end(own: Own) -> None:
    """What a process held that went without a goodbye is taken over soon after the TTL."""
    one, other = [await own(name, [Working()], ttl=PATIENT) for name in ("one", "other")]
    await holds(one, 8)
    await holds(other, 8)
    died = time.monotonic()
    die(one)
    await holds(other, 16, within=PATIENT * 10 / 6)  # the same proportion as 10 s to a TTL of 6 s
    assert time.monotonic() - died > PATIENT / 2, "a lease that was renewed lately does not end early"


async def test_leases_are_renewed_for_as_long_as_they_are_held(own: Own, store: Store) -> None:
    """A process keeps its partitions beyond their TTL, under the same leases."""
    duty = Working()
    ownership = await own("one", [duty], ttl=PATIENT, renew_every=0.1)
    await holds(ownership, 16)
    await eventually(lambda: len(duty.leases) == 16)
    until = time.monotonic() + 1.5 * PATIENT
    await eventually(lambda: time.monotonic() > until)
    assert duty.starts == 16
    assert ownership.partitions == ALL


async def test_duties_end_before_their_lease_is_released(own: Own, store: Store) -> None:
    """A duty that takes longer than a TTL to finish on a stop still has its partition when it is done."""
    held: list[bool] = []

    class Finishing:
        name = "finishing"

        async def run(self, lease: Lease) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                until = time.monotonic() + 1.5 * PATIENT
                await eventually(lambda: time.monotonic() > until)
                holder = await store.call("GET", store.keys_at(lease.partition).lease)
                held.append(lease.valid() and holder == lease.token.encode())

    ownership = await own("one", [Finishing()], ttl=PATIENT)
    await holds(ownership, 16)
    await ownership.stop()
    assert held == [True] * 16
    assert not await store.call("KEYS", "*lease")
    assert await store.call("ZCARD", MEMBERS) == 0


async def test_a_thawed_owner_is_refused_by_the_store_and_stops(own: Own, store: Store) -> None:
    """An owner whose clock stood still with it learns from its first script that somebody followed."""
    thawed = asyncio.Event()
    effects: list[str] = []
    drop = Script("timers_drop")

    class Dropping:
        name = "dropping"

        def __init__(self, who: str, *, waits: bool) -> None:
            self.who, self.waits = who, waits

        async def run(self, lease: Lease) -> None:
            if self.waits:
                await thawed.wait()
            assert lease.valid()
            dropped = await run_owned(store, drop, lease, [store.keys_at(lease.partition).timers], ["timer"])
            effects.extend([self.who] * dropped)
            await asyncio.Event().wait()

    stood_still = time.monotonic()
    frozen = await own("frozen", [Dropping("frozen", waits=True)], clock=lambda: stood_still, poll=60)
    await holds(frozen, 16)
    awake = Working()
    current = await own("current", [awake])
    await holds(current, 16)
    await store.call("ZADD", store.keys_at(0).timers, 1, "timer")
    with structlog.testing.capture_logs() as logs:
        thawed.set()
        await holds(frozen, 0)
    assert effects == []
    assert [entry["reason"] for entry in logs if entry["event"] == "lease lost"] == [
        "refused by the store"
    ] * 16
    assert await store.call("ZCARD", store.keys_at(0).timers) == 1


async def test_an_owner_cut_off_from_the_store_stops_before_its_lease_ends_there(
    faulty_server: Server, own: Own, open_store: Callable[..., Awaitable[Store]]
) -> None:
    """By its own clock an owner ends its duties before anybody else can follow, and comes back by itself."""
    store = await open_store(faulty_server.url, timeout=1.0)
    duty, ahead = Working(), 0.0
    ownership = await own("one", [duty], at=store, ttl=60, clock=lambda: time.monotonic() + ahead)
    await eventually(lambda: len(duty.leases) == 16)
    faulty_server.pause()
    ahead = 60 * SAFE_SHARE  # and the rest is more than is waited now
    await eventually(lambda: not duty.leases)
    assert ownership.partitions == frozenset()
    faulty_server.resume()
    await eventually(lambda: len(duty.leases) == 16)
    await holds(ownership, 16)


async def test_a_short_outage_costs_no_lease(
    faulty_server: Server, own: Own, open_store: Callable[..., Awaitable[Store]]
) -> None:
    """A server that restarts within the TTL finds the same owners at work."""
    store = await open_store(faulty_server.url)
    duty = Working()
    ownership = await own("one", [duty], at=store, ttl=30)
    await eventually(lambda: len(duty.leases) == 16)
    faulty_server.kill()
    await eventually(lambda: not store.available)
    faulty_server.start()
    await eventually(lambda: store.available)
    assert ownership.partitions == ALL
    assert duty.starts == 16


async def test_an_owner_goes_on_as_soon_as_the_store_answers(
    faulty_server: Server, own: Own, open_store: Callable[..., Awaitable[Store]]
) -> None:
    """After an outage that cost every lease, partitions are taken again without waiting for the next look."""
    store = await open_store(faulty_server.url)
    ownership = await own("one", [Working()], at=store, poll=60)
    await holds(ownership, 16)
    faulty_server.kill()
    await holds(ownership, 0)
    with structlog.testing.capture_logs() as logs:
        await eventually(lambda: "no store" in [entry["event"] for entry in logs])
    faulty_server.start()
    await holds(ownership, 16)


async def test_a_lease_is_renewed_as_soon_as_the_store_answers(
    faulty_server: Server, own: Own, open_store: Callable[..., Awaitable[Store]]
) -> None:
    """A renewal that failed is not put off until the next one would be due."""
    store = await open_store(faulty_server.url)
    duty, ahead = Working(), 0.0
    options = {"ttl": 60, "renew_every": 30, "clock": lambda: time.monotonic() + ahead}
    ownership = await own("one", [duty], at=store, **options)
    await eventually(lambda: len(duty.leases) == 16)
    with structlog.testing.capture_logs() as logs:
        faulty_server.kill()
        ahead = 31.0
        await eventually(lambda: [entry["event"] for entry in logs].count("no store") > 1)
        faulty_server.start()
        await eventually(lambda: all(lease.remaining() > 40 for lease in duty.leases.values()))
    assert ownership.partitions == ALL
    assert ownership.moves["lost"] == 0


async def test_a_lease_that_ended_here_before_it_ended_in_the_store_is_taken_again_at_once(
    faulty_server: Server, own: Own, open_store: Callable[..., Awaitable[Store]]
) -> None:
    """What could not be released while the store was away is released once it answers."""
    store = await open_store(faulty_server.url)
    ahead = 0.0
    ownership = await own("one", [Working()], at=store, ttl=60, clock=lambda: time.monotonic() + ahead)
    await holds(ownership, 16)
    faulty_server.kill()
    ahead = 100.0
    await holds(ownership, 0)
    faulty_server.start()
    await holds(ownership, 16)


async def test_a_flushed_store_is_owned_anew(own: Own, server: Server) -> None:
    """When the leases are gone the old ones are lost, and new ones are taken without anybody's help."""
    duty = Working()
    ownership = await own("one", [duty])
    await eventually(lambda: len(duty.leases) == 16)
    old = {lease.token for lease in duty.leases.values()}
    server.flush()
    await eventually(lambda: len(duty.leases) == 16 and not old & {one.token for one in duty.leases.values()})
    await holds(ownership, 16)


async def test_ownership_outlives_whatever_the_store_answers(own: Own, store: Store) -> None:
    """A fault nobody expected is logged; what is held stays held, and sharing goes on once it is gone."""
    one = await own("one", [Working()])
    await holds(one, 16)
    with structlog.testing.capture_logs() as logs:
        await store.call("DEL", MEMBERS)
        await store.call("SET", MEMBERS, "no sorted set")
        await eventually(lambda: "ownership failed" in [entry["event"] for entry in logs])
    assert one.partitions == ALL
    await store.call("DEL", MEMBERS)
    other = await own("other", [Working()])
    await holds(other, 8)


async def test_a_stop_during_an_outage_ends(
    faulty_server: Server, own: Own, open_store: Callable[..., Awaitable[Store]]
) -> None:
    """Without a store nothing can be released, and stopping does not wait for it."""
    store = await open_store(faulty_server.url, timeout=1.0)
    ownership = await own("one", [Working()], at=store)
    await holds(ownership, 16)
    faulty_server.kill()
    await asyncio.wait_for(ownership.stop(), 5)
    assert ownership.partitions == frozenset()


async def test_a_duty_that_fails_is_logged_and_run_again(own: Own) -> None:
    """A crash leaves the partition's other duties and its lease alone."""

    class Failing:
        name = "failing"
        runs = 0

        async def run(self, lease: Lease) -> None:
            self.runs += lease.partition == 0
            raise RuntimeError("a duty's fault")

    failing, working = Failing(), Working()
    with structlog.testing.capture_logs() as logs:
        ownership = await own("one", [failing, working])
        await eventually(lambda: failing.runs >= 3)
    assert working.starts == 16
    assert ownership.partitions == ALL
    failed = [entry for entry in logs if entry["event"] == "duty failed"]
    assert failed
    assert all(entry["exc_info"] and entry["duty"] == "failing" for entry in failed)


async def test_a_duty_that_misses_the_store_is_run_again_quietly(own: Own) -> None:
    """An absent store is not a duty's fault: it is run again, with no trace in the log."""

    class Missing:
        name = "missing"
        runs = 0

        async def run(self, lease: Lease) -> None:
            self.runs += 1
            raise StoreUnavailableError("away")

    missing = Missing()
    with structlog.testing.capture_logs() as logs:
        await own("one", [missing])
        await eventually(lambda: missing.runs >= 48)
    assert not [entry for entry in logs if entry["event"] == "duty failed"]


async def test_a_duty_that_returns_is_done_for_this_lease(own: Own) -> None:
    """Returning is no failure: the duty is not run again, and the partition stays held."""

    class Returning:
        name = "returning"
        runs = 0

        async def run(self, lease: Lease) -> None:
            self.runs += 1

    returning, failing_later = Returning(), Working()
    ownership = await own("one", [returning, failing_later])
    await eventually(lambda: len(failing_later.leases) == 16)
    await holds(ownership, 16)
    assert returning.runs == 16


async def test_giving_up_on_a_stop_cancels_what_is_left(own: Own, store: Store) -> None:
    """When whoever stops it runs out of time, its duties are told that their lease is lost."""
    seen: list[bool] = []

    class Stubborn:
        name = "stubborn"

        async def run(self, lease: Lease) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await eventually(lambda: not lease.valid())
                seen.append(lease.lost)

    ownership = await own("one", [Stubborn()], ttl=60)
    await holds(ownership, 16)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ownership.stop(), 0.2)
    await eventually(lambda: len(seen) == 16)
    assert all(seen)
    ownership._task = None
