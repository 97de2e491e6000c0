"""What waits, as metrics tell it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.journal.journal import Journal
from relay.journal.store import Store
from relay.telemetry.histogram import SECONDS, Histogram
from relay.webhooks.survey import Survey, survey
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import StartProcess, Subscribe
from tests.webhooks.receiving import Gate, Receiver, always


async def test_what_waits_is_counted_with_its_age(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """Queued events, calls that wait for a retry, and since when; nothing once all is delivered."""
    gate = Gate()
    receiver.answers = {"/slow": gate, "/ill": always(500)}
    await subscribe("/slow")
    process = await start_process()
    await process.duty.survey()
    assert process.duty.surveyed == Survey()
    await subscribe("/ill", retries=(1000.0,))
    line = Line(journal)
    await line.tones(3)

    async def as_expected() -> bool:
        await process.duty.survey()
        found = process.duty.surveyed
        return (found.queued, found.due, found.oldest_due) == (3, 1, 0.0) and found.oldest_queued > 0.05

    await eventually(as_expected)
    assert process.duty.breakers() == {"closed": 2, "open": 0, "half_open": 0}
    gate.open()

    async def drained() -> bool:
        return (await survey(store, range(2)))[:3] == (0, 1, 0.0)

    await eventually(drained)


async def test_an_overdue_retry_shows_its_age(store: Store) -> None:
    """When nobody delivers, it grows."""
    keys = store.keys_at(1)
    await store.call("ZADD", keys.due, await store.time_ms() - 5000, "sub_1 call")
    assert 5 <= (await survey(store, [0, 1])).oldest_due < 60
    assert await survey(store, [0]) == Survey()


@given(st.lists(st.floats(0, 100)))
def test_a_histogram_counts_every_time_once(times: list[float]) -> None:
    """Each bucket those up to its bound, the last one all."""
    found = Histogram()
    for one in times:
        found.add(one)
    expected = [float(sum(one <= bound for one in times)) for bound in (*SECONDS, float("inf"))]
    assert [count for _, count in found.buckets] == expected
    assert [bound for bound, _ in found.buckets] == [*map(str, SECONDS), "+Inf"]
