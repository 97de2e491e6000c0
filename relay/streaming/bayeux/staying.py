"""Polls that stay joined after their answer, so that the client's next connect need not begin anew."""

from __future__ import annotations

import asyncio
from typing import Final

from relay.directory.model import Principal
from relay.streaming.bayeux.collecting import Collecting
from relay.streaming.bayeux.requests import Connect
from relay.streaming.bayeux.resumed import Resumed
from relay.streaming.bayeux.sessions import Sessions

STAY_SECONDS: Final = 5.0
"""How long one stays for a connect that does not come: clients connect again at once. At most a quarter of
what a session lives between connects: it must not expire meanwhile."""
SWEEP_SECONDS: Final = 1.0
"""How often the store is told of connects that are held without having begun there; it need not know of those
answered before. Should this machine vanish earlier, the session lives on from its last answer only. At most
an eighth of what it lives."""


class Stays:
    """Collectings between two connects of their sessions, and those that serve a connect again."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._seconds = min(STAY_SECONDS, sessions.max_interval / 4000)
        self._pause = min(SWEEP_SECONDS, sessions.max_interval / 8000)
        self._staying: dict[str, tuple[float, Collecting]] = {}
        self._held: dict[Resumed, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        return f"Stays({len(self._staying)} waiting for a connect, {len(self._held)} not told of)"

    def keep(self, collecting: Collecting) -> None:
        """Let one stay for the next connect, if it can; else it leaves."""
        if not collecting.poll.usable:
            collecting.poll.leave()
            return
        client = collecting.session.client
        if client in self._staying:
            self.drop(client)
        self._staying[client] = (self._loop.time(), collecting)
        self._arm()

    def take(self, principal: Principal, request: Connect, *, pushing: bool) -> Collecting | None:
        """Return the one that has stayed for a session of this user, if it can go on; else none stays.

        It cannot for a client that comes by another transport, or has not acknowledged what it was told last.
        """
        found = self._staying.pop(request.client, None)
        if found is None:
            return None
        collecting = found[1]
        same = collecting.principal == principal and collecting.pushing is pushing
        got = request.ack == collecting.batch or not collecting.session.acks
        if same and got and collecting.poll.usable:
            return collecting
        collecting.poll.leave()
        return None

    def drop(self, client: str) -> None:
        """Let none stay for a session."""
        found = self._staying.pop(client, None)
        if found is not None:
            found[1].poll.leave()

    def hold(self, resumed: Resumed) -> None:
        """Have a connect linger, unless it is released before: at once, if it is to be held for moments."""
        if resumed.wanted <= (self._pause + SWEEP_SECONDS) * 1000:
            resumed.linger()
        else:
            self._held[resumed] = resumed.arrived
            self._arm()

    def hold_on(self, resumed: Resumed) -> None:
        """Have a connect linger once more, in about a second."""
        self._held[resumed] = self._loop.time()
        self._arm()

    def release(self, resumed: Resumed) -> None:
        """Note that a connect is held no longer."""
        self._held.pop(resumed, None)

    def close(self) -> None:
        """Let all leave."""
        for client in tuple(self._staying):
            self.drop(client)

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(min(SWEEP_SECONDS, self._seconds), self._sweep)

    def _sweep(self) -> None:
        """Look at those that have been here for long; both lists are in the order of time."""
        self._timer = None
        now = self._loop.time()
        for client, (since, _) in tuple(self._staying.items()):
            if since > now - self._seconds:
                break
            self.drop(client)
        for resumed, since in tuple(self._held.items()):
            if since > now - self._pause:
                break
            del self._held[resumed]
            resumed.linger()
        if self._staying or self._held:
            self._arm()
