"""Commits: a change of calls and the events that tell of it, written in one atomic step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from relay.calls.events import CallEvent
from relay.calls.lines import Line, is_line, line_of
from relay.calls.model import Party, PartyState, Session
from relay.calls.presence import PresenceChange, PresenceEvent
from relay.journal.keys import LINE
from relay.journal.link import Argument
from relay.journal.reading import LastKnown
from relay.journal.receipts import KEPT as RECEIPTS_KEPT
from relay.journal.receipts import Receipt
from relay.journal.record import Record
from relay.journal.scripts import Script
from relay.journal.store import Store

ENDED_RETENTION: Final = 3600
"""Seconds an ended session can still be read: clients ask what became of a call right after it."""

_ENDED_MS: Final = ENDED_RETENTION * 1000
_RECEIPTS_MS: Final = RECEIPTS_KEPT * 1000
_COMMIT: Final = Script("commit")
_APPEND: Final = Script("append")
_encoder: Final = msgspec.json.Encoder()


class Change(msgspec.Struct, frozen=True):
    """A session's new state; its version is the one it was read at, 0 for a new session."""

    session: Session
    before: Session | None = None
    """As it was read. What is the same beside the record is not written again; None: all of it is written."""

    @property
    def lives(self) -> bool | None:
        """Whether it is one of the account's live sessions from now on; None: it was, and stays one."""
        if self.before is not None and self.before.live and self.session.live:
            return None
        return self.session.live


class Timer(msgspec.Struct, frozen=True):
    """Something a simulated phone does later."""

    session: str
    leg: str
    action: str
    due: int
    """Milliseconds since the epoch."""
    nonce: str
    """Nonce of the commit that carries it out, so that it happens once."""


class Committed(NamedTuple):
    """What a commit made."""

    ids: tuple[str, ...]
    """Stream ids of its events, in their order."""
    already: bool
    """The nonce had been committed before: the ids are those it made then, and nothing was written now."""


class Committing:
    """The writing half of the journal."""

    _store: Store
    _last_known: LastKnown

    async def commit(
        self,
        account: str,
        changes: Sequence[Change],
        events: Sequence[CallEvent],
        *,
        nonce: str,
        timers: Sequence[Timer] = (),
        done: Sequence[Timer] = (),
        presences: Sequence[PresenceChange] = (),
        receipt: Receipt | None = None,
    ) -> Committed | None:
        """Write the sessions, each one version higher, with their events and timers; or nothing at all.

        Returns None if a session is no longer at the version it was read at, or another call is parked where
        one is to be. A nonce that one of the sessions
        remembers writes nothing and returns what it made before, so a commit whose outcome is unknown may be
        repeated as it is. ``done`` timers are removed. ``presences`` have records of their own, each with all
        calls that its user is in then. With a ``receipt`` that is there already nothing is written. Without
        changes, timers alone are written.

        Raises:
            StoreUnavailableError: no answer; whether it was committed is not known.
            ValueError: the nonce is not one word, or the changes do not make one commit.

        """
        if not nonce or nonce.split() != [nonce]:
            raise ValueError("a nonce must be one word")
        if events and not changes:
            raise ValueError("events are committed with the change they tell of")
        if len({change.session.id for change in changes}) < len(changes):
            raise ValueError("a session changes once in a commit")
        if any(change.session.account != account for change in changes):
            raise ValueError("a commit changes sessions of one account")
        keys = self._store.keys(account)
        parties = _parties(changes)
        legs, lines = _legs(parties), _lines(parties)
        touched = [keys.events, keys.log(account), keys.live(account), keys.timers]
        touched += [keys.call(change.session.id) for change in changes]
        touched += map(keys.leg, legs)
        touched += [keys.device(account, place.device) for place in lines]
        touched += [keys.presence(account, change.user.user_id or "") for change in presences]
        if receipt:
            touched.append(keys.receipt(receipt.command))
        given = _arguments(account, changes, events, nonce, receipt, legs, lines, timers, done)
        reply = await self._store.run(_COMMIT, touched, given + _presence_arguments(presences))
        if reply is None:
            return None
        for leg, session in legs.items():
            self._last_known.note(leg, session.id)
        return Committed(tuple(str(made, "ascii") for made in reply[1:]), already=reply[0] == 1)

    async def append(self, account: str, records: Sequence[Record]) -> list[str]:
        """Write records that tell of no call, one after another, and return their ids.

        Raises:
            StoreUnavailableError: no answer; whether they were written is not known.

        """
        if not records:
            return []
        arguments: list[Argument] = [account]
        for record in records:
            arguments += (record.kind.value, record.data)
        reply = await self._store.run(_APPEND, [self._store.keys(account).events], arguments)
        return [str(made, "ascii") for made in reply]


