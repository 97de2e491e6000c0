"""Delivering one partition's queues while its lease lasts: what goes out when."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, final

from relay.journal.leases import Lease
from relay.subscriptions.index import Index
from relay.subscriptions.model import Subscription
from relay.subscriptions.rendering import rendered
from relay.webhooks.agenda import Agenda
from relay.webhooks.attempts import Delivery, Status
from relay.webhooks.clock import StoreClock
from relay.webhooks.concluding import Concluding
from relay.webhooks.condition import Breaker
from relay.webhooks.crew import Crew
from relay.webhooks.endings import Endings
from relay.webhooks.feeder import Feeder
from relay.webhooks.flights import Flight, Flights
from relay.webhooks.health import restore
from relay.webhooks.ledger import Ledger
from relay.webhooks.manners import manner_of
from relay.webhooks.operations import Operations
from relay.webhooks.outbox import Outbox
from relay.webhooks.parts import Parts
from relay.webhooks.policy import Reason
from relay.webhooks.records import Records
from relay.webhooks.references import Reference
from relay.webhooks.sender import Sent, Withheld

KEPT: Final = 1000
"""Outboxes with nothing to deliver that are kept for the next event of their subscription, beside those whose
endpoint fails or has a rate limit."""
DUE_PAGE: Final = 1000
"""Failing lanes read at a time when a partition is taken over."""
STALL: Final = 0.5
"""Seconds until an endpoint is looked at again whose request was not made for want of a valid lease."""


@final
class Courier:
    """The outboxes of one partition and the requests on their way from them."""

    def __init__(self, parts: Parts, lease: Lease, records: Records, ledger: Ledger) -> None:
        self._parts = parts
        self._lease = lease
        self._keys = parts.store.keys_at(lease.partition)
        self._ledger = ledger
        self._operations = Operations(self._keys)
        #: Loading, clearing and disabling.
        self.chores = Crew(f"webhooks-{lease.partition:02d}-chore")
        self._endings = Endings(parts, self._keys, ledger, self._operations, self.chores)
        self._feeder = Feeder(
            parts.store,
            records,
            ledger,
            self._operations,
            self._endings,
            parts.loading,
            parts.stats,
            self.serve,
            partition=lease.partition,
        )
        self._outboxes: dict[str, Outbox] = {}
        self._ailing: dict[str, bytes] = {}  # what an earlier owner knew of endpoints that fail
        self._stopping = False
        self._clock = StoreClock()
        self.agenda = Agenda(self._due)
        #: What becomes of deliveries.
        self.concluding = Concluding(
            parts.stats, self._clock, self.agenda, ledger, self._operations, self._endings, self.serve
        )
        #: Requests on their way.
        self.flights = Flights(parts, lease, self._landed)

    def __repr__(self) -> str:
        return f"Courier({self._lease!r}, {len(self._outboxes)} outboxes, {self.flights!r}, {self.agenda!r})"

    def breakers(self) -> Iterator[Breaker]:
        """Give the breaker of each endpoint that has, or lately had, something to be sent."""
        return (outbox.condition.breaker for outbox in self._outboxes.values())

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopping = True

    # What there is to deliver

    async def resume(self, index: Index, up_to: int) -> None:
        """Take up what an earlier owner left; raises StoreUnavailableError.

        Failing lanes first: what waits behind their heads must not be taken for new.
        """
        ailing = await self._parts.store.call("HGETALL", self._keys.health)
        self._ailing = {subscription.decode(): kept for subscription, kept in ailing.items()}
        now, first = await self._parts.store.time_ms(), 0
        self._clock.set(now)
        while due := await self._parts.store.call(
            "ZRANGE", self._keys.due, first, first + DUE_PAGE - 1, "WITHSCORES"
        ):
            for member, at in due:
                owner, _, lane = member.decode().partition(" ")
                subscription = index.get(owner)
                if subscription is not None:
                    outbox = self.outbox(subscription)
                    outbox.lanes.failing(lane)
                    self.agenda.add(max(0.0, (at - now) / 1000), outbox, lane)
            first += len(due)
        await self.recheck(index, up_to)

    async def recheck(self, index: Index, up_to: int) -> None:
        """Look at every queue again: it may hold what was not heard of. Raises StoreUnavailableError."""
        for member in await self._parts.store.call("SMEMBERS", self._keys.ready):
            subscription = index.get(member.decode())
            if subscription is None:
                self.end(member.decode(), up_to)
            else:
                outbox = self.outbox(subscription)
                outbox.lanes.expect_more()
                self.serve(outbox)

    def outbox(self, subscription: Subscription) -> Outbox:
        """Return the way out of an active subscription."""
        found = self._outboxes.get(subscription.id)
        if found is None:
            found = self._outboxes[subscription.id] = Outbox(
                subscription, self._parts.rules, manner_of(subscription, self._parts.manners)
            )
            ailing = self._ailing.pop(subscription.id, None)
            if ailing is not None:
                restore(found.condition, ailing, self._clock.now())
                self.concluding.check_patience(found)
        return found

    def arrived(self, subscription: Subscription, references: Sequence[Reference]) -> Outbox:
        """Take references that were just queued; `serve` the outbox afterwards."""
        outbox = self.outbox(subscription)
        for reference in references:
            if not outbox.lanes.arrive(reference):
                self._ledger.write(self._operations.behind(outbox.id, reference))
        return outbox

    def renew(self, subscription: Subscription, up_to: int, *, refilled: bool, moved: bool) -> None:
        """Take in how a subscription is now.

        ``refilled`` says that its queue got older events, ``moved`` that it leads to another URL, of which
        nothing is known yet.
        """
        found = self._outboxes.get(subscription.id)
        if moved:
            self._ailing.pop(subscription.id, None)
        if found is not None and found.closed and not moved:  # it was given up, and is enabled again
            self.end(subscription.id, up_to)
            return
        if found is None and not refilled:
            return
        outbox = self.outbox(subscription)
        outbox.adopt(subscription, manner_of(subscription, self._parts.manners))
        if moved:
            outbox.move()
            for lane in self.agenda.drop(outbox):
                outbox.lanes.overdue(lane)
            outbox.closed = False  # it may have been given up, and not been disabled yet
            self._ledger.write(self._operations.health(outbox.id, b""))
        if refilled:
            outbox.lanes.rewind()
        self.serve(outbox)

    def end(self, subscription: str, up_to: int) -> None:
        """Send nothing more of a subscription that was ended; clear what is queued up to a place."""
        outbox = self._outboxes.pop(subscription, None)
        if outbox is not None:
            outbox.closed = True
            self.agenda.drop(outbox)
        self._ailing.pop(subscription, None)
        self._ledger.write(self._operations.health(subscription, b""))
        self._endings.clear(subscription, up_to)

    def serve(self, outbox: Outbox) -> None:
        """Send what may be sent now, and load what there is room for."""
        if outbox.closed or self._stopping:
            return
        lanes = outbox.lanes
        while lanes.ready:
            now, first = time.monotonic(), outbox.first
            if self._pause(outbox, now):
                break
            if first in outbox.waiting or not self._parts.slots.take(first=first):
                self._queue_up(outbox, first=first)
                return
            self._begin(outbox, now)
        if lanes.hungry:
            if not outbox.feeding:
                outbox.feeding = True
                self.chores.spawn(self._feeder.feed(outbox))
        elif len(self._outboxes) > KEPT and lanes.empty and not outbox.waiting:
            self._evict(outbox)

    def _pause(self, outbox: Outbox, now: float) -> bool:
        """Tell whether the endpoint may get nothing now; then it is looked at again when it may."""
        valid = self._lease.valid()
        pause = outbox.condition.wait(now) if valid else STALL
        if pause > 0 and outbox.paused_until <= now:
            self._parts.stats.unsent += not valid
            outbox.paused_until = now + pause
            self.agenda.add(pause, outbox)
        return pause > 0

    def _evict(self, outbox: Outbox) -> None:
        known = self._outboxes.get(outbox.id) is outbox  # the agenda may bring one that has a successor
        if known and outbox.condition.forgettable:
            del self._outboxes[outbox.id]

    def _queue_up(self, outbox: Outbox, *, first: bool) -> None:
        if first not in outbox.waiting:
            outbox.waiting.add(first)
            self._parts.slots.wait(partial(self._turn, outbox, first=first), first=first)

    def _turn(self, outbox: Outbox, *, first: bool) -> bool:
        """Use the free place that an outbox waited for; one at a time, so that all get their turn."""
        outbox.waiting.discard(first)
        now = time.monotonic()
        if outbox.closed or self._stopping or not outbox.lanes.ready or self._pause(outbox, now):
            return False
        took = self._parts.slots.take(first=outbox.first)
        if took:
            self._begin(outbox, now)
        if outbox.lanes.ready:
            self._queue_up(outbox, first=outbox.first)
        return took

    def _due(self, outbox: Outbox, lane: str | None) -> None:
        if lane is not None:
            outbox.lanes.overdue(lane)
        else:
            outbox.paused_until = 0.0  # this may be a moment early: loops round their clocks
            self.concluding.check_patience(outbox)
        self.serve(outbox)

    # Requests

    def _begin(self, outbox: Outbox, now: float) -> None:
        """Make the next request in a place that was taken."""
        reference = outbox.take(now)
        event = rendered(reference.entry, outbox.subscription.format, self._parts.renderers)
        if event is not None:
            self.flights.begin(outbox, reference, event)
            return
        outbox.lanes.answered()
        unreadable = Delivery(
            status=Status.DEAD, type="", attempts=reference.history, reason=Reason.UNREADABLE
        )
        self.concluding.settle(outbox, reference, unreadable)
        self._parts.slots.give_back()

    def _landed(self, flight: Flight, sent: Sent) -> None:
        """Go on after a request that ended."""
        outbox = flight.outbox
        if isinstance(sent, Withheld):
            self._parts.stats.unsent += 1
            outbox.put_back(flight.reference, time.monotonic())
            self.agenda.add(STALL, outbox)
            return
        outbox.lanes.answered()
        self.concluding.conclude(flight, sent)
        self.serve(outbox)
