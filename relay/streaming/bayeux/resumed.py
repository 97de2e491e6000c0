"""A connect that goes on where its session's last answer ended: it waits, and is answered, without a task.

So is nearly every poll. Where something unusual happens meanwhile, a task finds out what becomes of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from relay.errors import StoreUnavailableError
from relay.streaming.bayeux.collecting import Collected, Collecting
from relay.streaming.bayeux.requests import Connect
from relay.streaming.bayeux.session import Answer, batch_of
from relay.streaming.bayeux.sessions import Sessions


class Server(Protocol):
    """Who serves the connects of a process."""

    def rests(self, resumed: Resumed) -> None:
        """Note that a connect waits no longer."""
        ...

    def tell_again(self, resumed: Resumed) -> None:
        """Have a connect linger a little later, as the store could not be told of it."""
        ...

    def told(self, collecting: Collecting) -> None:
        """Note that an answer is taken, so that its session may stay for the next."""
        ...

    def find_out(self, resumed: Resumed) -> asyncio.Task[Collected]:
        """Have a task serve it to its end; raises as `Connects.serve` does."""
        ...

    def give_back(self, answers: Iterable[Answer]) -> None:
        """Have answers put back of which it is not known whether they were taken."""
        ...

    def give_up(self, answer: Answer) -> None:
        """Have an answer put back whose client has left."""
        ...


class Resumed:
    """One such connect. Times are in seconds of the loop's clock; it may be held for ``wanted`` milliseconds.

    ``ended`` is called once, unless it is cancelled before: with what it is answered with, which is taken, or
    with what `Connects.serve` raises.
    """

    __slots__ = (
        "_answer",
        "_ended",
        "_finding",
        "_left",
        "_loop",
        "_over",
        "_server",
        "_sessions",
        "_timer",
        "arrived",
        "collecting",
        "deadline",
        "request",
        "wanted",
    )

    def __init__(
        self,
        collecting: Collecting,
        request: Connect,
        wanted: int,
        *,
        server: Server,
        sessions: Sessions,
        ended: Callable[[Collected | BaseException], None],
    ) -> None:
        self.collecting = collecting
        self.request = request
        self.wanted = wanted
        self._server = server
        self._sessions = sessions
        self._ended = ended
        self._answer: Answer | None = None
        self._over = False
        self._left = False
        self._finding: asyncio.Task[Collected] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.arrived = self._loop.time()
        self.deadline = self.arrived + wanted / 1000

    def __repr__(self) -> str:
        state = "over" if self._over else "waiting" if self._answer is None else "being taken"
        return f"Resumed({state}, {self.collecting!r})"

    def begin(self) -> None:
        """Wait, or take what has come since the last answer."""
        self.collecting.deadline = self.deadline
        self.collecting.resumed = True
        if self.collecting.poll.waiting:
            self.collecting.poll.watch(self._look)
        else:
            self._look()

    def linger(self) -> None:
        """Have the store told that it is held, which it need not know of those that are answered soon."""
        session = self.collecting.session
        account = self.collecting.principal.account
        if not self._over and self._timer is None:
            self._timer = self._loop.call_at(self.deadline, self.collecting.poll.wake)
        try:
            told = self._sessions.stays(account, session.client, session.generation, hold=self.wanted)
        except StoreUnavailableError:
            self._server.tell_again(self)
            return
        told.add_done_callback(self._learn)

    def cancel(self) -> None:
        """Serve it no more, as its client has left; what it has taken is put back."""
        self._left = True
        if self._finding is not None:  # what it finds all the same is given up then
            self._finding.cancel()
            return
        self._rest()
        self.collecting.poll.leave()
        self._server.give_up(self._answer or self.collecting.nothing)

    def _look(self) -> None:
        """Take what has come, if that is events and nothing else."""
        self._answer = answer = self.collecting.found()
        if answer is None:
            self._find_out()
            return
        try:
            self._sessions.ask_take(answer, self, changed=self.collecting.session.changed, got=True)
        except StoreUnavailableError as error:
            self._loop.call_soon(self.set_exception, error)

    def done(self) -> bool:
        """Tell whether the client has left."""
        return self._left

    def set_result(self, result: int, /) -> None:
        """Take the store's reply to the taking of the answer."""
        batch, answer = batch_of(result), self._answer
        if batch is None or answer is None:
            self.collecting.poll.leave()  # what it has collected since does not follow what was told
            self._find_out()
            return
        messages = self.collecting.messages
        self.collecting.moved(answer, batch)
        self._rest()
        self._server.told(self.collecting)
        self._ended(Collected(messages, first=False, answer=answer, batch=batch))

    def _find_out(self) -> None:
        self._rest()
        self._answer = None
        self._finding = self._server.find_out(self)
        self._finding.add_done_callback(self._found)

    def _found(self, finding: asyncio.Task[Collected]) -> None:
        self._finding = None
        error = None if finding.cancelled() else finding.exception()
        if error is not None:
            self._end(error)
        elif not finding.cancelled():
            self._answer = finding.result().answer
            self._end(finding.result())
        else:
            self.collecting.poll.leave()

    def _end(self, ended: Collected | BaseException) -> None:
        if not self._left:
            self._ended(ended)
        else:
            self._server.give_up(self._answer or self.collecting.nothing)

    def set_exception(self, exception: Exception, /) -> None:
        """End, as it is not known whether the answer was taken."""
        if self._left:
            return
        self._rest()
        self.collecting.poll.leave()
        if isinstance(exception, StoreUnavailableError) and self._answer is not None:
            self._server.give_back([self._answer])
        self._ended(exception)

    def _rest(self) -> None:
        if not self._over:
            self._over = True
            self.collecting.poll.watch(None)
            if self._timer is not None:
                self._timer.cancel()
            self._server.rests(self)

    def _learn(self, reply: asyncio.Future[Any]) -> None:
        """Have it look whose the session is, if it is another's; tell the store again if that was away."""
        if reply.cancelled():
            return
        if reply.exception() is None:
            if reply.result() <= 0:
                self.collecting.poll.doubt()
        elif not self._over or self._finding is not None:
            self._server.tell_again(self)
