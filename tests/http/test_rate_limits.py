"""Rate limits: per user, shared by all processes, told in headers."""

from __future__ import annotations

import asyncio

import pytest

from relay.directory.loading import demo
from relay.directory.model import Principal
from relay.http.rate_limits import Policy, RateLimitedError, RateLimits, Standing
from relay.journal.store import Store
from tests.conftest import OpenStore
from tests.engines import Server
from tests.waiting import eventually

CALLS = Policy("call-control", 60, 60)
BRIEF = Policy("brief", 1, 1)
DIRECTORY = demo()


async def known(login: str) -> Principal:
    """Return a demo user."""
    found = await DIRECTORY.by_token(f"demo-{login}")
    assert found is not None
    return found


async def counted(limits: RateLimits, policy: Policy, login: str) -> Standing:
    """Count a request of the user."""
    standing = await limits.count(policy, await known(login))
    assert standing is not None
    return standing


async def test_a_standing_is_told_in_two_headers(store: Store) -> None:
    """They read exactly as the draft writes them."""
    limits = RateLimits(store, enabled=True)
    assert (await counted(limits, CALLS, "jane")).headers == {
        "RateLimit-Policy": '"call-control";q=60;w=60',
        "RateLimit": '"call-control";r=59;t=60',
    }
    assert (await counted(limits, CALLS, "jane")).headers["RateLimit"].startswith('"call-control";r=58;t=')


async def test_the_last_request_of_a_window_is_taken_and_the_next_is_not(store: Store) -> None:
    """A quota of 60 is 60 requests; who is refused is told when to come back."""
    limits = RateLimits(store, enabled=True)
    standings = [await counted(limits, CALLS, "jane") for _ in range(61)]
    assert [standing.exceeded for standing in standings] == [False] * 60 + [True]
    assert '"call-control";r=0;t=' in standings[-1].headers["RateLimit"]
    assert 1 <= int(standings[-1].headers["Retry-After"]) <= 60
    assert "Retry-After" not in standings[-2].headers
    assert "60 requests in 60 s" in str(RateLimitedError(standings[-1]))


async def test_users_and_scopes_are_counted_apart(store: Store) -> None:
    """One user's requests take nothing from another's, nor those of one scope from another."""
    limits = RateLimits(store, enabled=True)
    for _ in range(3):
        await counted(limits, CALLS, "jane")
    assert (await counted(limits, CALLS, "john")).used == 1
    assert (await counted(limits, CALLS, "mallory")).used == 1
    assert (await counted(limits, BRIEF, "jane")).used == 1


async def test_processes_share_one_count(server: Server, open_store: OpenStore) -> None:
    """Whichever process a request meets, it counts once."""
    both = [RateLimits(await open_store(server.url), enabled=True) for _ in range(2)]
    await asyncio.gather(*(counted(limits, CALLS, "jane") for limits in both for _ in range(10)))
    assert (await counted(both[0], CALLS, "jane")).used == 21


async def test_a_window_ends(store: Store) -> None:
    """After it, the user starts afresh."""
    limits = RateLimits(store, enabled=True)
    assert not (await counted(limits, BRIEF, "jane")).exceeded

    async def fresh() -> bool:
        return (await counted(limits, BRIEF, "jane")).used == 1

    assert (await counted(limits, BRIEF, "jane")).exceeded
    await eventually(fresh)


async def test_limits_that_are_off_count_nothing(store: Store) -> None:
    """There is no standing, so there are no headers."""
    limits = RateLimits(store, enabled=False)
    assert await limits.count(CALLS, await known("jane")) is None
    assert await store.call("DBSIZE") == 1  # what the store was set up with
    assert repr(limits) == "<RateLimits off>"


@pytest.mark.parametrize("left", [0, 1])
def test_a_reset_is_never_now(left: int) -> None:
    """A client that waits no time at all would be refused again."""
    assert Standing(CALLS, 61, max(1, left)).headers["Retry-After"] == "1"
