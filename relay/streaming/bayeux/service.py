"""Carrying out messages: what every transport does between reading a payload and writing the answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from relay.directory.model import Principal
from relay.streaming.bayeux import channels, errors, replies
from relay.streaming.bayeux.client_ids import belongs
from relay.streaming.bayeux.collecting import Collected, EndedError
from relay.streaming.bayeux.connects import Connects
from relay.streaming.bayeux.extensions import extended, offers_ack, timesync
from relay.streaming.bayeux.messages import Message, encoded, payload
from relay.streaming.bayeux.requests import (
    Connect,
    Denied,
    Disconnect,
    Handshake,
    Publish,
    Refused,
    Request,
    Subscribe,
    Unsubscribe,
    read,
)
from relay.streaming.bayeux.resumed import Resumed
from relay.streaming.bayeux.session import Answer, Ended, Subscribed
from relay.streaming.bayeux.sessions import Sessions
from relay.streaming.bayeux.stats import BayeuxStats
from relay.telemetry import log

_log: Final = log.get("bayeux")


@dataclass(slots=True)
class Outcome:
    """The answer to a payload; its order is CometD's: handshake, events, other replies, connects."""

    handshakes: list[Message] = field(default_factory=list)
    events: list[bytes] = field(default_factory=list)
    others: list[Message] = field(default_factory=list)
    connects: list[Message] = field(default_factory=list)
    taken: list[Answer] = field(default_factory=list)
    """What must be given back if the answer cannot be written."""
    closed: bool = False
    """The server has ended the session."""

    @property
    def parts(self) -> list[bytes]:
        """The messages of the answer in their order."""
        return [
            *map(encoded, self.handshakes),
            *self.events,
            *map(encoded, self.others),
            *map(encoded, self.connects),
        ]

    @property
    def began(self) -> bool:
        """Whether a session was begun."""
        return any(reply["successful"] for reply in self.handshakes)

    @property
    def parted(self) -> bool:
        """Whether a session is over, as its client or the server wished."""
        return self.closed or any(
            reply.get("channel") == channels.DISCONNECT and reply["successful"] for reply in self.others
        )


class Peer(NamedTuple):
    """Who sends messages, as far as the transport knows."""

    browser: str = ""
    """What its browser is known by: the value of a cookie, so no secret and not to be trusted."""
    strict: bool = False
    """Its sessions are good in this browser only."""
    client: str = ""
    """The only session it may speak for; empty: any that is its user's."""
    polls: bool = False
    """It stays with polling: it is not told of websockets."""
    connector: Connector | None = None
    """Who serves its connects; None: they are held and answered."""

    @property
    def bound_to(self) -> str | None:
        """Return the browser that a session of its own belongs to, if to any."""
        return self.browser if self.strict else None

    def may_speak_for(self, message: Message) -> bool:
        """Tell whether the session a message names may be this peer's."""
        client = message.get("clientId")
        if message.get("channel") == channels.HANDSHAKE or not isinstance(client, str):
            return True
        return (not self.client or client == self.client) and belongs(client, self.browser)


WEBSOCKET: Final = "websocket"
"""The connection type of sessions that are pushed to."""


class Connector(Protocol):
    """What a transport does with a connect."""

    async def serve(self, principal: Principal, request: Connect, *, hold: bool) -> Collected:
        """Collect a connect's answer; raises as `Connects.serve` does."""
        ...


