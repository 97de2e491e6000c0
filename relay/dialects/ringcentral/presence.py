"""Presence: whether a user is on the telephone, and in which calls. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from relay.calls.events import EventId
from relay.calls.model import Address, PartyState, Role, Session
from relay.calls.presence import ActiveCall, PresenceEvent, active_call
from relay.dialects.ringcentral import identifiers, labels
from relay.dialects.ringcentral.filters import Detail
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.render import API, notification, sip_data
from relay.dialects.times import timestamp
from relay.directory.model import User
from relay.subscriptions.rendering import Rendered

MOST_CALLS: Final = 7
"""Calls that presence lists, the latest ones."""

_TELEPHONY: Final = {
    PartyState.SETUP: "Ringing",
    PartyState.PROCEEDING: "Ringing",
    PartyState.ANSWERED: "CallConnected",
    PartyState.HELD: "OnHold",
    PartyState.PARKED: "ParkedCall",
}
"""State of a leg to telephony status; any other is no call any more."""

_NO_CALL: Final = "NoCall"
_RANKS: Final = ("CallConnected", "Ringing", "OnHold", "ParkedCall")
"""Of several calls the first of these that one of them is in tells the user's status."""


def calls_of(user: User, sessions: Iterable[Session]) -> list[ActiveCall]:
    """Return a user's live legs, the oldest call's first."""
    return [
        active_call(session, party)
        for session in sessions
        for party in session.parties
        if party.live and party.ours and party.address.user_id == user.id
    ]


def call_status(call: ActiveCall) -> str:
    """Return a leg's telephony status; a caller is connected from when the switch has taken the leg."""
    if call.connected and call.state in (PartyState.SETUP, PartyState.PROCEEDING):
        return "CallConnected"
    return _TELEPHONY.get(call.state, _NO_CALL)


def telephony_status(calls: Iterable[ActiveCall]) -> str:
    """Return what a user with these legs does on the telephone."""
    found = {call_status(call) for call in calls}
    return next((status for status in _RANKS if status in found), _NO_CALL)


class Presences:
    """Makes the presence object of the REST API."""

    def __init__(self, identities: Identities, base_url: str) -> None:
        self._identities = identities
        self._base_url = base_url

    def shown(
        self, account: str, user: User, calls: Sequence[ActiveCall], quiet: Collection[str], detail: Detail
    ) -> dict[str, Any]:
        """Return a user's presence; ``quiet`` are the devices that take no calls."""
        account_id = self._identities.account_id(account)
        uri = f"{self._base_url}{API}/account/{account_id}/extension/{user.ringcentral_id}"
        return {
            "uri": f"{uri}/presence",
            "extension": {
                "uri": uri,
                "id": int(user.ringcentral_id),
                "extensionNumber": user.extension or "",
            },
            **_states(user, calls, quiet),
            **_listed(calls, detail),
        }


def presence_notification(
    identities: Identities, event_id: EventId, event: PresenceEvent, detail: Detail
) -> Rendered | None:
    """Return the notification of what a user does on the telephone, or None for nobody of the directory.

    A call that has just ended is listed once more, as no call.
    """
    user = identities.user(event.account, identities.extension_id(event.user.user_id) or "")
    if user is None:
        return None
    account_id = identities.account_id(event.account)
    resource = f"{API}/account/{account_id}/extension/{user.ringcentral_id}/presence"
    listed = sorted((*event.calls, *event.ended), key=lambda call: (call.since, call.leg))
    body = {
        "extensionId": user.ringcentral_id,
        "sequence": event.sequence,
        **_states(user, event.calls, event.do_not_disturb),
        **_listed(listed, detail),
        "totalActiveCalls": len(event.calls),
    }
    named = frozenset({labels.PRESENCE, labels.of_extension(user.ringcentral_id)})
    shown = notification(event_id, resource, event.time, body)
    return Rendered(resource, shown, user.extension, user.id, named, event="presence")


def _states(user: User, calls: Iterable[ActiveCall], quiet: Collection[str]) -> dict[str, Any]:
    """Return the members that tell a user's state."""
    telephony = telephony_status(calls)
    takes_none = bool(user.devices) and all(device.id in quiet for device in user.devices)
    return {
        "presenceStatus": "Busy" if takes_none or telephony != _NO_CALL else "Available",
        "telephonyStatus": telephony,
        "userStatus": "Available",
        "dndStatus": "DoNotAcceptAnyCalls" if takes_none else "TakeAllCalls",
        "meetingStatus": "Disconnected",
        "allowSeeMyPresence": True,
        "ringOnMonitoredCall": False,
        "pickUpCallsOnHold": False,
    }


def _listed(calls: Sequence[ActiveCall], detail: Detail) -> dict[str, Any]:
    """Return the list of calls, where it is asked for."""
    if not detail.calls:
        return {}
    return {"activeCalls": [_shown(call, sip=detail.sip) for call in calls[-MOST_CALLS:]]}


def _shown(call: ActiveCall, *, sip: bool) -> dict[str, Any]:
    """Return a call as presence lists it."""
    status = call_status(call)
    connected = status not in ("Ringing", _NO_CALL)
    telephony_session = identifiers.telephony_session_id(call.session)
    party_id = identifiers.party_id_at(call.session, call.place)
    data = sip_data(call.session, call.leg)
    shown: dict[str, Any] = {
        "id": data["callId"] if connected else telephony_session,
        "direction": "Outbound" if call.role is Role.CALLER else "Inbound",
        **_named("from", call.caller),
        **_named("to", call.callee),
        "telephonyStatus": status,
        "sessionId": identifiers.legacy_session_id(call.session, conference=call.conference),
        "startTime": timestamp(call.since),
        "partyId": party_id,
        "telephonySessionId": telephony_session,
    }
    if status == _NO_CALL:
        shown["terminationType"] = "final"
    if sip:
        tags = {name: data[name] for name in ("toTag", "fromTag")}
        if not connected:
            tags = {"toTag": "blf", "fromTag": party_id}
        shown["sipData"] = {**tags, "remoteUri": "-", "localUri": "-"}
    return shown


def _named(end: str, address: Address) -> dict[str, str]:
    shown = {end: address.extension or address.number}
    if address.name is not None:
        shown[f"{end}Name"] = address.name
    return shown
