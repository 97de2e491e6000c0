"""The last seconds of one account's journal entries, in memory. Pure: it is told the time."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Final, NamedTuple

from relay.journal.ids import StreamId, parse
from relay.journal.record import Entry

RING_SECONDS: Final = 30.0
"""How long entries are kept for those who resume: longer than a reconnect, short enough for memory."""
RING_BYTES: Final = 4 * 1024 * 1024
"""Bytes of records kept at most beyond what is still being sent; decoded and rendered they take about four
times as much."""
RING_HARD_BYTES: Final = 8 * RING_BYTES
"""Bytes of records kept at most, sent or not: a process this far behind lets its listeners resume instead."""


class Held(NamedTuple):
    """An entry in the ring."""

    key: StreamId
    entry: Entry
    at: float
    """When it came, in seconds of the ring's clock."""


class Ring:
    """Every entry of one account after `start`, oldest first."""

    __slots__ = ("_held", "_max_bytes", "_seconds", "size", "start")

    def __init__(
        self, start: StreamId, *, seconds: float = RING_SECONDS, max_bytes: int = RING_BYTES
    ) -> None:
        self.start = start
        """No entry after this id is missing here."""
        self.size = 0
        """Bytes of the records held."""
        self._held: deque[Held] = deque()
        self._seconds = seconds
        self._max_bytes = max_bytes

    def __repr__(self) -> str:
        return f"Ring({len(self._held)} entries, {self.size} bytes after {self.start})"

    def __len__(self) -> int:
        return len(self._held)

    @property
    def last(self) -> StreamId:
        """Id of the newest entry, or `start` where there is none."""
        return self._held[-1].key if self._held else self.start

    def append(self, entry: Entry, now: float) -> None:
        """Take the account's next entry; beyond the hard limit the oldest go, whoever needs them."""
        self._held.append(Held(parse(entry.id.stream_id), entry, now))
        self.size += len(entry.data)
        while self.size > RING_HARD_BYTES and len(self._held) > 1:
            self._drop()

    def after(self, position: StreamId, *, until: StreamId | None = None) -> list[Held]:
        """Return the entries after an id, up to and including ``until``."""
        if position >= self.last:
            return []
        behind = 0
        for held in reversed(self._held):  # whoever asks is nearly always close to the end
            if held.key <= position:
                break
            behind += 1
        found = list(islice(reversed(self._held), behind))
        found.reverse()
        if until is not None:
            while found and found[-1].key > until:
                found.pop()
        return found

    def trim(self, now: float, served: StreamId) -> None:
        """Let go what is too old or too much, except what comes after ``served``."""
        oldest = now - self._seconds
        while self._held and self._held[0].key <= served:
            if self._held[0].at >= oldest and self.size <= self._max_bytes:
                return
            self._drop()

    def restart(self, start: StreamId) -> None:
        """Forget everything: the journal goes on from another place."""
        self._held.clear()
        self.size = 0
        self.start = start

    def _drop(self) -> None:
        held = self._held.popleft()
        self.size -= len(held.entry.data)
        self.start = held.key
