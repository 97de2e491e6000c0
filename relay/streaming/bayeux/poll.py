"""One connect while it waits: what the hub hands it, and what ends the wait."""

from __future__ import annotations

import asyncio
from enum import Enum
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
    """Collects events for one connect until there are some, or something else ends the wait."""

    def __init__(self, account: str, client: str, generation: int) -> None:
        self.generation = generation
        self.messages: list[bytes] = []
        """Event messages for the answer."""
        self.record: Entry | None = None
        """The record about the session that ended the last wait."""
        self.lost = False
        """Whether events are gone that the session has not been told."""
        self.behind = False
        """Whether the hub let go in the last wait."""
        self.stopped: Stop | None = None
        self._account = account
        self._client = client
        self._size = 0
        self._link: Link[Events] | None = None
        self._wake = asyncio.Event()

    def __repr__(self) -> str:
        state = self.stopped.value if self.stopped else "waiting" if self._link else "not waiting"
        return f"Poll({self._client[:8]}… #{self.generation}, {state}, {len(self.messages)} events)"

    async def settle(self) -> None:
        """Have nothing to note: what is collected is taken when it is answered."""

    def stop(self, why: Stop) -> None:
        """Let it wait no longer; the first reason stands."""
        self.stopped = self.stopped or why
        self._wake.set()

    @property
    def waiting(self) -> bool:
        """Whether it is at the live end, and nothing has come or ended it."""
        live = self._link is not None and self._link.live
        return live and not (self.messages or self.lost or self.stopped)

    @property
    def paged(self) -> bool:
        """Whether records about the session may have been passed over on the way to where it waits."""
        return self._link is not None and self._link.paged

    def clear(self) -> None:
        """Forget what was collected."""
        self.messages = []
        self._size = 0

    async def join(self, hub: Hub, interest: Interest, *, after: str) -> None:
        """Collect what there is after an id, and stay at the live end until `leave`.

        Raises:
            StoreUnavailableError: what is there could not be read in time.
            DrainingError: the hub has stopped.

        """
        self.record, self.behind = None, False
        self._wake.clear()
        try:
            async with asyncio.timeout(CATCH_UP):
                link = await hub.join(self._account, self, interest, after=after, interrupt=self._client)
        except TimeoutError:
            raise StoreUnavailableError("events could not be read in time") from None
        self._link = link
        if self.messages or self.lost:
            link.leave()

    async def wait(self, deadline: float) -> None:
        """Wait until something comes or ends the wait, or until a time of the loop."""
        try:
            async with asyncio.timeout_at(deadline):
                while self.waiting:
                    await self._wake.wait()
        except TimeoutError:
            pass

    def leave(self) -> str:
        """Collect no more, and return the stream id up to which everything is collected."""
        assert self._link is not None, "joined before"  # noqa: S101
        link, self._link = self._link, None
        link.leave()
        return link.position

    def deliver(self, payload: Events) -> None:
        """Take events; the first that come to a waiting connect are its answer."""
        self.messages += payload.messages
        self._size += payload.size
        self._end_wait()

    def gap(self, gap: Gap) -> None:
        """Note that events are lost."""
        del gap
        self.lost = True
        self._end_wait()

    def dropped(self) -> None:
        """Note that the hub is behind."""
        self.behind = True
        self._wake.set()

    def interrupted(self, record: Entry) -> None:
        """Note that the session has changed."""
        self.record = record
        self._wake.set()

    async def ready(self) -> bool:
        """Tell whether the answer can take more."""
        full = len(self.messages) >= MAX_EVENTS or self._size >= MAX_BYTES
        return not (full or self.lost or self.stopped is Stop.SUPERSEDED)

    def _end_wait(self) -> None:
        if self._link is not None:
            self._link.leave()
        self._wake.set()
