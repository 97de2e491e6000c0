"""Clients come and go for long, calls go on, and the process is as it was."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
from aiohttp import ClientSession

from tests.harness.churn import Churn, Left, resident
from tests.harness.demo import ADMIN, JANE
from tests.harness.fixtures import NewRelay
from tests.harness.gws import Gws
from tests.harness.sse import SseFollower
from tests.harness.traffic import Traffic
from tests.harness.v3 import V3
from tests.harness.webhooks import WebhookReceiver
from tests.waiting import eventually

FULL = os.environ.get("FAULTS") == "full"
SECONDS = float(os.environ.get("CHURN_SECONDS", "1800" if FULL else "8"))
VISITORS = 40
SAMPLE_SECONDS = SECONDS / 100
GROWTH = 1.03 if FULL else 1.1
"""What memory may grow from the second quarter to the last: the first half minute fills the rings, and
Python's own heap is never quite still."""

pytestmark = pytest.mark.timeout(SECONDS * 1.5 + 240)


async def test_churn_leaves_nothing_behind(
    new_relay: NewRelay, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """Streams and sessions that come, drop and are abandoned, amid calls: memory is flat, nothing leaks.

    Afterwards there is no stream, held connect, task or file more than before; and one who was there all the
    time has been told everything.
    """
    relay = await new_relay(rate_limits="off", bayeux_timeout="2", bayeux_max_interval="2").start()
    admin = V3(http, relay.url, ADMIN)
    hook = await receiver.subscribe(admin)
    traffic = Traffic(http, [relay.url], at_once=4)
    churn = Churn(http, relay.url, visitors=VISITORS)
    samples: list[int] = []

    async def watch() -> None:
        for _ in range(100):
            samples.append(resident(relay.pid))
            await asyncio.sleep(SAMPLE_SECONDS)

    async with SseFollower(http, relay.url) as stream:
        await traffic.run(10)  # whatever is made when it is first needed
        await Gws(http, relay.url, JANE).calls()  # which loads where numbers are from: for seconds, if busy
        before = await Left.of(http, relay)
        await traffic.run_while(lambda: churn.run(watch))
        await traffic.check(admin, stream, receiver, hook)
        early, late = max(samples[25:50]), max(samples[75:])
        sys.stdout.write(f"{churn!r} {traffic!r}, before {before}; memory {early:,} -> {late:,}\n")

        async def settled() -> bool:
            now = await Left.of(http, relay)
            assert now.streams == before.streams
            assert now.held == before.held
            assert now.files <= before.files + 2, (before, now)  # a connection of the store, more or less
            assert now.tasks <= before.tasks + 2, (before, now)
            return True

        await eventually(settled, within=40, every=0.5)
    assert stream.opened == 1
    assert late <= early * GROWTH
