"""Telephony sessions, their parties and the notifications about them, as RingCentral shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from relay.calls.events import NUMBERING, CallEvent, EventId
from relay.calls.model import Address, Party, PartyState, Recording, RecordingState, Role, Session
from relay.dialects.leg_types import LEG_TYPES
from relay.dialects.ringcentral import identifiers, labels
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.statuses import missed, status
from relay.dialects.times import timestamp, whole_seconds
from relay.subscriptions.rendering import Rendered

API: Final = "/restapi/v1.0"
"""Path of the API below relay's public URL."""

SERVER: Final = "relay"
"""``serverId`` of every notification; clients only show it."""

SESSIONS: Final = "telephony/sessions"
"""What event streams call notifications of calls: pages must know it beforehand."""

_encode = msgspec.json.Encoder().encode


def notification(event_id: EventId, resource: str, time: int, body: dict[str, Any]) -> bytes:
    """Return an envelope without what only a subscription can tell, its id, which is null, and its owner.

    ``resource`` is the resolved path that ``event`` shows; ``time`` is in milliseconds since the epoch.
    """
    return _encode(
        {
            "uuid": identifiers.notification_uuid(event_id),
            "event": resource,
            "timestamp": timestamp(time),
            "subscriptionId": None,
            "body": body,
        }
    )


def session_notification(
    identities: Identities, event_id: EventId, event: CallEvent, *, sip: bool
) -> Rendered | None:
    """Return the notification of an event of a call, or None for what RingCentral does not tell.

    Its type is the resolved resource path; ``sip`` adds SIP data to its party.
    """
    if not NUMBERING[event.kind].session:
        return None
    party, session = event.party, event.session
    resource = resource_path(identities, session.account, party)
    body = {
        "sequence": event.session_sequence,
        "sessionId": identifiers.legacy_session_id(session.id, conference=session.conference),
        "telephonySessionId": identifiers.telephony_session_id(session.id),
        "serverId": SERVER,
        "eventTime": timestamp(event.time),
        "parties": [notified_party(identities, event, sip=sip)],
        "origin": _origin(session),
    }
    address = party.address
    named = labels.of_event(event, identities.extension_id(address.user_id))
    shown = notification(event_id, resource, event.time, body)
    return Rendered(
        resource,
        shown,
        address.extension,
        address.user_id,
        named,
        event=SESSIONS,
        leg_type=LEG_TYPES[event.kind],
    )


def resource_path(identities: Identities, account: str, party: Party) -> str:
    """Return the resource an event is about: the extension's where the leg has one, else the account's."""
    extension = identities.extension_id(party.address.user_id)
    owner = f"/extension/{extension}" if extension is not None else ""
    return f"{API}/account/{identities.account_id(account)}{owner}/telephony/sessions"


def session_object(
    identities: Identities, session: Session, parties: Sequence[Party] | None = None
) -> dict[str, Any]:
    """Return the CallSession object of the REST API, with these of its parties or all."""
    shown = session.parties if parties is None else parties
    return {
        "id": identifiers.telephony_session_id(session.id),
        "creationTime": whole_seconds(session.created_at),
        "origin": _origin(session),
        **({"voiceCallToken": identifiers.voice_call_token(session)} if session.conference else {}),
        "parties": [party_object(identities, session, one) for one in shown if not one.left_to_mailbox],
    }


def party_object(identities: Identities, session: Session, party: Party) -> dict[str, Any]:
    """Return the CallParty object of the REST API; legs outside have no owner."""
    extension = identities.extension_id(party.address.user_id)
    owner = {"accountId": identities.account_id(session.account), "extensionId": extension}
    return {
        "id": identifiers.party_id(session, party),
        **_ends(identities, party),
        **({} if extension is None else {"owner": owner, **owner}),
        "muted": party.muted,
        "standAlone": False,
        "status": status(party),
        **({"park": _park(party)} if _park(party) else {}),
        **_conferring(session, party),
    }


def notified_party(identities: Identities, event: CallEvent, *, sip: bool = False) -> dict[str, Any]:
    """Return a party as notifications show it."""
    session, party = event.session, event.party
    extension = identities.extension_id(party.address.user_id)
    shown = {
        "accountId": identities.account_id(session.account),
        **({} if extension is None else {"extensionId": extension}),
        "id": identifiers.party_id(session, party),
        **_ends(identities, party),
        "status": {**status(party, event.kind), "rcc": False},
        "park": _park(party),
        "missedCall": missed(party),
        "standAlone": False,
        "muted": party.muted,
        **_conferring(session, party),
    }
    if sip:
        shown["sipData"] = sip_data(session.id, party.id)
    return shown


def _origin(session: Session) -> dict[str, str]:
    return {"type": "Conference" if session.conference else "Call"}


def _park(party: Party) -> dict[str, str]:
    """Return where a party is parked; empty for any other."""
    return {"id": party.park} if party.park is not None and party.state is PartyState.PARKED else {}


def _conferring(session: Session, party: Party) -> dict[str, Any]:
    """Return what only some parties have: recordings that are not over, and a part in a conference."""
    shown: dict[str, Any] = {}
    if running := [recording(one) for one in party.recordings if one.state is not RecordingState.STOPPED]:
        shown["recordings"] = running
    if any(one.owner for one in session.parties):
        shown["conferenceRole"] = "Host" if party.owner else "Participant"
    return shown


def recording(one: Recording) -> dict[str, Any]:
    """Return a recording as parties show it; a paused one is not active."""
    return {"id": one.id, "active": one.state is RecordingState.RECORDING}


def sip_data(session: str, leg: str) -> dict[str, str]:
    """Return the SIP dialogue of a leg, in the names a switch without SIP can give."""
    return {"callId": f"{session}@relay", "fromTag": session[:8], "toTag": leg[-12:]}


def _ends(identities: Identities, party: Party) -> dict[str, Any]:
    outbound = party.role is Role.CALLER
    # Whom a caller has reached is told once the switch knows it.
    reached = not outbound or party.connected or party.state is not PartyState.SETUP
    to = end(identities, party.callee, device=not outbound and party.answered_at is not None)
    return {
        "direction": "Outbound" if outbound else "Inbound",
        "to": to if reached else {"phoneNumber": to["phoneNumber"]},
        "from": end(identities, party.caller, device=True),
    }


def end(identities: Identities, address: Address, *, device: bool) -> dict[str, str]:
    """Return one end of a call; one's own users show by their extension."""
    extension = identities.extension_id(address.user_id)
    shown = {
        "phoneNumber": address.extension or address.number,
        "name": address.name,
        "extensionId": extension,
        "deviceId": address.device_id if device else None,
    }
    return {name: value for name, value in shown.items() if value is not None}
