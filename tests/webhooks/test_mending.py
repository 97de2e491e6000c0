"""Keys of a whole partition may be of no use: they are set aside, and what they told is found out anew."""

from __future__ import annotations

import pytest
import structlog.testing

from relay.webhooks import mending
from relay.webhooks.health import healths
from relay.webhooks.references import DeliveryId
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import SHORT_TTL, Kit, nothing_left
from tests.webhooks.receiving import Gate, always

JUNK = "nonsense"


@pytest.mark.parametrize("what", ["ready", "due", "health", "errands"])
async def test_what_waited_is_delivered_though_a_key_broke_that_told_of_it(kit: Kit, what: str) -> None:
    """The next owner finds failing calls and queued events all the same; what was there is kept a while."""
    kit.receiver.answers = {"/ill": always(500), "/slow": Gate()}
    ill = await kit.subscribe("/ill", retries=[0.5] * 20)
    await kit.subscribe("/slow")
    first = await kit.start_process(lease_ttl=SHORT_TTL)
    line, keys = Line(kit.journal), kit.store.keys(ACCOUNT)
    ids = {f"evt_{keys.partition:02d}_{one}" for one in await line.tones(3)}
    await eventually(lambda: len(kit.receiver.at("/slow")) == 1)

    async def failing() -> bool:
        return bool(await kit.store.call("HLEN", keys.lanes(ill.id)) == 1)

    await eventually(failing)
    await first.kill()
    key = getattr(keys, what)
    await kit.store.call("SET", key, JUNK)
    kit.receiver.answers = {}
    with structlog.testing.capture_logs() as logs:
        process = await kit.start_process(lease_ttl=SHORT_TTL)
        await eventually(lambda: ids <= set(kit.receiver.ids("/ill")) & set(kit.receiver.ids("/slow")))
        await eventually(lambda: nothing_left(kit.store))
    assert [entry["key"] for entry in logs if entry["event"] == "unfit key set aside"] == [what]
    assert [entry for entry in logs if entry["event"] == "duty failed"] == []
    assert process.duty.stats.unreadable == 1
    assert await kit.store.call("GET", keys.aside(key)) == JUNK.encode()
    assert 0 < await kit.store.call("TTL", keys.aside(key)) <= 7 * 86400


@pytest.mark.parametrize("what", ["ready", "due", "health"])
async def test_a_key_that_breaks_while_it_is_used_costs_no_event(kit: Kit, what: str) -> None:
    """The owner begins anew: failing calls are retried, others go on, and it is said once."""
    kit.receiver.answers = {"/ill": always(500)}
    await kit.subscribe("/ill", retries=[0.3] * 20)
    await kit.subscribe("/well")
    await kit.start_process()
    line = Line(kit.journal)
    await line.tones(2)
    await eventually(lambda: kit.receiver.at("/ill") and len(kit.receiver.at("/well")) == 2)
    keys = kit.store.keys(ACCOUNT)
    with structlog.testing.capture_logs() as logs:
        await kit.store.call("SET", getattr(keys, what), JUNK)
        await line.tones(2)
        await Line(kit.journal).tones(1)
        await eventually(lambda: len(set(kit.receiver.ids("/well"))) == 5)
        kit.receiver.answers = {}
        await eventually(lambda: len(set(kit.receiver.ids("/ill"))) == 5)
        await eventually(lambda: nothing_left(kit.store))
    assert [entry["key"] for entry in logs if entry["event"] == "unfit key set aside"] == [what]
    assert kit.receiver.by_call("/ill") == kit.receiver.by_call("/well")


@pytest.mark.parametrize("what", ["errands", "health"])
async def test_a_key_that_only_the_api_asks_for_is_set_aside_too(
    kit: Kit, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner looks now and then, though nothing has it use the key."""
    monkeypatch.setattr(mending, "LOOK_EVERY", 0.1)
    hook = await kit.subscribe()
    await kit.start_process()
    [event] = await Line(kit.journal).tones(1)
    await eventually(lambda: kit.receiver.requests)
    await eventually(lambda: nothing_left(kit.store))
    keys = kit.store.keys(ACCOUNT)
    await kit.store.call("SET", getattr(keys, what), JUNK)
    await eventually(lambda: kit.store.call("EXISTS", keys.aside(getattr(keys, what))))
    assert await healths(kit.store, ACCOUNT, [hook.id]) == {}
    await kit.repair.resend(ACCOUNT, str(DeliveryId(keys.partition, hook.id, event)))
    await eventually(lambda: len(kit.receiver.requests) == 2)


async def test_a_dead_letter_is_kept_though_the_key_broke_that_says_whose_there_are(kit: Kit) -> None:
    """The key is begun anew, with those that have dead letters from now on."""
    kit.receiver.answers = {"/ill": always(500)}
    ill = await kit.subscribe("/ill", retries=())
    await kit.start_process()
    keys = kit.store.keys(ACCOUNT)
    await kit.store.call("SET", keys.with_dead, JUNK)
    [event] = await Line(kit.journal).tones(1)

    async def kept() -> bool:
        letters = await kit.store.call("ZRANGE", keys.dead(ill.id), 0, -1)
        return [letter.partition(b" ")[0].decode() for letter in letters] == [event]

    await eventually(kept)
    await eventually(lambda: kit.store.call("SISMEMBER", keys.with_dead, ill.id))


@pytest.mark.parametrize("broken", [("SET", JUNK), ("SET", "1-2-3:x"), ("LPUSH", JUNK)])
@pytest.mark.parametrize("owned", [True, False])
async def test_a_cursor_that_leads_nowhere_loses_no_event(
    kit: Kit, broken: tuple[str, str], owned: bool
) -> None:
    """Fan-out goes on at the last event somebody was sent, which alone may come twice."""
    await kit.subscribe()
    first = await kit.start_process()
    line, keys = Line(kit.journal), kit.store.keys(ACCOUNT)
    await line.tones(3)
    await eventually(lambda: len(kit.receiver.requests) == 3)
    await eventually(lambda: nothing_left(kit.store))
    if not owned:
        await first.stop()
    command, junk = broken
    await kit.store.call("DEL", keys.cursor)
    await kit.store.call(command, keys.cursor, junk)
    await line.tones(3)
    if not owned:
        await kit.start_process()
    await eventually(lambda: len(set(kit.receiver.ids())) == 6)
    await eventually(lambda: nothing_left(kit.store))
    assert kit.receiver.ids() == sorted(kit.receiver.ids())
    assert len(kit.receiver.requests) <= 7


async def test_a_partition_whose_subscriptions_are_gone_goes_on(kit: Kit) -> None:
    """What was queued for them is cleared away, and new ones are served."""
    kit.receiver.answers = {"/lost": Gate()}
    await kit.subscribe("/lost")
    await kit.start_process()
    line = Line(kit.journal)
    await line.tones(2)
    await eventually(lambda: len(kit.receiver.at("/lost")) == 1)
    await kit.store.call("SET", kit.store.keys(ACCOUNT).subs, JUNK)
    await line.tones(1)
    await eventually(lambda: nothing_left(kit.store))
    await kit.subscribe("/new")
    sent = await line.tones(2)
    await eventually(lambda: len(kit.receiver.at("/new")) == len(sent))
    assert len(kit.receiver.at("/lost")) == 1
