"""Calls and their notifications as GWS v2 shows them, key by key in its server's order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from relay.calls.events import CallEvent, EventId, EventKind
from relay.calls.lines import Line
from relay.calls.model import Address, CallType, Party, RecordingState, Role, Session
from relay.dialects.gws import identifiers
from relay.dialects.gws.capabilities import CallState, call_state, listed
from relay.dialects.gws.changes import render_change
from relay.dialects.gws.envelope import StatusCode
from relay.dialects.gws.participants import participant
from relay.dialects.gws.resources import MONITOR_MODES
from relay.dialects.leg_types import LEG_TYPES
from relay.journal.record import Event
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
    EventKind.RELEASED: "StatusChange",
    EventKind.ENDED: "StatusChange",
    EventKind.DTMF: "DtmfSent",
    EventKind.USER_DATA: "AttachedDataChanged",
    EventKind.HELD: "StatusChange",
    EventKind.RETRIEVED: "StatusChange",
    EventKind.PARKED: "StatusChange",
    EventKind.MUTED: "StatusChange",
    EventKind.UNMUTED: "StatusChange",
    EventKind.JOINED: "StatusChange",
    EventKind.MOVED: "StatusChange",
    EventKind.CAPABILITIES: "ParticipantsUpdated",
    EventKind.RECORDING: "CallRecordingStateChange",
    EventKind.PARTICIPANTS: "ParticipantsUpdated",
    EventKind.TRANSFERRED: "ParticipantsUpdated",
    EventKind.FAILED: "Error",
    EventKind.SILENCED: "MonitoredUserMutedStateChange",
    EventKind.UNSILENCED: "MonitoredUserMutedStateChange",
}
"""The ``notificationType`` of each kind GWS tells of."""

_CALL_TYPES: Final[dict[CallType, str]] = {
    CallType.INTERNAL: "Internal",
    CallType.INBOUND: "Inbound",
    CallType.OUTBOUND: "Outbound",
}

_RECORDINGS: Final[dict[RecordingState, tuple[str, str]]] = {
    RecordingState.RECORDING: ("Recording", "ON"),
    RecordingState.PAUSED: ("Paused", "PAUSED"),
    RecordingState.STOPPED: ("Stopped", "OFF"),
}
"""``recordingState``, and what the user data say of it under `RECORD`."""

RECORD: Final = "GSIP_RECORD"
"""The key of user data that tells of a recording."""

CALL_MEMBERS: Final = frozenset(
    {
        "id", "state", "callUuid", "connId", "deviceUri", "ani", "dnis", "callType", "parentCallUri",
        "duration", "mute", "recordingState", "supervisorListeningIn", "monitoredUserMuted", "monitoring",
        "uri", "path", "parentCallPath",
    }
)  # fmt: skip
"""Members of a call that a list can be filtered by."""

_encode = msgspec.json.Encoder().encode


def renderer(base_url: str) -> Renderer:
    """Return the renderer whose URIs begin with `base_url`, which has no trailing slash."""
    api = base_url + API

    def render(_event_id: EventId, event: Event) -> Rendered | None:
        """Render one journal event, or None for what GWS does not tell. Pure."""
        if not isinstance(event, CallEvent):
            return render_change(event, api)
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
        if event.kind is EventKind.FAILED:
            data["errorMessage"] = "{participant} did not join: {cause}".format_map(event.details)
            data["errorCode"] = StatusCode.INTERNAL_ERROR.value
        data["messageType"] = "CallStateChangeMessage"
        body = _encode({"data": data, "channel": CHANNEL})
        address, leg_type = party.address, LEG_TYPES[event.kind]
        return Rendered(CHANNEL, body, address.extension, address.user_id, leg_type=leg_type)

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
    parent = identifiers.call_id(session.parent) if session.parent and party.consults else None
    shown["callType"] = "Consult" if parent else _CALL_TYPES[session.type]
    shown["capabilities"] = listed(session, party, beside)
    recording = _RECORDINGS[party.recording] if party.recording else None
    user_data = {**session.user_data, RECORD: recording[1]} if recording else session.user_data
    if user_data:
        shown["userData"] = user_data
    if parent:
        shown["parentCallUri"] = f"{api}/me/calls/{parent}"
    until = now if party.ended_at is None else party.ended_at
    shown["duration"] = str(max(0, until - party.created_at) // 1000)
    shown["mute"] = "On" if party.muted else "Off"
    if recording:
        shown["recordingState"] = recording[0]
    monitored = session.party(party.monitors) if party.monitors else None
    supervisors = [other for other in session.parties if other.live and other.monitors == party.id]
    shown["supervisorListeningIn"] = bool(supervisors)
    shown["monitoredUserMuted"] = (monitored or party).silenced
    shown["monitoring"] = monitored is not None
    mode = next((one.mode for one in (party, *supervisors) if one.live and one.mode is not None), None)
    if mode is not None:
        shown["supervisorMonitoringState"] = {"state": MONITOR_MODES[mode]}
    shown["uri"] = f"{api}/me/calls/{call_id}"
    shown["path"] = f"/calls/{call_id}"
    if parent:
        shown["parentCallPath"] = f"/calls/{parent}"
    return shown


def _far_ends(session: Session, party: Party, state: CallState) -> list[Address]:
    """Return who is at the far end: whom a caller dials, then whoever is (or was last) in the call."""
    if state is CallState.DIALING or (party.role is Role.CALLEE and len(session.parties) == 2):
        return [party.far]  # as it is shown to them, which may be another number than the phone's own
    present = session.participants(party) or [other for other in session.others(party) if not other.hidden]
    return [other.address for other in present] or [party.far]
