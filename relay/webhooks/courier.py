"""Delivering one partition's queues while its lease lasts: what goes out when, and what becomes of it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import partial
from typing import Final, final

from relay.journal.leases import Lease
from relay.subscriptions.index import Index
from relay.subscriptions.model import Subscription
from relay.subscriptions.rendering import Rendered, rendered
from relay.telemetry import log
from relay.webhooks.agenda import Agenda
from relay.webhooks.attempts import Attempt, Delivery, ErrorCode, Status
from relay.webhooks.clock import StoreClock
from relay.webhooks.condition import Breaker
from relay.webhooks.crew import Crew
from relay.webhooks.endings import Endings
from relay.webhooks.feeder import Feeder
from relay.webhooks.health import encode, restore
from relay.webhooks.ledger import Ledger
from relay.webhooks.manners import manner_of
from relay.webhooks.operations import Operations
from relay.webhooks.outbox import Outbox
from relay.webhooks.outcomes import attempt_of
from relay.webhooks.parts import Parts
from relay.webhooks.policy import DEADLINE, GiveUp, Reason, Retry, Verdict, asked_pause, decide, retry_after
from relay.webhooks.records import Records
from relay.webhooks.references import Reference, time_of
from relay.webhooks.sender import Answer, Failure, Withheld

KEPT: Final = 1000
"""Outboxes with nothing to deliver that are kept for the next event of their subscription."""
DUE_PAGE: Final = 1000
"""Failing lanes read at a time when a partition is taken over."""
STALL: Final = 0.5
"""Seconds until an endpoint is looked at again whose request was not made for want of a valid lease."""

_log: Final = log.get("webhooks")


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
        #: Requests on their way.
        self.workers = Crew(f"webhooks-{lease.partition:02d}-request")

    def __repr__(self) -> str:
        return f"Courier({self._lease!r}, {len(self._outboxes)} outboxes, {self.workers!r}, {self.agenda!r})"

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
                self._check_patience(found)
        return found

    def arrived(self, subscription: Subscription, reference: Reference) -> Outbox:
        """Take a reference that was just queued; `serve` the outbox afterwards."""
        outbox = self.outbox(subscription)
        if not outbox.lanes.arrive(reference):
            self._ledger.write(self._operations.behind(outbox.id, reference))
        return outbox

    def renew(self, subscription: Subscription, up_to: int, *, refilled: bool) -> None:
        """Take in how a subscription is now; ``refilled`` says that its queue got older events."""
        found = self._outboxes.get(subscription.id)
        if found is not None and found.closed:  # it was given up, and is enabled again
            self.end(subscription.id, up_to)
            return
        if found is None and not refilled:
            return
        outbox = self.outbox(subscription)
        outbox.adopt(subscription, manner_of(subscription, self._parts.manners))
        if refilled:
            outbox.lanes.rewind()
        self.serve(outbox)

    def end(self, subscription: str, up_to: int) -> None:
        """Send nothing more of a subscription that was ended; clear what is queued up to a place."""
        outbox = self._outboxes.pop(subscription, None)
        if outbox is not None:
            outbox.closed = True
        self._ailing.pop(subscription, None)
        self._ledger.write(self._operations.health(subscription, b""))
        self._endings.clear(subscription, up_to)

    def serve(self, outbox: Outbox) -> None:
        """Send what may be sent now, and load what there is room for."""
        if outbox.closed or self._stopping:
            return
        while outbox.lanes.ready and not outbox.waiting and not self._pause(outbox):
            if not self._parts.slots.take():
                self._queue_up(outbox)
                return
            self._begin(outbox)
        if outbox.lanes.hungry:
            if not outbox.feeding:
                outbox.feeding = True
                self.chores.spawn(self._feeder.feed(outbox))
        elif len(self._outboxes) > KEPT and outbox.lanes.empty and not outbox.waiting:
            self._evict(outbox)

    def _pause(self, outbox: Outbox) -> bool:
        """Tell whether the endpoint may get nothing now; then it is looked at again when it may."""
        now = time.monotonic()
        pause = outbox.condition.wait(now)
        if pause > 0 and outbox.paused_until <= now:
            outbox.paused_until = now + pause
            self.agenda.add(pause, outbox)
        return pause > 0

    def _evict(self, outbox: Outbox) -> None:
        if outbox.condition.failing is None:
            self._outboxes.pop(outbox.id, None)

    def _queue_up(self, outbox: Outbox) -> None:
        outbox.waiting = True
        self._parts.slots.wait(partial(self._turn, outbox))

    def _turn(self, outbox: Outbox) -> None:
        """Use the free place that an outbox waited for; one at a time, so that all get their turn."""
        outbox.waiting = False
        if outbox.closed or self._stopping or not outbox.lanes.ready or self._pause(outbox):
            self._parts.slots.pass_on()
        elif self._parts.slots.take():
            self._begin(outbox)
            if outbox.lanes.ready:
                self._queue_up(outbox)

    def _begin(self, outbox: Outbox) -> None:
        reference = outbox.take(time.monotonic())
        assert reference is not None, "a place was taken for an outbox that is ready"  # noqa: S101
        self.workers.spawn(self._work(outbox, reference))

    def _due(self, outbox: Outbox, lane: str | None) -> None:
        if lane is not None:
            outbox.lanes.overdue(lane)
        else:
            outbox.paused_until = 0.0  # this may be a moment early: loops round their clocks
            self._check_patience(outbox)
        self.serve(outbox)

    # Requests

    async def _work(self, outbox: Outbox, reference: Reference) -> None:
        """Make requests of one outbox as long as there are any and nobody else waits for the place."""
        slots = self._parts.slots
        try:
            following: Reference | None = reference
            while following is not None:
                if not self._lease.valid() or not await self._attempt(outbox, following):
                    self._parts.stats.unsent += 1
                    outbox.put_back(following, time.monotonic())
                    self.agenda.add(STALL, outbox)
                    return
                done = outbox.closed or self._stopping or slots.contended
                following = None if done else outbox.take(time.monotonic())
        finally:
            slots.give_back()

    async def _attempt(self, outbox: Outbox, reference: Reference) -> bool:
        """Make a request and see to its outcome; False if it was not made, as the lease may be over."""
        stats, lanes = self._parts.stats, outbox.lanes
        event = rendered(reference.entry, outbox.subscription.format, self._parts.renderers)
        if event is None:
            lanes.answered()
            unreadable = Delivery(
                status=Status.DEAD, type="", attempts=reference.history, reason=Reason.UNREADABLE
            )
            self.settle(outbox, reference, unreadable)
            return True
        began, started = time.time(), time.perf_counter()
        stats.in_flight += 1
        answer: Answer | Failure | Withheld
        try:
            request = outbox.request(reference, event, began)
            answer = await self._parts.sender.send(request, self._lease.valid)
        except Exception:  # noqa: BLE001 - a fault of our own must not hold up the partition
            _log.exception("attempt broke", subscription=outbox.id, event_id=str(reference.entry.id))
            answer = Failure(ErrorCode.CONNECTION_RESET)
        finally:
            stats.in_flight -= 1
        if isinstance(answer, Withheld):
            return False
        lanes.answered()
        self._conclude(outbox, reference, event, answer, began, time.perf_counter() - started)
        return True

    def _conclude(
        self,
        outbox: Outbox,
        reference: Reference,
        event: Rendered,
        answer: Answer | Failure,
        began: float,
        took: float,
    ) -> None:
        """Decide what becomes of a delivery after an attempt, and have it stored."""
        attempt = attempt_of(answer, began, took, outbox.manner)
        self._parts.stats.ended(attempt)
        attempts = (*reference.history, attempt)
        verdict = outbox.manner.judge(attempt.status_code)
        probe, outbox.probe = outbox.probe is reference, None if outbox.probe is reference else outbox.probe
        if verdict is Verdict.SUCCESS:
            if outbox.condition.succeeded():
                self._keep_health(outbox)
            self.settle(
                outbox, reference, Delivery(status=Status.SUCCEEDED, type=event.type, attempts=attempts)
            )
            return
        now, age = began + took, self._clock.now() - time_of(reference.score)
        hint = retry_after(answer.retry_after, now) if isinstance(answer, Answer) else None
        self._lose_patience(outbox, attempt, hint, probe=probe)
        if probe and verdict is not Verdict.GONE and age < DEADLINE:
            self._parts.stats.probes += 1
            outbox.lanes.again(reference)
            self.serve(outbox)
            return
        decision = decide(
            outbox.retries,
            reference.attempts + 1,
            status=attempt.status_code,
            hint=hint,
            age=age,
            chance=random.random(),  # noqa: S311 - spreads retries, hides nothing
            gone=verdict is Verdict.GONE,
        )
        match decision:
            case Retry() if outbox.closed:
                canceled = Delivery(status=Status.CANCELED, type=event.type, attempts=attempts)
                self.settle(outbox, reference, canceled)
            case Retry(pause):
                delivery = Delivery(
                    status=Status.FAILED,
                    type=event.type,
                    attempts=attempts,
                    next_attempt_at=round((now + pause) * 1000),
                )
                self._fail(outbox, reference, delivery, pause)
            case GiveUp(reason):
                delivery = Delivery(status=Status.DEAD, type=event.type, attempts=attempts, reason=reason)
                self.settle(outbox, reference, delivery)
                if reason is Reason.GONE:
                    self._endings.give_up(outbox, outbox.manner.complaint(attempt))

    def settle(self, outbox: Outbox, reference: Reference, delivery: Delivery) -> None:
        """Have the end of a delivery stored; its lane then goes on."""
        dead = delivery.status is Status.DEAD
        self._parts.stats.succeeded += delivery.status is Status.SUCCEEDED
        if dead:
            self._parts.stats.gave_up(delivery.reason)
            _log.warning(
                "delivery given up",
                subscription=outbox.id,
                event_id=str(reference.entry.id),
                reason=delivery.reason,
            )
        settled = self._operations.settled(
            outbox.id, reference, delivery, dead=dead, then=partial(self._settled, outbox, reference)
        )
        if dead:
            settled = self._endings.given_up(outbox.subscription, delivery, reference.event, settled)
        self._ledger.write(settled)

    def _settled(self, outbox: Outbox, reference: Reference) -> None:
        outbox.lanes.done(reference)
        self.serve(outbox)

    def _fail(self, outbox: Outbox, reference: Reference, delivery: Delivery, pause: float) -> None:
        self._parts.stats.failed += 1
        behind = outbox.lanes.fail(reference)
        again = partial(self._failed, outbox, reference.lane, pause)
        self._ledger.write(
            self._operations.failed(
                outbox.id,
                reference,
                delivery,
                made=reference.attempts + 1,
                pause=pause,
                behind=behind,
                then=again,
            )
        )

    def _failed(self, outbox: Outbox, lane: str, pause: float) -> None:
        self.agenda.add(pause, outbox, lane)
        self.serve(outbox)

    # Subscriptions that end

    def _lose_patience(self, outbox: Outbox, attempt: Attempt, hint: float | None, *, probe: bool) -> None:
        """Note a failure; where the manner has an end to its patience, look again when that is over."""
        condition = outbox.condition
        was = condition.breaker
        complaint, asked = outbox.manner.complaint(attempt), asked_pause(attempt.status_code, hint)
        if condition.failed(time.monotonic(), complaint, probe=probe, asked=asked):
            self._keep_health(outbox)
        if was is Breaker.CLOSED is not condition.breaker:
            self._parts.stats.opened += 1
            _log.warning("breaker opened", subscription=outbox.id)
        self._check_patience(outbox)

    def _check_patience(self, outbox: Outbox) -> None:
        patience, failing, now = outbox.manner.patience, outbox.condition.failing, time.monotonic()
        if outbox.watched_until is not None and outbox.watched_until <= now:
            outbox.watched_until = None
        if patience is None or failing is None:
            return
        if failing.outlasts(patience, outbox.manner.spread, now):
            self._endings.give_up(outbox, failing.complaint)
        elif outbox.watched_until is None and now - failing.since < patience:
            outbox.watched_until = failing.since + patience
            self.agenda.add(outbox.watched_until - now, outbox)

    def _keep_health(self, outbox: Outbox) -> None:
        self._ledger.write(self._operations.health(outbox.id, encode(outbox.condition, self._clock.now())))
