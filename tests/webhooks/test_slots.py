"""Places for requests: endpoints that hang leave room for those that are well."""

from __future__ import annotations

from functools import partial

from relay.webhooks.slots import Slots
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import Kit
from tests.webhooks.receiving import Gate

PLACES = 16
HANGING = 5


def got(kit: Kit, count: int) -> bool:
    """Tell whether the endpoint that is well got so many requests."""
    return len(kit.receiver.at("/well")) == count


async def test_many_endpoints_that_hang_hold_up_no_other(kit: Kit) -> None:
    """Together they want many times the places there are; another one's events go out all the same."""
    hang = Gate(500)
    for number in range(HANGING):
        kit.receiver.answers[f"/hang-{number}"] = hang
        await kit.subscribe(f"/hang-{number}", max_in_flight=10, retries=(60,))
    process = await kit.start_process(max_in_flight=PLACES, timeout=30)
    for _ in range(10):
        await Line(kit.journal).tones(1)
    await eventually(lambda: all(kit.receiver.at(f"/hang-{number}") for number in range(HANGING)))
    await kit.subscribe("/well")
    for number in range(1, 4):
        await Line(kit.journal).tones(1)
        await eventually(partial(got, kit, number))
    assert process.duty.stats.in_flight <= PLACES
    hang.open()


async def test_probes_of_endpoints_that_fail_hold_up_no_other(kit: Kit) -> None:
    """However many are asked whether they are back, and hang, a quarter of the places is not theirs."""
    for number in range(2 * PLACES):
        kit.receiver.answers[f"/hang-{number}"] = Gate()
        await kit.subscribe(f"/hang-{number}", timeout=1, retries=(60,))
    process = await kit.start_process(max_in_flight=PLACES, opens_after=1)
    await Line(kit.journal).tones(1)
    await eventually(lambda: process.duty.stats.opened == 2 * PLACES, within=20)
    await Line(kit.journal).tones(1)
    await kit.subscribe("/well")
    for number in range(1, 4):
        await eventually(lambda: process.duty.stats.in_flight >= PLACES * 3 // 4)
        seen = process.duty.stats.attempts
        await Line(kit.journal).tones(1)
        await eventually(partial(got, kit, number))
        assert process.duty.stats.attempts - seen < PLACES // 2


def test_the_last_places_are_for_first_requests() -> None:
    """Three quarters are anybody's; when all are taken, those who wait for a first one come before others."""
    slots, called = Slots(4), list[str]()
    assert [slots.take(first=False) for _ in range(4)] == [True, True, True, False]
    assert [slots.take(first=True) for _ in range(2)] == [True, False]

    def taken(by: str, *, first: bool) -> bool:
        called.append(by)
        return slots.take(first=first)

    slots.wait(lambda: taken("another", first=False), first=False)
    slots.wait(lambda: taken("first", first=True), first=True)
    slots.give_back()
    slots.give_back()
    assert called == ["first"]
    slots.give_back()
    assert called == ["first", "another"]


def test_those_that_wait_for_nothing_any_more_hold_up_nobody() -> None:
    """However many have no use for a free place, whoever comes after them is called."""
    slots = Slots(1)
    assert slots.take(first=True)
    for _ in range(5000):
        slots.wait(lambda: False, first=True)
    slots.wait(lambda: slots.take(first=False), first=False)
    slots.give_back()
    assert not slots.take(first=True)
