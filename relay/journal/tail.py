"""The live end of the journal: one reader per partition that has listeners, whatever their number.

Readers go by stream ids only: the last generated id is asked for once, and every read goes on from the id
before it. (XREAD with ``$`` would lose what is written between two calls.)
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Final, Protocol, final

from relay.errors import DrainingError, UnavailableError
from relay.journal.ids import is_after
from relay.journal.record import Entry, MalformedEntryError
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.telemetry import log

BATCH: Final = 500
"""Entries a read brings at most: bounds what is held in memory and how long listeners run in one go."""
BLOCK_MS: Final = 1000
"""How long a read waits for entries, in milliseconds: below every socket timeout, and a bound on stopping."""
CHECK_INTERVAL: Final = 5.0
"""Seconds between two looks at whether the journal is still the same one: a flush breaks no connection."""
LATE_SECONDS: Final = 2 * BLOCK_MS / 1000
"""Seconds since the read before after which entries may have been trimmed that this process never read."""
GATHER_SECONDS: Final = 0.002
"""Pause after a read that hardly had to wait, so that the next one brings more: it costs as much as twenty
entries. Where fewer than 500 entries a second are written nothing comes later by it."""
RETRY_PAUSES: Final = (0.05, 2.0)
"""Seconds, first and longest pause after a failed read; doubled each time, and each used with jitter. It ends
when another connection finds that the store is back."""

_POSITION: Final = Script("tail_position")
_log: Final = log.get("tail")


class Listener(Protocol):
    """What follows a partition. Both calls are synchronous and must not block."""

    def entries(self, partition: int, batch: Sequence[Entry]) -> None:
        """Take entries in the journal's order. Who looks into one asks it first whether it is `readable`."""

    def reset(self, partition: int, position: str) -> None:
        """Learn that the store lost entries or trimmed them unread: some before `position` may be missing."""


