"""Polls that stay joined after their answer, so that the client's next connect need not begin anew."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from relay.directory.model import Principal
from relay.errors import StoreUnavailableError
from relay.streaming.bayeux.collecting import Collecting
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
        self._held: dict[Collecting, tuple[float, int]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"Stays({len(self._staying)} waiting for a connect, {len(self._held)} not told of)"

    def keep(self, collecting: Collecting) -> None:
        """Let one stay for the next connect, if it can; else it leaves."""
        if collecting.session.acks or not collecting.poll.usable:
            collecting.poll.leave()
            return
        self.drop(collecting.session.client)
        self._staying[collecting.session.client] = (asyncio.get_running_loop().time(), collecting)
        self._arm()

    def take(self, principal: Principal, client: str) -> Collecting | None:
        """Return the one that has stayed for a session of this user, if it can go on; else none stays."""
        found = self._staying.pop(client, None)
        if found is None:
            return None
        collecting = found[1]
        if collecting.poll.usable and collecting.principal == principal:
            return collecting
        collecting.poll.leave()
        return None

    def drop(self, client: str) -> None:
        """Let none stay for a session."""
        found = self._staying.pop(client, None)
        if found is not None:
            found[1].poll.leave()

    def hold(self, collecting: Collecting, wanted: int) -> None:
        """Have the store told that a connect is held for so many milliseconds, unless it is released soon."""
        self._held[collecting] = (asyncio.get_running_loop().time(), wanted)
        self._arm()

    def release(self, collecting: Collecting) -> None:
        """Note that a connect is held no longer."""
        self._held.pop(collecting, None)

    def close(self) -> None:
        """Let all leave."""
        for client in tuple(self._staying):
            self.drop(client)

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(
                min(SWEEP_SECONDS, self._seconds), self._sweep
            )

    def _sweep(self) -> None:
        """Look at those that have been here for long; both lists are in the order of time."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        for client, (since, _) in tuple(self._staying.items()):
            if since > now - self._seconds:
                break
            self.drop(client)
        for collecting, (since, wanted) in tuple(self._held.items()):
            if since > now - self._pause:
                break
            self._tell(collecting, wanted)
        if self._staying or self._held:
            self._arm()

    def _tell(self, collecting: Collecting, wanted: int) -> None:
        del self._held[collecting]
        session = collecting.session
        try:
            told = self._sessions.stays(
                collecting.principal.account, session.client, session.generation, hold=wanted
            )
        except StoreUnavailableError:
            return  # it ends like one whose process has died
        told.add_done_callback(lambda reply: _learn(collecting, reply))


def _learn(collecting: Collecting, reply: asyncio.Future[Any]) -> None:
    """Have a connect look whose the session is, if it is another's."""
    if not reply.cancelled() and reply.exception() is None and reply.result() <= 0:
        collecting.poll.doubt()
