"""v3 over HTTP on a real store, with the demo's people."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_network

import pytest
from aiohttp import web
from pytest_aiohttp.plugin import AiohttpClient

from relay.control import Control
from relay.dialects.v3.problems import render_error
from relay.dialects.v3.render import render
from relay.dialects.v3.routes import PREFIX, Parts, add_routes
from relay.directory.loading import demo
from relay.http.detached import Detached
from relay.http.errors import errors_middleware
from relay.http.rate_limits import RateLimits
from relay.journal.journal import Journal
from relay.journal.tail import Tail
from relay.streaming.hub import Hub
from relay.streaming.sse import EventStreams
from relay.subscriptions.store import Subscriptions
from relay.switch.simulator import Simulator
from relay.webhooks.deliveries import Deliveries
from relay.webhooks.guard import Guard
from relay.webhooks.repair import Repair
from tests.dialects.v3.face import Clock, Face

DEMO = demo()
MOST_SUBSCRIPTIONS = 20

MakeFace = Callable[..., Awaitable[Face]]


@pytest.fixture
async def make_face(aiohttp_client: AiohttpClient, journal: Journal) -> AsyncIterator[MakeFace]:
    """Give a function that starts one more process on the test's store."""
    running: list[tuple[EventStreams, Hub, Tail, Detached]] = []

    async def make(*, limits: bool = False, simulated: bool = True, streams_per_user: int = 100) -> Face:
        clock = Clock()
        renderers = {"v3": render}
        control = Control(journal, DEMO, Simulator(DEMO.device, ring_timeout=60), now=clock)
        tail = Tail(journal.store)
        hub = Hub(tail, journal)
        streams = EventStreams(hub, renderers)
        detached = Detached()
        running.append((streams, hub, tail, detached))
        subscriptions = Subscriptions(journal.store, formats=tuple(renderers), limit=MOST_SUBSCRIPTIONS)
        deliveries = Deliveries(journal.store, subscriptions, renderers)
        app = web.Application(middlewares=[errors_middleware({PREFIX: render_error}, render_error)])
        parts = Parts(
            control=control,
            journal=journal,
            directory=DEMO,
            streams=streams,
            streams_per_user=streams_per_user,
            renderers=renderers,
            limits=RateLimits(journal.store, enabled=limits),
            detached=detached,
            subscriptions=subscriptions,
            deliveries=deliveries,
            repair=Repair(journal.store, subscriptions, deliveries, retention=3600),
            guard=Guard((ip_network("127.0.0.0/8"),)),
            base_url="https://relay.example.com",
            simulated=simulated,
        )
        add_routes(app, parts)
        client = await aiohttp_client(app, server_kwargs={"handler_cancellation": True})
        return Face(client, control, journal, clock)

    yield make
    for streams, hub, tail, detached in running:
        await streams.drain()
        await detached.stop(5)
        await hub.stop()
        await tail.stop()


@pytest.fixture
async def face(make_face: MakeFace) -> Face:
    """Give v3, served by one process on the empty store, without rate limits."""
    return await make_face()