@final
class Listening:
    """One listener's place at a partition's tail, until closed."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._position: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._closed = False

    def __repr__(self) -> str:
        if self._closed:
            return "Listening(closed)"
        return (
            f"Listening(from {self._position.result() if self._position.done() else 'where it will start'})"
        )

    async def ready(self) -> str:
        """Wait for the position it listens from: every entry with a later id comes, once and in order.

        Raises:
            DrainingError: it was closed, or the tail stopped, before the position was known.

        """
        if not self._position.done():
            await asyncio.wait((self._position,))
        if self._position.cancelled():
            raise DrainingError("stopped listening to the journal")
        return self._position.result()

    def close(self) -> None:
        """Let nothing come any more."""
        self._closed = True
        self._position.cancel()

    @property
    def closed(self) -> bool:
        """Whether nothing comes any more."""
        return self._closed

    def start(self, position: str) -> None:
        """Fix the position it listens from."""
        if not self._position.done():
            self._position.set_result(position)

    def deliver(self, partition: int, batch: Sequence[Entry]) -> None:
        """Hand entries to the listener, whose faults stay its own."""
        try:
            self._listener.entries(partition, batch)
        except Exception:  # noqa: BLE001 - one listener's fault must not stop the others
            _log.exception("listener failed", partition=partition, listener=repr(self._listener))

    def reset(self, partition: int, position: str) -> None:
        """Tell the listener to go on from `position`, whose faults stay its own."""
        try:
            self._listener.reset(partition, position)
        except Exception:  # noqa: BLE001 - one listener's fault must not stop the others
            _log.exception("listener failed", partition=partition, listener=repr(self._listener))


class _Reader:
    """Reads one partition for as long as anybody listens."""

    def __init__(self, store: Store, partition: int) -> None:
        self._store = store
        self._partition = partition
        self._listenings: list[Listening] = []
        self._position: str | None = None  # None until the store has told where the journal ends
        self._epoch: str | None = None
        self._passed = 0  # entries ever written up to the position
        self._check_at = 0.0
        self._read_at = 0.0
        self._failures = 0
        self.malformed = 0

    def __repr__(self) -> str:
        return f"partition {self._partition} at {self._position}, {len(self._listenings)} listening"

    def add(self, listening: Listening) -> None:
        self._listenings.append(listening)
        if self._position is not None:
            listening.start(self._position)

    async def run(self) -> None:
        """Read until nobody listens. A failed read is repeated after a pause, from the same position."""
        while self._wanted():
            try:
                await self._step()
                self._failures = 0
            except UnavailableError as error:
                _log.debug("read failed", partition=self._partition, error=str(error))
                await self._pause()
            except Exception:  # noqa: BLE001 - whatever it is, those who listen need the reader to go on
                _log.exception("reader failed", partition=self._partition)
                await self._pause()

    def close(self) -> None:
        for listening in self._listenings:
            listening.close()

    def _wanted(self) -> bool:
        self._listenings = [listening for listening in self._listenings if not listening.closed]
        return bool(self._listenings)

    async def _pause(self) -> None:
        first, longest = RETRY_PAUSES
        pause = min(longest, first * 2 ** min(self._failures, 10))
        self._failures += 1
        self._check_at = 0.0  # the next connection may lead to another history
        await self._store.rest(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, hides nothing

    async def _step(self) -> None:
        if time.monotonic() >= self._check_at:
            await self._check()
        assert self._position is not None, "a check tells the position"  # noqa: S101
        asked = time.monotonic()
        after = self._position
        found = await self._store.read_stream(self._partition, after, count=BATCH, block_ms=BLOCK_MS)
        before, self._read_at = self._read_at, time.monotonic()
        if found and self._read_at - before > LATE_SECONDS:
            await self._check()
        if found and self._position == after:
            self._deliver(found)
        if len(found) < BATCH and time.monotonic() - asked < GATHER_SECONDS:
            await asyncio.sleep(GATHER_SECONDS)

    async def _check(self) -> None:
        keys = self._store.keys_at(self._partition)
        answer = await self._store.run(_POSITION, [keys.events, keys.epoch], [secrets.token_hex(8)])
        epoch, last, trimmed_to = (part.decode() for part in answer[:3])
        written, trimmed = answer[3:]
        self._check_at = time.monotonic() + CHECK_INTERVAL
        if self._position is None:
            self._position, self._passed = last, written
            for listening in self._listenings:
                listening.start(last)
        elif epoch != self._epoch or is_after(self._position, last):
            _log.warning("journal lost entries", partition=self._partition, was=self._position, now=last)
            self._go_on_from(last, written)
        elif trimmed > self._passed:
            _log.warning("entries trimmed unread", partition=self._partition, now=trimmed_to)
            self._go_on_from(trimmed_to, trimmed)
        elif self._position == last and self._passed != written:
            _log.warning("journal lost entries", partition=self._partition, before=last)
            self._go_on_from(last, written)
        self._epoch = epoch

    def _go_on_from(self, position: str, passed: int) -> None:
        self._position, self._passed = position, passed
        for listening in tuple(self._listenings):
            if not listening.closed:
                listening.reset(self._partition, position)

    def _deliver(self, found: Sequence[tuple[str, Mapping[bytes, bytes]]]) -> None:
        batch = [entry for stream_id, fields in found if (entry := self._entry(stream_id, fields))]
        self._passed += len(found)
        self._position = found[-1][0]  # first: whoever joins from here on gets what comes after this batch
        if not batch:
            return
        for listening in tuple(self._listenings):
            if not listening.closed:
                listening.deliver(self._partition, batch)

    def _entry(self, stream_id: str, fields: Mapping[bytes, bytes]) -> Entry | None:
        try:
            return Entry.of(self._partition, stream_id, fields)
        except MalformedEntryError as error:
            self.malformed += 1
            _log.error("entry skipped", partition=self._partition, id=stream_id, error=str(error))
            return None


@final
class Tail:
    """Follows partitions for listeners, one reader each: started by the first, ended after the last."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._readers: dict[int, tuple[_Reader, asyncio.Task[None]]] = {}
        self._malformed = 0
        self._stopped = False

    def __repr__(self) -> str:
        readers = "; ".join(repr(reader) for reader, _ in self._readers.values())
        return f"Tail({'stopped' if self._stopped else readers or 'nobody listens'})"

    @property
    def malformed(self) -> int:
        """How many entries were skipped because they are none of relay's, or of a newer version."""
        return self._malformed + sum(reader.malformed for reader, _ in self._readers.values())

    def listen(self, partition: int, listener: Listener) -> Listening:
        """Follow a partition from where it is now; `Listening.ready` tells where that is.

        Raises:
            DrainingError: the tail has stopped.

        """
        if self._stopped:
            raise DrainingError("the journal is not followed any more")
        listening = Listening(listener)
        found = self._readers.get(partition)
        if found is None:
            reader = _Reader(self._store, partition)
            reader.add(listening)
            task = asyncio.create_task(self._read(partition, reader), name=f"tail-{partition:02d}")
            self._readers[partition] = reader, task
        else:
            found[0].add(listening)
        return listening

    async def stop(self) -> None:
        """End every reader; whoever listens gets nothing any more."""
        self._stopped = True
        running = list(self._readers.values())
        for reader, task in running:
            reader.close()
            task.cancel()
        await asyncio.gather(*(task for _, task in running), return_exceptions=True)

    async def _read(self, partition: int, reader: _Reader) -> None:
        try:
            await reader.run()
        finally:  # no await since the reader found that nobody listens, so nobody has joined it meanwhile
            del self._readers[partition]
            self._malformed += reader.malformed
