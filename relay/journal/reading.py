"""Reads: sessions, history, and how far the journal reaches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from relay.calls.model import Session
from relay.journal.ids import START, bare, is_after
from relay.journal.keys import Keys
from relay.journal.link import StoreCommandError
from relay.journal.record import TOLD, Entry, MalformedEntryError
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.telemetry import log

MAX_PAGE: Final = 1000
"""Events a page of history holds at most: what one client may have loaded at once."""
SCANNED: Final = 500
"""Records of a partition read at a time where an account's are looked for among them."""

MOST_KNOWN: Final = 10_000
"""Legs remembered with their sessions, some 2 MB: more than are live in most processes."""

_BOUNDS: Final = Script("bounds")
_HEAL: Final = Script("heal")
_log: Final = log.get("journal")
_session: Final = msgspec.json.Decoder(Session)


class HistoryPage(NamedTuple):
    """A page of an account's events, oldest first."""

    entries: list[Entry]
    scanned_to: str | None
    """Stream id to go on after; None where there was nothing and no position was given."""
    more: bool
    """There were more events after this page."""


class LastKnown(dict[str, str]):
    """Sessions by legs that were there when this process last looked: a read spared where they still are."""

    def note(self, leg: str, session: str) -> None:
        """Remember where a leg is; when there are too many, all others are looked for anew."""
        if len(self) >= MOST_KNOWN:
            self.clear()
        self[leg] = session


