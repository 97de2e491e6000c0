"""What a partition's owner does, for exactly as long as it is the owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol, final

from relay.errors import UnavailableError
from relay.journal.leases import Lease, LeaseLostError
from relay.telemetry import log

RESTART_PAUSE: Final = 1.0
"""Seconds until a duty that failed is started again: soon enough to matter little, no hot loop."""

_log: Final = log.get("ownership")


class Duty(Protocol):
    """Work that must be done once for a partition, such as webhook fan-out or trimming."""

    @property
    def name(self) -> str:
        """What it is called in logs."""
        ...

    async def run(self, lease: Lease) -> None:
        """Work for the lease's partition until cancelled.

        Cancelled when the partition is handed over, when relay stops and when the lease is lost. In the
        first two cases the lease stays valid and is renewed until this returns, so it may finish what is on
        its way; how long that takes is its own to bound. An exception is logged and it is run again after a
        pause; returning means that nothing is left to do under this lease.
        """


@final
class Holding:
    """One held partition: its lease and the tasks of its duties. Starts them when made."""

    def __init__(
        self,
        lease: Lease,
        duties: Sequence[Duty],
        ended: Callable[[], None],
        *,
        restart_pause: float = RESTART_PAUSE,
    ) -> None:
        self.lease = lease
        self._ended = ended
        self._restart_pause = restart_pause
        self._stopping = False
        self._tasks = {
            asyncio.create_task(self._perform(duty), name=f"{duty.name}-{lease.partition:02d}")
            for duty in duties
        }
        for task in self._tasks:
            task.add_done_callback(self._done)
        self._fence = asyncio.get_running_loop().call_later(lease.remaining(), self._check)

    def __repr__(self) -> str:
        state = "stopping, " if self._stopping else ""
        return f"<Holding: {state}{len(self._tasks)} duties under {self.lease!r}>"

    @property
    def stopping(self) -> bool:
        """Whether its duties are ending."""
        return self._stopping

    @property
    def over(self) -> bool:
        """Whether its duties have ended, so that the lease can be released."""
        return self._stopping and not self._tasks

    def stop(self) -> None:
        """Have the duties end; `ended` is called once the last one has."""
        if self._stopping:
            return
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        if not self._tasks:
            self._finish()

    def lose(self, reason: str) -> None:
        """Have the duties end now, and whatever they still try be refused: the lease is not ours."""
        if not self.lease.lost:
            _log.warning("lease lost", partition=self.lease.partition, reason=reason)
            self.lease.lose()
        self.stop()

    def check(self) -> None:
        """Lose the lease if it is past its time by its own clock."""
        if not self.lease.valid():
            self.lose("not renewed in time")

    def _check(self) -> None:
        self.check()
        if not self.lease.lost:
            self._fence = asyncio.get_running_loop().call_later(self.lease.remaining(), self._check)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self.over:
            self._finish()

    def _finish(self) -> None:
        self._fence.cancel()
        self._ended()

    async def _perform(self, duty: Duty) -> None:
        while not self._stopping:
            try:
                await duty.run(self.lease)
            except LeaseLostError:
                self.lose("refused by the store")
            except UnavailableError as error:
                # The store's outage is logged where it is noticed; sixteen owners need not repeat it.
                _log.debug(
                    "duty interrupted", duty=duty.name, partition=self.lease.partition, error=str(error)
                )
            except Exception:  # noqa: BLE001 - a duty's fault must not end the partition's other work
                _log.exception("duty failed", duty=duty.name, partition=self.lease.partition)
            else:
                return
            await asyncio.sleep(self._restart_pause)
