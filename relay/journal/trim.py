"""Trimming: keeping each partition's journal within its age and its bytes.

Cut are whole entries from the oldest end, by id, in small steps, and never past the fan-out cursor: what no
webhook owner has fanned out yet stays, whatever its age or size. Without a cursor nothing is fanned out yet,
so nothing is cut; the webhook owner makes it when it first runs.

Bytes are what the server says the stream occupies (MEMORY USAGE, which samples its nodes), so a partition is
over its limit by about as many entries as the excess has average ones.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, final

from relay.journal.ids import StreamId, parse
from relay.journal.leases import Lease, run_owned
from relay.journal.record import Entry, MalformedEntryError
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.telemetry import log

PERIOD: Final = 5.0
"""Seconds between two looks at a partition."""
STEP: Final = 1000
"""Entries cut at a time: held in memory with their bodies, and the server serves nobody else meanwhile."""
SAMPLES: Final = 100
"""Nodes of the stream the server looks at to estimate its bytes."""
_LATEST: Final = 2**64 - 1

_TRIM: Final = Script("trim")
_log: Final = log.get("trimming")

BeforeCut = Callable[[Lease, list[Entry]], Awaitable[None]]
"""Called with the entries of one step, oldest first, before they are cut; nothing is cut if it raises."""


class Bound(NamedTuple):
    """How far a cut may go."""

    id: StreamId
    inclusive: bool = True

    @property
    def range_end(self) -> str:
        """The end of an XRANGE that stays within it."""
        return f"{'' if self.inclusive else '('}{self.id}"


def fan_out_bound(cursor: str) -> Bound:
    """Read ``<id>`` (fanned out) or ``<id>:<offset>`` (partly fanned out: that entry must stay)."""
    stream_id, colon, _ = cursor.partition(":")
    return Bound(parse(stream_id), inclusive=not colon)


def age_bound(now_ms: int, retention: float) -> Bound:
    """Return the last id whose entry is older than the retention (seconds)."""
    return Bound(StreamId(max(0, now_ms - math.floor(retention * 1000) - 1), _LATEST))


def surplus(length: int, used: int, limit: int) -> int:
    """Return how many of so many entries must go for `used` bytes to fit the limit, by their average size."""
    return math.ceil((used - limit) * length / used) if used > limit else 0


@final
class Trimming:
    """The duty that trims its partition. Times are in seconds, `max_bytes` is per partition."""

    name = "trimming"

    def __init__(
        self,
        store: Store,
        *,
        retention: float,
        max_bytes: int,
        before_cut: BeforeCut | None = None,
        period: float = PERIOD,
        step: int = STEP,
    ) -> None:
        self._store = store
        self._retention = retention
        self._max_bytes = max_bytes
        self._before_cut = before_cut
        self._period = period
        self._step = step
        self._held_back: set[int] = set()
        #: Entries cut so far, in all partitions.
        self.cut = 0

    def __repr__(self) -> str:
        return f"Trimming(cut {self.cut}, held back in {sorted(self._held_back)})"

    async def run(self, lease: Lease) -> None:
        """Trim every few seconds."""
        while True:
            await self.trim(lease)
            await asyncio.sleep(self._period)

    async def trim(self, lease: Lease) -> None:
        """Cut what is over its age, then what is over the bytes.

        Raises:
            LeaseLostError: the partition has another owner; the step was not cut.
            StoreUnavailableError: the store is away.

        """
        keys = self._store.keys_at(lease.partition)
        cursor = await self._store.call("GET", keys.cursor)
        fanned_out = fan_out_bound(cursor.decode()) if cursor is not None else None
        if fanned_out is not None:
            old = age_bound(await self._store.time_ms(), self._retention)
            await self._cut(lease, min(old, fanned_out), None)
        too_many = await self._surplus(keys.events)
        if fanned_out is not None and too_many:
            too_many -= await self._cut(lease, fanned_out, too_many)
        self._note(lease.partition, too_many)

    async def _surplus(self, stream: str) -> int:
        length, used = await asyncio.gather(
            self._store.call("XLEN", stream), self._store.call("MEMORY", "USAGE", stream, "SAMPLES", SAMPLES)
        )
        return surplus(length, used or 0, self._max_bytes)

    async def _cut(self, lease: Lease, bound: Bound, at_most: int | None) -> int:
        """Cut entries up to the bound; return how many went."""
        done = 0
        while at_most is None or done < at_most:
            count = self._step if at_most is None else min(self._step, at_most - done)
            found = await self._oldest(lease.partition, bound, count)
            if not found:
                break
            went = await self._cut_step(lease, found)
            done += went
            self.cut += went
            if len(found) < count or not went:
                break
        return done

    async def _oldest(
        self, partition: int, bound: Bound, count: int
    ) -> list[tuple[StreamId, dict[bytes, bytes]]]:
        stream = self._store.keys_at(partition).events
        [found] = await self._store.fetch([("XRANGE", stream, "-", bound.range_end, "COUNT", count)])
        return [
            (parse(stream_id.decode()), dict(zip(fields[::2], fields[1::2], strict=True)))
            for stream_id, fields in found
        ]

    async def _cut_step(self, lease: Lease, found: Sequence[tuple[StreamId, dict[bytes, bytes]]]) -> int:
        keys = self._store.keys_at(lease.partition)
        if self._before_cut is not None:
            await self._before_cut(lease, _entries(lease.partition, found))
        accounts = sorted({fields[b"a"].decode(errors="replace") for _, fields in found if b"a" in fields})
        logs = [keys.log(account) for account in accounts]
        last, _ = found[-1]
        went: int = await run_owned(
            self._store, _TRIM, lease, [keys.events, keys.cursor, *logs], [str(last.ms), str(last.seq)]
        )
        return max(0, went)

    def _note(self, partition: int, over: int) -> None:
        """Log when a partition begins to be over its bytes with nothing that may be cut, and when it ends."""
        if over and partition not in self._held_back:
            self._held_back.add(partition)
            _log.warning("journal over its bytes: fan-out is behind", partition=partition, entries=over)
        elif not over and partition in self._held_back:
            self._held_back.remove(partition)
            _log.warning("journal within its bytes again", partition=partition)


def _entries(partition: int, found: Sequence[tuple[StreamId, Any]]) -> list[Entry]:
    """Return what can be read; readers have logged the rest."""
    entries = []
    for stream_id, fields in found:
        try:
            entries.append(Entry.of(partition, str(stream_id), fields))
        except MalformedEntryError:
            continue
    return entries
