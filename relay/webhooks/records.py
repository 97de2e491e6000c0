"""Events by id: from memory, from the journal, or from what is kept for deliveries that outlive it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, final

from relay.journal.record import TOLD, Entry, MalformedEntryError, RecordKind
from relay.journal.store import Store
from relay.webhooks.unfit import reading

_CALL: Final = RecordKind.CALL.value.encode()
"""What a parked record is that does not say."""

KEPT: Final = 1000
"""Events of a partition kept in memory: what has just been fanned out is sent next."""


@final
class Records:
    """One partition's events. An event that cannot be read counts as missing."""

    def __init__(self, store: Store, partition: int, *, kept: int = KEPT) -> None:
        self._store = store
        self._partition = partition
        self._keys = store.keys_at(partition)
        self._kept = kept
        self._recent: OrderedDict[str, Entry] = OrderedDict()

    def __repr__(self) -> str:
        return f"Records(partition {self._partition}, {len(self._recent)} in memory)"

    def keep(self, entry: Entry) -> None:
        """Remember an event for a while."""
        self._recent[entry.id.stream_id] = entry
        if len(self._recent) > self._kept:
            self._recent.popitem(last=False)

    async def load(self, events: Sequence[str]) -> dict[str, Entry]:
        """Return the events that can be found, by stream id; raises StoreUnavailableError."""
        found = {event: self._recent[event] for event in events if event in self._recent}
        await self._from_journal([event for event in events if event not in found], found)
        await self._from_parked([event for event in events if event not in found], found)
        return found

    async def _from_journal(self, events: Sequence[str], found: dict[str, Entry]) -> None:
        if not events:
            return
        replies = await self._store.fetch(
            [("XRANGE", self._keys.events, event, event, "COUNT", 1) for event in events]
        )
        for event, reply in zip(events, replies, strict=True):
            for _, fields in reply:
                self._add(event, dict(zip(fields[::2], fields[1::2], strict=True)), found)

    async def _from_parked(self, events: Sequence[str], found: dict[str, Entry]) -> None:
        if not events:
            return
        commands = [("HMGET", self._keys.parked(event), "kind", "account", "body") for event in events]
        types = {self._keys.parked(event): "hash" for event in events}
        replies = await reading(self._store, self._keys, types, lambda: self._store.fetch(commands))
        for event, (kind, account, body) in zip(events, replies, strict=True):
            if account is not None and body is not None:
                self._add(event, {b"k": kind or _CALL, b"a": account, b"d": body}, found)

    def _add(self, event: str, fields: dict[bytes, bytes], found: dict[str, Entry]) -> None:
        entry = readable(self._partition, event, fields)
        if entry is not None and entry.kind in TOLD:
            self.keep(entry)
            found[event] = entry


def readable(partition: int, stream_id: str, fields: dict[bytes, bytes]) -> Entry | None:
    """Return an entry, its event decoded if it holds one, or None if it cannot be read."""
    try:
        entry = Entry.of(partition, stream_id, fields)
        if entry.kind in TOLD:
            _ = entry.told
    except MalformedEntryError:
        return None
    return entry
