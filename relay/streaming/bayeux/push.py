"""A session whose events are pushed through a websocket as they happen, while connects are heartbeats."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from relay.directory.model import Principal
from relay.errors import DrainingError, StoreUnavailableError
from relay.journal.ids import parse
from relay.journal.record import Entry
from relay.streaming.bayeux.collecting import EndedError, SupersededError
from relay.streaming.bayeux.interest import Events, Interest, first_of_interest, patterns_after
from relay.streaming.bayeux.outlet import Outlet
from relay.streaming.bayeux.poll import Stop
from relay.streaming.bayeux.progress import Progress
from relay.streaming.bayeux.session import Ended, Session, Taken
from relay.streaming.bayeux.sessions import Sessions
from relay.streaming.bayeux.stats import BayeuxStats
from relay.streaming.heartbeats import Heartbeats
from relay.streaming.hub import Hub
from relay.streaming.links import Link
from relay.streaming.members import Gap, Member
from relay.streaming.replay import patiently
from relay.subscriptions.rendering import Renderers

_PUT_BACK = b'"put-back"'


class Push(Member[Events]):
    """Hands a session's events to an outlet, and notes in the store about once a second how far that went."""

    def __init__(
        self,
        principal: Principal,
        session: Session,
        outlet: Outlet,
        *,
        sessions: Sessions,
        hub: Hub,
        renderers: Renderers,
        event_format: str,
        stats: BayeuxStats,
        notes: Heartbeats,
        ended: Callable[[Ended], None],
    ) -> None:
        """Begin to push; ``ended`` is called when the session ends while nobody waits to be told."""
        self.client = session.client
        self.generation = session.generation
        self._principal = principal
        self._session = session
        self._outlet = outlet
        self._sessions = sessions
        self._hub = hub
        self._renderers = renderers
        self._format = event_format
        self._stats = stats
        self._notes = notes
        self._tell_ended = ended
        self._link: Link[Events] | None = None
        self._at = first_of_interest(session.cursor, session.subscriptions)
        self._progress = Progress(session.cursor)
        self._noted = session.cursor
        self._beaten = outlet.written
        self._ended: Ended | None = None
        self._stopped: Stop | None = None
        self._over = False
        self._put_back = False
        self._woken: asyncio.Future[None] | None = None
        self._following = self._follow_from(session)
        self._noting: asyncio.Task[None] | None = None
        notes.add(self)

    def __repr__(self) -> str:
        why = self._ended or self._stopped
        state = str(why.value) if why else "over" if self._over else f"at {self.position}"
        return f"Push({self.client[:8]}… #{self.generation}, {state})"

    @property
    def position(self) -> str:
        """The stream id up to which everything was written."""
        return self._at if self._link is None else self._link.position

    async def wait(self, deadline: float) -> None:
        """Wait until a time of the loop, the end of the push, or another's wait.

        Raises:
            SupersededError: the session has connected elsewhere.
            EndedError: the session is gone, or events it had not been told.

        """
        self._woken = woken = asyncio.get_running_loop().create_future()
        if not self._over:
            try:
                async with asyncio.timeout_at(deadline):
                    await woken
            except TimeoutError:
                pass
        if self._ended is not None:
            raise EndedError(self._ended)
        if self._stopped is Stop.SUPERSEDED:
            raise SupersededError

    def wake(self) -> None:
        """Let whoever waits wait no longer."""
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)

    async def goes_on(self, hold: int) -> bool:
        """Note that the client is alive and may be for so many milliseconds; False if it was superseded.

        Raises:
            EndedError: the session is gone.

        """
        if self._ended is not None:  # whoever was held has been told why
            raise EndedError(Ended.LOST if self._ended is Ended.LOST else Ended.EXPIRED)
        if self._over:
            return False
        self._noted = self._certain()
        account = self._principal.account
        try:
            taken = await self._sessions.move(account, self.client, self.generation, self._noted, hold=hold)
        except StoreUnavailableError:
            return not self._over  # nothing can happen meanwhile; the next connect will show
        if taken is Taken.UNKNOWN:
            raise EndedError(Ended.EXPIRED)
        if taken is Taken.SUPERSEDED:
            self.stop(Stop.SUPERSEDED)
        return not self._over

    async def settle(self) -> None:
        """Note how far the client is, before another takes over."""
        if not self._over:
            await self._sessions.move(self._principal.account, self.client, self.generation, self._certain())

    def beat(self) -> None:
        """Note how far the client is, if anything was told since."""
        written = self._outlet.written
        if written != self._beaten or self._progress.pending:
            self._beaten = written
            self._note(self._certain())

    def stop(self, why: Stop) -> None:
        """Push nothing more; a process that drains closes the socket instead."""
        if why is Stop.SUPERSEDED:
            self._stopped = why
            self.close()

    def close(self) -> None:
        """Push nothing more, and note how far the client is."""
        if self._over:
            return
        position = self._certain()
        self._finish()
        if self._stopped is None:
            self._noting = asyncio.create_task(self._note_last(position), name="bayeux-push-noting")

    async def drain(self, within: float) -> None:
        """Do as `close`, once the client has what it was told, for which it gets so many seconds at most."""
        self._following.cancel()
        if self._link is not None:
            self._link.leave()
        await self._outlet.taken(within)
        self.close()

    async def closed(self) -> None:
        """Wait until nothing runs any more, and the store knows how far the client is, or is away."""
        self._following.cancel()
        await asyncio.wait((self._following,) if self._noting is None else (self._following, self._noting))

    def deliver(self, payload: Events) -> None:
        """Write events."""
        outlet = self._outlet
        outlet.written += len(payload.frame)
        outlet.deliver(payload.frame)
        self._stats.events += len(payload.messages)

    def gap(self, gap: Gap) -> None:
        """End the push: events are lost, and the client must read its calls afresh."""
        del gap
        self.end(Ended.LOST)

    def dropped(self) -> None:
        """Join again: the hub is behind."""
        self._rejoin()

    def interrupted(self, record: Entry) -> None:
        """Look what has changed about the session."""
        self._put_back = self._put_back or _PUT_BACK in record.data
        self._rejoin()

    async def ready(self) -> bool:
        """Wait until the client has taken most of a replay."""
        return not self._over and await self._outlet.ready()

    def _rejoin(self) -> None:
        if self._following.done() and not self._over:
            self._following = self._follow_from(None)

    def _follow_from(self, session: Session | None) -> asyncio.Task[None]:
        return asyncio.create_task(self._follow(session), name="bayeux-push")

    async def _follow(self, session: Session | None) -> None:
        """Come to the live end, with the session as it is by then."""
        while not self._over and (session is None or not await self._join(session)):
            session = await self._reread()

    async def _join(self, session: Session) -> bool:
        """Join where the push has come to; False if the session must be read again."""
        began = self.position
        patterns = patterns_after(began, session.subscriptions)
        interest = Interest(self._principal.user.id, self._format, patterns, renderers=self._renderers)
        self._session = session
        try:
            link = await self._hub.join(
                self._principal.account, self, interest, after=began, interrupt=self.client
            )
        except DrainingError:
            return True  # the socket is closed in a moment
        self._link = link
        if self._over:
            link.leave()
        elif link.live and link.paged:
            fresh = await self._read()
            if not isinstance(fresh, Session) or fresh.changed != session.changed:
                link.leave()
                self._link, self._at = None, _before_new(link.position, session, fresh)
                return False
        return self._over or self._outlet.closed or link.live

    async def _reread(self) -> Session | None:
        fresh = await self._read()
        if isinstance(fresh, Ended):
            self.end(fresh)
            return None
        if fresh.generation != self.generation:
            self.stop(Stop.SUPERSEDED)
            return None
        if self._put_back:
            self._put_back = False
            self._link, self._at = None, fresh.cursor
        return fresh

    async def _read(self) -> Session | Ended:
        return await patiently(lambda: self._sessions.read(self._principal.account, self.client))

    def _certain(self) -> str:
        """Return how far the client has certainly come."""
        outlet = self._outlet
        if outlet.closed:
            return self._progress.position
        unread = outlet.unread
        if not unread:
            return self._progress.reach(self.position)
        self._progress.mark(outlet.written, self.position)
        return self._progress.acknowledge(outlet.written - unread)

    def _note(self, position: str) -> None:
        if position != self._noted:
            self._noted = position
            self._sessions.note(self._principal.account, self.client, self.generation, position)

    async def _note_last(self, position: str) -> None:
        with suppress(StoreUnavailableError):
            await self._sessions.move(self._principal.account, self.client, self.generation, position)

    def end(self, why: Ended) -> None:
        """Push nothing more, as the session is gone or has missed events."""
        if not self._over:
            self._ended = why
            waited = self._woken is not None and not self._woken.done()
            self._finish()
            if not waited:
                self._tell_ended(why)

    def _finish(self) -> None:
        self._at, self._over = self.position, True
        if self._link is not None:
            self._link.leave()
        self._notes.remove(self)
        self.wake()


def _before_new(position: str, known: Session, fresh: Session | Ended) -> str:
    """Return from where to go on so that new subscriptions miss nothing."""
    if isinstance(fresh, Ended):
        return position
    new = [parse(since) for name, since in fresh.subscriptions.items() if name not in known.subscriptions]
    return str(min([parse(position), *new]))
