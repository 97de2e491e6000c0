"""RingCentral's ids of calls, parties and notifications: each is made from relay's own, and leads back to it.

- telephonySessionId: ``s-`` and the 32 hex digits of the session's UUID.
- party id: ``p-``, the same digits, and the leg's place in its session, from 1: ``p-…-1`` began the call.
- sessionId: the older decimal id, for display only; it does not lead back.
- notification uuid: the event's place in the journal as one decimal number.
"""

from __future__ import annotations

import re
import uuid
from functools import lru_cache
from typing import Final

from relay.calls.events import EventId
from relay.calls.model import Party, Peer, Session

_SESSION: Final = re.compile(r"s-([0-9a-f]{32})", re.ASCII)
_PARTY: Final = re.compile(r"p-([0-9a-f]{32})-([1-9][0-9]{0,3})", re.ASCII)

_FIRST_LEGACY: Final = 100_000_000_000
_LEGACY_IDS: Final = 128_571_428_571
_LEGACY_STEP: Final = 7
"""Legacy ids are 12 digits and lie multiples of 7 apart: clients take two that are 1000, 2000, 3000 or 4000
apart for the halves of one RingOut call."""

CONFERENCE: Final = "0"
"""The decimal sessionId of every session that was placed as a conference."""

_PARTITIONS: Final = 1024
_PER_MS: Final = 4096
"""Room for partitions, and for entries of one millisecond, in a notification's uuid."""


@lru_cache(maxsize=1024)  # a call's events come close together, and each names it several times
def _digits(session_id: str) -> str:
    return session_id.replace("-", "").lower()


def telephony_session_id(session_id: str) -> str:
    """Return the telephonySessionId of a session."""
    return f"s-{_digits(session_id)}"


def session_id(telephony_session: str) -> str | None:
    """Return the id of the session that `telephony_session_id` names so, or None where none can have it."""
    found = _SESSION.fullmatch(telephony_session)
    return str(uuid.UUID(found[1])) if found else None


def party_id(session: Session, party: Party) -> str:
    """Return the id of one of the session's legs: legs keep their place, so it never changes.

    A phone's leg and that of the mailbox which answers for it are one party.
    """
    return party_id_at(session.id, session.place(party.id))


def party_id_at(session_id: str, place: int) -> str:
    """Return the id of the leg at a place of a session."""
    return f"p-{_digits(session_id)}-{place}"


def peer_id(peer: Peer) -> dict[str, str]:
    """Return the ``peerId`` of a leg that left because its call was joined with another."""
    return {
        "sessionId": legacy_session_id(peer.session, conference=peer.conference),
        "telephonySessionId": telephony_session_id(peer.session),
        "partyId": party_id_at(peer.session, peer.place),
    }


def leg(session: Session, party: str) -> Party | None:
    """Return the leg of the session that `party_id` names so, or None."""
    found = _PARTY.fullmatch(party)
    if found is None or found[1] != _digits(session.id):
        return None
    return session.at_place(int(found[2]))


def legacy_session_id(session_id: str, *, conference: bool) -> str:
    """Return the decimal sessionId of a session, which perhaps was placed as a conference."""
    return (
        CONFERENCE
        if conference
        else str(_FIRST_LEGACY + _LEGACY_STEP * (int(_digits(session_id), 16) % _LEGACY_IDS))
    )


def voice_call_token(session: Session) -> str:
    """Return what a conference's host would dial to join it."""
    return f"conf_{_digits(session.id)}"


def notification_uuid(event_id: EventId) -> str:
    """Return the decimal uuid of the notification that tells of an event: 19 digits, later ones greater."""
    ms, _, sequence = event_id.stream_id.partition("-")
    return str((int(ms) * _PER_MS + int(sequence)) * _PARTITIONS + event_id.partition)
