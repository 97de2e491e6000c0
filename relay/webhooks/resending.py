"""Sending one event once, as somebody asked for: again, or to try an endpoint."""

from __future__ import annotations

import time
from typing import NamedTuple, final

from relay.errors import UnavailableError
from relay.journal.ids import parse
from relay.journal.leases import Lease
from relay.subscriptions.model import Subscription
from relay.subscriptions.rendering import Rendered, rendered
from relay.telemetry import log
from relay.webhooks.attempts import MANUAL, Attempt, Delivery, Status, encode, readable
from relay.webhooks.condition import Condition
from relay.webhooks.courier import Courier
from relay.webhooks.ledger import Ledger
from relay.webhooks.operations import Operations, Settled
from relay.webhooks.outbox import Outbox
from relay.webhooks.outcomes import attempt_of, status_of
from relay.webhooks.parts import Parts
from relay.webhooks.policy import Reason, Verdict
from relay.webhooks.records import Records
from relay.webhooks.references import Reference, place, read_lane
from relay.webhooks.sender import Withheld

_log = log.get("webhooks")


class _Sent(NamedTuple):
    """A request that was made."""

    reference: Reference
    event: Rendered
    attempt: Attempt
    verdict: Verdict
    condition: Condition
    """That of the endpoint it was made to."""

    @property
    def succeeded(self) -> bool:
        """Whether it was taken."""
        return self.verdict is Verdict.SUCCESS


@final
class Resending:
    """Sends events of one partition outside their calls' order, under one lease."""

    def __init__(
        self,
        parts: Parts,
        lease: Lease,
        records: Records,
        ledger: Ledger,
        operations: Operations,
        courier: Courier,
    ) -> None:
        self._parts = parts
        self._lease = lease
        self._keys = parts.store.keys_at(lease.partition)
        self._records = records
        self._ledger = ledger
        self._operations = operations
        self._courier = courier

    def __repr__(self) -> str:
        return f"Resending({self._lease!r})"

    async def resend(self, subscription: Subscription, event: str) -> bool:
        """Send an event again; False if it could not be sent now."""
        outbox = self._courier.outbox(subscription)
        sent = await self._send(outbox, event)
        if not isinstance(sent, _Sent):
            return sent
        self._parts.stats.resent += 1
        resent = self._operations.resent(
            outbox.id, sent.reference, sent.event.type, sent.attempt, succeeded=sent.succeeded
        )
        await self._ledger.written([resent])
        if sent.succeeded:
            await self._unblock(outbox, sent.reference)
        self._heed(outbox, sent)
        return True

    async def test(self, subscription: Subscription, event: str) -> bool:
        """Send a test event, whose only attempt this is; False if it could not be sent now."""
        outbox = self._courier.outbox(subscription)
        sent = await self._send(outbox, event)
        if not isinstance(sent, _Sent):
            return sent
        failed = Reason.GONE if sent.verdict is Verdict.GONE else Reason.EXHAUSTED
        delivery = Delivery(
            status=Status.SUCCEEDED if sent.succeeded else Status.DEAD,
            type=sent.event.type,
            attempts=(sent.attempt,),
            reason=None if sent.succeeded else failed,
        )
        await self._ledger.written([Settled(subscription.id, sent.reference, encode(delivery))])
        self._heed(outbox, sent)
        return True

    def _heed(self, outbox: Outbox, sent: _Sent) -> None:
        """End the subscription if its endpoint said that it is gone."""
        if sent.verdict is Verdict.GONE and sent.condition is outbox.condition:
            self._courier.concluding.gone(outbox, sent.attempt)

    async def _send(self, outbox: Outbox, event: str) -> _Sent | bool:
        """Make the request; without one, tell whether that is the end of it."""
        subscription = outbox.subscription
        try:
            entry = (await self._records.load([event])).get(event)
        except UnavailableError:
            return False
        shown = None if entry is None else rendered(entry, subscription.format, self._parts.renderers)
        if entry is None or shown is None:
            _log.warning("nothing to send", subscription=subscription.id, event_id=event)
            return True
        reference = Reference(entry, place(parse(event)))
        began, started = time.time(), time.perf_counter()
        request, condition = outbox.request(reference, shown, began), outbox.condition
        answer = await self._parts.sender.send(request, self._lease.valid)
        if isinstance(answer, Withheld):
            return False
        took = time.perf_counter() - started
        verdict = outbox.manner.judge(status_of(answer))
        attempt = attempt_of(answer, began, took, failed=verdict is not Verdict.SUCCESS, trigger=MANUAL)
        self._parts.stats.ended(attempt)
        return _Sent(reference, shown, attempt, verdict, condition)

    async def _unblock(self, outbox: Outbox, reference: Reference) -> None:
        """Let a failing lane go on whose head was just delivered, unless the head is on its way anyway."""
        lanes, lane = outbox.lanes, reference.lane
        if outbox.closed or await self._as_head(outbox, reference) is None or not lanes.withdraw(lane):
            return
        head = await self._as_head(outbox, reference)  # it may have been tried until it was withdrawn
        if head is None:
            lanes.restore(lane)
            self._courier.serve(outbox)
            return
        reference.attempts, delivery = head
        settled = Delivery(status=Status.SUCCEEDED, type=delivery.type, attempts=delivery.attempts)
        self._courier.concluding.settle(outbox, reference, settled)

    async def _as_head(self, outbox: Outbox, reference: Reference) -> tuple[int, Delivery] | None:
        """Return attempts and delivery of a failing lane's head; None if it is none, or nobody can tell."""
        attempts = ("ZRANGE", self._keys.attempts(outbox.id), reference.score, reference.score, "BYSCORE")
        try:
            state, kept = await self._parts.store.fetch(
                [("HGET", self._keys.lanes(outbox.id), reference.lane), attempts]
            )
        except UnavailableError:
            return None  # it is tried again in its time
        lane = None if state is None else read_lane(state)
        if lane is None or lane.events[0] != reference.event:
            return None
        found = (delivery for event, delivery in readable(kept) if event == reference.event)
        return next(((lane.attempts, delivery) for delivery in found), None)
