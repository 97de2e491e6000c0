"""Long polls: a session that is answered once it changes, or once the client would wait no longer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

from aiohttp import web
from multidict import MultiMapping

from relay.calls.model import Session
from relay.dialects.ringcentral.failures import invalid
from relay.dialects.times import milliseconds
from relay.errors import DrainingError
from relay.journal.record import Entry, RecordKind
from relay.streaming.hub import Hub
from relay.streaming.members import Gap, Member

LONGEST_WAIT: Final = 50
"""Seconds a request waits at most, whatever it asks for: proxies commonly give up after a minute."""
MOST_WAITING: Final = 1000
"""Requests that wait in a process; what comes beyond is answered at once."""

_SECONDS: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_SPACED_OFFSET: Final = re.compile(r" (?=[0-9]{2}:[0-9]{2}$)", re.ASCII)
"""What decoding a query makes of an offset's plus sign that was not escaped."""


class Wish(NamedTuple):
    """What a request waits for."""

    timeout: int
    """Seconds; 0 is not at all."""
    since: int | None
    """Milliseconds since the epoch of the last change the client knows; None is the one as of now."""


def wish(query: MultiMapping[str]) -> Wish:
    """Read ``timestamp`` and ``timeout``; raises the 400 of one that cannot be used."""
    timeout, timestamp = query.get("timeout", "0"), query.get("timestamp")
    if not _SECONDS.fullmatch(timeout):
        raise invalid("timeout", "must be a whole number of seconds")
    if timestamp is None:
        since = None
    elif _MILLISECONDS.fullmatch(timestamp):
        since = int(timestamp)
    else:
        since = milliseconds(_SPACED_OFFSET.sub("+", timestamp))
        if since is None:
            raise invalid("timestamp", "must be a time with its offset, or milliseconds since the epoch")
    return Wish(min(int(timeout), LONGEST_WAIT), since)


class LongPolls:
    """Has requests wait for changes of sessions."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._alerts: set[_Alert] = set()
        self._draining = False

    def __repr__(self) -> str:
        return f"<LongPolls waiting={self.waiting}{' draining' if self._draining else ''}>"

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._alerts)

    async def changed(self, read: Callable[[], Awaitable[Session]], wish: Wish, login: str) -> Session:
        """Return a session once it has changed, has ended, or the time or the login is over.

        Raises as ``read``.
        """
        session = await read()
        known = session.version if wish.since is None or session.changed_at <= wish.since else -1
        full = len(self._alerts) >= MOST_WAITING
        if not wish.timeout or full or self._draining or _decided(session, known):
            return session
        alert = _Alert()
        self._alerts.add(alert)
        try:
            with suppress(TimeoutError, DrainingError):
                async with asyncio.timeout(wish.timeout):
                    link = await self._hub.join(session.account, alert, _Changes(session.id), interrupt=login)
                    try:
                        while True:
                            alert.rang.clear()
                            session = await read()  # again: it may have changed before the hub was joined
                            if self._draining or not link.live or _decided(session, known):
                                break
                            await alert.rang.wait()
                    finally:
                        link.leave()
        finally:
            self._alerts.discard(alert)
        return session

    async def drain(self, _app: web.Application) -> None:
        """Answer everybody who waits with what there is, and let nobody wait from now on."""
        self._draining = True
        for alert in self._alerts:
            alert.rang.set()


LONG_POLLS: Final = web.AppKey("ringcentral_long_polls", LongPolls)


def _decided(session: Session, known: int) -> bool:
    return session.version > known or not session.live


@dataclass(frozen=True)
class _Changes:
    """Tells whether a session has changed."""

    session: str
    routes: tuple[str, ...] = ()

    def pick(self, entries: Sequence[Entry]) -> str | None:
        calls = (entry.event for entry in entries if entry.kind is RecordKind.CALL)
        return self.session if any(event.session.id == self.session for event in calls) else None


class _Alert(Member[str]):
    """Wakes a request up."""

    __slots__ = ("rang",)

    def __init__(self) -> None:
        self.rang = asyncio.Event()

    def deliver(self, payload: str) -> None:
        del payload
        self.rang.set()

    def gap(self, gap: Gap) -> None:
        del gap
        self.rang.set()

    def dropped(self) -> None:
        self.rang.set()

    def interrupted(self, record: Entry) -> None:
        del record
        self.rang.set()
