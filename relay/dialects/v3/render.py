"""Events and legs as v3 shows them: flat, one per change of a leg at one of the account's devices."""

from __future__ import annotations

from typing import Any

import msgspec

from relay.calls.events import CallEvent, EventId, EventKind
from relay.calls.model import Address, CallType, Party, PartyState, Role, Session
from relay.dialects import operational
from relay.dialects.leg_types import TYPES
from relay.dialects.times import rfc3339
from relay.journal.operational import OperationalEvent
from relay.journal.record import Event
from relay.subscriptions.rendering import Rendered

SCHEMA = 1
"""Raised when a member changes its meaning; members are only ever added within one number."""

STATES: dict[PartyState, str] = {
    PartyState.SETUP: "ringing",
    PartyState.PROCEEDING: "ringing",
    PartyState.ANSWERED: "answered",
    PartyState.HELD: "held",
    PartyState.PARKED: "held",
    PartyState.VOICEMAIL: "answered",
    PartyState.DISCONNECTED: "hungup",
    PartyState.GONE: "hungup",
}

_TELL_WHO = frozenset({EventKind.PARTICIPANTS, EventKind.FAILED, EventKind.TRANSFERRED, EventKind.JOINED})
"""Kinds that tell who else is in the call now."""

_encode = msgspec.json.Encoder().encode


def render(event_id: EventId, event: Event) -> Rendered | None:
    """Render one journal event, or None for what v3 does not show. Pure."""
    if isinstance(event, OperationalEvent):
        return operational.render(event_id, event)
    if not isinstance(event, CallEvent):
        return None
    event_type = TYPES.get(event.kind)
    party = event.party
    if event_type is None or not party.ours:
        return None
    shown: dict[str, Any] = {
        "type": event_type,
        "timestamp": rfc3339(event.time),
        "event_id": str(event_id),
        "schema": SCHEMA,
        "sequence": event.leg_sequence,
        **leg(event.session, party),
        "command_id": event.command_id,
        **event.details,
    }
    if event.kind in _TELL_WHO:
        shown["participants"] = [_end(other.address) for other in event.session.participants(party)]
    if event.kind is EventKind.RECORDING:
        shown["recording"] = party.recordings[-1]
    return Rendered(event_type, _encode(shown), party.address.extension, party.address.user_id)


def leg(session: Session, party: Party) -> dict[str, Any]:
    """Return the members that a leg has in every event and in ``GET /v3/calls/``."""
    return {
        "id": party.id,
        "call_id": session.id,
        "tenant_id": session.account,
        "user_extension": party.address.extension,
        "direction": "outbound" if party.role is Role.CALLER else "inbound",
        "internal": session.type is CallType.INTERNAL,
        "state": STATES[party.state],
        "muted": party.muted,
        "from": _end(party.caller),
        "to": _end(party.callee),
        "started_at": rfc3339(party.created_at),
        "answered_at": rfc3339(party.answered_at),
        "ended_at": rfc3339(party.ended_at),
        "hangup": {"cause": party.cause, "by": party.ended_by} if party.state.final else None,
        "user_data": session.user_data,
    }


def _end(address: Address) -> dict[str, str | None]:
    return {"number": address.extension or address.number, "name": address.name}
