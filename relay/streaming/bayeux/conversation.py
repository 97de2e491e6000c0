"""What is said on one websocket: frames of messages in, frames of replies and events out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from relay.directory.model import Principal
from relay.errors import UnavailableError
from relay.streaming.bayeux import channels, replies
from relay.streaming.bayeux.collecting import Collected, EndedError, SupersededError
from relay.streaming.bayeux.connects import Connects
from relay.streaming.bayeux.messages import Message, encoded, from_json, payload
from relay.streaming.bayeux.outlet import Outlet
from relay.streaming.bayeux.poll import Stop
from relay.streaming.bayeux.push import Push
from relay.streaming.bayeux.requests import Connect
from relay.streaming.bayeux.service import Peer, Service
from relay.streaming.bayeux.session import Ended, Session
from relay.streaming.bayeux.sessions import Sessions
from relay.streaming.bayeux.stats import BayeuxStats
from relay.streaming.bayeux.wire import text_frame
from relay.streaming.heartbeats import Heartbeats
from relay.streaming.hub import Hub
from relay.streaming.stream import End
from relay.subscriptions.rendering import Renderers

PART_WITHIN: Final = 1.0
"""Seconds that the held connect of a session which its client ends may take to be answered."""
MAX_HELD: Final = 4
"""Connects of one socket that are under way: the latest is held, those before it are about to be answered."""


@dataclass(frozen=True, kw_only=True)
class Pushing:
    """What pushes are made of."""

    sessions: Sessions
    connects: Connects
    hub: Hub
    renderers: Renderers
    stats: BayeuxStats
    event_format: str
    notes: Heartbeats

    def start(
        self, principal: Principal, session: Session, outlet: Outlet, ended: Callable[[Ended], None]
    ) -> Push:
        """Push a session's events to an outlet from now on, and nobody else in this process.

        ``ended`` is called when the session ends while nobody waits for the push.

        Raises:
            SupersededError: a later connect of the session is served already.

        """
        push = Push(
            principal,
            session,
            outlet,
            sessions=self.sessions,
            hub=self.hub,
            renderers=self.renderers,
            event_format=self.event_format,
            stats=self.stats,
            notes=self.notes,
            ended=ended,
        )
        try:
            self.connects.enter(session.client, push)
        except SupersededError:
            push.stop(Stop.SUPERSEDED)
            raise
        return push


class Conversation:
    """Carries out the frames of one socket. Its session is the one it began, or spoke for first.

    ``admitted`` finds out for whom the credentials of the socket speak by now, and ``hang_up`` has it closed.
    """

    def __init__(
        self,
        principal: Principal,
        outlet: Outlet,
        service: Service,
        pushing: Pushing,
        *,
        admitted: Callable[[], Awaitable[Principal | None]],
        hang_up: Callable[[], None],
        browser: str,
        strict: bool,
    ) -> None:
        self.over = False
        """Whether the session has ended, and with it the conversation."""
        self._principal = principal
        self._outlet = outlet
        self._admitted = admitted
        self._hang_up = hang_up
        self._service = service
        self._pushing = pushing
        self._browser = browser
        self._strict = strict
        self._client = ""
        self._acks = ""
        self._push: Push | None = None
        self._held: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"Conversation({self._client[:8]}…, {self._push!r}, {len(self._held)} connects)"

    async def take(self, frame: bytes) -> None:
        """Carry out a frame; a connect that comes alone is answered when its time has come.

        Raises:
            MalformedPayloadError: the frame is not messages.
            UnavailableError: the store is away.

        """
        messages = from_json(frame)
        if len(messages) > 1 or messages[0].get("channel") != channels.CONNECT:
            await self._say(messages)
            return
        if self._push is not None:
            self._push.wake()
        while len(self._held) >= MAX_HELD:
            await asyncio.wait(self._held, return_when=asyncio.FIRST_COMPLETED)
        self._keep(self._answer_connect(messages), "bayeux-heartbeat")

    def close(self) -> None:
        """Say nothing more, and note how far the client is."""
        if self._push is not None:
            self._push.close()
        self._outlet.end(End.CLOSED)

    async def drain(self, within: float) -> None:
        """Do as `close`, once the client has what it was told, for which it gets so many seconds at most."""
        if self._push is not None:
            await self._push.drain(within)

    async def closed(self) -> None:
        """End everything that runs for this socket."""
        while self._held or self._push is not None:  # the end of a push may be told once more
            for task in self._held:
                task.cancel()
            if self._held:
                await asyncio.wait(self._held)
            await self._drop_push()

    async def serve(self, principal: Principal, request: Connect, *, hold: bool) -> Collected:
        """Serve a connect: it starts the push if there is none, and shows that the client is alive.

        Raises what `Connects.serve` does.
        """
        if await self._admitted() != principal:
            await self._pushing.sessions.end(principal, request.client, Ended.CLOSED)
            raise EndedError(Ended.CLOSED)
        connects = self._pushing.connects
        wanted = connects.hold(request) if hold else 0
        push, goes_on = self._push, False
        if push is not None and push.client == request.client:
            goes_on = await push.goes_on(max(wanted, request.extra))
        if not goes_on and self._acks == request.client:
            return await connects.serve(principal, request, hold=hold, pushing=True)
        if not goes_on:
            session = await connects.begin(principal, request, hold=max(wanted, request.extra), pushing=True)
            self._client = session.client
            if session.acks:
                self._acks = session.client
                return await connects.collect(principal, request, session, wanted, pushing=True)
            await self._drop_push()
            push = self._push = self._pushing.start(principal, session, self._outlet, self._ended)
            wanted = 0 if session.generation == 1 else wanted
        assert push is not None, "it goes on or was started"  # noqa: S101
        if wanted:
            await self._wait(push, wanted, request.extra)
        return Collected([], not goes_on)

    async def _wait(self, push: Push, wanted: int, extra: int) -> None:
        stats = self._pushing.stats
        stats.held += 1
        try:
            await push.wait(asyncio.get_running_loop().time() + wanted / 1000)
        finally:
            stats.held -= 1
        await push.goes_on(extra)

    async def _answer_connect(self, messages: list[Message]) -> None:
        try:
            await self._say(messages)
        except SupersededError:
            self._pushing.stats.superseded += 1  # whoever connected later is answered
        except UnavailableError:
            self._outlet.abort()  # the client comes again, to a process that can serve it
        else:
            if self.over:
                self._hang_up()

    async def _say(self, messages: list[Message]) -> None:
        """Carry messages out and write the replies."""
        peer = Peer(self._browser, self._strict, self._client, connector=self)
        outcome = await self._service.handle(self._principal, messages, peer)
        for reply in outcome.handshakes:
            if reply["successful"]:
                await self._drop_push()
                self._client = reply["clientId"]
        if not self._outlet.write(text_frame(payload(outcome.parts))):
            self._service.give_back(outcome.taken)
        if outcome.parted:
            await self._part()

    async def _part(self) -> None:
        """End what is held, as the session has ended."""
        if self._push is not None:
            self._push.end(Ended.DISCONNECTED)
        others = self._held - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=PART_WITHIN)
        self.over = True

    def _ended(self, why: Ended) -> None:
        """Tell the client that its session has ended, where it would not learn of it by itself."""
        if why is Ended.CLOSED:
            self._outlet.write(text_frame(payload([encoded(replies.PARTING)])))
        if why in (Ended.CLOSED, Ended.EXPIRED):
            self._hang_up()

    def _keep(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._held.add(task)
        task.add_done_callback(self._held.discard)

    async def _drop_push(self) -> None:
        push, self._push = self._push, None
        if push is not None:
            push.close()
            self._pushing.connects.leave(push.client, push)
            await push.closed()
