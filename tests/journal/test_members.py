"""Members: who is alive, by heartbeat and the server's clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.journal.keys import MEMBERS
from relay.journal.members import Members, fair_share
from relay.journal.store import Store
from tests.waiting import eventually


async def test_each_heartbeat_tells_how_many_are_alive(store: Store) -> None:
    """Members are counted once each, however often they beat; one that leaves is not counted any more."""
    one, other = Members(store, "one", ttl=60), Members(store, "other", ttl=60)
    assert await one.beat() == 1
    assert await other.beat() == 2
    assert await one.beat() == 2
    await other.leave()
    assert await one.beat() == 1


async def test_a_silent_member_is_forgotten(store: Store) -> None:
    """A member that stops beating counts no longer once the TTL is over."""
    one, other = Members(store, "one", ttl=0.2), Members(store, "other", ttl=0.2)
    await other.beat()
    assert await one.beat() == 2

    async def alone() -> bool:
        return await one.beat() == 1

    await eventually(alone)


async def test_a_heartbeat_from_before_the_clock_was_set_back_is_forgotten(store: Store) -> None:
    """A time far ahead of the server's clock does not keep a dead member counted until then."""
    now = await store.time_ms()
    await store.call("ZADD", MEMBERS, now + 3_600_000, "dead")
    assert await Members(store, "one", ttl=6).beat() == 1


@given(partitions=st.integers(1, 1024), members=st.integers(0, 200))
def test_fair_shares_cover_all_partitions_with_none_to_spare(partitions: int, members: int) -> None:
    """Together the members may hold every partition, and with one less each they could not."""
    share, present = fair_share(partitions, members), max(1, members)
    assert share * present >= partitions
    assert (share - 1) * present < partitions
