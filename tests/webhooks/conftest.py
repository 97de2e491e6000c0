"""Fixtures of the webhook engine: a receiver, and processes that deliver to it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_network
from typing import Any, NamedTuple

import pytest

from relay.dialects.v3.render import render
from relay.journal.journal import Journal
from relay.journal.ownership import Ownership
from relay.journal.store import Store
from relay.journal.tail import Tail
from relay.subscriptions.model import NewSubscription, Subscription
from relay.subscriptions.rendering import Renderers
from relay.subscriptions.sealing import PLAIN
from relay.subscriptions.store import Subscriptions
from relay.webhooks.deliveries import Deliveries
from relay.webhooks.duty import WebhookDuty
from relay.webhooks.guard import Guard
from relay.webhooks.repair import Repair
from relay.webhooks.sending.client import HttpSender
from tests.calls.calling import ACCOUNT
from tests.webhooks.receiving import Receiver, receiving

RENDERERS: Renderers = {"v3": render}
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
LEASE_TTL = 10
"""Seconds: however long a busy machine stands still, what is sent once is not sent again by another owner."""
SHORT_TTL = 2
"""Seconds for tests in which leases are to end, whoever follows: a dead member is counted for as long."""
_members = itertools.count(1)


class Process:
    """What one process does for webhooks, on a store it shares with others."""

    def __init__(self, store: Store, **options: Any) -> None:
        ttl, others = options.pop("lease_ttl", LEASE_TTL), options.pop("duties", ())
        self.store = store
        self.ended = False
        self.journal = Journal(store)
        self.tail = Tail(store)
        self.sender = HttpSender(Guard(LOOPBACK))
        keys = options.pop("secret_keys", PLAIN)
        self.subscriptions = Subscriptions(store, formats=tuple(RENDERERS), limit=1000, secret_keys=keys)
        self.duty = WebhookDuty(
            store,
            self.tail,
            self.subscriptions,
            options.pop("renderers", RENDERERS),
            options.pop("sender", self.sender),
            **{"retries": (0.05, 0.1), "timeout": 5, "delivery_retention": 60, "drain_timeout": 5, **options},
        )
        self.ownership = Ownership(
            store,
            f"process-{next(_members)}",
            [self.duty, *others],
            ttl=ttl,
            renew_every=0.3,
            poll=0.1,
            restart_pause=0.1,
        )

    async def start(self) -> Process:
        """Begin to own partitions."""
        await self.ownership.start()
        return self

    async def stop(self) -> None:
        """Stop as SIGTERM does; nothing happens if it has ended."""
        if self.ended:
            return
        self.ended = True
        await self.ownership.stop()
        await self.tail.stop()
        await self.sender.close()

    async def kill(self) -> None:
        """End as SIGKILL does, as far as the store can tell: nothing is finished, written or released."""
        self.ended = True
        held = list(self.ownership._holdings.values())
        for one in held:
            one.lease.lose()
        assert self.ownership._task is not None
        self.ownership._task.cancel()
        working = [self.ownership._task, *(task for one in held for task in one._tasks)]
        await asyncio.gather(*working, return_exceptions=True)
        await self.tail.stop()
        await self.sender.close()


StartProcess = Callable[..., Awaitable[Process]]
Subscribe = Callable[..., Awaitable[Subscription]]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Give a receiver whose endpoints answer 204 unless told otherwise."""
    async with receiving() as running:
        yield running


@pytest.fixture
async def store(server: Any, open_store: Any) -> Store:
    """Give an empty store of two partitions: ownership is the same with any number."""
    opened: Store = await open_store(server.url, partitions=2)
    return opened


@pytest.fixture
async def start_process(store: Store) -> AsyncIterator[StartProcess]:
    """Give a function that starts a process; each is stopped when the test ends."""
    started: list[Process] = []

    async def start(**options: Any) -> Process:
        started.append(Process(options.pop("on", store), **options))
        return await started[-1].start()

    yield start
    for process in started:
        await process.stop()


@pytest.fixture
def subscribe(store: Store, receiver: Receiver) -> Subscribe:
    """Give a function that subscribes an endpoint of the receiver."""
    subscriptions = Subscriptions(store, formats=tuple(RENDERERS), limit=1000)

    async def subscribing(path: str = "/hook", *, account: str = ACCOUNT, **asked: Any) -> Subscription:
        new = NewSubscription(url=receiver.url(path), **asked)
        return await subscriptions.create(account, "admin", new)

    return subscribing


@pytest.fixture
def subscriptions(store: Store) -> Subscriptions:
    """Give the subscriptions of the store."""
    return Subscriptions(store, formats=tuple(RENDERERS), limit=1000)


@pytest.fixture
def deliveries(store: Store, subscriptions: Subscriptions) -> Deliveries:
    """Give the deliveries of the store."""
    return Deliveries(store, subscriptions, RENDERERS)


@pytest.fixture
def repair(store: Store, subscriptions: Subscriptions, deliveries: Deliveries) -> Repair:
    """Give what repairs them."""
    return Repair(store, subscriptions, deliveries, retention=60)


class Kit(NamedTuple):
    """What tests of the engine work with, all on one store."""

    journal: Journal
    store: Store
    receiver: Receiver
    subscribe: Subscribe
    subscriptions: Subscriptions
    start_process: StartProcess
    deliveries: Deliveries
    repair: Repair


@pytest.fixture
def kit(
    journal: Journal,
    store: Store,
    receiver: Receiver,
    subscribe: Subscribe,
    subscriptions: Subscriptions,
    start_process: StartProcess,
    deliveries: Deliveries,
    repair: Repair,
) -> Kit:
    """Give all of it."""
    return Kit(journal, store, receiver, subscribe, subscriptions, start_process, deliveries, repair)


async def leftovers(store: Store) -> list[str]:
    """Return the keys that must be gone once everything is delivered."""
    names = ("queue:", "lanes:", "parked:", "ready", "due")
    found = await store.call("KEYS", "relay:{*")
    return sorted(key.decode() for key in found if key.decode().partition("}:")[2].startswith(names))


async def nothing_left(store: Store) -> bool:
    """Tell whether everything is delivered and its traces are gone."""
    return await leftovers(store) == []


async def no_errands(store: Store) -> bool:
    """Tell whether every errand was run."""
    return not await store.call("EXISTS", store.keys(ACCOUNT).errands)
