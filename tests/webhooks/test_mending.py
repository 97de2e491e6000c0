"""Keys of a whole partition may be of no use: they are set aside, and what they told is found out anew."""

from __future__ import annotations

import pytest
import structlog.testing

from relay.journal.journal import Journal
from relay.journal.store import Store
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import StartProcess, Subscribe, nothing_left
from tests.webhooks.receiving import Gate, Receiver, always

JUNK = "nonsense"


@pytest.mark.parametrize("what", ["ready", "due", "health", "errands"])
async def test_what_waited_is_delivered_though_a_key_broke_that_told_of_it(
    journal: Journal,
    store: Store,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    what: str,
) -> None:
    """The next owner finds failing calls and queued events all the same; what was there is kept a while."""
    receiver.answers = {"/ill": always(500), "/slow": Gate()}
    ill = await subscribe("/ill", retries=[0.5] * 20)
    await subscribe("/slow")
    first = await start_process()
    line, keys = Line(journal), store.keys(ACCOUNT)
    ids = {f"evt_{keys.partition:02d}_{one}" for one in await line.tones(3)}
    await eventually(lambda: len(receiver.at("/slow")) == 1)

    async def failing() -> bool:
        return bool(await store.call("HLEN", keys.lanes(ill.id)) == 1)

    await eventually(failing)
    await first.kill()
    key = getattr(keys, what)
    await store.call("SET", key, JUNK)
    receiver.answers = {}
    with structlog.testing.capture_logs() as logs:
        process = await start_process()
        await eventually(lambda: ids <= set(receiver.ids("/ill")) & set(receiver.ids("/slow")))
        await eventually(lambda: nothing_left(store))
    assert [entry["key"] for entry in logs if entry["event"] == "unfit key set aside"] == [what]
    assert [entry for entry in logs if entry["event"] == "duty failed"] == []
    assert process.duty.stats.unreadable == 1
    assert await store.call("GET", keys.aside(key)) == JUNK.encode()
    assert 0 < await store.call("TTL", keys.aside(key)) <= 7 * 86400


@pytest.mark.parametrize("what", ["ready", "due", "health"])
async def test_a_key_that_breaks_while_it_is_used_costs_no_event(
    journal: Journal,
    store: Store,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    what: str,
) -> None:
    """The owner begins anew: failing calls are retried, others go on, and it is said once."""
    receiver.answers = {"/ill": always(500)}
    await subscribe("/ill", retries=[0.3] * 20)
    await subscribe("/well")
    await start_process()
    line = Line(journal)
    await line.tones(2)
    await eventually(lambda: receiver.at("/ill") and len(receiver.at("/well")) == 2)
    keys = store.keys(ACCOUNT)
    with structlog.testing.capture_logs() as logs:
        await store.call("SET", getattr(keys, what), JUNK)
        await line.tones(2)
        await Line(journal).tones(1)
        await eventually(lambda: len(set(receiver.ids("/well"))) == 5)
        receiver.answers = {}
        await eventually(lambda: len(set(receiver.ids("/ill"))) == 5)
        await eventually(lambda: nothing_left(store))
    assert [entry["key"] for entry in logs if entry["event"] == "unfit key set aside"] == [what]
    assert receiver.by_call("/ill") == receiver.by_call("/well")


async def test_a_dead_letter_is_kept_though_the_key_broke_that_says_whose_there_are(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """The key is begun anew, with those that have dead letters from now on."""
    receiver.answers = {"/ill": always(500)}
    ill = await subscribe("/ill", retries=())
    await start_process()
    keys = store.keys(ACCOUNT)
    await store.call("SET", keys.with_dead, JUNK)
    [event] = await Line(journal).tones(1)

    async def kept() -> bool:
        letters = await store.call("ZRANGE", keys.dead(ill.id), 0, -1)
        return [letter.partition(b" ")[0].decode() for letter in letters] == [event]

    await eventually(kept)
    await eventually(lambda: store.call("SISMEMBER", keys.with_dead, ill.id))


async def test_a_partition_whose_subscriptions_are_gone_goes_on(
    journal: Journal, store: Store, receiver: Receiver, subscribe: Subscribe, start_process: StartProcess
) -> None:
    """What was queued for them is cleared away, and new ones are served."""
    receiver.answers = {"/lost": Gate()}
    await subscribe("/lost")
    await start_process()
    line = Line(journal)
    await line.tones(2)
    await eventually(lambda: len(receiver.at("/lost")) == 1)
    await store.call("SET", store.keys(ACCOUNT).subs, JUNK)
    await line.tones(1)
    await eventually(lambda: nothing_left(store))
    await subscribe("/new")
    sent = await line.tones(2)
    await eventually(lambda: len(receiver.at("/new")) == len(sent))
    assert len(receiver.at("/lost")) == 1
