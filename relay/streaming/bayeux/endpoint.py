"""The Bayeux endpoint as the application mounts it: its parts put together, and its end in good order."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from relay.directory.model import Principal
from relay.journal.store import Store
from relay.settings import Settings
from relay.streaming.bayeux.browsers import Browsers
from relay.streaming.bayeux.callback import CALLBACK_POLLING
from relay.streaming.bayeux.connects import Connects
from relay.streaming.bayeux.conversation import Pushing
from relay.streaming.bayeux.expiry import BayeuxExpiry
from relay.streaming.bayeux.polling import LONG_POLLING, Polling
from relay.streaming.bayeux.repeating import Authenticate
from relay.streaming.bayeux.requests import LONGEST
from relay.streaming.bayeux.service import WEBSOCKET, Service
from relay.streaming.bayeux.sessions import Sessions
from relay.streaming.bayeux.sockets import Sockets
from relay.streaming.bayeux.stats import BayeuxStats
from relay.streaming.heartbeats import Heartbeats
from relay.streaming.hub import Hub
from relay.streaming.stream import Limits
from relay.subscriptions.rendering import Renderers

NOTE_SECONDS: Final = 1.0
"""How often it is noted in the store how far pushes have come: after a crash so much may be told again."""
NOTES_A_SECOND: Final = 2000
"""Pushes noted a second at most, some 3 % of a core; with more of them, each is noted less often."""


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
        limits: Limits | None = None,
    ) -> None:
        """Put it together; ``limits`` are what a slow client may cost on a websocket."""
        self.stats = BayeuxStats()
        max_interval = settings.bayeux_max_interval
        self.expiry = BayeuxExpiry(store, self.stats, grace=max_interval)
        """The duty that ends sessions; for the partitions this process owns."""
        sessions = self._sessions = Sessions(store, max_interval=round(max_interval * 1000))
        timeout = round(settings.bayeux_timeout * 1000)
        self._connects = Connects(
            sessions, hub, renderers, self.stats, timeout=timeout, event_format=event_format
        )
        callbacks = settings.bayeux_callback_polling
        types = (WEBSOCKET, LONG_POLLING, *((CALLBACK_POLLING,) if callbacks else ()))
        service = Service(sessions, self._connects, self.stats, types)
        browsers = Browsers(
            secure=settings.base_url.startswith("https:"),
            cross_site=bool(settings.cors_origins),
            strict=settings.bayeux_strict_cookie,
            limit=settings.bayeux_sessions_per_browser,
        )
        pushing = Pushing(
            sessions=sessions,
            connects=self._connects,
            hub=hub,
            renderers=renderers,
            stats=self.stats,
            event_format=event_format,
            notes=Heartbeats(NOTE_SECONDS, at_most=NOTES_A_SECOND),
        )
        self._sockets = Sockets(
            service,
            pushing,
            browsers,
            self.stats,
            base_url=settings.base_url,
            origins=settings.cors_origins,
            longest_hold=max(settings.bayeux_timeout, LONGEST / 1000),
            limits=limits,
        )
        self._polling = Polling(
            service, self._connects, self._sockets, browsers, self.stats, callbacks=callbacks
        )

    def __repr__(self) -> str:
        return f"Endpoint({self._connects!r}, {self._sockets!r})"

    def routes(self, base: str, authenticate: Authenticate) -> list[web.RouteDef]:
        """Return the routes of the endpoint: the base path and those below it that clients use."""
        return self._polling.routes(base, authenticate)

    async def end_login(self, principal: Principal) -> None:
        """End the sessions that were begun by a principal's ``login``; raises StoreUnavailableError."""
        await self._sessions.end_login(principal)

    async def drain(self) -> None:
        """Answer the held connects and close the sockets, which takes a second or two.

        Further connects are held no longer than that, and further sockets refused.
        """
        await asyncio.gather(self._connects.drain(), self._sockets.drain())

    async def stop(self) -> None:
        """Wait for what is being put back: after the last handler, before the store closes."""
        await self._connects.stop()
        await self._sessions.close()
