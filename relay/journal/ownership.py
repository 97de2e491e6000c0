"""Sharing the partitions out among the processes of one store, and doing their owners' duties."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, Final, final

from relay.errors import UnavailableError
from relay.journal.duties import RESTART_PAUSE, Duty, Holding
from relay.journal.leases import LEASE_TTL, Clock, Lease, LeaseLostError, Leases, boottime
from relay.journal.members import Members, fair_share
from relay.journal.store import Store
from relay.telemetry import log

RENEW_EVERY: Final = 2.0
"""Seconds between renewals: a third of the TTL, so that two may fail before the lease is in danger."""
POLL: Final = 1.0
"""Seconds between heartbeats and looks for free partitions: a stopped member's are taken over so soon."""
AWAY_POLL: Final = 0.25
"""Seconds until a store is asked again that did not answer: leases wait for it, and nobody else may ask."""

_log: Final = log.get("ownership")


@final
class Ownership:
    """One process's part in owning partitions.

    It shows that it is alive, takes free partitions up to its fair share, does every duty of those it holds,
    hands surplus ones over, and renews what it holds in one round trip. A partition is released only after
    its duties have ended. `member` must be unlike every other running process's; times are in seconds.
    """

    def __init__(
        self,
        store: Store,
        member: str,
        duties: Sequence[Duty],
        *,
        ttl: float = LEASE_TTL,
        renew_every: float = RENEW_EVERY,
        poll: float = POLL,
        restart_pause: float = RESTART_PAUSE,
        clock: Clock = boottime,
    ) -> None:
        self._store = store
        self._member = member
        self._duties = tuple(duties)
        self._leases = Leases(store, member, ttl=ttl, clock=clock)
        self._members = Members(store, member, ttl=ttl)
        self._renew_every = renew_every
        self._poll = poll
        self._restart_pause = restart_pause
        self._clock = clock
        self._renew_at = 0.0
        #: Leases by what became of them here: taken, released in good order, or lost.
        self.moves = Counter({"taken": 0, "released": 0, "lost": 0})
        self._holdings: dict[int, Holding] = {}
        self._unreleased: list[Lease] = []  # given up while the store was away, which still has them perhaps
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        state = "stopping" if self._stopping else "running" if self._task else "not started"
        return f"Ownership({self._member}, {state}, holds {sorted(self._holdings)})"

    @property
    def partitions(self) -> frozenset[int]:
        """The partitions whose duties are done here."""
        return frozenset(partition for partition, held in self._holdings.items() if not held.stopping)

    async def start(self) -> None:
        """Begin to take part; partitions come within a round trip or two if they are free."""
        self._task = asyncio.create_task(self._run(), name="ownership")

    async def stop(self) -> None:
        """End the duties, release every partition and leave; leases are renewed until their duties end."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        try:
            while not self._stopping or self._holdings:
                self._wake.clear()
                pause = self._poll
                try:
                    await self._round()
                except UnavailableError as error:
                    _log.debug("no store", error=str(error))
                    pause = min(pause, AWAY_POLL)
                except Exception:  # noqa: BLE001 - whatever it is, what is held must be renewed and released
                    _log.exception("ownership failed")
                if not (self._stopping and not self._holdings):
                    await self._rest(pause)
            await _each([self._members.leave()])
        finally:
            for held in self._holdings.values():  # only when cancelled: nobody renews from here on
                held.lose("this process gave up waiting for its duties")

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _round(self) -> None:
        for held in self._holdings.values():
            held.check()  # after a suspend the fences' own timers are late
        await self._renew()
        await self._release()
        share = 0 if self._stopping else fair_share(self._store.partitions, await self._members.beat())
        working = [held for held in self._holdings.values() if not held.stopping]
        for held in working[share:]:
            held.stop()
        if len(self._holdings) < share:
            await self._take(share - len(self._holdings))

    async def _renew(self) -> None:
        now = self._clock()
        if now < self._renew_at:
            return
        answers = await _each(
            self._renew_one(held) for held in self._holdings.values() if not held.lease.lost
        )
        if not any(_away(answer) for answer in answers):
            self._renew_at = now + self._renew_every

    async def _renew_one(self, held: Holding) -> None:
        try:
            await self._leases.renew(held.lease)
        except LeaseLostError as error:
            held.lose(str(error))

    async def _release(self) -> None:
        over = [held.lease for held in self._holdings.values() if held.over]
        for lease in over:
            self.moves["lost" if lease.lost else "released"] += 1
            del self._holdings[lease.partition]
        ended = [*self._unreleased, *over]
        answers = await _each(self._leases.release(lease) for lease in ended)
        self._unreleased = [lease for lease, answer in zip(ended, answers, strict=True) if _away(answer)]

    async def _take(self, wanted: int) -> None:
        others = [partition for partition in range(self._store.partitions) if partition not in self._holdings]
        holders = await _each(
            self._store.call("GET", self._store.keys_at(partition).lease) for partition in others
        )
        free = [partition for partition, holder in zip(others, holders, strict=True) if holder is None]
        chosen = random.sample(free, min(wanted, len(free)))  # so that members do not race for the same ones
        answers = await _each(self._leases.acquire(partition) for partition in chosen)
        taken = [lease for lease in answers if isinstance(lease, Lease)]
        self.moves["taken"] += len(taken)
        for lease in taken:
            self._hold(lease)
        if taken:
            _log.info("partitions taken", partitions=sorted(lease.partition for lease in taken))

    def _hold(self, lease: Lease) -> None:
        self._holdings[lease.partition] = Holding(
            lease, self._duties, self._wake.set, restart_pause=self._restart_pause
        )


def _away(answer: Any) -> bool:
    return isinstance(answer, UnavailableError)


async def _each(calls: Iterable[Awaitable[Any]]) -> list[Any]:
    """Make all calls together, in one pipeline. Where the store was away the error stands for the answer."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, UnavailableError):
            raise answer
    return answers
