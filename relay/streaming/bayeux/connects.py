"""The connects of this process: which are held, what ends them, and what becomes of answers nobody got."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from relay.directory.model import Principal
from relay.errors import StoreUnavailableError
from relay.streaming.bayeux.collecting import Collected, Collecting, EndedError, SupersededError
from relay.streaming.bayeux.poll import Poll, Stop
from relay.streaming.bayeux.requests import Connect
from relay.streaming.bayeux.resumed import Resumed
from relay.streaming.bayeux.session import Answer, Ended, Session
from relay.streaming.bayeux.sessions import Sessions
from relay.streaming.bayeux.stats import BayeuxStats
from relay.streaming.bayeux.staying import Stays
from relay.streaming.hub import Hub
from relay.subscriptions.rendering import Renderers
from relay.telemetry import log

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

_log: Final = log.get("bayeux")


class Waiting(Protocol):
    """Whoever serves a session in this process at present."""

    generation: int

    def stop(self, why: Stop) -> None:
        """Serve it no more."""
        ...

    async def settle(self) -> None:
        """Note in the store what must be known there before another serves the session."""
        ...


class _Ended:
    """What a resumed connect ended with, to be awaited."""

    def __init__(self) -> None:
        self.found: asyncio.Future[Collected] = asyncio.get_running_loop().create_future()

    def __call__(self, ended: Collected | BaseException) -> None:
        if self.found.done():
            return  # cancelled: whoever awaited it gives back what was taken
        if isinstance(ended, BaseException):
            self.found.set_exception(ended)
        else:
            self.found.set_result(ended)


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
        self._stays = Stays(sessions)
        self._serving: dict[str, Waiting] = {}
        self._finding: set[asyncio.Task[Collected]] = set()
        self._put_backs: set[asyncio.Task[None]] = set()
        self._draining = False

    def __repr__(self) -> str:
        state = ", draining" if self._draining else ""
        return f"Connects({len(self._serving)} served, {len(self._put_backs)} being put back{state})"

    async def serve(
        self, principal: Principal, request: Connect, *, hold: bool, pushing: bool = False
    ) -> Collected:
        """Collect a connect's answer, waiting for it where it may be held, and take it.

        What was taken must be written or given back. ``pushing``: it came through a websocket, whose session
        acknowledges, so that events ride with connects.

        Raises:
            SupersededError: a later connect has begun.
            EndedError: there is no such session, or events it had not been told are gone.
            UnavailableError: the store is away or this process stops; nothing is taken.

        """
        resumed = self.resume(principal, request, ended := _Ended(), pushing=pushing) if hold else None
        if resumed is None:
            wanted = self.hold(request) if hold else 0
            session = await self.begin(principal, request, hold=wanted, pushing=pushing)
            return await self.collect(principal, request, session, wanted, pushing=pushing)
        try:
            return await ended.found
        except asyncio.CancelledError:
            resumed.cancel()
            raise

    def resume(
        self,
        principal: Principal,
        request: Connect,
        ended: Callable[[Collected | BaseException], None],
        *,
        pushing: bool = False,
    ) -> Resumed | None:
        """Serve a connect where the last one's answer has ended, without beginning it in the store.

        None if its session does not stay here: it must begin. ``ended`` is called as `Resumed` says.
        """
        wanted = self.hold(request)
        stayed = self._stays.take(principal, request, pushing=pushing) if wanted else None
        if stayed is None:
            return None
        if request.client in self._serving:  # another connect has begun meanwhile
            stayed.poll.leave()
            return None
        self._serving[request.client] = stayed.poll
        self._stats.connects += 1
        resumed = Resumed(stayed, request, wanted, server=self, sessions=self._sessions, ended=ended)
        self._stats.held += 1
        self._stays.hold(resumed)
        resumed.begin()
        return resumed

    def rests(self, resumed: Resumed) -> None:
        """Note that a resumed connect waits no longer."""
        self._stats.held -= 1
        self._stays.release(resumed)
        self.leave(resumed.collecting.session.client, resumed.collecting.poll)

    def tell_again(self, resumed: Resumed) -> None:
        """Have a resumed connect linger once more, as the store could not be told of it."""
        self._stays.hold_on(resumed)

    def told(self, collecting: Collecting) -> None:
        """Count what an answer tells that is taken; its session stays for the next connect, if it can."""
        self._stats.events += len(collecting.messages)
        if self._draining:
            collecting.poll.leave()
        self._stays.keep(collecting)

    def find_out(self, resumed: Resumed) -> asyncio.Task[Collected]:
        """Have a task serve it to its end."""
        task = asyncio.create_task(self._find_out(resumed), name="bayeux-connect")
        self._finding.add(task)
        task.add_done_callback(self._finding.discard)
        return task

    def give_up(self, answer: Answer) -> None:
        """Have an answer put back whose client has left."""
        self._stats.dropped += 1
        self.give_back([answer])

    async def _find_out(self, resumed: Resumed) -> Collected:
        clock = asyncio.get_running_loop().time
        collecting, request = resumed.collecting, resumed.request
        self._stays.hold(resumed)
        try:
            return await self._answered(collecting, request, first=False)
        except SupersededError as superseded:
            if superseded.age <= clock() - resumed.arrived:
                raise
        finally:
            self._stays.release(resumed)
        # It has connected elsewhere, but before this: so this must begin, where it is counted again.
        self._stats.connects -= 1
        wanted = max(0, round((resumed.deadline - clock()) * 1000))
        principal, pushing = collecting.principal, collecting.pushing
        age = round((clock() - resumed.arrived) * 1000)
        session = await self.begin(principal, request, hold=wanted, pushing=pushing, age=age)
        return await self.collect(principal, request, session, wanted, pushing=pushing)

    async def begin(
        self, principal: Principal, request: Connect, *, hold: int, pushing: bool = False, age: int = 0
    ) -> Session:
        """Begin a connect that came ``age`` ms ago and may be held for so many, or begin to push.

        Raises:
            EndedError: there is no such session.
            StoreUnavailableError: the store is away.

        """
        self._stats.connects += 1
        self._stays.drop(request.client)
        serving = self._serving.get(request.client)
        if serving is not None:
            await serving.settle()
        found = await self._sessions.connect(
            principal, request.client, hold=hold, ack=request.ack, pushing=pushing, age=age
        )
        if found is None:
            raise EndedError(Ended.EXPIRED)
        return found

    async def collect(
        self, principal: Principal, request: Connect, session: Session, wanted: int, *, pushing: bool
    ) -> Collected:
        """Collect and take the answer of a connect that has begun, within so many milliseconds.

        Raises as `serve` does.
        """
        first, moved = session.generation == 1, session.moved
        session = session._replace(moved=False)
        poll = Poll(principal.account, session.client, session.generation)
        collecting = Collecting(
            principal,
            session,
            poll,
            sessions=self._sessions,
            hub=self._hub,
            renderers=self._renderers,
            event_format=self._format,
            deadline=asyncio.get_running_loop().time() + (0 if first else wanted / 1000),
            pushing=pushing,
        )
        return await self._answered(collecting, request, first=first or moved)

    async def _answered(self, collecting: Collecting, request: Connect, *, first: bool) -> Collected:
        """Collect and take an answer; afterwards it stays for the next connect, if it can."""
        client, poll = collecting.session.client, collecting.poll
        if self._draining:  # since it came
            soon = asyncio.get_running_loop().time() + DRAINING_HOLD / 1000
            collecting.deadline = min(collecting.deadline, soon)
        self._stats.held += 1
        try:
            self.enter(client, poll)
            answer, batch = await self._take(collecting, request.extra)
        except BaseException:
            poll.leave()
            raise
        finally:
            self._stats.held -= 1
            self.leave(client, poll)
        if request.extra:
            poll.leave()
        self.told(collecting)
        return Collected(collecting.messages, first, answer, batch)

    def enter(self, client: str, waiting: Waiting) -> None:
        """Let one serve a session from now on, and the one that did no more.

        Raises:
            SupersededError: a later one does already.

        """
        older = self._serving.get(client)
        if older is not None and older.generation > waiting.generation:
            raise SupersededError
        if older is not None:
            older.stop(Stop.SUPERSEDED)
        self._serving[client] = waiting

    def leave(self, client: str, waiting: Waiting) -> None:
        """Let one serve a session no more."""
        if self._serving.get(client) is waiting:
            del self._serving[client]

    def give_back(self, answers: Iterable[Answer]) -> None:
        """Have answers put back that could not be written; a later connect gets the same again."""
        for answer in answers:
            self._stays.drop(answer.client)
            serving = self._serving.get(answer.client)
            if isinstance(serving, Poll):
                serving.doubt()
            if len(self._put_backs) >= MAX_PUT_BACKS:
                self._stats.not_put_back += 1
                continue
            task = asyncio.create_task(self._put_back(answer), name="bayeux-put-back")
            self._put_backs.add(task)
            task.add_done_callback(self._put_backs.discard)

    async def drain(self) -> None:
        """Hold no connect for long any more, and answer those that are held."""
        self._draining = True
        self._stays.close()
        served = list(self._serving.values())
        for step in range(DRAIN_STEPS if served else 0):
            for waiting in served[step::DRAIN_STEPS]:
                waiting.stop(Stop.DRAINING)
            await asyncio.sleep(DRAIN_SPREAD / DRAIN_STEPS)

    async def stop(self) -> None:
        """Wait for what is being put back."""
        if self._finding:
            await asyncio.wait(self._finding)
        if self._put_backs:
            await asyncio.wait(self._put_backs)

    def hold(self, request: Connect) -> int:
        """Return for how many milliseconds a connect may be held."""
        wanted = self.timeout if request.hold is None else request.hold
        return min(wanted, DRAINING_HOLD) if self._draining else wanted

    async def _take(self, collecting: Collecting, extra: int) -> tuple[Answer, int]:
        answer = collecting.nothing
        try:
            while True:
                answer = await collecting.collect()
                batch = await collecting.take(answer, extra)
                if batch is not None:
                    return answer, batch
        except (asyncio.CancelledError, StoreUnavailableError) as error:
            self._stats.dropped += isinstance(error, asyncio.CancelledError)
            self.give_back([answer])  # whether it was taken is not known; and the session's time begins now
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
        if moved:
            self._stats.not_put_back += 1
            _log.warning("an answer was not put back: the store stayed away", account=answer.account)
