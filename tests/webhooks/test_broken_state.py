"""What the store holds may be broken: it is said, counted, and stops nobody else."""

from __future__ import annotations

import pytest
import structlog.testing

from relay.journal.keys import Keys
from relay.webhooks.health import healths
from relay.webhooks.references import is_event, read_lane
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import Kit, nothing_left
from tests.webhooks.receiving import always

JUNK = "nonsense"


def broken(what: str, keys: Keys, sub: str, event: str, at: int) -> tuple[str | int, ...]:
    """Return the command that breaks something of a subscription."""
    commands: dict[str, tuple[str | int, ...]] = {
        "attempts": ("ZADD", keys.attempts(sub), at, f"{event} {JUNK}"),
        "attempts of no event": ("ZADD", keys.attempts(sub), at, JUNK),
        "attempts of another type": ("SET", keys.attempts(sub), JUNK),
        "queue": ("ZADD", keys.queue(sub), at, JUNK),
        "queue of another type": ("SET", keys.queue(sub), JUNK),
        "lane": ("HSET", keys.lanes(sub), "call", JUNK),
        "empty lane": ("HSET", keys.lanes(sub), "call", ""),
        "lanes of another type": ("SET", keys.lanes(sub), JUNK),
        "due": ("ZADD", keys.due, 0, JUNK),
        "ready": ("SADD", keys.ready, JUNK),
        "health": ("HSET", keys.health, sub, JUNK),
        "subscription": ("HSET", keys.subs, sub, JUNK),
        "errand": ("HSET", keys.errands, "x", JUNK),
        "parked of another type": ("SET", keys.parked(event), JUNK),
    }
    return commands[what]


@pytest.mark.parametrize(
    ("what", "counted"),
    [
        ("attempts", None),
        ("attempts of no event", None),
        ("attempts of another type", "refused"),
        ("queue", "unreadable"),
        ("queue of another type", "refused"),
        ("lane", "unreadable"),
        ("empty lane", "unreadable"),
        ("lanes of another type", "refused"),
        ("due", None),
        ("ready", None),
        ("health", None),
        ("subscription", "unreadable"),
        ("errand", None),
        ("parked of another type", None),
    ],
)
async def test_what_is_broken_of_one_subscription_stops_no_other(
    kit: Kit, what: str, counted: str | None
) -> None:
    """The others are delivered to without delay, the owner need not begin anew, and lists can be read."""
    ill = await kit.subscribe("/ill")
    await kit.subscribe("/well")
    keys = kit.store.keys(ACCOUNT)
    line = Line(kit.journal)
    [event, _] = await line.tones(2)
    ms, seq = event.split("-")
    at = int(ms) * 4096 + int(seq)
    await kit.store.call("SADD", keys.ready, ill.id)
    if "lane" in what:
        await kit.store.call("ZADD", keys.due, 0, f"{ill.id} call")
    await kit.store.call(*broken(what, keys, ill.id, event, at))
    with structlog.testing.capture_logs() as logs:
        process = await kit.start_process()
        await eventually(lambda: len(kit.receiver.at("/well")) == 2)
        await line.tones(3)
        await eventually(lambda: len(kit.receiver.at("/well")) == 5)
        if counted is not None:
            await eventually(lambda: getattr(process.duty.stats, counted) > 0)
    assert [one for one in logs if one["event"] == "duty failed"] == []
    if "type" not in what and what != "subscription":
        await eventually(lambda: len(set(kit.receiver.ids("/ill"))) == 5)
    await healths(kit.store, ACCOUNT, [ill.id])
    shown = (await kit.deliveries.list(ACCOUNT)).deliveries
    assert len([one for one in shown if one.id.subscription != ill.id]) == 5


async def test_a_queue_that_cannot_be_read_is_not_asked_for_again_and_again(kit: Kit) -> None:
    """It is left alone for a while."""
    ill = await kit.subscribe("/ill")
    keys = kit.store.keys(ACCOUNT)
    await kit.store.call("SADD", keys.ready, ill.id)
    await kit.store.call("SET", keys.queue(ill.id), JUNK)
    with structlog.testing.capture_logs() as logs:
        await kit.start_process()
        await kit.subscribe("/well")
        line = Line(kit.journal)
        for _ in range(20):
            await line.tones(1)
            await eventually(lambda: len(kit.receiver.at("/well")) == line.sent)
    assert len([one for one in logs if one["event"] == "queue not readable"]) == 1


@pytest.mark.parametrize("state", [b"", b"1", b"x 1-0", b"1 1-0 y", b"1  1-0", b"\xff 1-0", b"-1 1-0"])
def test_what_is_no_lane_is_not_taken_for_one(state: bytes) -> None:
    """A lane is a number and events."""
    assert read_lane(state) is None
    lane = read_lane(b"3 1-0 2-0")
    assert lane is not None
    assert (lane.attempts, lane.events) == (3, ("1-0", "2-0"))
    assert is_event("1-0")


async def test_all_that_is_kept_of_a_subscription_goes_though_it_cannot_be_read(kit: Kit) -> None:
    """It is deleted as any other: its queue, failing calls, deliveries and health, and nobody else's."""
    kit.receiver.answers["/ill"] = always(500)
    ill = await kit.subscribe("/ill", retries=(1000.0,))
    await kit.subscribe("/well")
    process = await kit.start_process()
    await Line(kit.journal).tones(2)
    await eventually(lambda: process.duty.stats.failed == 1 and len(kit.receiver.at("/well")) == 2)
    keys = kit.store.keys(ACCOUNT)
    await kit.store.call("HSET", keys.subs, ill.id, JUNK)
    await kit.subscriptions.delete(ACCOUNT, ill.id)

    async def gone() -> bool:
        names = [keys.queue(ill.id), keys.lanes(ill.id), keys.attempts(ill.id), keys.dead(ill.id)]
        return not await kit.store.call("EXISTS", *names) and not await healths(kit.store, ACCOUNT, [ill.id])

    await eventually(gone)
    await eventually(lambda: nothing_left(kit.store))
    assert len((await kit.deliveries.list(ACCOUNT)).deliveries) == 2
