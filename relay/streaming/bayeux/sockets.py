"""The websocket transport: one session on each socket, its events pushed as they happen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, Final

from aiohttp import WSCloseCode, hdrs, web

from relay.directory.model import Principal
from relay.errors import UnavailableError
from relay.streaming.bayeux.browsers import Browsers
from relay.streaming.bayeux.connects import DRAIN_SPREAD, DRAIN_STEPS
from relay.streaming.bayeux.conversation import Conversation, Pushing
from relay.streaming.bayeux.messages import MAX_BODY, MalformedPayloadError
from relay.streaming.bayeux.outlet import Outlet
from relay.streaming.bayeux.service import Service
from relay.streaming.bayeux.stats import BayeuxStats
from relay.streaming.stream import Limits
from relay.streaming.websockets import CLOSE_WITHIN, Incoming, OverError, count_cut, may_open

QUIET_BEYOND: Final = 60.0
"""Seconds beyond what a connect may be held after which a socket is closed on which nothing has come."""
TAKEN_WITHIN: Final = 1.0
"""Seconds a stopping process waits for a client to take what it was told; what it has not is told again."""


class Sockets:
    """All websockets of this process."""

    def __init__(
        self,
        service: Service,
        pushing: Pushing,
        browsers: Browsers,
        stats: BayeuxStats,
        *,
        base_url: str,
        origins: Collection[str],
        longest_hold: float,
        limits: Limits | None = None,
    ) -> None:
        """Take who carries messages out, and which origins pages may be of besides relay's own.

        Connects are held for ``longest_hold`` seconds at most.
        """
        self._service = service
        self._pushing = pushing
        self._browsers = browsers
        self._stats = stats
        self._base_url = base_url
        self._origins = frozenset(origins)
        self._quiet = longest_hold + QUIET_BEYOND
        self._limits = limits or Limits()
        self._open: dict[Incoming, Conversation] = {}
        self._draining = False

    def __repr__(self) -> str:
        return f"Sockets({len(self._open)} open{', draining' * self._draining})"

    def refusal(self, request: web.Request) -> web.Response | None:
        """Return why a request for a websocket is refused, None if it is not."""
        if not may_open(request, base_url=self._base_url, listed=self._origins):
            return web.Response(status=403, text="pages of this origin may not open websockets here")
        if self._draining or len(self._open) >= self._limits.streams:
            return web.Response(status=503, text="unavailable", headers={hdrs.RETRY_AFTER: "1"})
        return None

    async def serve(
        self, request: web.Request, principal: Principal, admitted: Callable[[], Awaitable[Principal | None]]
    ) -> web.WebSocketResponse:
        """Talk Bayeux on a websocket until it closes. The server must cancel this when the client drops.

        ``admitted`` finds out for whom the request's credentials speak by now.
        """
        socket = web.WebSocketResponse(
            compress=False,  # frames are written as they are, the same bytes to every client
            max_msg_size=MAX_BODY,
            timeout=CLOSE_WITHIN,
            autoclose=False,  # the answer to a close would hide what the client had acknowledged before
            decode_text=False,
        )
        browser = self._browsers.of(request) or self._browsers.new()
        self._browsers.mark(request, socket, browser)
        await socket.prepare(request)
        transport: Any = request.transport
        if transport is None:
            return socket
        incoming = Incoming(socket)
        outlet = Outlet(transport, self._limits, partial(count_cut, self._stats))
        talk = Conversation(
            principal,
            outlet,
            self._service,
            self._pushing,
            admitted=admitted,
            hang_up=partial(incoming.hang_up, WSCloseCode.OK),
            browser=browser,
            strict=self._browsers.strict,
        )
        self._open[incoming] = talk
        self._stats.sockets += 1
        try:
            # It may have come while the process began to stop.
            code = WSCloseCode.GOING_AWAY if self._draining else await self._converse(incoming, talk)
            talk.close()
            await talk.closed()  # the client may go on elsewhere once it is answered
            await socket.close(code=code)
        finally:
            self._stats.sockets -= 1
            del self._open[incoming]
            incoming.over()
            await talk.closed()
        return socket

    async def drain(self) -> None:
        """Take no new sockets, and close those that are open over about a second."""
        self._draining = True
        sockets = list(self._open.items())
        closing = []
        for step in range(DRAIN_STEPS if sockets else 0):
            for incoming, talk in sockets[step::DRAIN_STEPS]:
                closing.append(asyncio.create_task(_drained(incoming, talk), name="bayeux-socket-close"))
            await asyncio.sleep(DRAIN_SPREAD / DRAIN_STEPS)
        await asyncio.gather(*closing, return_exceptions=True)

    async def _converse(self, incoming: Incoming, talk: Conversation) -> int:
        """Take frames until there is a reason to close, and return its code."""
        while not talk.over:
            try:
                await talk.take(await incoming.receive(self._quiet))
            except OverError as over:
                return over.code
            except TimeoutError:
                return WSCloseCode.GOING_AWAY
            except MalformedPayloadError:
                return WSCloseCode.INVALID_TEXT
            except UnavailableError:
                return WSCloseCode.TRY_AGAIN_LATER
        return WSCloseCode.OK


async def _drained(incoming: Incoming, talk: Conversation) -> None:
    await talk.drain(TAKEN_WITHIN)
    incoming.hang_up(WSCloseCode.GOING_AWAY)
    async with asyncio.timeout(CLOSE_WITHIN):
        await incoming.closed()
