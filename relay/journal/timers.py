"""Running the timers of a partition's simulated phones when they are due, by the store's clock."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, final

import msgspec

from relay.errors import UnavailableError
from relay.journal.commit import Timer
from relay.journal.leases import Lease, LeaseLostError, run_owned
from relay.journal.record import Entry
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.journal.tail import Tail
from relay.telemetry import log

CONCURRENCY: Final = 64
"""Sessions of a partition whose timers run at the same time."""
PAGE: Final = 256
"""Due timers taken into memory at most; later ones wait in the store."""
POLL: Final = 1.0
"""Seconds between two looks when nothing calls for an earlier one, should the news of a timer be missed."""
SPACING: Final = 0.01
"""Seconds between two looks at least: under load one look serves many events."""
RETRY_PAUSE: Final = 1.0
"""Seconds until a timer is tried again that a part's absence kept from running."""

_DUE: Final = Script("timers_due")
_DROP: Final = Script("timers_drop")
_timer: Final = msgspec.json.Decoder(Timer)
_log: Final = log.get("timers")

Elapse = Callable[[int, Timer], Awaitable[None]]
"""Carry out a due timer of a partition, at most once by its nonce.

Called again after UnavailableError, and after a crash. Returning, or raising anything else, ends the timer:
it is taken out if the commit has not done so.
"""


class _Due(NamedTuple):
    """A due timer and its member in the store."""

    timer: Timer
    member: bytes


@final
class Timers:
    """The duty that runs its partition's timers. Times are in seconds.

    Wakes for new journal entries (timers come with them), for the next due time, and once a second. Timers of
    one session run one after another in the order they are due; those of different sessions together.
    """

    name = "timers"

    def __init__(
        self,
        store: Store,
        tail: Tail,
        elapse: Elapse,
        *,
        concurrency: int = CONCURRENCY,
        poll: float = POLL,
        retry_pause: float = RETRY_PAUSE,
    ) -> None:
        self._store = store
        self._tail = tail
        self._elapse = elapse
        self._concurrency = concurrency
        self._poll = poll
        self._retry_pause = retry_pause
        #: Looks into the store so far, in all partitions.
        self.looks = 0

    def __repr__(self) -> str:
        return f"Timers({self.looks} looks)"

    async def run(self, lease: Lease) -> None:
        """Run due timers until cancelled; what is running then is cancelled too, and stays in the store."""
        wake = _Wake()
        listening = self._tail.listen(lease.partition, wake)
        lanes = _Lanes(self._concurrency, lambda due: self._carry_out(lease, due), wake.set)
        try:
            while True:
                wake.clear()
                pause = await self._look(lease, lanes)
                await asyncio.sleep(SPACING)
                await wake.wait(pause - SPACING)
        finally:
            listening.close()
            await lanes.stop()

    async def _look(self, lease: Lease, lanes: _Lanes) -> float:
        """Take what is due into the lanes; return the seconds until the next look is due."""
        self.looks += 1
        keys = self._store.keys_at(lease.partition)
        following_ms, *members = await run_owned(self._store, _DUE, lease, [keys.timers], [PAGE])
        for member in members:
            if lanes.has(member):
                continue
            try:
                timer = _timer.decode(member)
            except msgspec.DecodeError as error:
                _log.error("timer cannot be read", partition=lease.partition, error=str(error))
                await self._drop(lease, member)
            else:
                if not lanes.add(_Due(timer, member)):
                    break
        return self._poll if following_ms < 0 else min(self._poll, following_ms / 1000)

    async def _carry_out(self, lease: Lease, due: _Due) -> None:
        while True:
            try:
                await self._attempt(lease, due)
                await self._drop(lease, due.member)
            except LeaseLostError:
                return  # the next look is refused too, and ends the duty
            except UnavailableError as error:
                _log.debug("timer waits", partition=lease.partition, error=str(error))
                await asyncio.sleep(self._retry_pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load
            else:
                return

    async def _attempt(self, lease: Lease, due: _Due) -> None:
        try:
            await self._elapse(lease.partition, due.timer)
        except (UnavailableError, LeaseLostError):
            raise
        except Exception:  # noqa: BLE001 - whatever it is, it must not be tried for ever
            _log.exception("timer failed", partition=lease.partition, action=due.timer.action)

    async def _drop(self, lease: Lease, member: bytes) -> None:
        keys = self._store.keys_at(lease.partition)
        await run_owned(self._store, _DROP, lease, [keys.timers], [member])


class _Wake:
    """Wakes the duty; as a listener, for whatever the journal brings."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.set = self._event.set
        self.clear = self._event.clear

    def entries(self, partition: int, batch: Sequence[Entry]) -> None:  # noqa: ARG002 - a Listener
        self.set()

    def reset(self, partition: int, position: str) -> None:  # noqa: ARG002 - a Listener
        self.set()

    async def wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()


class _Lanes:
    """Timers that were taken in: one task per session, which runs them in their order."""

    def __init__(
        self, most: int, carry_out: Callable[[_Due], Awaitable[None]], ended: Callable[[], None]
    ) -> None:
        self._most = most
        self._carry_out = carry_out
        self._ended = ended
        self._members: set[bytes] = set()
        self._queues: dict[str, deque[_Due]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def has(self, member: bytes) -> bool:
        """Tell whether the timer waits or runs here already."""
        return member in self._members

    def add(self, due: _Due) -> bool:
        """Take a timer in; False if as many sessions as allowed are running theirs, so it must wait."""
        queue = self._queues.get(due.timer.session)
        if queue is None and len(self._queues) >= self._most:
            return False
        self._members.add(due.member)
        if queue is not None:
            queue.append(due)
            return True
        self._queues[due.timer.session] = deque([due])
        task = asyncio.create_task(self._run(due.timer.session), name=f"timers-of-{due.timer.session}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def stop(self) -> None:
        """Cancel what runs, and wait for its end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, session: str) -> None:
        queue = self._queues[session]
        try:
            while queue:
                await self._carry_out(queue[0])
                self._members.discard(queue.popleft().member)
        finally:
            del self._queues[session]
            self._members.difference_update(due.member for due in queue)
            self._ended()
