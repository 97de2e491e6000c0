"""One connect on its way to its answer: it collects what its session has not been told, and takes it."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from relay.directory.model import Principal
from relay.errors import RelayError
from relay.journal.ids import is_after
from relay.streaming.bayeux.interest import Interest, first_of_interest, patterns_after
from relay.streaming.bayeux.poll import Poll, Stop
from relay.streaming.bayeux.session import Answer, Ended, Session, Taken
from relay.streaming.bayeux.sessions import Sessions
from relay.streaming.hub import Hub
from relay.subscriptions.rendering import Renderers


class SupersededError(RelayError):
    """The session has connected anew; this connect has nothing to answer any more.

    ``age`` is how many seconds ago it did at most, where the store has told of it.
    """

    def __init__(self, age: float = 0.0) -> None:
        super().__init__("the session has connected anew")
        self.age = age


class EndedError(RelayError):
    """There is no such session (any more); carries ``why``."""

    def __init__(self, why: Ended) -> None:
        super().__init__(f"the session is {why}")
        self.why = why


class _ChangedError(Exception):
    """The session is not as it was read: whatever is collected may be the wrong thing."""


class Collected(NamedTuple):
    """What a connect is answered with."""

    messages: list[bytes]
    first: bool
    """It was the session's first connect, or the first by this transport."""
    answer: Answer | None = None
    """What must be given back if it cannot be written."""
    batch: int = 0
    """Number for the client to acknowledge; 0: it does not."""
    advice: dict[str, Any] | None = None
    """What the client is advised, instead of what it would be."""


class Collecting:
    """Follows a session's events and changes until there is something to answer with, or until the deadline.

    ``deadline`` is in seconds of the loop's clock; one that is past collects what there is now.
    """

    def __init__(
        self,
        principal: Principal,
        session: Session,
        poll: Poll,
        *,
        sessions: Sessions,
        hub: Hub,
        renderers: Renderers,
        event_format: str,
        deadline: float,
        pushing: bool = False,
    ) -> None:
        """Take a session whose connect has begun, and whether that came through a websocket (``pushing``)."""
        self.pushing = pushing
        self.principal = principal
        self.session = session
        """The session as it was last read."""
        self._cursor = session.cursor
        self.poll = poll
        self.messages: list[bytes] = []
        """The event messages of the answer."""
        self.batch = 0
        """Number of the last answer taken, if the client acknowledges."""
        self.resumed = False
        """Whether its connect did not begin in the store; a client that acknowledges has all before."""
        self._sessions = sessions
        self._hub = hub
        self._renderers = renderers
        self._format = event_format
        self.deadline = deadline

    def __repr__(self) -> str:
        return f"Collecting({self.poll!r} from {self._cursor})"

    async def collect(self) -> Answer:
        """Collect `messages`, and return the answer they make, not taken yet.

        Raises:
            SupersededError: a later connect has begun.
            EndedError: the session is gone, or events it had not been told.
            UnavailableError: the store is away, or the process stops.

        """
        while True:
            try:
                await self._follow()
            except _ChangedError:
                await self._reread()
            else:
                self.messages = self.poll.collected()
                return self._answer(self.poll.position)

    def found(self) -> Answer | None:
        """Have in `messages` the events that have come, and return the answer they make, not taken yet.

        None if none have come, or something else has happened that must be seen to first.
        """
        poll, session = self.poll, self.session
        if poll.lost or poll.stopped is Stop.SUPERSEDED or not poll.found:
            return None
        self.messages = poll.collected()
        return Answer(self.principal.account, session.client, session.generation, self._cursor, poll.reached)

    async def take(self, answer: Answer, extra: int) -> int | None:
        """Take the answer and return its batch's number (0: not acknowledged).

        None if the session has changed meanwhile, so that the answer must be collected anew.

        Raises as `collect` does; with StoreUnavailableError it is not known whether it was taken.
        """
        clock = asyncio.get_running_loop().time
        asked = clock()
        done = await self._sessions.take(answer, changed=self.session.changed, extra=extra, got=self.resumed)
        if done.taken is Taken.SUPERSEDED:
            # The store told its age no earlier than it was asked.
            raise SupersededError(done.age + clock() - asked)
        if done.taken is Taken.DONE:
            self.moved(answer, done.batch)
            return done.batch
        await self._reread()
        return None

    def moved(self, answer: Answer, batch: int) -> None:
        """Note that an answer is taken, as which batch: the next begins where it ends."""
        self._cursor, self.batch = answer.position, batch

    @property
    def nothing(self) -> Answer:
        """The answer that has no events and moves nothing."""
        return self._answer(self._cursor)

    def _answer(self, position: str) -> Answer:
        session = self.session
        return Answer(self.principal.account, session.client, session.generation, self._cursor, position)

    async def _follow(self) -> None:
        """Collect until there is something to answer with, from the session's cursor on or where it stays."""
        poll = self.poll
        position = "" if poll.joined else first_of_interest(self._cursor, self.session.subscriptions)
        while True:
            await self._listen(position)
            if poll.stopped is Stop.SUPERSEDED:
                raise SupersededError
            if poll.lost:
                raise EndedError(Ended.LOST)
            if poll.found:
                return
            if poll.doubted:
                raise _ChangedError
            if poll.record is not None:
                if is_after(poll.record.id.stream_id, self.session.changed):
                    raise _ChangedError
            elif not poll.behind or asyncio.get_running_loop().time() >= self.deadline:
                return
            position = poll.position

    async def _listen(self, position: str) -> None:
        """Join after a position, unless it has joined, and wait there if nothing is to be had at once."""
        poll = self.poll
        fresh = not poll.joined
        if fresh:
            patterns = patterns_after(position, self.session.subscriptions)
            interest = Interest(self.principal.user.id, self._format, patterns, renderers=self._renderers)
            await poll.join(self._hub, interest, after=position)
        if poll.waiting and asyncio.get_running_loop().time() < self.deadline:
            if fresh and poll.paged and await self._is_changed():
                raise _ChangedError
            await poll.wait(self.deadline)

    async def _is_changed(self) -> bool:
        return await self._sessions.read(self.principal.account, self.session.client) != self.session

    async def _reread(self) -> None:
        """Read the session as it is now, to collect anew."""
        self.poll.leave()
        fresh = await self._sessions.read(self.principal.account, self.session.client)
        if isinstance(fresh, Ended):
            raise EndedError(fresh)
        if fresh.generation != self.session.generation:
            await self.take(self.nothing, 0)  # says how long ago
            raise SupersededError
        self.session, self._cursor = fresh, fresh.cursor
