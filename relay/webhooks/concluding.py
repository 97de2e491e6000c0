"""What becomes of a delivery after an attempt, and of its endpoint's health."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from typing import Final, final

from relay.telemetry import log
from relay.webhooks.agenda import Agenda
from relay.webhooks.attempts import Attempt, Delivery, Status, encode
from relay.webhooks.clock import StoreClock
from relay.webhooks.condition import Breaker
from relay.webhooks.endings import Endings
from relay.webhooks.flights import Flight
from relay.webhooks.health import health_of
from relay.webhooks.ledger import Ledger
from relay.webhooks.operations import Operations, Settled
from relay.webhooks.outbox import Outbox
from relay.webhooks.outcomes import attempt_of, status_of
from relay.webhooks.policy import DEADLINE, GiveUp, Reason, Retry, Verdict, asked_pause, decide, retry_after
from relay.webhooks.references import Reference, time_of
from relay.webhooks.sender import Answer, Failure
from relay.webhooks.stats import Stats
from relay.webhooks.throttle import OVERRUN

_log: Final = log.get("webhooks")


@final
class Concluding:
    """Judges attempts, and has stored what follows. `serve` is called when a lane may go on."""

    def __init__(
        self,
        stats: Stats,
        clock: StoreClock,
        agenda: Agenda,
        ledger: Ledger,
        operations: Operations,
        endings: Endings,
        serve: Callable[[Outbox], None],
    ) -> None:
        self._stats = stats
        self._clock = clock
        self._agenda = agenda
        self._ledger = ledger
        self._operations = operations
        self._endings = endings
        self._serve = serve

    def __repr__(self) -> str:
        return f"Concluding({self._ledger!r}, {self._agenda!r})"

    def conclude(self, flight: Flight, answer: Answer | Failure) -> None:
        """Decide what becomes of a delivery after an attempt, and have it stored."""
        outbox, reference = flight.outbox, flight.reference
        took = time.perf_counter() - flight.started
        verdict = outbox.manner.judge(status_of(answer))
        if verdict is Verdict.GONE and flight.condition is not outbox.condition:
            verdict = Verdict.FAILURE  # gone is where the subscription led before
        attempt = attempt_of(answer, flight.began, took, failed=verdict is not Verdict.SUCCESS)
        self._stats.ended(attempt)
        probe = outbox.probe is reference
        if probe:
            outbox.probe = None
        if verdict is not Verdict.SUCCESS:
            self._failed(flight, answer, attempt, verdict, flight.began + took, probe=probe)
            return
        if flight.condition is outbox.condition:
            self._note_success(outbox)
        attempts = (*reference.history, attempt)
        delivery = Delivery(status=Status.SUCCEEDED, type=flight.event.type, attempts=attempts)
        self.settle(outbox, reference, delivery)

    def settle(self, outbox: Outbox, reference: Reference, delivery: Delivery) -> None:
        """Have the end of a delivery stored; its lane then goes on."""
        self._stats.succeeded += delivery.status is Status.SUCCEEDED
        then = partial(self._settled, outbox, reference)
        if delivery.status is not Status.DEAD:
            self._ledger.write(Settled(outbox.id, reference, encode(delivery), then))
            return
        self._stats.gave_up(delivery.reason)
        _log.warning(
            "delivery given up",
            subscription=outbox.id,
            event_id=str(reference.entry.id),
            reason=delivery.reason,
        )
        died = self._operations.died(outbox.id, reference, delivery, then)
        self._ledger.write(self._endings.given_up(outbox.subscription, delivery, reference.event, died))

    def gone(self, outbox: Outbox, attempt: Attempt) -> None:
        """Give a subscription up whose endpoint answered that it is gone."""
        self._endings.give_up(outbox, outbox.manner.complaint(attempt))

    def check_patience(self, outbox: Outbox) -> None:
        """Give a subscription up whose manner's patience is over; otherwise look again when it will be."""
        patience, failing, now = outbox.manner.patience, outbox.condition.failing, time.monotonic()
        if outbox.watched_until is not None and outbox.watched_until <= now:
            outbox.watched_until = None
        if patience is None or failing is None:
            return
        if failing.outlasts(patience, outbox.manner.spread, now):
            self._endings.give_up(outbox, failing.complaint)
        elif outbox.watched_until is None and now - failing.since < patience:
            outbox.watched_until = failing.since + patience
            self._agenda.add(outbox.watched_until - now, outbox)

    def _failed(
        self,
        flight: Flight,
        answer: Answer | Failure,
        attempt: Attempt,
        verdict: Verdict,
        now: float,
        *,
        probe: bool,
    ) -> None:
        """Decide what becomes of a delivery that failed ``now`` (seconds since the epoch)."""
        outbox, reference = flight.outbox, flight.reference
        age = self._clock.now() - time_of(reference.score)
        hint = retry_after(answer.retry_after, now) if isinstance(answer, Answer) else None
        if flight.condition is outbox.condition:
            self._lose_patience(flight, attempt, hint, probe=probe)
        if probe and verdict is not Verdict.GONE and age < DEADLINE:
            self._stats.probes += 1
            outbox.lanes.again(reference)
            self._serve(outbox)
            return
        decision = decide(
            outbox.retries,
            reference.attempts + 1,
            hint=hint,
            age=age,
            chance=random.random(),  # noqa: S311 - spreads retries, hides nothing
            gone=verdict is Verdict.GONE,
        )
        attempts = (*reference.history, attempt)
        match decision:
            case Retry() if outbox.closed:
                canceled = Delivery(status=Status.CANCELED, type=flight.event.type, attempts=attempts)
                self.settle(outbox, reference, canceled)
            case Retry(pause):
                delivery = Delivery(
                    status=Status.FAILED,
                    type=flight.event.type,
                    attempts=attempts,
                    next_attempt_at=round((now + pause) * 1000),
                )
                self._try_again(flight, delivery, pause)
            case GiveUp(reason):
                delivery = Delivery(
                    status=Status.DEAD, type=flight.event.type, attempts=attempts, reason=reason
                )
                self.settle(outbox, reference, delivery)
                if reason is Reason.GONE:
                    self.gone(outbox, attempt)

    def _try_again(self, flight: Flight, delivery: Delivery, pause: float) -> None:
        outbox, reference = flight.outbox, flight.reference
        self._stats.failed += 1
        self._ledger.write(
            self._operations.failed(
                outbox.id,
                reference,
                delivery,
                made=reference.attempts + 1,
                pause=pause,
                behind=outbox.lanes.fail(reference),
                then=partial(self._postponed, flight, pause),
            )
        )

    def _settled(self, outbox: Outbox, reference: Reference) -> None:
        outbox.lanes.done(reference)
        self._serve(outbox)

    def _postponed(self, flight: Flight, pause: float) -> None:
        """Have a head tried again after its pause; at once where the subscription leads elsewhere by now."""
        outbox = flight.outbox
        moved = flight.condition is not outbox.condition
        self._agenda.add(0.0 if moved else pause, outbox, flight.reference.lane)
        self._serve(outbox)

    def _note_success(self, outbox: Outbox) -> None:
        if outbox.condition.succeeded():
            self._keep_health(outbox)
        if outbox.condition.throttle.succeeded(outbox.subscription.max_in_flight):
            outbox.widen()

    def _lose_patience(self, flight: Flight, attempt: Attempt, hint: float | None, *, probe: bool) -> None:
        """Note a failure; where the manner has an end to its patience, look again when that is over."""
        outbox, condition = flight.outbox, flight.condition
        if attempt.status_code in OVERRUN:
            condition.throttle.overrun(
                outbox.subscription.max_in_flight, started=flight.started, now=time.perf_counter()
            )
            outbox.widen()
        was = condition.breaker
        complaint, asked = outbox.manner.complaint(attempt), asked_pause(hint)
        if condition.failed(time.monotonic(), complaint, probe=probe, asked=asked):
            self._keep_health(outbox)
        if was is Breaker.CLOSED is not condition.breaker:
            self._stats.opened += 1
            _log.warning("breaker opened", subscription=outbox.id)
        self.check_patience(outbox)

    def _keep_health(self, outbox: Outbox) -> None:
        self._ledger.write(self._operations.health(outbox.id, health_of(outbox.condition, self._clock.now())))
