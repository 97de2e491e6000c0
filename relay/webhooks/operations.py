"""Changes of queues and deliveries, as ``deliveries.lua`` takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, final

from relay.journal.keys import Keys
from relay.journal.link import Argument
from relay.webhooks.attempts import Attempt, Delivery, encode, encode_attempt
from relay.webhooks.lanes import Queued


class Operation(NamedTuple):
    """One change, its keys and its arguments in the script's order."""

    keys: tuple[str, ...]
    arguments: tuple[Argument, ...]
    then: Callable[[], None] | None = None
    """Called once it is stored."""


class Settled(NamedTuple):
    """An event that leaves its queue, delivered or let go of; what waited behind it is queued again."""

    subscription: str
    reference: Queued
    delivery: bytes
    """As it is kept."""
    then: Callable[[], None] | None = None
    """Called once it is stored."""


Change = Operation | Settled
"""What the ledger stores."""


@final
class Operations:
    """Makes the operations of one partition."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def call(self, batch: Iterable[Change]) -> tuple[list[str], list[Argument]]:
        """Return keys and arguments of the script for changes in their order.

        Events that one subscription is rid of become one operation, unless another one comes in between.
        """
        keys: list[str] = []
        arguments: list[Argument] = []
        together: dict[str, list[Settled]] = {}
        for change in batch:
            if isinstance(change, Settled):
                together.setdefault(change.subscription, []).append(change)
            else:
                self._settle(together, keys, arguments)
                together.clear()
                keys += change.keys
                arguments += change.arguments
        self._settle(together, keys, arguments)
        return keys, arguments

    def _settle(
        self, together: Mapping[str, Sequence[Settled]], keys: list[str], arguments: list[Argument]
    ) -> None:
        named = self._keys
        for subscription, group in together.items():
            keys += (named.queue(subscription), named.lanes(subscription), named.attempts(subscription))
            keys += [named.parked(one.reference.event) for one in group]
            arguments += ("settled", subscription, len(group))
            for _, reference, delivery, _ in group:
                arguments += (reference.lane, reference.event, reference.score, delivery)

    def died(
        self, subscription: str, reference: Queued, delivery: Delivery, then: Callable[[], None] | None
    ) -> Operation:
        """Take an event out that was given up; what waited behind it is queued again."""
        keys, event = self._keys, reference.event
        return Operation(
            (
                *(keys.queue(subscription), keys.lanes(subscription), keys.attempts(subscription)),
                *(keys.dead(subscription), keys.parked(event)),
            ),
            ("died", subscription, reference.lane, event, reference.score, encode(delivery)),
            then,
        )

    def exhausted(self, died: Operation, account: str, notice: bytes) -> Operation:
        """Have an operational event tell of a delivery that is given up."""
        name, *arguments = died.arguments
        assert name == "died", "what is told of was given up"  # noqa: S101
        return Operation(
            (self._keys.log(account), *died.keys), ("exhausted", account, notice, *arguments), died.then
        )

    def failed(
        self,
        subscription: str,
        reference: Queued,
        delivery: Delivery,
        *,
        made: int,
        pause: float,
        behind: Sequence[Queued],
        then: Callable[[], None] | None,
    ) -> Operation:
        """Have a head that failed ``made`` times tried again after a pause (seconds), others behind it."""
        keys, event = self._keys, reference.event
        return Operation(
            (
                *(keys.queue(subscription), keys.lanes(subscription), keys.attempts(subscription)),
                *(keys.parked(event), *(keys.parked(one.event) for one in behind)),
            ),
            (
                *("failed", subscription, reference.lane, event, reference.score),
                encode(delivery),
                made,
                round(pause * 1000),
                len(behind),
                *(one.event for one in behind),
            ),
            then,
        )

    def behind(self, subscription: str, reference: Queued) -> Operation:
        """Move a queued event behind the failing head of its lane."""
        keys = self._keys
        return Operation(
            (keys.queue(subscription), keys.lanes(subscription), keys.parked(reference.event)),
            ("behind", subscription, reference.lane, reference.event),
        )

    def park(self, subscription: str, event: str) -> Operation:
        """Keep the record of a queued event that is about to leave the journal."""
        keys = self._keys
        return Operation((keys.queue(subscription), keys.parked(event)), ("park", subscription, event))

    def forget(self, subscription: str, event: str) -> Operation:
        """Take something out of the queue of which nothing is kept."""
        keys = self._keys
        return Operation(
            (keys.queue(subscription), keys.lanes(subscription), keys.parked(event)),
            ("forget", subscription, event),
        )

    def cancel(self, subscription: str, event: str) -> Operation:
        """Take an event out whose subscription gets nothing more."""
        keys = self._keys
        return Operation(
            (
                *(keys.queue(subscription), keys.lanes(subscription), keys.attempts(subscription)),
                keys.parked(event),
            ),
            ("cancel", subscription, event),
        )

    def abandon(self, subscription: str, lane: str, events: Sequence[str]) -> Operation:
        """Take a failing lane out, and cancel its events."""
        keys = self._keys
        return Operation(
            (
                *(keys.queue(subscription), keys.lanes(subscription), keys.attempts(subscription)),
                *(keys.parked(event) for event in events),
            ),
            ("abandon", subscription, lane, len(events), *events),
        )

    def resent(
        self, subscription: str, reference: Queued, event_type: str, attempt: Attempt, *, succeeded: bool
    ) -> Operation:
        """Add the attempt that somebody asked for to what is kept of a delivery."""
        keys, event = self._keys, reference.event
        return Operation(
            (
                *(keys.queue(subscription), keys.attempts(subscription), keys.dead(subscription)),
                keys.parked(event),
            ),
            (
                *("resent", subscription, event, reference.score, event_type),
                encode_attempt(attempt),
                int(succeeded),
            ),
        )

    def health(self, subscription: str, health: bytes) -> Operation:
        """Keep how an endpoint is doing; nothing where it is well."""
        return Operation((self._keys.health,), ("health", subscription, health))

    def done(self, errand: str) -> Operation:
        """Take an errand out that is run."""
        return Operation((self._keys.errands,), ("done", errand))

    def erase(self, subscription: str) -> Operation:
        """Drop what is kept of a deleted subscription's deliveries."""
        keys = self._keys
        return Operation(
            (
                *(keys.queue(subscription), keys.lanes(subscription)),
                *(keys.attempts(subscription), keys.dead(subscription)),
            ),
            ("erase", subscription),
        )