class Reading:
    """The reading half of the journal."""

    _store: Store
    _last_known: LastKnown

    async def session(self, account: str, session_id: str) -> Session | None:
        """Return a session, live or ended within the last hour; None if the account has no such session.

        Raises:
            StoreUnavailableError: no answer.

        """
        found = await self._record(self._store.keys(account), session_id)
        return found if found is not None and found.account == account else None

    async def session_at(self, partition: int, session_id: str) -> Session | None:
        """Return a session of whatever account of the partition."""
        return await self._record(self._store.keys_at(partition), session_id)

    async def session_of_leg(self, account: str, leg: str) -> Session | None:
        """Return the session a leg belongs to, live or ended within the last hour; None if there is none."""
        last = self._last_known.get(leg)
        session = await self.session(account, last) if last is not None else None
        party = session.party(leg) if session is not None else None
        if party is not None and party.live:  # a leg lives in one session alone
            return session
        found = await self._store.call("GET", self._store.keys(account).leg(leg))
        if found is None:
            return None
        self._last_known.note(leg, found.decode())
        return await self.session(account, found.decode())

    async def live_sessions(self, account: str) -> list[Session]:
        """Return the account's sessions that have not ended, oldest first."""
        keys = self._store.keys(account)
        members = [member.decode() for member in await self._store.call("SMEMBERS", keys.live(account))]
        records = await self._store.fetch([("HGET", keys.call(member), "record") for member in members])
        lost = [member for member, record in zip(members, records, strict=True) if record is None]
        if lost:
            await self._store.run(_HEAL, [keys.live(account), *map(keys.call, lost)], lost)
        sessions = [_session.decode(record) for record in records if record is not None]
        return sorted(sessions, key=lambda session: (session.created_at, session.id))

    async def history(
        self, account: str, after: str | None, *, limit: int, until: str | None = None
    ) -> HistoryPage:
        """Return the account's events after an id (None: from the oldest left), ``until`` included.

        Ids are stream ids or event ids. At most ``limit`` (and MAX_PAGE) events a page.

        Raises:
            InvalidIdError: an id cannot be read.
            StoreUnavailableError: no answer.

        """
        limit = min(limit, MAX_PAGE)
        start = "-" if after is None else "(" + bare(after)
        end = "+" if until is None else bare(until)
        log_key = self._store.keys(account).log(account)
        [found] = await self._store.fetch([("XRANGE", log_key, start, end, "COUNT", limit + 1)])
        ids = [stream_id.decode() for stream_id, _ in found[:limit]]
        scanned_to = ids[-1] if ids else after and bare(after)
        return HistoryPage(await self.entries(account, ids), scanned_to, more=len(found) > limit)

    async def entries(self, account: str, ids: Sequence[str]) -> list[Entry]:
        """Return the account's entries with these stream ids, in their order; trimmed ones are left out."""
        return await self.entries_at(self._store.keys(account).partition, ids)

    async def entries_at(self, partition: int, ids: Sequence[str]) -> list[Entry]:
        """Return a partition's entries with these stream ids, in their order; trimmed ones are left out."""
        stream = self._store.keys_at(partition).events
        replies = await self._store.fetch([("XRANGE", stream, one, one, "COUNT", 1) for one in ids])
        return [entry for reply in replies for entry in _entries(partition, reply)]

    async def told(self, account: str, after: str, until: str) -> AsyncIterator[list[Entry]]:
        """Give the account's records of told kinds after an id, up to another, a page's share at a time.

        Every record of the partition in between is read, `SCANNED` a page: history has calls' events alone.

        Raises:
            StoreUnavailableError: no answer.

        """
        keys, end = self._store.keys(account), bare(until)
        start = bare(after)
        while True:
            scan = ("XRANGE", keys.events, f"({start}", end, "COUNT", SCANNED)
            [found] = await self._store.fetch([scan])
            if found:
                start = found[-1][0].decode()
                entries = _entries(keys.partition, found)
                yield [one for one in entries if one.account == account and one.kind in TOLD]
            if len(found) < SCANNED:
                return

    async def oldest(self, account: str) -> str | None:
        """Return the stream id of the account's oldest event that is left, or None."""
        keys = self._store.keys(account)
        bounds = await self._bounds(keys, account)
        if not bounds.events_first or not bounds.log_first:
            return None
        if not is_after(bounds.events_first, bounds.log_first):
            return bounds.log_first
        [found] = await self._store.fetch(
            [("XRANGE", keys.log(account), bounds.events_first, "+", "COUNT", 1)]
        )
        return found[0][0].decode() if found else None

    async def trimmed_after(self, account: str, after: str) -> bool:
        """Tell whether a reader at that id may have missed something that can no longer be read.

        So it is if events of the account after the id were trimmed, or if the id is beyond the journal's last
        one or before its very first: then the store lost what the reader had seen, or was emptied.
        In doubt, True.
        """
        position = bare(after)
        keys = self._store.keys(account)
        bounds = await self._bounds(keys, account)
        if is_after(position, bounds.events_last):
            return True
        begun = bounds.events_first if not bounds.events_trimmed else ""
        if begun and position != START and is_after(begun, position):
            return True
        if not is_after(bounds.log_last, position):
            return False
        if not bounds.events_first or not bounds.log_first:
            return True
        if not is_after(bounds.events_first, position):
            return False  # nothing after it was cut, whatever went from the log before it
        if bounds.log_trimmed and is_after(bounds.log_first, position):
            return True
        if not is_after(bounds.events_first, bounds.log_first):
            return False
        without_body = ("XRANGE", keys.log(account), f"({position}", f"({bounds.events_first}", "COUNT", 1)
        [found] = await self._store.fetch([without_body])
        return bool(found)

    async def last_id(self, partition: int) -> str:
        """Return the partition's last generated stream id, ``0-0`` before the first."""
        try:
            info = await self._store.call("XINFO", "STREAM", self._store.keys_at(partition).events)
        except StoreCommandError as error:
            if "no such key" in str(error):
                return START
            raise
        return str(info[b"last-generated-id"], "ascii")

    async def _record(self, keys: Keys, session_id: str) -> Session | None:
        record = await self._store.call("HGET", keys.call(session_id), "record")
        return None if record is None else _session.decode(record)

    async def _bounds(self, keys: Keys, account: str) -> _Bounds:
        reply = await self._store.run(_BOUNDS, [keys.events, keys.log(account)], [])
        events_last, events_first, log_last, log_first = (str(one, "ascii") for one in reply[:4])
        cut = {"log_trimmed": reply[4] == 1, "events_trimmed": reply[5] == 1}
        return _Bounds(events_last, events_first, log_last, log_first, **cut)


class _Bounds(NamedTuple):
    """First and last ids; the last are ``0-0`` and the first empty where there are none."""

    events_last: str
    events_first: str
    log_last: str
    log_first: str
    log_trimmed: bool
    events_trimmed: bool


def _entries(partition: int, reply: Any) -> list[Entry]:
    entries = []
    for stream_id, fields in reply:
        pairs = dict(zip(fields[::2], fields[1::2], strict=True))
        try:
            entries.append(Entry.of(partition, stream_id.decode(), pairs))
        except MalformedEntryError as error:
            _log.error("a journal entry is skipped", error=str(error))
    return entries
