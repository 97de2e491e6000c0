"""Endpoints that have too many requests at a time get fewer."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from aiohttp import web

from relay.webhooks.throttle import Throttle
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import Kit, nothing_left
from tests.webhooks.receiving import Gate, Received, accept, always

MOST = 8


@pytest.mark.parametrize("status", [429, 502, 504])
async def test_an_endpoint_that_has_too_many_gets_fewer_at_a_time(kit: Kit, status: int) -> None:
    """After such answers it is asked fewer at a time; once it keeps up, as many as it may get."""
    kit.receiver.answers["/hook"] = always(status)
    await kit.subscribe(max_in_flight=MOST, retries=(1000.0,))
    process = await kit.start_process(opens_after=1000)
    await calls(kit, MOST)
    await eventually(lambda: process.duty.stats.failed == MOST)
    kit.receiver.most_in_flight.clear()
    gate = kit.receiver.answers["/hook"] = Gate()
    await calls(kit, 2 * MOST)
    await eventually(lambda: kit.receiver.in_flight["/hook"] > 0)
    gate.open()
    await eventually(partial(got, kit, 3 * MOST))
    assert kit.receiver.most_in_flight["/hook"] < MOST
    kit.receiver.answers["/hook"] = accept
    await calls(kit, 2 * MOST)
    await eventually(partial(got, kit, 5 * MOST))
    kit.receiver.answers["/hook"] = again = Gate()
    await calls(kit, MOST)
    await eventually(lambda: kit.receiver.in_flight["/hook"] == MOST)
    again.open()


@pytest.mark.parametrize("retry_after", [None, "1"])
async def test_a_backlog_drains_once_an_endpoint_that_had_too_many_answers_again(
    kit: Kit, retry_after: str | None
) -> None:
    """Nothing new need happen: what failed and what waits is sent, at full width in the end."""
    kit.receiver.answers["/hook"] = always(
        429, **({} if retry_after is None else {"Retry_After": retry_after})
    )
    await kit.subscribe(max_in_flight=MOST, retries=[0.2] * 20)
    process = await kit.start_process(opens_after=1000)
    await calls(kit, 10 * MOST)
    await eventually(lambda: process.duty.stats.failed >= 10 * MOST)
    kit.receiver.most_in_flight.clear()

    async def takes_its_time(received: Received) -> web.Response:
        await asyncio.sleep(0.02)
        return await accept(received)

    kit.receiver.answers["/hook"] = takes_its_time
    await eventually(lambda: nothing_left(kit.store), within=20)
    assert kit.receiver.most_in_flight["/hook"] == MOST
    kit.receiver.answers["/hook"] = again = Gate()
    await calls(kit, MOST)
    await eventually(lambda: kit.receiver.in_flight["/hook"] == MOST)
    again.open()


async def test_other_failures_leave_it_as_many(kit: Kit) -> None:
    """A 500 says nothing of how many there were."""
    kit.receiver.answers["/hook"] = always(500)
    await kit.subscribe(max_in_flight=MOST, retries=(1000.0,))
    process = await kit.start_process(opens_after=1000)
    await calls(kit, MOST)
    await eventually(lambda: process.duty.stats.failed == MOST)
    gate = kit.receiver.answers["/hook"] = Gate()
    await calls(kit, MOST)
    await eventually(lambda: kit.receiver.in_flight["/hook"] == MOST)
    gate.open()


def test_a_throttle_halves_and_grows_by_one() -> None:
    """It never closes, and is forgotten once nothing is held back any more."""
    throttle = Throttle()
    assert throttle.width(MOST) == MOST
    assert not throttle.succeeded(MOST)
    widths = []
    for now in range(5):
        throttle.overrun(MOST, started=now, now=now + 1)
        widths.append(throttle.width(MOST))
    assert widths == [4, 2, 1, 1, 1]
    grown = [throttle.width(MOST) for _ in range(28) if throttle.succeeded(MOST)]
    assert grown == [2, 3, 4, 5, 6, 7, 8]
    assert throttle.width(100) == 100


def test_a_throttle_halves_once_for_requests_that_were_on_their_way_together() -> None:
    """A hundred answers to one burst tell no more than the first of them."""
    throttle = Throttle()
    for answer in range(100):
        throttle.overrun(100, started=1, now=2 + answer)
    assert throttle.width(100) == 50
    throttle.overrun(100, started=2, now=102)
    assert throttle.width(100) == 25


def test_a_throttle_goes_by_what_its_subscription_allows_now() -> None:
    """A subscription that allows less than the throttle gets no more than it allows."""
    throttle = Throttle()
    throttle.overrun(100, started=0, now=1)
    assert throttle.width(20) == 20
    throttle.overrun(20, started=1, now=2)
    assert throttle.width(100) == 10


async def calls(kit: Kit, count: int) -> None:
    """Have an event in each of so many calls."""
    for _ in range(count):
        await Line(kit.journal).tones(1)


def got(kit: Kit, count: int) -> bool:
    """Tell whether so many requests came."""
    return len(kit.receiver.requests) == count
