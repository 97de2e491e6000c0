"""Calls and their notifications as GWS v2 shows them, key by key in its server's order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from relay.calls.events import CallEvent, EventId, EventKind
from relay.calls.lines import Line
from relay.calls.model import Address, CallType, Party, Session
from relay.dialects.gws import identifiers
from relay.dialects.gws.capabilities import CallState, call_state, listed
from relay.subscriptions.rendering import Rendered, Renderer

CHANNEL: Final = "/v2/me/calls"
"""The channel that carries every notification about a call."""

API: Final = "/api/v2"
"""Path of the API below relay's public URL."""

NOTIFICATIONS: Final[dict[EventKind, str]] = {
    EventKind.DIALING: "StatusChange",
    EventKind.RINGING: "StatusChange",
    EventKind.ANSWERED: "StatusChange",
    EventKind.ESTABLISHED: "StatusChange",
    EventKind.ENDED: "StatusChange",
    EventKind.DTMF: "DtmfSent",
    EventKind.USER_DATA: "AttachedDataChanged",
    EventKind.HELD: "StatusChange",
    EventKind.RETRIEVED: "StatusChange",
    EventKind.MUTED: "StatusChange",
    EventKind.UNMUTED: "StatusChange",
    EventKind.JOINED: "StatusChange",
    EventKind.MOVED: "StatusChange",
    EventKind.RECORDING: "CallRecordingStateChange",
    EventKind.PARTICIPANTS: "ParticipantsUpdated",
    EventKind.TRANSFERRED: "ParticipantsUpdated",
    EventKind.FAILED: "Error",
}
"""The ``notificationType`` of each kind GWS tells of."""

_CALL_TYPES: Final[dict[CallType, str]] = {
    CallType.INTERNAL: "Internal",
    CallType.INBOUND: "Inbound",
    CallType.OUTBOUND: "Outbound",
}

CALL_MEMBERS: Final = frozenset(
    {
        "id", "state", "callUuid", "connId", "deviceUri", "ani", "dnis", "callType", "duration", "mute",
        "supervisorListeningIn", "monitoredUserMuted", "monitoring", "uri", "path",
    }
)  # fmt: skip
"""Members of a call that a list can be filtered by."""

_encode = msgspec.json.Encoder().encode


def renderer(base_url: str) -> Renderer:
    """Return the renderer whose URIs begin with `base_url`, which has no trailing slash."""
    api = base_url + API

    def render(_event_id: EventId, event: CallEvent) -> Rendered | None:
        """Render one journal event, or None for what GWS does not tell. Pure."""
        notification = NOTIFICATIONS.get(event.kind)
        party = event.party
        if notification is None or not party.ours:
            return None
        data: dict[str, Any] = {
            "notificationType": notification,
            "call": call(event.session, party, event.time, api, event.beside),
            "phoneNumber": party.address.number,
        }
        if event.kind is not EventKind.USER_DATA:
            data["extensions"] = {"BusinessCall": 0}
        data["messageType"] = "CallStateChangeMessage"
        body = _encode({"data": data, "channel": CHANNEL})
        return Rendered(CHANNEL, body, party.address.extension, party.address.user_id)

    return render


def call(session: Session, party: Party, now: int, api: str, beside: Sequence[Line] = ()) -> dict[str, Any]:
    """Return the call object of a leg at one of our devices.

    `now` is in milliseconds since the epoch; `api` is the absolute URL that ends in ``/api/v2``; `beside` are
    the other live legs at the device.
    """
    call_id = identifiers.call_id(session.id)
    state = call_state(party)
    shown: dict[str, Any] = {
        "id": call_id,
        "state": state,
        "callUuid": call_id,
        "connId": identifiers.connection_id(session.id),
        "deviceUri": f"{api}/devices/{party.address.device_id}",
        "participants": [participant(address) for address in _far_ends(session, party, state)],
    }
    if session.type is not CallType.INTERNAL:
        shown["ani"] = party.caller.number
    shown["dnis"] = party.callee.number
    shown["callType"] = _CALL_TYPES[session.type]
    shown["capabilities"] = listed(session, party, beside)
    if session.user_data:
        shown["userData"] = session.user_data
    until = now if party.ended_at is None else party.ended_at
    shown["duration"] = str(max(0, until - party.created_at) // 1000)
    shown["mute"] = "On" if party.muted else "Off"
    shown["supervisorListeningIn"] = False
    shown["monitoredUserMuted"] = False
    shown["monitoring"] = False
    shown["uri"] = f"{api}/me/calls/{call_id}"
    shown["path"] = f"/calls/{call_id}"
    return shown


def participant(address: Address) -> dict[str, str]:
    """Return a far party: a directory number alike in every member, an outside number as E.164 too."""
    number = address.number
    return {
        "e164Number": number if number.startswith("+") else "",
        "formattedPhoneNumber": number,
        "phoneNumber": number,
        "digits": number.removeprefix("+"),
    }


def _far_ends(session: Session, party: Party, state: CallState) -> list[Address]:
    """Return who is at the far end: whom a caller dials, then whoever is (or was last) in the call."""
    if state is CallState.DIALING:
        return [party.far]
    others = session.others(party)
    present = [other.address for other in others if other.live] or [other.address for other in others]
    return present or [party.far]
