"""One connect while it waits: what the hub hands it, and what ends the wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import Final

from relay.errors import StoreUnavailableError
from relay.journal.record import Entry
from relay.streaming.bayeux.interest import Events, Interest
from relay.streaming.hub import Hub
from relay.streaming.links import Link
from relay.streaming.members import Gap, Member

MAX_EVENTS: Final = 1000
"""Events an answer has before no more are added; the rest goes with the next one."""
MAX_BYTES: Final = 1024 * 1024
"""Bytes of events an answer has before no more are added."""
CATCH_UP: Final = 5.0
"""Seconds to reach the live end: clients wait some 10 s beyond the time a connect may be held."""


class Stop(Enum):
    """Why a connect must not wait any longer."""

    SUPERSEDED = "superseded"
    """A later connect of the session came to this process."""
    DRAINING = "draining"


class Poll(Member[Events]):
    """Collects events for a session's connects, one after another; what comes between is the next's."""

    def __init__(self, account: str, client: str, generation: int) -> None:
        self.generation = generation
        self.record: Entry | None = None
        """The record about the session that ended the last wait."""
        self.lost = False
        """Whether events are gone that the session has not been told."""
        self.behind = False
        """Whether the hub let go in the last wait."""
        self.doubted = False
        """Whether the session may be another one's to serve by now."""
        self.stopped: Stop | None = None
        self._account = account
        self._client = client
        self._messages: list[bytes] = []
        self._size = 0
        self._reached = ""
        self._link: Link[Events] | None = None
        self._waker: Callable[[], None] | None = None

    def __repr__(self) -> str:
        state = self.stopped.value if self.stopped else "joined" if self.joined else "not joined"
        return f"Poll({self._client[:8]}… #{self.generation}, {state}, {len(self._messages)} events)"

    async def settle(self) -> None:
        """Have nothing to note: what is collected is taken when it is answered."""

    def stop(self, why: Stop) -> None:
        """Let it wait no longer; the first reason stands."""
        self.stopped = self.stopped or why
        self.wake()

    def doubt(self) -> None:
        """Let it wait no longer until it is known whose the session is."""
        self.doubted = True
        self.wake()

    @property
    def joined(self) -> bool:
        """Whether events still come."""
        return self._link is not None and self._link.live

    @property
    def waiting(self) -> bool:
        """Whether it is at the live end, and nothing has come or ended it."""
        return self.usable and not self._messages

    @property
    def usable(self) -> bool:
        """Whether it goes on at the live end, whatever has come since."""
        link = self._link
        return link is not None and link.live and not (self.lost or self.stopped or self.doubted)

    @property
    def paged(self) -> bool:
        """Whether records about the session may have been passed over on the way to where it waits."""
        return self._link is not None and self._link.paged

    @property
    def found(self) -> bool:
        """Whether there are events for the answer."""
        return bool(self._messages)

    @property
    def position(self) -> str:
        """The stream id up to which everything is collected."""
        assert self._link is not None, "joined before"  # noqa: S101
        return self._link.position

    @property
    def reached(self) -> str:
        """The stream id of the last event collected, beyond which none was."""
        return self._reached

    def collected(self) -> list[bytes]:
        """Return the event messages up to `position`; what comes from now on is for the next answer."""
        messages, self._messages, self._size = self._messages, [], 0
        return messages

    async def join(self, hub: Hub, interest: Interest, *, after: str) -> None:
        """Collect what there is after an id, and stay at the live end until `leave`.

        Raises:
            StoreUnavailableError: what is there could not be read in time.
            DrainingError: the hub has stopped.

        """
        self.leave()
        self.record, self.behind, self.doubted = None, False, False
        self.collected()
        try:
            async with asyncio.timeout(CATCH_UP):
                link = await hub.join(self._account, self, interest, after=after, interrupt=self._client)
        except TimeoutError:
            raise StoreUnavailableError("events could not be read in time") from None
        self._link = link
        if self.lost:
            link.leave()

    async def wait(self, deadline: float) -> None:
        """Wait until something comes or ends the wait, or until a time of the loop."""
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        self.watch(partial(_settle, woken))
        timer = loop.call_at(deadline, self.wake)
        try:
            await woken
        finally:
            timer.cancel()
            self.watch(None)

    def watch(self, waker: Callable[[], None] | None) -> None:
        """Have a function called once when something comes or ends the wait; None: nobody waits any more."""
        self._waker = waker

    def wake(self) -> None:
        """Let it wait no longer."""
        waker, self._waker = self._waker, None
        if waker is not None:
            waker()

    def leave(self) -> None:
        """Collect no more."""
        if self._link is not None:
            self._link.leave()

    def deliver(self, payload: Events) -> None:
        """Take events; the first that come to a waiting connect are its answer."""
        self._messages += payload.messages
        self._size += payload.size
        self._reached = payload.last
        if self._full:  # the next connect begins where this ends
            self.leave()
        self.wake()

    def gap(self, gap: Gap) -> None:
        """Note that events are lost."""
        del gap
        self.lost = True
        self.leave()
        self.wake()

    def dropped(self) -> None:
        """Note that the hub is behind."""
        self.behind = True
        self.wake()

    def interrupted(self, record: Entry) -> None:
        """Note that the session has changed."""
        self.record = record
        self.wake()

    async def ready(self) -> bool:
        """Tell whether the answer can take more."""
        return not (self._full or self.lost or self.stopped is Stop.SUPERSEDED)

    @property
    def _full(self) -> bool:
        return len(self._messages) >= MAX_EVENTS or self._size >= MAX_BYTES


def _settle(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
