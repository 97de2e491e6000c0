"""Scale: what a publish and an idle second cost beside a hundred thousand subscriptions of others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

from bench.box import cpu_seconds
from bench.client import Connection
from bench.figures import Figures
from bench.publishing import Publisher
from bench.service import Service
from bench.sink import sink
from bench.tenant import EXTENSIONS, TENANT
from bench.webhooks import Load, deliver, subscribe
from relay.journal.store import Store
from relay.subscriptions.model import NewSubscription
from relay.subscriptions.store import Subscriptions

FEW: Final = 10
"""Subscriptions that get each event; at first there are no others."""
ACCOUNTS: Final = 1000
EACH: Final = 100
"""Subscriptions of an account; of the publishing one's, all but the few want a silent extension."""
PARTITIONS: Final = 16
QUIET: Final = 0.05
"""Cores that relay uses at most when it has taken in what is new."""
QUIET_WITHIN: Final = 180.0
"""Seconds until then."""


async def run(service: Service, seconds: float, *, accounts: int) -> AsyncIterator[Figures]:
    """Publish and be idle with few subscriptions, then with many more that have no part in it."""
    publisher = await Publisher.open(service.port)
    with sink() as endpoint:
        load = Load(service, seconds, publisher, endpoint, await Connection.open(endpoint.port))
        await subscribe(load, range(FEW))
        await _publish(load, FEW)  # whatever is made when it is first needed
        yield await _publish(load, FEW)
        yield await _idle(load, FEW)
        await _fill(service, accounts)
        yield await _publish(load, accounts * EACH)
        yield await _idle(load, accounts * EACH)
        load.asking.close()
    publisher.close()


async def _publish(load: Load, subscriptions: int) -> Figures:
    events, used, report, faults = await deliver(load, FEW, paced=False)
    case = f"event to {FEW} of {subscriptions:,}"
    return Figures.of(case, events, used, report.latencies_ms, faults)


async def _idle(load: Load, subscriptions: int) -> Figures:
    await _quiet(load.service)
    meter = load.meter()
    await asyncio.sleep(load.seconds)
    return Figures.of(f"idle second beside {subscriptions:,}", round(load.seconds), meter.read(), (), ())


async def _fill(service: Service, accounts: int) -> None:
    """Make the other subscriptions, in the store itself: relay hears of them as of any."""
    store = await Store.open(service.store_url, partitions=PARTITIONS)
    try:
        subscriptions = Subscriptions(store, formats=("v3",), limit=EACH)
        for number in range(accounts):
            account, extensions = (f"account-{number}", ()) if number else (TENANT, EXTENSIONS[-1:])
            new = NewSubscription(url="http://127.0.0.1:9/", types=("call.leg.dtmf",), extensions=extensions)
            missing = EACH if number else EACH - FEW
            await asyncio.gather(*(subscriptions.create(account, "admin", new) for _ in range(missing)))
    finally:
        await store.close()
    await _quiet(service)


async def _quiet(service: Service) -> None:
    """Wait until relay has nothing to do any more."""
    deadline = time.monotonic() + QUIET_WITHIN
    while time.monotonic() < deadline:
        before = cpu_seconds(service.pid)
        await asyncio.sleep(1)
        if cpu_seconds(service.pid) - before < QUIET:
            return
    raise TimeoutError("relay does not come to rest")
