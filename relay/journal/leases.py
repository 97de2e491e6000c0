"""Leases: who does what must be done once for a partition, and how scripts refuse everybody else.

Every script that only a partition's owner may run (an *owner script*) keeps one convention:

- ``KEYS[1]`` is the partition's lease and ``ARGV[1]`` the caller's token; its own keys and arguments follow.
- Before anything else it asks whether the lease is the caller's, and answers nil if not::

      if redis.call('GET', KEYS[1]) ~= ARGV[1] then
        return false
      end

- It never answers nil otherwise. `run_owned` runs it and turns that nil into `LeaseLostError`.

A script is fenced by its token. An effect outside the store cannot be: ask `Lease.valid` right before it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, final

from relay.errors import RelayError
from relay.journal.scripts import Script
from relay.journal.store import Store

LEASE_TTL: Final = 6.0
"""Seconds until the lease of an owner that fell silent is free."""
SAFE_SHARE: Final = 0.8
"""Share of the TTL an owner trusts by its own clock: the rest covers effects already on their way."""

_ACQUIRE: Final = Script("lease_acquire")
_RENEW: Final = Script("lease_renew")
_RELEASE: Final = Script("lease_release")

_CLOCK_ID: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

Clock = Callable[[], float]
"""Seconds since some fixed moment."""


class LeaseLostError(RelayError):
    """The partition is no longer this owner's: whatever it was about to do is somebody else's now."""


def boottime() -> float:
    """Return seconds since boot; unlike the monotonic clock it goes on while the machine is suspended."""
    return time.clock_gettime(_CLOCK_ID)


@final
class Lease:
    """One ownership of one partition, from grant to release or loss; the next one has another token."""

    __slots__ = ("_clock", "_lost", "_trusted", "_until", "partition", "token")

    def __init__(
        self, partition: int, token: str, *, requested: float, ttl: float = LEASE_TTL, clock: Clock = boottime
    ) -> None:
        self.partition = partition
        self.token = token
        self._clock = clock
        self._trusted = ttl * SAFE_SHARE
        self._until = requested + self._trusted
        self._lost = False

    def __repr__(self) -> str:
        state = "lost" if self._lost else f"{self.remaining():.1f} s left"
        return f"<Lease of partition {self.partition}: {state}>"

    def valid(self) -> bool:
        """Tell whether effects outside the store are still this owner's, by its own clock."""
        return not self._lost and self._clock() < self._until

    @property
    def lost(self) -> bool:
        """Whether it is known to be no longer this owner's."""
        return self._lost

    def remaining(self) -> float:
        """Return for how many seconds it stays valid without a renewal, 0 when it is not."""
        return 0.0 if self._lost else max(0.0, self._until - self._clock())

    def renewed(self, requested: float) -> None:
        """Note a renewal by the store, counted from when it was requested; a lost lease stays lost."""
        self._until = max(self._until, requested + self._trusted)

    def lose(self) -> None:
        """Note that it is no longer this owner's, for good."""
        self._lost = True


@final
class Leases:
    """Acquires, renews and releases the leases of one member. Its calls raise StoreUnavailableError."""

    def __init__(self, store: Store, member: str, *, ttl: float = LEASE_TTL, clock: Clock = boottime) -> None:
        self._store = store
        self._member = member
        self._ttl = ttl
        self._clock = clock

    async def acquire(self, partition: int) -> Lease | None:
        """Take the partition if it is free; None if it is somebody else's."""
        token = f"{self._member}:{secrets.token_hex(8)}"
        requested = self._clock()
        if not await self._run(_ACQUIRE, partition, token, round(self._ttl * 1000)):
            return None
        return Lease(partition, token, requested=requested, ttl=self._ttl, clock=self._clock)

    async def renew(self, lease: Lease) -> None:
        """Prolong a held lease.

        Raises:
            LeaseLostError: it ended or is somebody else's.

        """
        requested = self._clock()
        if not await self._run(_RENEW, lease.partition, lease.token, round(self._ttl * 1000)):
            raise LeaseLostError(f"the lease of partition {lease.partition} ended")
        lease.renewed(requested)

    async def release(self, lease: Lease) -> None:
        """Free the partition at once if it is still this lease's."""
        lease.lose()
        await self._run(_RELEASE, lease.partition, lease.token)

    async def _run(self, script: Script, partition: int, *args: str | int) -> Any:
        return await self._store.run(script, [self._store.keys_at(partition).lease], args)


async def run_owned(
    store: Store,
    script: Script,
    lease: Lease,
    keys: Sequence[str] = (),
    args: Sequence[str | bytes | int | float] = (),
) -> Any:
    """Run an owner script; `keys` and `args` follow the lease and the token.

    Raises:
        LeaseLostError: the store says that the lease is not the caller's; nothing was written.
        StoreUnavailableError: it did not answer; whether it took effect is not known.

    """
    answer = await store.run(script, [store.keys_at(lease.partition).lease, *keys], [lease.token, *args])
    if answer is None:
        raise LeaseLostError(f"partition {lease.partition} has another owner")
    return answer
