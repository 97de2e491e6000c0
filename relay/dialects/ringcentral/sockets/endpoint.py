"""The WebSockets of this process: opened with a token, kept, and closed in good order."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Collection, Coroutine
from functools import partial
from typing import Any, Final

from aiohttp import WSCloseCode, web

from relay.dialects.ringcentral.failures import ApiError, explain
from relay.dialects.ringcentral.sockets import messages
from relay.dialects.ringcentral.sockets.conversation import Conversation
from relay.dialects.ringcentral.sockets.logins import LoginWatch
from relay.dialects.ringcentral.sockets.messages import MalformedMessageError
from relay.dialects.ringcentral.sockets.recovery import BUFFER, Begun, Recovery
from relay.dialects.ringcentral.sockets.requests import Requests
from relay.dialects.ringcentral.sockets.sessions import ABSOLUTE_SECONDS, RECOVERY_SECONDS, SocketSessions
from relay.dialects.ringcentral.sockets.stats import SocketStats
from relay.dialects.ringcentral.tokens import Caller, Tokens
from relay.dialects.times import timestamp
from relay.errors import DrainingError, NotAllowedError, UnavailableError
from relay.streaming.bayeux.outlet import Outlet
from relay.streaming.hub import Hub
from relay.streaming.stream import Limits
from relay.streaming.websockets import CLOSE_WITHIN, Incoming, OverError, count_cut, may_open
from relay.telemetry import log

IDLE_SECONDS: Final = 1800.0
"""How long a client may say nothing, not even a heartbeat, as published."""
DRAIN_SPREAD: Final = 1.0
"""Seconds over which a stopping process closes its sockets: not all clients come again at once."""
DRAIN_STEPS: Final = 20
LOOK_SECONDS: Final = 60.0
"""How often a socket's login is looked at: one that is not refreshed in time ends without a word."""

_log: Final = log.get("ringcentral")
_IDLE: Final = ApiError(408, "WSG-902", "The connection was idle for too long")
_ENDED: Final = ApiError(408, "WSG-903", "The connection has lasted as long as it may")
_BAD_TOKEN: Final = ApiError(401, "OAU-213", "Token not found", word="TokenInvalid")


