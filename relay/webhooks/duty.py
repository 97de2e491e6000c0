"""The owner's duty that delivers webhooks, composed of its parts and run once per owned partition."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, final

from relay.errors import UnavailableError
from relay.journal.leases import Lease, LeaseLostError
from relay.journal.record import Entry
from relay.journal.store import Store
from relay.journal.tail import Tail
from relay.subscriptions.index import Index
from relay.subscriptions.rendering import Renderers
from relay.subscriptions.store import Subscriptions
from relay.telemetry import log
from relay.webhooks.condition import OPENS_AFTER, Breaker
from relay.webhooks.courier import Courier
from relay.webhooks.crew import Crew, to_its_end
from relay.webhooks.errands import Errands
from relay.webhooks.fanout import FanOut
from relay.webhooks.flights import Flights
from relay.webhooks.ledger import Ledger, Retention
from relay.webhooks.manners import STANDARD_MANNERS, Manners
from relay.webhooks.mending import mending, watch
from relay.webhooks.outbox import Rules
from relay.webhooks.parking import park
from relay.webhooks.parts import Parts
from relay.webhooks.records import Records
from relay.webhooks.resealing import reseal
from relay.webhooks.sender import Sender
from relay.webhooks.slots import MAX_IN_FLIGHT, Slots
from relay.webhooks.stats import Stats
from relay.webhooks.survey import Survey, survey

FLUSH_WITHIN: Final = 5.0
"""Seconds to store the last outcomes; what is not stored by then is sent again by the next owner."""
DISABLE_WITHIN: Final = 2.0
"""Seconds to disable the last subscriptions that are given up; of the others the next owner hears again."""

_log: Final = log.get("webhooks")


@final
class WebhookDuty:
    """Fans out and delivers the webhooks of every partition this process owns.

    Make one per process, inside its loop. Its `before_cut` belongs into the trimming of the same process. The
    sender is the caller's to close, after the last duty has ended.
    """

    name = "webhooks"

    def __init__(
        self,
        store: Store,
        tail: Tail,
        subscriptions: Subscriptions,
        renderers: Renderers,
        sender: Sender,
        *,
        retries: Sequence[float],
        timeout: float,
        delivery_retention: float,
        drain_timeout: float,
        max_in_flight: int = MAX_IN_FLIGHT,
        opens_after: int = OPENS_AFTER,
        manners: Manners = STANDARD_MANNERS,
    ) -> None:
        """Wire the engine. All times are in seconds; ``max_in_flight`` is for the whole process.

        ``opens_after`` is how many failures in a row open an endpoint's breaker.
        """
        self.stats = Stats()
        #: What waited in the store when it was last asked for.
        self.surveyed = Survey()
        self._serving: dict[int, tuple[Courier, Index]] = {}
        self._tail = tail
        self._drain_timeout = drain_timeout
        self._parts = Parts(
            store=store,
            subscriptions=subscriptions,
            renderers=renderers,
            sender=sender,
            manners=manners,
            rules=Rules(tuple(retries), timeout, opens_after),
            retention=Retention(delivery_retention),
            slots=Slots(max_in_flight),
            stats=self.stats,
        )

    def __repr__(self) -> str:
        return f"WebhookDuty({self._parts.sender!r}, {self._parts.slots!r}, {self.stats!r})"

    async def survey(self) -> None:
        """Find out what waits for the subscriptions of owned partitions; raises StoreUnavailableError."""
        self.surveyed = await survey(self._parts.store, tuple(self._serving))

    def breakers(self) -> Mapping[str, int]:
        """Count the endpoints with something to be sent, now or lately, by the state of their breaker."""
        states = Counter(state for courier, _ in self._serving.values() for state in courier.breakers())
        return {state.value: states[state] for state in Breaker}

    def unsealed(self) -> int:
        """Count the subscriptions whose secrets are not sealed as they would be now."""
        return sum(len(index.stale) for _, index in self._serving.values())

    async def before_cut(self, lease: Lease, entries: Sequence[Entry]) -> None:
        """Keep the records of entries that are about to be cut from the journal and still wait in a queue."""
        async with mending(self._parts.store, lease, self.stats):
            await park(self._parts.store, lease, self._parts.retention, entries)

    async def run(self, lease: Lease) -> None:
        """Deliver until cancelled. While the lease holds, what is on its way may end, and is recorded."""
        parts = self._parts
        records = Records(parts.store, lease.partition)
        index = Index(parts.store, parts.store.keys_at(lease.partition), parts.subscriptions.secret_keys)
        ledger = Ledger(parts.store, lease, parts.retention, parts.stats)
        courier = Courier(parts, lease, records, ledger)
        errands = Errands(parts, lease, index, records, ledger, courier)
        fan_out = FanOut(parts, lease, index, records, courier, errands)
        name = f"webhooks-{lease.partition:02d}"
        loops, writer = Crew(name), Crew(f"{name}-ledger")
        listening = self._tail.listen(lease.partition, fan_out)
        ours = lease.valid
        try:
            self._serving[lease.partition] = courier, index
            async with mending(parts.store, lease, self.stats):
                up_to = await fan_out.start(listening)
                await index.load()
                self.stats.unreadable += index.unreadable
                writer.spawn(ledger.run())
                await courier.resume(index, up_to)
                await errands.resume()
                if index.stale and parts.subscriptions.secret_keys:
                    courier.chores.spawn(reseal(parts.subscriptions, dict(index.stale)))
                loops.spawn(fan_out.run())
                loops.spawn(courier.agenda.run())
                loops.spawn(watch(parts.store, lease, self.stats))
                await first_failure(loops, writer, courier.chores, courier.flights)
        except LeaseLostError:
            ours = _never
            raise
        finally:
            self._serving.pop(lease.partition, None)
            courier.stop()
            listening.close()
            await to_its_end(self._end(lease, courier, ledger, loops, writer, ours))

    async def _end(
        self,
        lease: Lease,
        courier: Courier,
        ledger: Ledger,
        loops: Crew,
        writer: Crew,
        ours: Callable[[], bool],
    ) -> None:
        """End what runs, as long as the lease is ours in good order."""
        await loops.cancel()
        await courier.chores.cancel()
        await courier.flights.finish(self._drain_timeout, ours)
        courier.flights.cancel()
        # Meanwhile endpoints may have said that they are gone.
        await courier.chores.finish(DISABLE_WITHIN, ours)
        await courier.chores.cancel()
        await writer.cancel()
        if ours():
            await self._flush(lease, ledger)

    async def _flush(self, lease: Lease, ledger: Ledger) -> None:
        """Store the outcomes that are left; without an answer they are the next owner's to make again."""
        try:
            async with asyncio.timeout(FLUSH_WITHIN):
                await ledger.flush()
        except (TimeoutError, UnavailableError, LeaseLostError) as error:
            _log.warning(
                "outcomes not stored", partition=lease.partition, ledger=repr(ledger), error=repr(error)
            )


def _never() -> bool:
    return False


async def first_failure(*crews: Crew | Flights) -> None:
    """Wait until something goes wrong with one of them, and raise what was raised."""
    waiting = [asyncio.ensure_future(crew.failure()) for crew in crews]
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for failed in done:
            failed.result()
    finally:
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
