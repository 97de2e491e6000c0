"""What is said on one WebSocket: requests and heartbeats in, answers and notifications out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from aiohttp import WSCloseCode
from msgspec.structs import replace

from relay.dialects.ringcentral.envelopes import Addressee
from relay.dialects.ringcentral.failures import explain
from relay.dialects.ringcentral.sockets import messages
from relay.dialects.ringcentral.sockets.messages import Asked, MalformedMessageError, Place
from relay.dialects.ringcentral.sockets.notices import Notice
from relay.dialects.ringcentral.sockets.requests import Requests
from relay.dialects.ringcentral.sockets.sessions import SocketSession, SocketSessions, SocketSubscription
from relay.dialects.ringcentral.sockets.stats import SocketStats
from relay.dialects.ringcentral.tokens import Caller
from relay.errors import DrainingError, RelayError, UnavailableError
from relay.streaming.bayeux.outlet import Outlet
from relay.streaming.bayeux.wire import text_frame
from relay.streaming.hub import Hub
from relay.streaming.links import Link
from relay.streaming.members import Gap, Member
from relay.streaming.stream import End

SUBSCRIPTION_ID: Final = "WSG-SubscriptionId"
"""Header of the answers that show a subscription."""
SETTLE_SECONDS: Final = 0.2
"""Pause before what was missed is told: published clients listen for it only once they have taken in the
details of the connection, and would miss what comes with these."""


class Conversation(Member[list[Notice]]):
    """Carries out the messages of one socket, and tells what its subscription wants."""

    def __init__(
        self,
        caller: Caller,
        session: SocketSession,
        at: Place,
        outlet: Outlet,
        *,
        hub: Hub,
        sessions: SocketSessions,
        requests: Requests,
        stats: SocketStats,
        close: Callable[[int], None],
    ) -> None:
        """Take a session and how far it is; ``close`` begins to close the socket, with a code."""
        self._caller = caller
        self._session = session
        self._at = at
        self._outlet = outlet
        self._hub = hub
        self._sessions = sessions
        self._requests = requests
        self._stats = stats
        self._close = close
        self._link: Link[list[Notice]] | None = None
        self._addressee: Addressee | None = None
        self._joining: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Conversation({self._session.account}, {self._link!r})"

    def say(
        self,
        kind: str,
        message_id: str,
        body: Any = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Write a message; it tells how far the subscription is."""
        self._at = Place(self._at.secret, self._at.sequence + 1, self._position)
        said = messages.said(kind, message_id, self._at, body, status=status, headers=headers)
        self._outlet.write(text_frame(said))

    async def take(self, text: bytes) -> None:
        """Carry out a message of the client.

        Raises:
            MalformedMessageError: it cannot be read.
            UnavailableError: the store is away.

        """
        asked = messages.read(text)
        if asked.type == messages.HEARTBEAT:
            self.say(messages.HEARTBEAT, asked.message_id)
        elif asked.type == messages.REQUEST:
            await self._answer(asked)
        else:
            self.fail(MalformedMessageError("no such type of message"), asked.message_id)

    def fail(self, error: Exception, message_id: str) -> None:
        """Tell of an error that answers no request."""
        status, body = explain(error)
        self.say(messages.ERROR, message_id, body, status=status)

    def resume(self, missed: list[Notice], since: str) -> None:
        """Go on with the session's subscription: tell what was missed, then what comes after a stream id."""
        if self._session.subscription is not None:
            self._addressee = self._requests.addressee(self._caller, self._session.subscription)
            self._begin(self._resume(self._session.subscription, missed, since))

    async def closed(self) -> None:
        """Tell nothing more, and end what runs for this socket."""
        await self._unfollow()
        self._outlet.end(End.CLOSED)

    def deliver(self, payload: list[Notice]) -> None:
        """Tell of events."""
        if self._addressee is None:
            return
        self._stats.notifications += len(payload)
        for entry, event in payload:
            body = self._requests.envelopes.enclose(entry, event, self._addressee)
            self._at = Place(self._at.secret, self._at.sequence + 1, entry.id.stream_id)
            said = messages.said(messages.NOTIFICATION, str(entry.id), self._at, body)
            self._outlet.write(text_frame(said))

    def gap(self, gap: Gap) -> None:
        """Close: events are lost, which the client is told when it wants to recover."""
        del gap
        self._close(WSCloseCode.TRY_AGAIN_LATER)

    def dropped(self) -> None:
        """Close: the client recovers from where it is."""
        self._close(WSCloseCode.TRY_AGAIN_LATER)

    async def ready(self) -> bool:
        """Wait until the client has taken most of what was written."""
        return await self._outlet.ready()

    @property
    def _position(self) -> str:
        """Stream id up to which everything was told."""
        return self._at.position if self._link is None else self._link.position

    async def _answer(self, asked: Asked) -> None:
        try:
            answer = await self._requests.answer(self._caller, self._session, asked)
        except UnavailableError:
            raise
        except RelayError as error:
            status, body = explain(error)
            self.say(messages.REQUEST, asked.message_id, body, status=status)
            return
        before = self._session.subscription
        changed = answer.subscription is not before
        if changed:
            self._session = replace(self._session, subscription=answer.subscription)
            await self._sessions.keep(self._at.secret, self._session)
        headers = dict(answer.headers)
        if answer.subscription is not None:
            headers[SUBSCRIPTION_ID] = answer.subscription.id
        self.say(messages.REQUEST, asked.message_id, answer.body, status=answer.status, headers=headers)
        if changed:
            position = self._position
            await self._unfollow()
            if answer.subscription is not None:
                self._addressee = self._requests.addressee(self._caller, answer.subscription)
                self._follow(answer.subscription, position if before else answer.subscription.since)

    def _follow(self, subscription: SocketSubscription, since: str) -> None:
        self._at = self._at._replace(position=since)
        self._begin(self._join(subscription, since))

    def _begin(self, joining: Coroutine[Any, Any, None]) -> None:
        self._joining = asyncio.create_task(joining, name="ringcentral-socket-join")

    async def _resume(self, subscription: SocketSubscription, missed: list[Notice], since: str) -> None:
        await asyncio.sleep(SETTLE_SECONDS)
        self.deliver(missed)
        self._at = self._at._replace(position=since)
        await self._join(subscription, since)

    async def _join(self, subscription: SocketSubscription, since: str) -> None:
        wanted = self._requests.wanted(self._session.account, subscription)
        try:
            link = await self._hub.join(self._session.account, self, wanted, after=since)
        except DrainingError:
            return  # the socket is closed in a moment
        if link.live:
            self._link = link

    async def _unfollow(self) -> None:
        self._addressee = None
        if self._joining is not None:
            self._joining.cancel()
            await asyncio.wait((self._joining,))
            self._joining = None
        if self._link is not None:
            self._link.leave()
            self._link = None
