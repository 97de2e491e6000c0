"""Connects: each collects what its session has not been told, and takes it as its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from relay.directory.model import Principal
from relay.errors import RelayError, StoreUnavailableError
from relay.journal.ids import is_after
from relay.journal.record import Entry
from relay.streaming.bayeux.interest import Interest, first_of_interest, patterns_after
from relay.streaming.bayeux.poll import Poll, Stop
from relay.streaming.bayeux.requests import Connect
from relay.streaming.bayeux.sessions import Answer, Ended, Session, Sessions, Taken
from relay.streaming.bayeux.stats import BayeuxStats
from relay.streaming.hub import Hub
from relay.subscriptions.rendering import Renderers

DRAIN_SPREAD: Final = 1.0
"""Seconds over which held connects are answered when this process stops: not all clients come again at once.
The advised interval would spread them too, but some clients take it for seconds."""
DRAIN_STEPS: Final = 20
"""Parts in which they are answered."""
DRAINING_HOLD: Final = 1000
"""Milliseconds a connect is held by a process that stops: long enough that its clients do not spin."""
PUT_BACK_TRIES: Final = 5
"""How often an answer is tried to be put back while the store is away."""
PUT_BACK_PAUSE: Final = 1.0
"""Seconds between two tries; a session outlives all of them."""
MAX_PUT_BACKS: Final = 10_000
"""Answers that may wait to be put back; more are not."""


class SupersededError(RelayError):
    """The session has connected anew; this connect has nothing to answer any more."""


class Collected(NamedTuple):
    """What a connect is answered with."""

    messages: list[bytes]
    answer: Answer
    first: bool
    """It was the session's first connect."""


class _Change(msgspec.Struct):
    change: str


_change: Final = msgspec.json.Decoder(_Change)


