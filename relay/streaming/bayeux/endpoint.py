"""The Bayeux endpoint as the application mounts it: its parts put together, and its end in good order."""

from __future__ import annotations

from aiohttp import web

from relay.journal.store import Store
from relay.settings import Settings
from relay.streaming.bayeux.connects import Connects
from relay.streaming.bayeux.expiry import BayeuxExpiry
from relay.streaming.bayeux.polling import LONG_POLLING, Authenticate, LongPolling
from relay.streaming.bayeux.service import Service
from relay.streaming.bayeux.sessions import Sessions
from relay.streaming.bayeux.stats import BayeuxStats
from relay.streaming.hub import Hub
from relay.subscriptions.rendering import Renderers


class Endpoint:
    """One Bayeux endpoint. It tells the events of one format, each on the channel that is its type."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        renderers: Renderers,
        settings: Settings,
        *,
        event_format: str,
    ) -> None:
        self.stats = BayeuxStats()
        max_interval = settings.bayeux_max_interval
        self.expiry = BayeuxExpiry(store, self.stats, grace=max_interval)
        """The duty that ends sessions; for the partitions this process owns."""
        sessions = Sessions(store, max_interval=round(max_interval * 1000))
        timeout = round(settings.bayeux_timeout * 1000)
        self._connects = Connects(
            sessions, hub, renderers, self.stats, timeout=timeout, event_format=event_format
        )
        service = Service(sessions, self._connects, self.stats, (LONG_POLLING,))
        self._polling = LongPolling(service, self.stats, secure=settings.base_url.startswith("https:"))

    def __repr__(self) -> str:
        return f"Endpoint({self._connects!r})"

    def routes(self, base: str, authenticate: Authenticate) -> list[web.RouteDef]:
        """Return the routes of the endpoint: the base path and those below it that clients use."""
        return self._polling.routes(base, authenticate)

    async def drain(self) -> None:
        """Answer the held connects, which takes about a second; further ones are held no longer than that."""
        await self._connects.drain()

    async def stop(self) -> None:
        """Wait for what is being put back: after the last handler, before the store closes."""
        await self._connects.stop()
