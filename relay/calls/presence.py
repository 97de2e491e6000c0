"""Presence: which calls a user is in, and what changes that. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from relay.calls.events import CallEvent, EventKind
from relay.calls.model import Address, Party, PartyState, Role, Session

_CHANGING: Final = frozenset(
    {
        EventKind.DIALING, EventKind.SETUP, EventKind.CONNECTED, EventKind.ANSWERED, EventKind.HELD,
        EventKind.RETRIEVED, EventKind.PARKED, EventKind.TRANSFERRED, EventKind.JOINED, EventKind.MOVED,
        EventKind.RELEASED, EventKind.ENDED,
    }
)  # fmt: skip
"""Kinds after which a user does something else on the telephone, or with somebody else."""


class ActiveCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A user's leg of a call, as presence shows it."""

    session: str
    leg: str
    place: int
    """Its place among the session's legs, from 1."""
    role: Role
    state: PartyState
    caller: Address
    callee: Address
    since: int
    """When the leg was made, in milliseconds since the epoch."""
    connected: bool = False
    """The switch has taken the leg, perhaps before anybody answered."""
    conference: bool = False
    """The session was placed as a conference."""


class PresenceEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a user does on the telephone: the data of a journal record of its own kind."""

    account: str
    user: Address
    """The user, by the phone at which something changed."""
    time: int
    """Milliseconds since the epoch."""
    calls: tuple[ActiveCall, ...] = ()
    """Every call the user is in, in no order."""
    ended: tuple[ActiveCall, ...] = ()
    """Calls that just ended for the user."""
    do_not_disturb: tuple[str, ...] = ()
    """The user's devices that take no calls, by id."""
    sequence: int = 0
    """Counts what is told of the user, from 1; written by the store."""


class PresenceChange(NamedTuple):
    """What one commit changes about a user's calls."""

    account: str
    user: Address
    time: int
    calls: tuple[ActiveCall, ...]
    """The legs it changed and left alive."""
    ended: tuple[ActiveCall, ...]
    """The legs it ended."""


def presence_changes(events: Iterable[CallEvent]) -> list[PresenceChange]:
    """Return what events that are committed together change about each user's calls."""
    changed: dict[str, dict[str, tuple[CallEvent, Party]]] = {}
    for event in events:
        if event.kind in _CHANGING:
            party = event.party
            if party.address.user_id is not None and party.ours:
                changed.setdefault(party.address.user_id, {})[party.id] = (event, party)
    return [_change(list(legs.values())) for legs in changed.values()]


def _change(told: Sequence[tuple[CallEvent, Party]]) -> PresenceChange:
    last, own = told[-1]
    calls: list[ActiveCall] = []
    ended: list[ActiveCall] = []
    for event, party in told:
        (calls if party.live else ended).append(active_call(event.session, party))
    return PresenceChange(last.account, own.address, last.time, tuple(calls), tuple(ended))


def active_call(session: Session, party: Party) -> ActiveCall:
    """Return a leg as presence shows it."""
    return ActiveCall(
        session=session.id,
        leg=party.id,
        place=session.place(party.id),
        role=party.role,
        state=party.state,
        caller=party.caller,
        callee=party.callee,
        since=party.created_at,
        connected=party.connected,
        conference=session.conference,
    )