class Connects:
    """Serves the connects of this process. ``timeout`` is how many milliseconds one is held."""

    def __init__(
        self,
        sessions: Sessions,
        hub: Hub,
        renderers: Renderers,
        stats: BayeuxStats,
        *,
        timeout: int,
        event_format: str,
    ) -> None:
        self.timeout = timeout
        self._sessions = sessions
        self._hub = hub
        self._renderers = renderers
        self._stats = stats
        self._format = event_format
        self._polls: dict[str, Poll] = {}
        self._put_backs: set[asyncio.Task[None]] = set()
        self._draining = False

    def __repr__(self) -> str:
        state = ", draining" if self._draining else ""
        return f"Connects({len(self._polls)} held, {len(self._put_backs)} being put back{state})"

    async def serve(self, principal: Principal, request: Connect, *, hold: bool) -> Collected | Ended:
        """Collect a connect's answer, waiting for it where it may be held, and take it.

        Returns why there is no session, where there is none. What was taken must be written or given back.

        Raises:
            SupersededError: a later connect has begun.
            UnavailableError: the store is away or this process stops; nothing is taken.

        """
        self._stats.connects += 1
        wanted = self._hold(request) if hold else 0
        session = await self._sessions.connect(principal, request.client, hold=wanted)
        if session is None:
            return Ended.EXPIRED
        first = session.generation == 1
        poll = Poll(principal.account, session.client, session.generation)
        deadline = asyncio.get_running_loop().time() + (0 if first else wanted / 1000)
        self._enter(session.client, poll)
        try:
            found = await self._collect(principal, session, poll, deadline)
        except asyncio.CancelledError:
            self._stats.dropped += 1
            at = session.cursor
            self.give_back([Answer(principal.account, session.client, session.generation, at, at)])
            raise
        finally:
            if self._polls.get(session.client) is poll:
                del self._polls[session.client]
        if isinstance(found, Ended):
            return found
        taken = await self._take(found, request.extra)
        if taken is not Taken.DONE:
            if taken is Taken.SUPERSEDED:
                raise SupersededError
            return Ended.EXPIRED
        self._stats.events += len(poll.messages)
        return Collected(poll.messages, found, first)

    def give_back(self, answers: Iterable[Answer]) -> None:
        """Have answers put back that could not be written; a later connect gets the same again."""
        for answer in answers:
            if len(self._put_backs) >= MAX_PUT_BACKS:
                self._stats.not_put_back += 1
                continue
            task = asyncio.create_task(self._put_back(answer), name="bayeux-put-back")
            self._put_backs.add(task)
            task.add_done_callback(self._put_backs.discard)

    async def drain(self) -> None:
        """Hold no connect for long any more, and answer those that are held."""
        self._draining = True
        polls = list(self._polls.values())
        for step in range(DRAIN_STEPS if polls else 0):
            for poll in polls[step::DRAIN_STEPS]:
                poll.stop(Stop.DRAINING)
            await asyncio.sleep(DRAIN_SPREAD / DRAIN_STEPS)

    async def stop(self) -> None:
        """Wait for what is being put back."""
        if self._put_backs:
            await asyncio.wait(self._put_backs)

    def _hold(self, request: Connect) -> int:
        wanted = self.timeout if request.hold is None else request.hold
        return min(wanted, DRAINING_HOLD) if self._draining else wanted

    def _enter(self, client: str, poll: Poll) -> None:
        older = self._polls.get(client)
        if older is not None and older.generation > poll.generation:
            raise SupersededError
        if older is not None:
            older.stop(Stop.SUPERSEDED)
        self._polls[client] = poll

    async def _collect(
        self, principal: Principal, session: Session, poll: Poll, deadline: float
    ) -> Answer | Ended:
        loop = asyncio.get_running_loop()
        position = first_of_interest(session.cursor, session.subscriptions)
        self._stats.held += 1
        try:
            while True:
                patterns = patterns_after(position, session.subscriptions)
                interest = Interest(principal.user.id, self._format, patterns, renderers=self._renderers)
                position = await poll.wait(self._hub, interest, after=position, deadline=deadline)
                if poll.stopped is Stop.SUPERSEDED:
                    raise SupersededError
                if poll.lost:
                    return Ended.LOST
                if poll.record is not None and not poll.messages:
                    changed = await self._reread(principal.account, session, poll.record)
                    if isinstance(changed, Ended):
                        return changed
                    # A cursor that has moved was put back: what was collected behind it goes out again.
                    position = position if changed.cursor == session.cursor else changed.cursor
                    session = changed
                elif poll.messages or not poll.behind or loop.time() >= deadline:
                    return Answer(
                        principal.account, session.client, session.generation, session.cursor, position
                    )
        finally:
            self._stats.held -= 1

    async def _reread(self, account: str, session: Session, record: Entry) -> Session | Ended:
        """Return the session as it is after a record about it."""
        if not is_after(record.id.stream_id, session.changed):
            return session
        fresh = await self._sessions.read(account, session.client)
        if fresh is None:
            change = _change.decode(record.data).change
            return Ended.DISCONNECTED if change == Ended.DISCONNECTED else Ended.EXPIRED
        if fresh.generation != session.generation:
            raise SupersededError
        return fresh

    async def _take(self, answer: Answer, extra: int) -> Taken:
        try:
            return await self._sessions.take(answer, extra=extra)
        except (asyncio.CancelledError, StoreUnavailableError):
            self.give_back([answer])  # whether it was taken is not known
            raise

    async def _put_back(self, answer: Answer) -> None:
        moved = answer.position != answer.cursor
        for tries_left in reversed(range(PUT_BACK_TRIES if moved else 1)):
            try:
                done = await self._sessions.put_back(answer)
            except StoreUnavailableError:
                if tries_left:
                    await asyncio.sleep(PUT_BACK_PAUSE)
            else:
                if moved:
                    self._stats.put_back += done
                    self._stats.not_put_back += not done
                return
        self._stats.not_put_back += moved
