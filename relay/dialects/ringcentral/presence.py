"""Presence: whether a user is on the telephone, and in which calls. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from relay.calls.model import Address, Party, Role, Session
from relay.dialects.ringcentral import identifiers
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.render import API, sip_data
from relay.dialects.ringcentral.statuses import status_code
from relay.dialects.times import timestamp
from relay.directory.model import User

MOST_CALLS: Final = 7
"""Calls that presence lists, the latest ones."""

_TELEPHONY: Final = {
    "Setup": "Ringing",
    "Proceeding": "Ringing",
    "Answered": "CallConnected",
    "Hold": "OnHold",
    "Parked": "ParkedCall",
}
"""Party status code to telephony status; any other code is no call any more."""

_NO_CALL: Final = "NoCall"
_RANKS: Final = ("CallConnected", "Ringing", "OnHold", "ParkedCall")
"""Of several calls the first of these that one of them is in tells the user's status."""


class Leg(NamedTuple):
    """A user's leg of a call."""

    session: Session
    party: Party

    @property
    def status(self) -> str:
        """Its telephony status."""
        return _TELEPHONY.get(status_code(self.party), _NO_CALL)


def legs_of(user: User, sessions: Iterable[Session]) -> list[Leg]:
    """Return a user's live legs, the oldest call's first."""
    return [
        Leg(session, party)
        for session in sessions
        for party in session.parties
        if party.live and party.address.user_id == user.id
    ]


def telephony_status(legs: Sequence[Leg]) -> str:
    """Return what a user with these legs does on the telephone."""
    found = {leg.status for leg in legs}
    return next((status for status in _RANKS if status in found), _NO_CALL)


def presence(
    identities: Identities, base_url: str, account: str, user: User, legs: Sequence[Leg], *, sip: bool | None
) -> dict[str, Any]:
    """Return the presence object of the REST API.

    ``sip`` adds SIP data to calls; None leaves the calls out.
    """
    uri = f"{base_url}{API}/account/{identities.account_id(account)}/extension/{user.ringcentral_id}"
    shown: dict[str, Any] = {
        "uri": f"{uri}/presence",
        "extension": {
            "uri": uri,
            "id": int(user.ringcentral_id),
            "extensionNumber": user.extension or "",
        },
        **states(telephony_status(legs)),
    }
    if sip is not None:
        shown["activeCalls"] = [active_call(leg, sip=sip) for leg in legs[-MOST_CALLS:]]
    return shown


def states(telephony: str) -> dict[str, Any]:
    """Return the members that tell a user's state."""
    return {
        "presenceStatus": "Available" if telephony == _NO_CALL else "Busy",
        "telephonyStatus": telephony,
        "userStatus": "Available",
        "dndStatus": "TakeAllCalls",
        "meetingStatus": "Disconnected",
        "allowSeeMyPresence": True,
        "ringOnMonitoredCall": False,
        "pickUpCallsOnHold": False,
    }


def active_call(leg: Leg, *, sip: bool) -> dict[str, Any]:
    """Return a call as presence lists it."""
    session, party = leg
    connected = leg.status not in ("Ringing", _NO_CALL)
    telephony_session = identifiers.telephony_session_id(session.id)
    party_id = identifiers.party_id(session, party)
    data = sip_data(session, party)
    shown: dict[str, Any] = {
        "id": data["callId"] if connected else telephony_session,
        "direction": "Outbound" if party.role is Role.CALLER else "Inbound",
        **_named("from", party.caller),
        **_named("to", party.callee),
        "telephonyStatus": leg.status,
        "sessionId": identifiers.legacy_session_id(session.id),
        "startTime": timestamp(party.created_at),
        "partyId": party_id,
        "telephonySessionId": telephony_session,
    }
    if leg.status == _NO_CALL:
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
