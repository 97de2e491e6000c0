"""Leases: one owner at a time, by token in the store and by clock outside it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.journal.leases import Lease, LeaseLostError, Leases, boottime, run_owned
from relay.journal.scripts import Script
from relay.journal.store import Store
from tests.waiting import eventually

DROP = Script("timers_drop")


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time it was set to."""
        return self.now


async def test_a_partition_is_one_members_at_a_time(store: Store) -> None:
    """While one member holds a partition nobody else gets it, and others get the rest."""
    one, other = Leases(store, "one"), Leases(store, "other")
    held = await one.acquire(3)
    assert held is not None
    assert held.partition == 3
    assert held.valid()
    assert await other.acquire(3) is None
    assert await one.acquire(3) is None, "each acquisition has a token of its own"
    assert await other.acquire(4) is not None


async def test_a_released_partition_is_free_at_once(store: Store) -> None:
    """Releasing frees the partition and ends the lease for good."""
    one, other = Leases(store, "one"), Leases(store, "other")
    held = await one.acquire(0)
    assert held is not None
    await one.release(held)
    assert not held.valid()
    assert await other.acquire(0) is not None


async def test_an_owner_that_falls_silent_loses_the_partition(store: Store) -> None:
    """After its TTL a lease that was not renewed is free, and its late renewal and release change nothing."""
    silent, other = Leases(store, "silent", ttl=0.1), Leases(store, "other")
    lease = await silent.acquire(5)
    assert lease is not None
    taken = await eventually(lambda: other.acquire(5))
    assert not lease.valid()
    with pytest.raises(LeaseLostError):
        await silent.renew(lease)
    await silent.release(lease)
    assert await store.call("GET", store.keys_at(5).lease) == taken.token.encode()


async def test_renewals_keep_a_partition(store: Store) -> None:
    """Renewed in time, a lease outlives its TTL."""
    leases = Leases(store, "one", ttl=2)  # so long may a busy machine stand still
    lease = await leases.acquire(1)
    assert lease is not None
    until = time.monotonic() + 3

    async def renewed_long_enough() -> bool:
        await leases.renew(lease)
        return time.monotonic() > until

    await eventually(renewed_long_enough)
    assert lease.valid()


async def test_an_owner_script_refuses_everybody_but_the_owner(store: Store) -> None:
    """A thawed owner's script writes nothing and tells it that the partition is somebody else's."""
    keys = store.keys_at(2)
    stale, current = Leases(store, "stale"), Leases(store, "current")
    frozen = await stale.acquire(2)
    assert frozen is not None
    await store.call("DEL", keys.lease)  # as its expiry does
    owner = await current.acquire(2)
    assert owner is not None
    await store.call("ZADD", keys.timers, 1, "timer")
    assert frozen.valid(), "its own clock cannot know"
    with pytest.raises(LeaseLostError):
        await run_owned(store, DROP, frozen, [keys.timers], ["timer"])
    assert await store.call("ZCARD", keys.timers) == 1
    assert await run_owned(store, DROP, owner, [keys.timers], ["timer"]) == 1


async def test_an_owner_script_refuses_when_nobody_owns_the_partition(store: Store) -> None:
    """A lease that ended with nobody following is refused just as well."""
    lease = Lease(2, "token", requested=boottime())
    with pytest.raises(LeaseLostError):
        await run_owned(store, DROP, lease, [store.keys_at(2).timers], ["timer"])


@given(
    ttl=st.floats(0.1, 60),
    renewals=st.lists(st.floats(0, 100), max_size=5),
    at=st.floats(0, 200),
)
def test_a_lease_is_trusted_for_four_fifths_of_its_ttl_since_its_last_request(
    ttl: float, renewals: list[float], at: float
) -> None:
    """By its own clock a lease is valid exactly until 0.8 TTL after the latest request that was granted."""
    clock = Clock()
    lease = Lease(0, "token", requested=clock.now, ttl=ttl, clock=clock)
    for renewal in renewals:
        lease.renewed(100.0 + renewal)
    clock.now = 100.0 + at
    latest = 100.0 + max([0.0, *renewals])
    assert lease.valid() == (clock.now < latest + ttl * 0.8)
    assert (lease.remaining() > 0) == lease.valid()


def test_a_lost_lease_is_never_revived() -> None:
    """A renewal's late answer does not make a lost lease valid again."""
    clock = Clock()
    lease = Lease(0, "token", requested=clock.now, clock=clock)
    lease.lose()
    lease.renewed(clock.now)
    assert not lease.valid()
    assert lease.remaining() == 0


def test_the_clock_of_leases_does_not_stand_still() -> None:
    """The clock leases go by is at least as far as the monotonic one, which leaves suspends out."""
    assert boottime() >= time.monotonic() - 0.001
