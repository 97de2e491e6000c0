"""Beginning a session on a new connection, or going on with one whose connection has dropped."""

from __future__ import annotations

import time
from typing import Final, NamedTuple

from relay.dialects.ringcentral.sockets.messages import Place, began
from relay.dialects.ringcentral.sockets.notices import Notice
from relay.dialects.ringcentral.sockets.requests import Requests
from relay.dialects.ringcentral.sockets.sessions import (
    ABSOLUTE_SECONDS,
    SocketSession,
    SocketSessions,
    SocketSubscription,
)
from relay.dialects.ringcentral.tokens import Caller
from relay.journal.ids import parse
from relay.journal.journal import Journal
from relay.streaming.hub import Hub

BUFFER: Final = 100
"""Notifications that a recovery makes up for, as published; whoever missed more must begin anew."""
MOST_PAGES: Final = 100
"""Pages of the journal that are looked through for them: as much as a busy partition writes in minutes."""


class Begun(NamedTuple):
    """A session that is connected now."""

    session: SocketSession
    at: Place
    recovered: bool
    missed: list[Notice]
    """What is to be told at once."""
    since: str
    """Stream id after which events follow."""


class _Missed(NamedTuple):
    session: SocketSession
    notices: list[Notice]
    until: str


class Recovery:
    """Begins sessions; its calls raise StoreUnavailableError, and DrainingError."""

    def __init__(self, journal: Journal, hub: Hub, sessions: SocketSessions, requests: Requests) -> None:
        self._journal = journal
        self._hub = hub
        self._sessions = sessions
        self._requests = requests

    def __repr__(self) -> str:
        return f"<Recovery of {self._sessions!r}>"

    async def begin(self, caller: Caller, at: Place | None) -> Begun:
        """Go on from a place, where it can be done without a gap; otherwise begin anew."""
        account, ends_at = caller.principal.account, _now() + ABSOLUTE_SECONDS * 1000
        secret = self._sessions.new_secret(account)
        found = None if at is None else await self._missed(caller, at)
        if found is None or at is None:
            session = SocketSession(account, caller.principal.user.id, caller.client_id, ends_at)
            await self._sessions.keep(secret, session)
            return Begun(session, began(secret), recovered=False, missed=[], since="")
        former = found.session
        session = SocketSession(account, former.user, former.client, ends_at, former.subscription)
        await self._sessions.keep(secret, session)
        return Begun(
            session, at._replace(secret=secret), recovered=True, missed=found.notices, since=found.until
        )

    async def _missed(self, caller: Caller, at: Place) -> _Missed | None:
        """Return the session, and what it was not told; None where either is lost."""
        session = await self._sessions.recover(at, caller)
        if session is None:
            return None
        if session.subscription is None:
            return _Missed(session, [], at.position)
        after = max(at.position, session.subscription.since, key=parse)
        if await self._journal.trimmed_after(session.account, after):
            return None
        until = max(after, await self._hub.position(session.account), key=parse)
        notices = await self._between(session.account, session.subscription, after, until)
        return None if notices is None else _Missed(session, notices, until)

    async def _between(
        self, account: str, subscription: SocketSubscription, after: str, until: str
    ) -> list[Notice] | None:
        wanted = self._requests.wanted(account, subscription)
        notices: list[Notice] = []
        pages = 0
        async for entries in self._journal.told(account, after, until):
            notices += wanted.pick(entries) or []
            pages += 1
            if len(notices) > BUFFER or pages > MOST_PAGES:
                return None
        return notices


def _now() -> int:
    return time.time_ns() // 1_000_000
