"""Loading what is queued: pages of a subscription's queue, and the heads of its failing lanes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, final

from relay.errors import StoreUnavailableError
from relay.journal.ids import parse
from relay.journal.link import StoreCommandError
from relay.journal.store import Store
from relay.telemetry import log
from relay.webhooks.attempts import Attempt, Delivery, Status, readable
from relay.webhooks.endings import Endings
from relay.webhooks.ledger import Ledger
from relay.webhooks.operations import Operation, Operations
from relay.webhooks.outbox import Outbox
from relay.webhooks.pages import Short
from relay.webhooks.policy import Reason
from relay.webhooks.records import Records
from relay.webhooks.references import Missing, Reference, is_event, place, read_lane
from relay.webhooks.stats import Stats
from relay.webhooks.unfit import of_subscription, set_unfit_aside

RETRY_PAUSE: Final = 0.5
"""Seconds until loading is tried again after the store did not answer."""

BROKEN_PAUSE: Final = 10.0
"""Seconds until a queue is looked at again that the store holds in a form that cannot be read."""
MOST_HISTORY: Final = 40
"""Attempts that are kept of a delivery when it is queued once more: each has an excerpt of its answer."""

_log: Final = log.get("webhooks")


@final
class Feeder:
    """Keeps windows filled for one partition. `loaded` is called whenever there is more to send."""

    def __init__(
        self,
        store: Store,
        records: Records,
        ledger: Ledger,
        operations: Operations,
        endings: Endings,
        loading: asyncio.Semaphore,
        stats: Stats,
        loaded: Callable[[Outbox], None],
        *,
        partition: int,
    ) -> None:
        self._store = store
        self._keys = store.keys_at(partition)
        self._records = records
        self._ledger = ledger
        self._operations = operations
        self._endings = endings
        self._loading = loading
        self._stats = stats
        self._loaded = loaded

    async def feed(self, outbox: Outbox) -> None:
        """Load until there is nothing to load, or no room for it; whoever begins it sets `Outbox.feeding`."""
        try:
            while outbox.lanes.hungry and not outbox.closed:
                try:
                    async with self._loading:
                        await self._step(outbox)
                except StoreUnavailableError:
                    await asyncio.sleep(RETRY_PAUSE)
                except StoreCommandError as error:
                    self._stats.refused += 1
                    _log.error("queue not readable", subscription=outbox.id, error=str(error))
                    if not await self._set_aside(outbox):
                        await asyncio.sleep(BROKEN_PAUSE)
                self._loaded(outbox)
        finally:
            outbox.feeding = False
        self._loaded(outbox)

    async def _set_aside(self, outbox: Outbox) -> bool:
        """Set those of its keys aside that cannot be read; tell whether there were any."""
        try:
            count = await set_unfit_aside(self._store, self._keys, of_subscription(self._keys, outbox.id))
        except StoreUnavailableError:
            return False
        self._stats.unreadable += count
        return count > 0

    async def _step(self, outbox: Outbox) -> None:
        claimed = outbox.lanes.claim()
        if claimed:
            await self._heads(outbox, claimed)
        elif (short := outbox.lanes.short) is not None:
            await self._refill(outbox, short)
        elif (after := outbox.lanes.unread) is not None:
            await self._page(outbox, after)

    async def _page(self, outbox: Outbox, after: int) -> None:
        lanes = outbox.lanes
        lanes.open_page()
        references: list[Reference] = []
        read_to, end, room = None, False, lanes.room
        try:
            found = await self._queued(outbox, after, "+inf", room)
            references = await self._loaded_of(outbox, found)
            read_to, end = found[-1][1] if found else after, len(found) < room
        finally:
            for reference in lanes.close_page(references, read_to=read_to, end=end):
                self._ledger.write(self._operations.behind(outbox.id, reference))

    async def _refill(self, outbox: Outbox, short: Short) -> None:
        lanes = outbox.lanes
        lanes.open_page()
        references: list[Reference] = []
        read_to, room = None, lanes.room
        try:
            found = await self._queued(outbox, short.after, short.up_to, room)
            references = await self._loaded_of(outbox, found)
            read_to = short.up_to if len(found) < room else found[-1][1]
        finally:
            lanes.refill(short, references, read_to=read_to)

    async def _queued(
        self, outbox: Outbox, after: int, up_to: int | str, count: int
    ) -> list[tuple[str, int]]:
        """Return what is queued after a place, in its order, each with its place."""
        found = await self._store.call(
            *("ZRANGE", self._keys.queue(outbox.id), f"({after}", up_to, "BYSCORE"),
            *("LIMIT", 0, count, "WITHSCORES"),
        )
        return [(event.decode(errors="replace"), int(score)) for event, score in found]

    async def _loaded_of(self, outbox: Outbox, found: Sequence[tuple[str, int]]) -> list[Reference]:
        """Return references to what was found; what cannot be read, or is nowhere, leaves the queue."""
        places = dict(found)
        for event in [one for one in places if not is_event(one)]:
            self._drop(outbox, event, self._operations.forget(outbox.id, event))
            del places[event]
        entries = await self._records.load(list(places))
        made = await self._made_before(outbox, places)
        for event in places.keys() - entries.keys():
            if not outbox.lanes.overtaken(event):
                self._missing(outbox, Missing(event, places[event]), (), None)
        return [
            Reference(entries[event], places[event], history=made.get(event, ()))
            for event in places
            if event in entries
        ]

    async def _made_before(self, outbox: Outbox, places: dict[str, int]) -> dict[str, tuple[Attempt, ...]]:
        """Return attempts at events that wait for their turn: they were resent, or queued once more."""
        if not places:
            return {}
        key = self._keys.attempts(outbox.id)
        kept = await self._store.call("ZRANGE", key, min(places.values()), max(places.values()), "BYSCORE")
        return {event: found.attempts[-MOST_HISTORY:] for event, found in readable(kept) if event in places}

    async def _heads(self, outbox: Outbox, claimed: Sequence[str]) -> None:
        lanes = outbox.lanes
        retries: list[Reference] = []
        try:
            states = await self._store.call("HMGET", self._keys.lanes(outbox.id), *claimed)
            kept_lanes = {
                lane: state for lane, state in zip(claimed, states, strict=True) if state is not None
            }
            heads = self._readable(outbox, kept_lanes)
            entries = await self._records.load([head.event for head in heads.values()])
            kept = await self._kept(outbox, heads)
        except BaseException:
            lanes.unclaim(claimed)
            raise
        for lane in claimed:
            head = heads.get(lane)
            if head is None:
                lanes.forget(lane)
            elif head.event in entries:
                entry = entries[head.event]
                history = kept.get(head.event, ())
                retries.append(Reference(entry, head.score, attempts=head.attempts, history=history))
            else:
                history = kept.get(head.event, ())
                self._missing(outbox, head, history, partial(self._settled, outbox, head))
        lanes.claimed(claimed, retries)

    async def _kept(self, outbox: Outbox, heads: dict[str, Missing]) -> dict[str, tuple[Attempt, ...]]:
        """Return the attempts that are kept of some deliveries, by event."""
        key = self._keys.attempts(outbox.id)
        replies = await self._store.fetch(
            [("ZRANGE", key, head.score, head.score, "BYSCORE") for head in heads.values()]
        )
        return {event: found.attempts for reply in replies for event, found in readable(reply)}

    def _missing(
        self,
        outbox: Outbox,
        missing: Missing,
        history: tuple[Attempt, ...],
        then: Callable[[], None] | None,
    ) -> None:
        """Give up a delivery whose event is nowhere, so that it holds up nothing."""
        self._stats.missing += 1
        self._stats.gave_up(Reason.BODY_MISSING)
        _log.error("event missing", event_id=missing.event, subscription=outbox.id)
        delivery = Delivery(status=Status.DEAD, type="", attempts=history, reason=Reason.BODY_MISSING)
        died = self._operations.died(outbox.id, missing, delivery, then)
        self._ledger.write(self._endings.given_up(outbox.subscription, delivery, missing.event, died))

    def _readable(self, outbox: Outbox, states: dict[str, bytes]) -> dict[str, Missing]:
        """Return the heads of failing lanes; a lane that cannot be read is dropped."""
        heads = {}
        for lane, state in states.items():
            waiting = read_lane(state)
            if waiting is None:
                self._drop(outbox, lane, self._operations.abandon(outbox.id, lane, ()))
            else:
                event = waiting.events[0]
                heads[lane] = Missing(event, place(parse(event)), lane, waiting.attempts)
        return heads

    def _drop(self, outbox: Outbox, what: str, dropping: Operation) -> None:
        """Take something out of the store that is none of ours."""
        self._stats.unreadable += 1
        _log.error("unreadable, dropped", subscription=outbox.id, what=what)
        self._ledger.write(dropping)

    def _settled(self, outbox: Outbox, head: Missing) -> None:
        outbox.lanes.done(head)
        self._loaded(outbox)
