"""What waits, as metrics tell it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.journal.store import Store
from relay.telemetry.histogram import SECONDS, Histogram
from relay.webhooks.references import DeliveryId
from relay.webhooks.survey import SAMPLE, Survey, survey
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import Kit
from tests.webhooks.receiving import Gate, always


async def test_what_waits_is_counted_with_its_age(kit: Kit) -> None:
    """Queued events, calls that wait for a retry, and since when; nothing once all is delivered."""
    gate = Gate()
    kit.receiver.answers = {"/slow": gate, "/ill": always(500)}
    await kit.subscribe("/slow")
    process = await kit.start_process()
    await process.duty.survey()
    assert process.duty.surveyed == Survey()
    await kit.subscribe("/ill", retries=(1000.0,))
    line = Line(kit.journal)
    await line.tones(3)

    async def as_expected() -> bool:
        await process.duty.survey()
        found = process.duty.surveyed
        return (found.queued, found.due, found.oldest_due) == (3, 1, 0.0) and found.oldest_queued > 0.05

    await eventually(as_expected)
    assert process.duty.breakers() == {"closed": 2, "open": 0, "half_open": 0}
    gate.open()

    async def drained() -> bool:
        found = await survey(kit.store, range(2))
        return (found.queued, found.due, found.oldest_queued) == (0, 1, 0.0)

    await eventually(drained)


async def test_what_waits_behind_a_failing_head_is_counted_apart(kit: Kit) -> None:
    """It is in no queue; with many failing calls the number is estimated from some."""
    kit.receiver.answers = {"/hook": always(500)}
    hook = await kit.subscribe(retries=(1000.0,))
    await kit.start_process()
    for _ in range(3):
        await Line(kit.journal).tones(5)

    async def counted() -> bool:
        found = await survey(kit.store, range(2))
        return (found.queued, found.behind, found.due) == (0, 12, 3)

    await eventually(counted)
    keys = kit.store.keys(ACCOUNT)
    lanes = [part for number in range(SAMPLE * 2) for part in (f"call-{number}", "1 1-0 2-0 3-0")]
    await kit.store.call("HSET", keys.lanes(hook.id), *lanes)
    assert 2 * SAMPLE * 2 <= (await survey(kit.store, [keys.partition])).behind <= 2 * SAMPLE * 2 + 12 * 3


async def test_dead_letters_are_counted_while_they_are_kept(kit: Kit) -> None:
    """Each that is redriven or purged counts no more, and their keys are looked at no more."""
    kit.receiver.answers = {"/hook": always(500)}
    hook = await kit.subscribe(retries=())
    await kit.start_process()
    letters = await Line(kit.journal).tones(3)

    async def held(count: int) -> bool:
        return (await survey(kit.store, range(2))).dead == count

    await eventually(lambda: held(3))
    kit.receiver.answers = {}
    first = DeliveryId(kit.store.keys(ACCOUNT).partition, hook.id, letters[0])
    await kit.repair.redrive(ACCOUNT, hook.id, [str(first)])
    await eventually(lambda: held(2))
    await kit.repair.purge(ACCOUNT, hook.id)
    await eventually(lambda: held(0))
    assert not await kit.store.call("EXISTS", kit.store.keys(ACCOUNT).with_dead)


async def test_a_broken_key_does_not_hide_what_the_others_tell(store: Store) -> None:
    """A queue that is none counts as empty; a partition that cannot be read is left out."""
    one, other = store.keys_at(0), store.keys_at(1)
    await store.call("SADD", one.ready, "sub_1", "sub_2")
    await store.call("ZADD", one.queue("sub_1"), 1, "1-0")
    for key in (one.queue("sub_2"), one.lanes("sub_1"), other.ready):
        await store.call("SET", key, "nonsense")
    assert (await survey(store, [0, 1])).queued == 1


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