class Service:
    """Carries out the messages of one payload after another; knows nothing of how they came."""

    def __init__(
        self,
        sessions: Sessions,
        connects: Connects,
        stats: BayeuxStats,
        connection_types: Sequence[str],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sessions = sessions
        self._connects = connects
        self._stats = stats
        self._connection_types = tuple(connection_types)
        self._clock = clock

    def __repr__(self) -> str:
        return f"Service({', '.join(self._connection_types)}; {self._connects!r})"

    async def handle(self, principal: Principal | None, messages: Sequence[Message], peer: Peer) -> Outcome:
        """Carry out a payload's messages one after another; a connect is held if it is the only one.

        Raises:
            SupersededError: a connect has been superseded; the payload has no answer.
            UnavailableError: the store is away; what was done before stays done, but nothing is taken.

        """
        outcome = Outcome()
        if principal is None:
            self._stats.unauthenticated += len(messages)
            outcome.others += map(replies.unauthenticated, messages)
            return outcome
        handshake = next((one for one in messages if one.get("channel") == channels.HANDSHAKE), None)
        try:
            for message in messages:
                if handshake is not None and message is not handshake:
                    outcome.others.append(replies.beside_handshake(message))
                    continue
                request = read(message, self._connection_types)
                if not isinstance(request, Refused) and not peer.may_speak_for(message):
                    outcome.others.append(self._unknown(message))
                elif isinstance(request, Connect):
                    hold = len(messages) == 1
                    await self._connect(
                        principal, request, outcome, peer.connector or self._connects, hold=hold
                    )
                elif isinstance(request, Handshake):
                    outcome.handshakes.append(await self._handshake(principal, request, peer))
                else:
                    outcome.others.append(await self._other(principal, request))
        except BaseException:
            self._connects.give_back(outcome.taken)
            raise
        return outcome

    def resume(
        self,
        principal: Principal,
        message: Message,
        peer: Peer,
        ended: Callable[[Collected | BaseException], None],
    ) -> Resumed | None:
        """Serve a message that came alone without a task, if it is a connect whose session stays here.

        ``ended`` is called later, as `Resumed` says; `answered` makes the answer.
        """
        request = read(message, self._connection_types)
        if not isinstance(request, Connect) or peer.connector is not None or not peer.may_speak_for(message):
            return None
        return self._connects.resume(principal, request, ended)

    def answered(self, request: Connect, found: Collected, arrived: float) -> bytes:
        """Return the payload that answers a connect which came alone at a time (`now`)."""
        return payload([*found.messages, encoded(self._reply(found, request, arrived))])

    def now(self) -> float:
        """Return the time as extensions tell it: milliseconds since the epoch."""
        return self._clock() * 1000

    def give_back(self, taken: Sequence[Answer]) -> None:
        """Give back what was taken for an answer, as that could not be written."""
        self._stats.dropped += 1
        self._connects.give_back(taken)

    async def _handshake(self, principal: Principal, request: Handshake, peer: Peer) -> Message:
        arrived, acks = self.now(), offers_ack(request.message)
        client = await self._sessions.create(principal, acks=acks, browser=peer.bound_to)
        if client is None:
            self._stats.handshakes_refused += 1
            return replies.failure(request.message, errors.HANDSHAKE_DENIED, replies.LATER)
        self._stats.handshakes += 1
        offered = [name for name in self._connection_types if not (peer.polls and name == WEBSOCKET)]
        reply = replies.handshaken(request.message, client, offered, self._connects.timeout)
        return self._extended(reply, request.message, arrived, {"ack": True} if acks else {})

    async def _connect(
        self, principal: Principal, request: Connect, outcome: Outcome, connector: Connector, *, hold: bool
    ) -> None:
        arrived = self.now()
        try:
            found = await connector.serve(principal, request, hold=hold)
        except EndedError as ended:
            if ended.why is Ended.CLOSED:
                outcome.closed = True
                outcome.events.append(encoded(replies.PARTING))
            outcome.connects.append(await self._ended(principal, request, ended.why))
        else:
            outcome.events += found.messages
            outcome.connects.append(self._reply(found, request, arrived))
            if found.answer is not None:
                outcome.taken.append(found.answer)

    def _reply(self, found: Collected, request: Connect, arrived: float) -> Message:
        advice = found.advice
        if advice is None and (found.first or request.advised):
            advice = replies.retry(self._connects.timeout)
        reply = replies.connected(request.message, advice)
        if not (found.batch or "ext" in request.message):
            return reply
        ack = {"ack": found.batch} if found.batch else {}
        return self._extended(reply, request.message, arrived, ack)

    def _extended(self, reply: Message, message: Message, arrived: float, ext: dict[str, Any]) -> Message:
        if "ext" not in message:
            return extended(reply, ext)
        sync = timesync(message, arrived=arrived, now=self.now())
        return extended(reply, ext if sync is None else {**ext, "timesync": sync})

    async def _ended(self, principal: Principal, request: Connect, why: Ended) -> Message:
        if why in (Ended.DISCONNECTED, Ended.CLOSED):
            return replies.connected(request.message, replies.STOP)
        if why is Ended.LOST:
            self._stats.lost += 1
            _log.info("a session had not been told events that are gone", account=principal.account)
            await self._sessions.end(principal, request.client, why)
        return self._unknown(request.message)

    async def _other(self, principal: Principal, request: Request) -> Message:
        message: dict[str, Any] = request.message
        error: str | None = None
        match request:
            case Refused():
                return replies.refusal(request)
            case Subscribe(_, client, patterns):
                done = await self._sessions.subscribe(principal, client, patterns)
                known = done is not Subscribed.UNKNOWN
                error = errors.subscribe_denied(patterns[0]) if done is Subscribed.FULL else None
            case Unsubscribe(_, client, patterns):
                known = await self._sessions.unsubscribe(principal, client, patterns)
            case Disconnect(_, client):
                known = await self._sessions.end(principal, client, Ended.DISCONNECTED)
                self._stats.disconnected += known
            case Denied(_, client, denial):
                error = denial
                known = await self._sessions.touch(principal, client)
            case Publish(_, client):
                known = await self._sessions.touch(principal, client)
            case _:
                raise TypeError(f"no other request: {request!r}")
        if not known:
            return self._unknown(message)
        return replies.success(message) if error is None else replies.failure(message, error)

    def _unknown(self, message: Message) -> Message:
        self._stats.unknown += 1
        return replies.unknown_client(message)