class Sockets:
    """All WebSockets of this process."""

    def __init__(
        self,
        tokens: Tokens,
        sessions: SocketSessions,
        requests: Requests,
        recovery: Recovery,
        hub: Hub,
        stats: SocketStats,
        *,
        base_url: str,
        origins: Collection[str],
        limits: Limits | None = None,
        idle: float = IDLE_SECONDS,
        absolute: float = ABSOLUTE_SECONDS,
    ) -> None:
        """Take also which pages may open sockets besides relay's own, and how many seconds they may last."""
        self._tokens = tokens
        self._sessions = sessions
        self._requests = requests
        self._recovery = recovery
        self._hub = hub
        self._stats = stats
        self._base_url = base_url
        self._origins = frozenset(origins)
        self._limits = limits or Limits()
        self._idle = idle
        self._absolute = absolute
        self._look_seconds = LOOK_SECONDS
        self._open: set[Incoming] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._draining = False

    def __repr__(self) -> str:
        return f"Sockets({len(self)} open{', draining' * self._draining})"

    def __len__(self) -> int:
        return len(self._open)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Talk on a WebSocket until it closes. The server must cancel this when the client drops.

        Raises:
            NotAllowedError: the page's origin may not open one.
            UnavailableError: this process takes no more, or the store is away.
            ApiError: neither the token nor the handshake is good.

        """
        self._check(request)
        wsc = request.query.get("wsc", "")
        place = messages.place(wsc)
        token = request.query.get("access_token", "")
        caller = await self._tokens.take_socket(token, again=place is not None)
        begun = None if caller is None else await self._recovery.begin(caller, place)
        socket = web.WebSocketResponse(
            compress=False, max_msg_size=messages.LONGEST, timeout=CLOSE_WITHIN, decode_text=False
        )
        if caller is None and not socket.can_prepare(request).ok:
            raise _BAD_TOKEN
        await socket.prepare(request)
        if caller is None or begun is None:
            self._stats.refused += 1
            await _refuse(socket)
            return socket
        transport: Any = request.transport
        if transport is None:
            return socket
        incoming = Incoming(socket)
        outlet = Outlet(transport, self._limits, partial(count_cut, self._stats))
        talk = Conversation(
            caller,
            begun.session,
            begun.at,
            outlet,
            hub=self._hub,
            sessions=self._sessions,
            requests=self._requests,
            stats=self._stats,
            close=incoming.hang_up,
        )
        self._open.add(incoming)
        self._stats.sockets += 1
        watching = asyncio.create_task(self._watch(caller, incoming, talk), name="ringcentral-socket-login")
        try:
            self._open_talk(talk, begun, asked=bool(wsc))
            # It may have come while the process began to stop.
            code = WSCloseCode.GOING_AWAY if self._draining else await self._converse(incoming, talk)
            await talk.closed()
            await socket.close(code=code)
        finally:  # in a task of its own: the handler of a client that dropped is cancelled
            self._open.discard(incoming)
            incoming.over()
            self._stats.sockets -= 1
            self._spawn(self._leave(talk, watching, begun.at.secret))
        return socket

    async def drain(self) -> None:
        """Take no new sockets, and close those that are open over about a second."""
        self._draining = True
        sockets = list(self._open)
        for step in range(DRAIN_STEPS if sockets else 0):
            for incoming in sockets[step::DRAIN_STEPS]:
                incoming.hang_up(WSCloseCode.GOING_AWAY)
            await asyncio.sleep(DRAIN_SPREAD / DRAIN_STEPS)
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                for incoming in sockets:
                    await incoming.closed()
                await asyncio.gather(*self._ending)
        except TimeoutError:
            _log.warning("websockets did not end", open=len(self))

    def _check(self, request: web.Request) -> None:
        if not may_open(request, base_url=self._base_url, listed=self._origins):
            raise NotAllowedError("pages of this origin may not open websockets here")
        if self._draining:
            raise DrainingError("this process is stopping")
        if len(self._open) >= self._limits.streams:
            raise UnavailableError("too many websockets")

    def _open_talk(self, talk: Conversation, begun: Begun, *, asked: bool) -> None:
        details = {
            "creationTime": timestamp(time.time_ns() // 1_000_000),
            "maxConnectionsPerSession": 50,
            "recoveryBufferSize": BUFFER,
            "recoveryTimeout": RECOVERY_SECONDS,
            "idleTimeout": round(self._idle),
            "absoluteTimeout": round(self._absolute),
            "maxActiveRequests": 10,
        }
        if asked:
            self._stats.recovered += begun.recovered
            self._stats.unrecovered += not begun.recovered
            details["recoveryState"] = "Successful" if begun.recovered else "Failed"
        talk.say(messages.DETAILS, str(uuid.uuid4()), details)
        talk.resume(begun.missed, begun.since)

    async def _converse(self, incoming: Incoming, talk: Conversation) -> int:
        """Take messages until there is a reason to close, and return its code."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._absolute
        while True:
            left = ends - loop.time()
            try:
                await talk.take(await incoming.receive(min(self._idle, max(left, 0.0))))
            except OverError as over:
                return over.code
            except TimeoutError:
                talk.fail(_IDLE if left > self._idle else _ENDED, str(uuid.uuid4()))
                return WSCloseCode.GOING_AWAY
            except MalformedMessageError as error:
                talk.fail(error, str(uuid.uuid4()))
                return WSCloseCode.INVALID_TEXT
            except UnavailableError:
                return WSCloseCode.TRY_AGAIN_LATER

    def _spawn(self, ending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(ending, name="ringcentral-socket-end")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _watch(self, caller: Caller, incoming: Incoming, talk: Conversation) -> None:
        """Close the socket once its login has ended."""
        try:
            await LoginWatch(caller, self._tokens, self._hub).ended(self._look_seconds)
        except DrainingError:
            return  # the socket is closed in a moment
        talk.fail(_BAD_TOKEN, str(uuid.uuid4()))
        await talk.closed()  # nothing is told from here on, while the client takes its leave
        incoming.hang_up(WSCloseCode.POLICY_VIOLATION)

    async def _leave(self, talk: Conversation, watching: asyncio.Task[None], secret: str) -> None:
        watching.cancel()
        await asyncio.wait((watching,))
        await talk.closed()
        try:
            await self._sessions.leave(secret)
        except UnavailableError:
            _log.debug("the end of a websocket is not noted")


async def _refuse(socket: web.WebSocketResponse) -> None:
    """Say on the socket that its token is not good: many clients hear nothing of a refused request."""
    status, body = explain(_BAD_TOKEN)
    error = messages.said(messages.ERROR, str(uuid.uuid4()), None, body, status=status)
    await socket.send_str(error.decode())
    await socket.close(code=WSCloseCode.POLICY_VIOLATION)
