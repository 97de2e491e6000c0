"""One connect on its way to its answer: it collects what its session has not been told, and takes it."""

from __future__ import annotations

import asyncio

from relay.directory.model import Principal
from relay.errors import RelayError
from relay.journal.ids import is_after
from relay.streaming.bayeux.interest import Interest, first_of_interest, patterns_after
from relay.streaming.bayeux.poll import Poll, Stop
from relay.streaming.bayeux.sessions import Answer, Ended, Session, Sessions, Taken
from relay.streaming.hub import Hub
from relay.subscriptions.rendering import Renderers


class SupersededError(RelayError):
    """The session has connected anew; this connect has nothing to answer any more."""


class EndedError(RelayError):
    """There is no such session (any more); carries ``why``."""

    def __init__(self, why: Ended) -> None:
        super().__init__(f"the session is {why}")
        self.why = why


class _ChangedError(Exception):
    """The session is not as it was read: whatever is collected may be the wrong thing."""


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
    ) -> None:
        self.session = session
        """The session as it was last read."""
        self._principal = principal
        self._poll = poll
        self._sessions = sessions
        self._hub = hub
        self._renderers = renderers
        self._format = event_format
        self._deadline = deadline

    def __repr__(self) -> str:
        return f"Collecting({self._poll!r} from {self.session.cursor})"

    async def collect(self) -> Answer:
        """Collect events, which are the poll's messages then, and return the answer they make, not taken yet.

        Raises:
            SupersededError: a later connect has begun.
            EndedError: the session is gone, or events it had not been told.
            UnavailableError: the store is away, or the process stops.

        """
        while True:
            try:
                return self._answer(await self._follow())
            except _ChangedError:
                await self._reread()

    async def take(self, answer: Answer, extra: int) -> int | None:
        """Take the answer and return its batch's number (0: not acknowledged).

        None if the session has changed meanwhile, so that the answer must be collected anew.

        Raises as `collect` does; with StoreUnavailableError it is not known whether it was taken.
        """
        taken, batch = await self._sessions.take(answer, changed=self.session.changed, extra=extra)
        if taken is Taken.SUPERSEDED:
            raise SupersededError
        if taken is Taken.DONE:
            return batch
        await self._reread()
        return None

    def _answer(self, position: str) -> Answer:
        session = self.session
        return Answer(self._principal.account, session.client, session.generation, session.cursor, position)

    async def _follow(self) -> str:
        """Collect from the session's cursor on, and return how far that went."""
        poll = self._poll
        poll.clear()
        position = first_of_interest(self.session.cursor, self.session.subscriptions)
        while True:
            position = await self._listen(position)
            if poll.stopped is Stop.SUPERSEDED:
                raise SupersededError
            if poll.lost:
                raise EndedError(Ended.LOST)
            if poll.messages:
                return position
            if poll.record is not None:
                if is_after(poll.record.id.stream_id, self.session.changed):
                    raise _ChangedError
            elif not poll.behind or asyncio.get_running_loop().time() >= self._deadline:
                return position

    async def _listen(self, position: str) -> str:
        """Join after a position, and wait there if nothing is to be had at once."""
        patterns = patterns_after(position, self.session.subscriptions)
        interest = Interest(self._principal.user.id, self._format, patterns, renderers=self._renderers)
        poll = self._poll
        await poll.join(self._hub, interest, after=position)
        try:
            if poll.waiting and asyncio.get_running_loop().time() < self._deadline:
                if poll.paged and await self._is_changed():
                    raise _ChangedError
                await poll.wait(self._deadline)
        finally:
            position = poll.leave()
        return position

    async def _is_changed(self) -> bool:
        return await self._sessions.read(self._principal.account, self.session.client) != self.session

    async def _reread(self) -> None:
        """Read the session as it is now."""
        fresh = await self._sessions.read(self._principal.account, self.session.client)
        if isinstance(fresh, Ended):
            raise EndedError(fresh)
        if fresh.generation != self.session.generation:
            raise SupersededError
        self.session = fresh
