"""Puts the parts together: what starts in which order, and what stops before what."""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import AsyncExitStack
from typing import Final

from aiohttp import web

from relay.control import Control
from relay.dialects.gws import failures as gws_failures
from relay.dialects.gws import render as gws_render
from relay.dialects.gws import routes as gws_routes
from relay.dialects.v3 import problems as v3_problems
from relay.dialects.v3 import render as v3_render
from relay.dialects.v3 import routes as v3_routes
from relay.directory.directory import Directory
from relay.errors import ConfigurationError
from relay.http.cors import install_cors
from relay.http.detached import Detached
from relay.http.errors import errors_middleware
from relay.http.operations import operations_app
from relay.http.rate_limits import RateLimits
from relay.journal.duties import Duty
from relay.journal.embedded import EmbeddedValkey
from relay.journal.journal import Journal
from relay.journal.ownership import Ownership
from relay.journal.store import Store
from relay.journal.tail import Tail
from relay.journal.timers import Timers
from relay.journal.trim import Trimming
from relay.settings import Address, Settings
from relay.streaming.bayeux.endpoint import Endpoint
from relay.streaming.hub import Hub
from relay.streaming.sse import EventStreams
from relay.subscriptions.store import Subscriptions
from relay.switch.simulator import Simulator
from relay.telemetry import log
from relay.telemetry.metrics import Metrics
from relay.webhooks.duty import WebhookDuty
from relay.webhooks.guard import Guard
from relay.webhooks.sender import AiohttpSender

_log: Final = log.get("app")


class Relay:
    """One process of the service. Parts start in the order below and stop in the reverse of it."""

    def __init__(self, settings: Settings, directory: Directory) -> None:
        self._settings = settings
        self._directory = directory
        self._running = AsyncExitStack()
        self._serving = False
        self._draining = False
        self.metrics = Metrics()
        self.store_description = ""
        self._store: Store

    def __repr__(self) -> str:
        return f"<Relay at {self.url}{' draining' * self._draining}>"

    @property
    def url(self) -> str:
        """Base of every public URI."""
        return self._settings.base_url

    @property
    def admin_url(self) -> str:
        """Base of the operations face."""
        return f"http://{self._settings.admin_bind}"

    async def start(self) -> None:
        """Start every part; on return requests are served.

        Raises:
            ConfigurationError: a part cannot start as it is set.
            StoreUnavailableError: the store is away.

        """
        async with AsyncExitStack() as starting:
            await self._start(starting)
            self._running = starting.pop_all()
        self._serving = True
        _log.info("started", settings=repr(self._settings), store=self.store_description)

    async def stop(self) -> None:
        """Drain and stop: take nothing new, finish what is on its way, tell clients to come back."""
        if not self._draining:
            self._draining = True
            await self._running.aclose()
            _log.info("stopped")

    async def _start(self, starting: AsyncExitStack) -> None:
        settings = self._settings
        await _listen(
            starting, operations_app(self._unready, self.metrics), settings.admin_bind, "RELAY_ADMIN_BIND"
        )
        store = self._store = await self._open_store(starting)
        journal = Journal(store)
        tail = Tail(store)
        starting.push_async_callback(tail.stop)
        hub = Hub(tail, journal)
        starting.push_async_callback(hub.stop)
        renderers = {"v3": v3_render.render, "gws": gws_render.renderer(self.url)}
        simulator = Simulator(self._directory.device, ring_timeout=settings.ring_timeout)
        control = Control(journal, self._directory, simulator)
        guard = Guard(settings.webhook_allow or ())
        subscriptions = Subscriptions(store, formats=tuple(renderers), limit=settings.max_subscriptions)
        sender = AiohttpSender(guard)
        starting.push_async_callback(sender.close)
        webhooks = WebhookDuty(
            store,
            tail,
            subscriptions,
            renderers,
            sender,
            retries=settings.webhook_retries,
            timeout=settings.webhook_timeout,
            delivery_retention=settings.delivery_retention,
            drain_timeout=settings.drain_timeout,
        )
        bayeux = Endpoint(store, hub, renderers, settings, event_format="gws")
        starting.push_async_callback(bayeux.stop)
        trimming = Trimming(
            store,
            retention=settings.event_retention,
            max_bytes=settings.event_max_bytes,
            before_cut=webhooks.before_cut,
        )
        duties: list[Duty] = [webhooks, Timers(store, tail, control.elapse), bayeux.expiry, trimming]
        ownership = Ownership(store, f"{socket.gethostname()}-{secrets.token_hex(4)}", duties)
        await ownership.start()
        starting.push_async_callback(ownership.stop)
        streams = EventStreams(hub, renderers)
        detached = Detached()
        app = web.Application(
            middlewares=[
                errors_middleware(
                    {v3_routes.PREFIX: v3_problems.render_error, gws_render.API: gws_failures.render_error},
                    v3_problems.render_error,
                )
            ]
        )
        limits = RateLimits(store, enabled=settings.rate_limits)
        v3_routes.add_routes(
            app,
            v3_routes.Parts(
                control=control,
                journal=journal,
                directory=self._directory,
                streams=streams,
                renderers=renderers,
                limits=limits,
                detached=detached,
                subscriptions=subscriptions,
                guard=guard,
                base_url=self.url,
                simulated=True,
            ),
        )
        admission = gws_routes.add_routes(
            app,
            gws_routes.Parts(
                control=control,
                journal=journal,
                directory=self._directory,
                detached=detached,
                settings=settings,
            ),
        )
        app.router.add_routes(bayeux.routes(f"{gws_render.API}/notifications", admission.principal))
        install_cors(app, settings.cors_origins)

        async def drain(_app: web.Application) -> None:
            control.drain()
            await asyncio.gather(streams.drain(), bayeux.drain())
            await detached.stop(settings.drain_timeout)

        app.on_shutdown.append(drain)
        await _listen(starting, app, settings.bind, "RELAY_BIND", drain_timeout=settings.drain_timeout)

    async def _open_store(self, starting: AsyncExitStack) -> Store:
        settings = self._settings
        url, self.store_description = settings.redis_url, "RELAY_REDIS_URL"
        if not url:
            embedded = await EmbeddedValkey.start(settings.data_dir)
            starting.push_async_callback(embedded.stop)
            url = embedded.url
            found = "found running" if embedded.adopted else "started"
            self.store_description = f"embedded Valkey ({found}), data in {settings.data_dir}"
        store = await Store.open(url, partitions=settings.partitions)
        starting.push_async_callback(store.close)
        return store

    def _unready(self) -> str:
        if self._draining:
            return "draining"
        if not self._serving:
            return "starting"
        return "" if self._store.available else "the store is away"


async def _listen(
    starting: AsyncExitStack,
    app: web.Application,
    address: Address,
    setting: str,
    *,
    drain_timeout: float = 5.0,
) -> None:
    """Serve the application; stopping waits ``drain_timeout`` seconds for its handlers."""
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=drain_timeout)
    await runner.setup()
    starting.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, address.host, address.port).start()
    except OSError as error:
        raise ConfigurationError(f"{setting}: cannot listen on {address}: {error.strerror}") from error
