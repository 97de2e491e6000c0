"""Polls that repeat the request before on their connection: nearly all are answered without a task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler

from relay.directory.model import Principal
from relay.errors import RelayError
from relay.http.repeats import WRITTEN, Exchange, Repeat
from relay.streaming.bayeux import channels
from relay.streaming.bayeux.collecting import Collected
from relay.streaming.bayeux.messages import MalformedPayloadError, Message, from_json, payload
from relay.streaming.bayeux.requests import Connect
from relay.streaming.bayeux.resumed import Resumed
from relay.streaming.bayeux.service import Outcome, Peer, Service
from relay.streaming.bayeux.session import Answer
from relay.streaming.stream import HIGH_WATER

MAX_WAITS: Final = 3
"""Times in a row that a request's credentials must be waited for before that is taken for granted: the store
is asked for each session cookie, but a password is verified only now and then."""

Authenticate = Callable[[web.Request], Coroutine[Any, Any, Principal | None]]
"""Find out whom a request speaks for; None for nobody."""
CarryOut = Callable[[web.Request, list[Message], Authenticate, Peer], Awaitable[Outcome | web.Response]]
"""Carry out the messages of a request."""
Write = Callable[[web.Request, bytes, Sequence[Answer]], Awaitable[web.Response]]
"""Write an answer with this body, however large it is, for which that was taken."""


class Repeating:
    """Answers the repetitions of one request, where they are a connect and nothing else."""

    def __init__(
        self, service: Service, peer: Peer, authenticate: Authenticate, carry_out: CarryOut, write: Write
    ) -> None:
        self.service = service
        self.peer = peer
        self._authenticate = authenticate
        self._carry_out = carry_out
        self.write = write
        self._waits = 0 if peer.connector is None else MAX_WAITS

    def __repr__(self) -> str:
        return f"Repeating({self.peer!r}, {'in tasks' if self._waits >= MAX_WAITS else 'at once'})"

    def accept(self, repeat: Repeat, body: bytes) -> Handler | Exchange | None:
        """Return what answers a repetition with this body."""
        try:
            messages = from_json(body)
        except MalformedPayloadError:
            return None
        if len(messages) != 1 or messages[0].get("channel") != channels.CONNECT:
            return None
        principal = self._admitted(repeat.request) if self._waits < MAX_WAITS else None
        if principal is not None:
            exchange = _Exchange(self, repeat, messages[0])
            if exchange.begin(principal):
                return exchange
        return self.handler(repeat, messages, self.peer)

    def handler(self, repeat: Repeat, messages: list[Message], peer: Peer) -> Handler:
        """Return what answers messages in a task."""

        async def handle(request: web.Request) -> web.StreamResponse:
            outcome = await self._carry_out(request, messages, self._authenticate, peer)
            if isinstance(outcome, web.Response):
                return outcome
            body = payload(outcome.parts)
            return (
                WRITTEN
                if self.wrote(repeat, body, outcome.taken)
                else await self.write(request, body, outcome.taken)
            )

        return handle

    def wrote(self, repeat: Repeat, body: bytes, taken: Sequence[Answer]) -> bool:
        """Write an answer that begins like the one before, if it fits into the transport's buffer.

        Raises:
            ConnectionResetError: the client has gone; what was taken is given back.

        """
        if not repeat.fits(len(body), HIGH_WATER):
            return False
        try:
            repeat.write(body)
        except ConnectionResetError:
            self.service.give_back(taken)
            raise
        return True

    def _admitted(self, request: web.Request) -> Principal | None:
        """Return for whom a request speaks, if that can be told at once; else a task finds out."""
        asking = self._authenticate(request)
        try:
            asking.send(None)
        except StopIteration as told:
            self._waits = 0
            principal: Principal | None = told.value
            return principal
        except RelayError:
            return None  # which a task answers for
        asking.close()
        self._waits += 1
        return None


class _Exchange(Exchange):
    """A connect whose session stays here: it waits, is taken and answered by calls."""

    __slots__ = ("_arrived", "_message", "_owner", "_repeat", "_resumed")

    def __init__(self, owner: Repeating, repeat: Repeat, message: Message) -> None:
        self._owner = owner
        self._repeat = repeat
        self._message = message
        self._arrived = owner.service.now()
        self._resumed: Resumed | None = None

    def begin(self, principal: Principal) -> bool:
        """Wait; False if its session does not stay here."""
        owner = self._owner
        self._resumed = owner.service.resume(principal, self._message, owner.peer, self._ended)
        return self._resumed is not None

    def cancel(self) -> None:
        """Answer it no more."""
        if self._resumed is not None:
            self._resumed.cancel()

    def _ended(self, ended: Collected | BaseException) -> None:
        owner, repeat, resumed = self._owner, self._repeat, self._resumed
        assert resumed is not None, "it ends later than it begins"  # noqa: S101
        if isinstance(ended, BaseException):
            peer = owner.peer._replace(connector=_Failed(ended))
            repeat.end(owner.handler(repeat, [self._message], peer))
            return
        body = owner.service.answered(resumed.request, ended, self._arrived)
        taken = () if ended.answer is None else (ended.answer,)
        try:
            written = owner.wrote(repeat, body, taken)
        except ConnectionResetError:
            written = True  # there is nobody left to answer
        repeat.end(None if written else lambda request: owner.write(request, body, taken))


class _Failed(NamedTuple):
    """Serves a connect whose end is known."""

    error: BaseException

    async def serve(self, principal: Principal, request: Connect, *, hold: bool) -> Collected:
        """Raise what it ended with."""
        del principal, request, hold
        raise self.error
