"""Fan-out: each event into the queues of the subscriptions it matches, exactly once.

The owner evaluates the journal in order from the partition's cursor, and one script adds the references and
moves the cursor, if the lease is the owner's and the cursor still where it was. So whoever else evaluates the
same entries, or dies anywhere in between, changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from operator import attrgetter
from typing import Final, final

from relay.errors import StoreUnavailableError
from relay.journal.ids import START, StreamId, parse
from relay.journal.leases import Lease, run_owned
from relay.journal.record import MATCHED, Entry, RecordKind
from relay.journal.scripts import Script
from relay.journal.tail import Listening
from relay.subscriptions.index import Index
from relay.subscriptions.model import Subscription
from relay.subscriptions.rendering import rendered
from relay.telemetry import log
from relay.webhooks.courier import Courier
from relay.webhooks.errands import Errands
from relay.webhooks.outbox import Outbox
from relay.webhooks.parts import Parts
from relay.webhooks.records import Records, readable
from relay.webhooks.references import Reference, place

CHUNK: Final = 500
"""References one script adds at most: it runs for a few milliseconds, and nobody else is served meanwhile."""
PAGE: Final = 200
"""Entries evaluated in one go, and read at a time where the tail does not have them."""
MAX_PENDING: Final = 5000
"""Entries of the tail that may wait; beyond that they are dropped and read from the journal again."""
CURSOR_EVERY: Final = 1.0
"""Seconds after which the cursor is moved past entries that matched nothing: trimming waits for it."""
RETRY_PAUSE: Final = 0.5
"""Seconds until fan-out goes on after the store did not answer."""

_SCRIPT: Final = Script("fan_out")
_id: Final = attrgetter("id")
_DONE: Final = 1
_log: Final = log.get("webhooks")


class _Chunk:
    """References that one script is to add, by subscription."""

    __slots__ = ("references", "size")

    def __init__(self) -> None:
        self.references: dict[str, tuple[Subscription, list[Reference]]] = {}
        self.size = 0

    def add(self, subscription: Subscription, reference: Reference) -> None:
        found = self.references.get(subscription.id)
        if found is None:
            self.references[subscription.id] = subscription, [reference]
        else:
            found[1].append(reference)
        self.size += 1


@final
class FanOut:
    """One partition's fan-out under one lease.

    It listens to the tail, whose entries it takes where they follow the cursor; what the tail does not have
    it reads from the journal.
    """

    def __init__(
        self,
        parts: Parts,
        lease: Lease,
        index: Index,
        records: Records,
        courier: Courier,
        errands: Errands,
    ) -> None:
        self._parts = parts
        self._lease = lease
        self._keys = parts.store.keys_at(lease.partition)
        self._index = index
        self._records = records
        self._courier = courier
        self._errands = errands
        self._stored = ""  # the cursor as the store has it
        self._at = parse(START)  # evaluated up to here
        self._partly: tuple[StreamId, str] | None = None  # an entry evaluated up to a subscription's id
        self._moved_at = time.monotonic()
        self._pending: deque[Entry] = deque()
        self._pending_after = parse(START)  # the pending entries are all there are after this one
        self._seen = parse(START)  # what the tail has brought, or will not bring
        self._lost = False
        self._wake = asyncio.Event()

    def __repr__(self) -> str:
        return f"FanOut({self._lease!r}, at {self._at}, tail at {self._seen}, {len(self._pending)} pending)"

    # As a listener

    def entries(self, partition: int, batch: Sequence[Entry]) -> None:  # noqa: ARG002 - it listens to one
        """Take what the tail brings."""
        if not self._pending:
            self._pending_after = self._seen
        self._seen = parse(batch[-1].id.stream_id)
        self._pending.extend(batch)
        if len(self._pending) > MAX_PENDING:
            self._pending.clear()
        self._wake.set()

    def reset(self, partition: int, position: str) -> None:  # noqa: ARG002 - everything is read anew
        """Learn that the journal lost entries: the cursor may lead nowhere."""
        self._lost = True
        self._wake.set()

    # As a task

    async def start(self, listening: Listening) -> int:
        """Find where to go on; return the place up to which all is queued. Raises StoreUnavailableError."""
        begins = parse(await listening.ready())  # entries may have come before this is known
        self._seen, self._pending_after = max(self._seen, begins), max(self._pending_after, begins)
        await self._read_cursor()
        if self._at > self._seen:
            _log.warning("cursor beyond the journal", partition=self._lease.partition, cursor=self._stored)
            self._at, self._partly = self._seen, None
        return place(self._at)

    async def run(self) -> None:
        """Fan out until cancelled; raises LeaseLostError, or StoreUnavailableError to begin anew."""
        while True:
            try:
                await self._take(await self._next())
            except StoreUnavailableError:
                if self._lost:
                    raise
                await asyncio.sleep(RETRY_PAUSE)
                await self._recover()

    async def _recover(self) -> None:
        """Go on after a script whose effect is not known: the cursor tells, and queues may hold more."""
        try:
            self._pending.clear()
            await self._read_cursor()
            await self._courier.recheck(self._index, place(self._at))
        except StoreUnavailableError:
            _log.debug("fan-out waits for the store", partition=self._lease.partition)

    async def _read_cursor(self) -> None:
        stored = await self._parts.store.call("GET", self._keys.cursor)
        self._stored = "" if stored is None else stored.decode()
        stream_id, _, subscription = (self._stored or START).partition(":")
        at = parse(stream_id)
        if subscription:
            self._partly, at = (at, subscription), _before(at)
        else:
            self._partly = None
        self._at = at

    async def _next(self) -> list[Entry]:
        """Return the entries that follow, at least one."""
        while True:
            if self._lost:
                raise StoreUnavailableError("the journal lost entries")
            bound = self._pending_after if self._pending else self._seen
            if self._at < bound:
                if entries := await self._read(bound):
                    return entries
                self._at = bound
            elif self._pending:
                return [self._pending.popleft() for _ in range(min(PAGE, len(self._pending)))]
            else:
                await self._rest()

    async def _rest(self) -> None:
        """Wait for the tail; move the cursor when nothing has come for a while."""
        self._wake.clear()
        try:
            async with asyncio.timeout(None if self._stored == str(self._at) else CURSOR_EVERY):
                await self._wake.wait()
        except TimeoutError:
            await self._write(_Chunk(), str(self._at))

    async def _read(self, bound: StreamId) -> list[Entry]:
        """Read on in the journal, up to a place that the tail has passed."""
        command = ("XRANGE", self._keys.events, f"({self._at}", str(bound), "COUNT", PAGE)
        [found] = await self._parts.store.fetch([command])
        entries: list[Entry] = []
        for stream_id, fields in found:
            pairs = dict(zip(fields[::2], fields[1::2], strict=True))
            entry = readable(self._lease.partition, stream_id.decode(), pairs)
            if entry is None:
                self._parts.stats.unreadable += 1
                _log.error("entry skipped", partition=self._lease.partition, id=stream_id.decode())
            else:
                entries.append(entry)
        if found and not entries:
            self._at = parse(found[-1][0].decode())
        return entries

    async def _take(self, entries: Sequence[Entry]) -> None:
        """Evaluate entries in order, and write what they match."""
        chunk = _Chunk()
        for entry in entries:
            at = parse(entry.id.stream_id)
            if entry.kind is RecordKind.SUBSCRIPTION:
                await self._write(chunk, str(self._at))  # first, so that clearing finds all there is
                chunk = _Chunk()
                await self._learn(entry, at)
            elif entry.kind in MATCHED:
                chunk = await self._evaluate(entry, at, chunk)
            self._at = at
        if chunk.size or time.monotonic() - self._moved_at > CURSOR_EVERY:
            await self._write(chunk, str(self._at))

    async def _learn(self, entry: Entry, at: StreamId) -> None:
        changed = await self._index.learn(entry)
        if changed is None:
            return
        subscription = self._index.get(changed.subscription)
        if subscription is None:
            self._courier.end(changed.subscription, place(at))
        else:
            self._courier.renew(subscription, place(at), refilled=changed.refilled, moved=changed.moved)
        if changed.errand is not None:
            await self._errands.hear(changed.errand)

    async def _evaluate(self, entry: Entry, at: StreamId, chunk: _Chunk) -> _Chunk:
        """Add one event's references to a chunk; return the chunk to go on with: a full one is written."""
        formats = self._index.formats(entry.account)
        if not formats:
            return chunk
        if not entry.readable:
            self._parts.stats.unreadable += 1
            return chunk
        self._parts.stats.fanned_out += 1
        matching = [
            subscription
            for event_format in formats
            if (event := rendered(entry, event_format, self._parts.renderers)) is not None
            for subscription in self._index.matching(entry.account, event_format, event, at)
        ]
        if not matching:
            return chunk
        self._records.keep(entry)
        reference = Reference(entry, place(at))
        done_to = self._partly[1] if self._partly is not None and self._partly[0] == at else ""
        for subscription in sorted(matching, key=_id):
            if subscription.id > done_to:
                chunk.add(subscription, reference)
                if chunk.size == CHUNK:
                    await self._write(chunk, f"{reference.event}:{subscription.id}")
                    chunk = _Chunk()
        return chunk

    async def _write(self, chunk: _Chunk, cursor: str) -> None:
        """Add a chunk's references to their queues and move the cursor, in one step."""
        if cursor == self._stored:
            return
        keys = self._keys
        named = [keys.cursor, keys.ready, keys.subs, *(keys.queue(one) for one in chunk.references)]
        arguments: list[str | int] = [self._stored, cursor]
        for subscription_id, (_, references) in chunk.references.items():
            arguments += (subscription_id, len(references))
            for reference in references:
                arguments += (reference.score, reference.event)
        status, *deleted = await run_owned(self._parts.store, _SCRIPT, self._lease, named, arguments)
        if status != _DONE:
            raise StoreUnavailableError("the cursor is not where this owner put it")
        self._stored, self._moved_at = cursor, time.monotonic()
        self._parts.stats.queued += chunk.size
        self._hand_over(chunk, {one.decode() for one in deleted})

    def _hand_over(self, chunk: _Chunk, deleted: set[str]) -> None:
        outboxes: list[Outbox] = []
        for subscription_id, (subscription, references) in chunk.references.items():
            if subscription_id in deleted:
                self._parts.stats.refused += len(references)
                _log.warning("not queued", subscription=subscription_id, events=len(references))
            else:
                outboxes.append(self._courier.arrived(subscription, references))
        for outbox in outboxes:
            self._courier.serve(outbox)


def _before(at: StreamId) -> StreamId:
    """Return an id that only this one and later ones come after."""
    return StreamId(at.ms, at.seq - 1) if at.seq else StreamId(at.ms - 1, 2**64 - 1)
