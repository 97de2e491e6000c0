"""RingCentral over HTTP on a real store, with the demo's people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from relay.control import Control
from relay.dialects.ringcentral.failures import render_error
from relay.dialects.ringcentral.handshake import Handshakes
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.lifecycle import RECHECK
from relay.dialects.ringcentral.manner import PATIENCE, RingCentralManner
from relay.dialects.ringcentral.notifications import FORMAT, renderer
from relay.dialects.ringcentral.routes import PREFIX, Parts, add_routes
from relay.dialects.ringcentral.sockets.stats import SocketStats
from relay.dialects.ringcentral.subscriptions import MANNER
from relay.dialects.ringcentral.upkeep import Upkeep
from relay.directory.directory import Directory
from relay.http.detached import Detached
from relay.http.errors import errors_middleware
from relay.journal.journal import Journal
from relay.journal.store import Store
from relay.journal.tail import Tail
from relay.settings import Settings
from relay.streaming.hub import Hub
from relay.subscriptions.sealing import SecretKeys
from relay.subscriptions.store import Subscriptions
from relay.switch.simulator import Simulator
from relay.webhooks.guard import Guard
from relay.webhooks.sending.client import HttpSender
from tests.conftest import OpenStore
from tests.dialects.ringcentral.calls import DIRECTORY, IDENTITIES
from tests.dialects.ringcentral.face import Clock, Face
from tests.dialects.ringcentral.hooks import Hooks, listening
from tests.webhooks.conftest import Process

LOOPBACK = (ip_network("127.0.0.0/8"),)
SEALED = SecretKeys([bytes(32)])
"""Subscriptions are stored here as they are where RELAY_SECRET_KEY is set."""
MOST_SUBSCRIPTIONS = 40
"""Of an account, in these tests."""

StartOwner = Callable[..., Awaitable[Process]]
Serve = Callable[..., Awaitable[Face]]


@pytest.fixture
async def serve_on(aiohttp_client: AiohttpClient, open_store: OpenStore) -> AsyncIterator[Serve]:
    """Give a function that serves RingCentral on a store; stores are closed after it."""
    started: list[Callable[[], Awaitable[None]]] = []

    async def serving(store: Store, *, directory: Directory = DIRECTORY, **settings: object) -> Face:
        journal = Journal(store)
        guard = Guard(LOOPBACK)
        chosen = Settings(**{"rate_limits": False, **settings})  # type: ignore[arg-type]
        clock, detached, sender = Clock(), Detached(), HttpSender(guard)
        tail = Tail(store)
        hub, stats = Hub(tail, journal), SocketStats()
        started.extend((tail.stop, hub.stop, partial(detached.stop, 5), sender.close))
        control = Control(journal, directory, Simulator(directory.device, ring_timeout=60), now=clock)
        subscriptions = Subscriptions(store, formats=(FORMAT,), limit=MOST_SUBSCRIPTIONS, secret_keys=SEALED)
        app = web.Application(middlewares=[errors_middleware({PREFIX: render_error}, render_error)])
        parts = Parts(
            control=control,
            journal=journal,
            directory=directory,
            identities=Identities(directory),
            detached=detached,
            settings=chosen,
            subscriptions=subscriptions,
            sender=sender,
            guard=guard,
            hub=hub,
            socket_stats=stats,
            now=clock,
        )
        sockets = add_routes(app, parts)
        client = await aiohttp_client(app, server_kwargs={"handler_cancellation": True})
        return Face(client, control, journal, clock, sockets, subscriptions, stats)

    yield serving
    for stop in reversed(started):
        await stop()


@pytest.fixture
def serve(serve_on: Serve, store: Store) -> Serve:
    """Give a function that serves RingCentral in one more process, as it were, on the test's empty store."""
    return partial(serve_on, store)


@pytest.fixture
async def face(serve: Serve) -> Face:
    """Give RingCentral, served by one process on the empty store, without rate limits."""
    return await serve()


@pytest.fixture
async def start_owner(store: Store) -> AsyncIterator[StartOwner]:
    """Give a function that has a process own every partition of the store and deliver its webhooks."""
    ends: list[Callable[[], Awaitable[None]]] = []

    async def start(
        patience: float = PATIENCE, recheck: float = RECHECK, on: Store = store, **options: Any
    ) -> Process:
        guard, tail = Guard(LOOPBACK), Tail(on)
        sender = HttpSender(guard)
        subscriptions = Subscriptions(on, formats=(FORMAT,), limit=1000, secret_keys=SEALED)
        handshakes = Handshakes(sender, guard)
        upkeep = Upkeep(Journal(on), tail, subscriptions, handshakes, recheck=recheck)
        ends.extend((tail.stop, sender.close))
        rules = {MANNER: RingCentralManner(IDENTITIES, patience=patience)}
        process = Process(
            on,
            renderers={FORMAT: renderer(IDENTITIES)},
            manners=rules,
            duties=[upkeep],
            secret_keys=SEALED,
            **options,
        )
        ends.append(process.stop)
        return await process.start()

    yield start
    for end in reversed(ends):
        await end()


@pytest.fixture
async def hooks() -> AsyncIterator[Hooks]:
    """Give a webhook receiver that shakes hands."""
    async with listening() as running:
        yield running