def _presence_arguments(presences: Sequence[PresenceChange]) -> list[Argument]:
    """Return the last arguments of commit.lua; the store puts the calls into the records."""
    given: list[Argument] = [len(presences)]
    for change in presences:
        event = PresenceEvent(account=change.account, user=change.user, time=change.time, ended=change.ended)
        given += (_encoder.encode(event)[:-1], len(change.calls) + len(change.ended))
        for call in change.calls:
            given += (call.leg, _encoder.encode(call))
        for call in change.ended:
            given += (call.leg, "")
    return given


def timer_member(timer: Timer) -> bytes:
    """Return a timer's member in the ZSET of timers."""
    return _encoder.encode(timer)


class Place(NamedTuple):
    """Where a leg's line is kept."""

    device: str
    """A device, or a parking place."""
    field: str
    alone: bool
    """It is a place for one call."""


def _lines(legs: Iterable[_Listed]) -> dict[Place, bytes]:
    """Return the places of legs of ours and parked ones with the line that is there from now on, if any.

    Places where nothing changes are left out.
    """
    found: dict[Place, bytes] = {}
    for session, party, before, was in legs:
        kept = _places(before, was) if before is not None and was is not None else {}
        for place, line in _places(session, party).items():
            if place in kept and kept[place] == line:
                found.pop(place, None)
            else:
                found[place] = _encoder.encode(line) if line is not None else b""
    return found


def _places(session: Session, party: Party) -> dict[Place, Line | None]:
    """Return where a leg's line is kept, each with the line that is there meanwhile."""
    line = None
    places: dict[Place, Line | None] = {}
    at_phone, parked = is_line(party), party.state is PartyState.PARKED
    if at_phone or parked:
        line = line_of(session, party)
    if party.address.device_id is not None:
        place = Place(party.address.device_id, LINE + party.id, alone=False)
        places[place] = line if at_phone else None
    if party.park is not None:
        places[Place(party.park, LINE + party.id, alone=True)] = line if parked else None
    return places


def _legs(legs: Iterable[_Listed]) -> dict[str, Session]:
    """Return the legs whose session is written; of two that list one, it is the one where it lives.

    That of a leg which stays in a live session is there already.
    """
    found: dict[str, Session] = {}
    for session, party, before, _ in legs:
        if before is not None and before.live and session.live:
            found.pop(party.id, None)
        else:
            found[party.id] = session
    return found


class _Listed(NamedTuple):
    """A leg in its session, and both as they were before, if it was there."""

    session: Session
    party: Party
    before: Session | None = None
    was: Party | None = None


def _parties(changes: Sequence[Change]) -> list[_Listed]:
    """Return every leg, those that live last; one that has gone is the other session's, now and before."""
    listed = []
    for session, before in ((change.session, change.before) for change in changes):
        for party in session.parties:
            if party.state is PartyState.GONE:
                continue
            was = before.party(party.id) if before is not None else None
            if before is None or was is None or was.state is PartyState.GONE:
                listed.append(_Listed(session, party))
            else:
                listed.append(_Listed(session, party, before, was))
    if len(changes) > 1:
        listed.sort(key=lambda one: one.party.live)
    return listed


def _arguments(
    account: str,
    changes: Sequence[Change],
    events: Sequence[CallEvent],
    nonce: str,
    receipt: Receipt | None,
    legs: dict[str, Session],
    lines: dict[Place, bytes],
    timers: Sequence[Timer],
    done: Sequence[Timer],
) -> list[Argument]:
    """Return the arguments of commit.lua in its order, but for those of presence."""
    given: list[Argument] = [nonce, _ENDED_MS, account]
    given += (_encoder.encode(receipt) if receipt else "", _RECEIPTS_MS, len(timers))
    for timer in timers:
        given += (timer.due, timer_member(timer))
    given.append(len(done))
    given += map(timer_member, done)
    given.append(len(changes))
    for change in changes:
        session, lives = change.session, change.lives
        stored = msgspec.structs.replace(session, version=session.version + 1)
        given += (session.id, session.version, _encoder.encode(stored), "" if lives is None else int(lives))
    given.append(len(legs))
    for session in legs.values():
        given += (session.id, 0 if session.live else _ENDED_MS)
    given.append(len(lines))
    for place, line in lines.items():
        given += (place.field, line, int(place.alone))
    given.append(len(events))
    given += map(_encoder.encode, events)
    return given
