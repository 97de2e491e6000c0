"""Carrying out messages: what every transport does between reading a payload and writing the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from relay.directory.model import Principal
from relay.streaming.bayeux import channels, errors, replies
from relay.streaming.bayeux.collecting import EndedError
from relay.streaming.bayeux.connects import Connects
from relay.streaming.bayeux.messages import Message, encoded
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
from relay.streaming.bayeux.sessions import Answer, Ended, Sessions, Subscribed
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


class Service:
    """Carries out the messages of one payload after another; knows nothing of how they came."""

    def __init__(
        self, sessions: Sessions, connects: Connects, stats: BayeuxStats, connection_types: Sequence[str]
    ) -> None:
        self._sessions = sessions
        self._connects = connects
        self._stats = stats
        self._connection_types = tuple(connection_types)

    def __repr__(self) -> str:
        return f"Service({', '.join(self._connection_types)}; {self._connects!r})"

    async def handle(self, principal: Principal | None, messages: Sequence[Message]) -> Outcome:
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
                if isinstance(request, Connect):
                    await self._connect(principal, request, outcome, hold=len(messages) == 1)
                elif isinstance(request, Handshake):
                    outcome.handshakes.append(await self._handshake(principal, request))
                else:
                    outcome.others.append(await self._other(principal, request))
        except BaseException:
            self._connects.give_back(outcome.taken)
            raise
        return outcome

    def give_back(self, outcome: Outcome) -> None:
        """Give back what an outcome took, as it could not be written."""
        self._stats.dropped += 1
        self._connects.give_back(outcome.taken)

    async def _handshake(self, principal: Principal, request: Handshake) -> Message:
        client = await self._sessions.create(principal)
        if client is None:
            self._stats.handshakes_refused += 1
            return replies.failure(request.message, errors.HANDSHAKE_DENIED, replies.LATER)
        self._stats.handshakes += 1
        return replies.handshaken(request.message, client, self._connection_types, self._connects.timeout)

    async def _connect(self, principal: Principal, request: Connect, outcome: Outcome, *, hold: bool) -> None:
        try:
            found = await self._connects.serve(principal, request, hold=hold)
        except EndedError as ended:
            outcome.connects.append(await self._ended(principal, request, ended.why))
            return
        outcome.events += found.messages
        outcome.taken.append(found.answer)
        advised = found.first or request.advised
        advice = replies.retry(self._connects.timeout) if advised else None
        outcome.connects.append(replies.connected(request.message, advice))

    async def _ended(self, principal: Principal, request: Connect, why: Ended) -> Message:
        if why is Ended.DISCONNECTED:
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
