"""Breakers and rate limits, on endpoints that fail and recover."""

from __future__ import annotations

import time
from functools import partial
from itertools import pairwise

import pytest

from relay.journal.journal import Journal
from relay.journal.store import Store
from relay.subscriptions.model import RateLimit
from relay.webhooks import courier
from relay.webhooks.attempts import Status
from relay.webhooks.deliveries import Deliveries
from relay.webhooks.health import healths
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import RENDERERS, Process, StartProcess, Subscribe
from tests.webhooks.receiving import Receiver, accept, always


async def nothing_queued(store: Store) -> bool:
    """Tell whether everything is delivered or given up, and nothing is known of endpoints that fail."""
    keys = store.keys(ACCOUNT)
    return not await store.call("EXISTS", keys.ready, keys.due, keys.health)


async def test_an_outage_uses_up_no_attempts(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Once the breaker is open nothing is given up: when the endpoint is back, all arrives, in order."""
    receiver.answers["/hook"] = always(503)
    subscription = await subscribe(retries=(), max_in_flight=1)
    process = await start_process(opens_after=3)
    await Line(journal).tones(30)
    await eventually(lambda: process.duty.stats.probes >= 2)
    kept = await healths(store, ACCOUNT, [subscription.id])
    assert kept[subscription.id].open
    assert process.duty.stats.dead == 3
    receiver.answers["/hook"] = accept
    seen = len(receiver.requests)

    await eventually(lambda: process.duty.stats.succeeded == 27)
    await eventually(lambda: nothing_queued(store))

    assert [one.event["digits"] for one in receiver.requests[seen:]] == [str(n) for n in range(4, 31)]
    deliveries = Deliveries(store, process.subscriptions, RENDERERS)
    stats = process.duty.stats
    assert stats.outcomes == {"5xx": 3 + stats.probes, "2xx": 27}
    assert stats.attempts == sum(stats.outcomes.values())
    assert stats.durations.buckets[-1][1] == stats.attempts
    done = (await deliveries.list(ACCOUNT, status=Status.SUCCEEDED)).deliveries
    assert [len(one.delivery.attempts) for one in done] == [1] * 27


async def test_a_probe_comes_no_earlier_than_the_endpoint_asked(
    journal: Journal, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Retry-After holds for probes too, whatever the breaker's own pauses are."""
    at: list[float] = []

    async def overrun(received: object) -> object:
        at.append(time.monotonic())
        return await always(429, Retry_After="2")(received)  # type: ignore[arg-type]

    receiver.answers["/hook"] = overrun  # type: ignore[assignment]
    await subscribe()
    process = await start_process(opens_after=1)
    await Line(journal).tones()
    await eventually(lambda: process.duty.stats.probes == 2)
    assert min(later - earlier for earlier, later in pairwise(at)) > 1.99


async def test_an_open_breaker_outlives_its_owner(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """The next owner probes, rather than send all there is, and remembers since when it fails."""
    receiver.answers["/hook"] = always(503)
    subscription = await subscribe(retries=(), max_in_flight=1)
    first = await start_process(opens_after=3)
    await Line(journal).tones(30)
    await eventually(lambda: first.duty.stats.opened == 1)

    async def known() -> bool:
        return bool(await healths(store, ACCOUNT, [subscription.id]))

    await eventually(known)
    before = (await healths(store, ACCOUNT, [subscription.id]))[subscription.id]
    await first.stop()
    second = await start_process(opens_after=3)
    await eventually(lambda: second.duty.stats.probes >= 1)
    assert second.duty.stats.dead == 0
    receiver.answers["/hook"] = accept
    await eventually(lambda: second.duty.stats.succeeded > 0)
    await eventually(lambda: nothing_queued(store))
    assert before.failing_since > 0


async def test_a_probes_hint_outlives_its_owner(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """The next owner does not probe before the time that the endpoint asked the former one for."""
    at: list[float] = []

    async def overrun(received: object) -> object:
        at.append(time.monotonic())
        return await always(503, Retry_After="2")(received)  # type: ignore[arg-type]

    receiver.answers["/hook"] = overrun  # type: ignore[assignment]
    subscription = await subscribe()
    first = await start_process(opens_after=1)
    await Line(journal).tones()
    await eventually(lambda: first.duty.stats.probes == 1)

    async def known() -> bool:
        found = await healths(store, ACCOUNT, [subscription.id])
        return found[subscription.id].asked_until > time.time() * 1000 + 1000

    await eventually(known)
    await first.stop()
    second = await start_process(opens_after=1)
    await eventually(lambda: second.duty.stats.probes == 1)
    assert at[2] - at[1] > 1.99


async def test_a_rate_limit_holds(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """No more than its count within its time, and another endpoint is not held up."""
    await subscribe("/slow", rate_limit=RateLimit(4, 1.2))
    await subscribe("/fast")
    at: list[float] = []

    async def note(received: object) -> object:
        at.append(time.monotonic())
        return await accept(received)  # type: ignore[arg-type]

    receiver.answers["/slow"] = note  # type: ignore[assignment]
    await start_process()
    lines = [Line(journal) for _ in range(12)]
    for line in lines:
        await line.tones(1)
    await eventually(lambda: len(receiver.at("/fast")) == 12)
    await eventually(lambda: len(at) == 12)
    for first, fifth in zip(at, at[4:], strict=False):
        assert fifth - first > 0.4  # a busy machine may note the first ones late


async def test_a_rate_limit_holds_for_one_of_very_many_endpoints(
    journal: Journal,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where there are too many to remember all that have nothing to deliver, those with a limit are."""
    monkeypatch.setattr(courier, "KEPT", 0)
    await subscribe(rate_limit=RateLimit(1, 0.5))
    process = await start_process()
    begun = time.monotonic()
    for number in (1, 2, 3):
        await Line(journal).tones(1)
        await eventually(partial(succeeded, process, number))
    assert time.monotonic() - begun > 0.9


def succeeded(process: Process, count: int) -> bool:
    """Tell whether so many deliveries have ended well."""
    return process.duty.stats.succeeded == count
