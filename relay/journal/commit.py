"""Commits: a change of calls and the events that tell of it, written in one atomic step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from relay.calls.events import CallEvent
from relay.calls.lines import is_line, line_of
from relay.calls.model import Party, PartyState, Session
from relay.calls.presence import PresenceChange, PresenceEvent
from relay.journal.keys import LINE
from relay.journal.link import Argument
from relay.journal.receipts import KEPT as RECEIPTS_KEPT
from relay.journal.receipts import Receipt
from relay.journal.record import Record
from relay.journal.scripts import Script
from relay.journal.store import Store

ENDED_RETENTION: Final = 3600
"""Seconds an ended session can still be read: clients ask what became of a call right after it."""

_COMMIT: Final = Script("commit")
_APPEND: Final = Script("append")
_encoder: Final = msgspec.json.Encoder()


class Change(msgspec.Struct, frozen=True):
    """A session's new state; its version is the one it was read at, 0 for a new session."""

    session: Session


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
        legs = {
            party.id: session for session, party in parties
        }  # of two that list it, the one where it lives
        lines = _lines(parties)
        reply = await self._store.run(
            _COMMIT,
            [
                keys.events,
                keys.log(account),
                keys.live(account),
                keys.timers,
                *(keys.call(change.session.id) for change in changes),
                *(keys.leg(leg) for leg in legs),
                *(keys.device(account, place.device) for place in lines),
                *(keys.presence(account, change.user.user_id or "") for change in presences),
                *([keys.receipt(receipt.command)] if receipt else ()),
            ],
            [
                *_arguments(account, changes, events, nonce, receipt, legs, lines, timers, done),
                *_presence_arguments(presences),
            ],
        )
        if reply is None:
            return None
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


def _lines(parties: Sequence[tuple[Session, Party]]) -> dict[Place, bytes]:
    """Return where each leg of ours or parked one is, or was, with the line that it is there meanwhile."""
    found: dict[Place, bytes] = {}
    for session, party in parties:
        places = {}
        if party.address.device_id is not None:
            places[Place(party.address.device_id, LINE + party.id, alone=False)] = is_line(party)
        if party.park is not None:
            places[Place(party.park, LINE + party.id, alone=True)] = party.state is PartyState.PARKED
        for place, there in places.items():
            found[place] = _encoder.encode(line_of(session, party)) if there else b""
    return found


def _parties(changes: Sequence[Change]) -> list[tuple[Session, Party]]:
    """Return every leg with its session, those that live last; one that has gone is the other session's."""
    listed = [
        (change.session, party)
        for change in changes
        for party in change.session.parties
        if party.state is not PartyState.GONE
    ]
    if len(changes) > 1:
        listed.sort(key=lambda one: one[1].live)
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
    ended_ttl = ENDED_RETENTION * 1000
    given: list[Argument] = [nonce, ended_ttl, account]
    given += (_encoder.encode(receipt) if receipt else "", RECEIPTS_KEPT * 1000, len(changes))
    for change in changes:
        session = change.session
        stored = msgspec.structs.replace(session, version=session.version + 1)
        given += (session.id, session.version, _encoder.encode(stored), int(session.live))
    given.append(len(legs))
    for session in legs.values():
        given += (session.id, 0 if session.live else ended_ttl)
    given.append(len(lines))
    for place, line in lines.items():
        given += (place.field, line, int(place.alone))
    given.append(len(events))
    given += map(_encoder.encode, events)
    given.append(len(timers))
    for timer in timers:
        given += (timer.due, timer_member(timer))
    given.append(len(done))
    given += map(timer_member, done)
    return given
