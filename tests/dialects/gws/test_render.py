from __future__ import annotations

import json
from typing import Any

import pytest

from relay.calls.events import NUMBERING, CallEvent, EventKind
from relay.calls.happenings import DtmfSent, LegAnswered, LegEnded, LegMade, LegRinging, UserDataReplaced
from relay.calls.model import Address, CallType, PartyState
from relay.dialects.gws.capabilities import call_state
from relay.dialects.gws.identifiers import call_id, connection_id
from relay.dialects.gws.render import NOTIFICATIONS, renderer
from tests.dialects.gws.calls import CALLEE_LEG, CALLER_LEG, EVENT_ID, JANE, JOHN, OUTSIDE, SESSION, Told

BASE = "http://127.0.0.1:8080"
CALL = call_id(SESSION)
render = renderer(BASE)


def shown(event: CallEvent) -> dict[str, Any]:
    """Return the notification of an event that has one."""
    rendered = render(EVENT_ID, event)
    assert rendered is not None
    decoded: dict[str, Any] = json.loads(rendered.body)
    return decoded


def dialing(user_data: dict[str, Any]) -> dict[str, Any]:
    """Return the published Dialing notification of 15000 calling 15002, with this call's own ids."""
    return {
        "data": {
            "notificationType": "StatusChange",
            "call": {
                "id": CALL,
                "state": "Dialing",
                "callUuid": CALL,
                "connId": connection_id(SESSION),
                "deviceUri": f"{BASE}/api/v2/devices/631608b3-ceb1-472b-ba05-2ae39555b0d1",
                "participants": [
                    {
                        "e164Number": "",
                        "formattedPhoneNumber": "15002",
                        "phoneNumber": "15002",
                        "digits": "15002",
                    }
                ],
                "dnis": "15002",
                "callType": "Internal",
                "capabilities": [
                    "SendDtmf",
                    "DeleteUserData",
                    "AttachUserData",
                    "DeleteUserDataPair",
                    "Hangup",
                    "UpdateUserData",
                ],
                **user_data,
                "duration": "0",
                "mute": "Off",
                "supervisorListeningIn": False,
                "monitoredUserMuted": False,
                "monitoring": False,
                "uri": f"{BASE}/api/v2/me/calls/{CALL}",
                "path": f"/calls/{CALL}",
            },
            "phoneNumber": "15000",
            "extensions": {"BusinessCall": 0},
            "messageType": "CallStateChangeMessage",
        },
        "channel": "/v2/me/calls",
    }


@pytest.mark.parametrize("user_data", [{}, {"CustomerSegment": "Gold"}])
def test_dialing_is_told_exactly_as_published(user_data: dict[str, Any]) -> None:
    """The Dialing notification has the published keys and values in the published order."""
    rendered = render(EVENT_ID, Told(user_data=user_data).event(EventKind.DIALING))
    expected = dialing({"userData": user_data} if user_data else {})
    assert rendered is not None
    assert rendered.body == json.dumps(expected, separators=(",", ":")).encode()
    assert (rendered.type, rendered.extension, rendered.user_id) == ("/v2/me/calls", "210", JANE.user_id)


def test_the_called_device_sees_its_own_view_of_the_same_call() -> None:
    """Ringing at the callee has the same call id, its own device, and the caller as participant."""
    told = Told().then(LegMade(leg=CALLEE_LEG, address=JOHN, far=JANE), LegRinging(leg=CALLEE_LEG))
    notification = shown(told.event(EventKind.RINGING, CALLEE_LEG))["data"]
    call = notification["call"]
    assert notification["phoneNumber"] == "15002"
    assert (call["id"], call["state"], call["dnis"]) == (CALL, "Ringing", "15002")
    assert call["deviceUri"].endswith(f"/devices/{JOHN.device_id}")
    assert [one["phoneNumber"] for one in call["participants"]] == ["15000"]
    assert set(call["capabilities"]) == {
        "Answer", "Hangup", "UpdateUserData", "DeleteUserData", "DeleteUserDataPair", "AttachUserData",
    }  # fmt: skip


def test_an_answered_call_is_established_at_both_devices() -> None:
    """Both legs become Established; the duration is each leg's own age, in whole seconds, as a string."""
    told = Told().then(
        LegMade(leg=CALLEE_LEG, address=JOHN, far=JANE),
        LegRinging(leg=CALLEE_LEG),
        LegAnswered(leg=CALLEE_LEG),
    )
    callee = shown(told.event(EventKind.ANSWERED, CALLEE_LEG))["data"]["call"]
    caller = shown(told.event(EventKind.ESTABLISHED))["data"]["call"]
    assert (callee["state"], callee["duration"]) == ("Established", "2")
    assert (caller["state"], caller["duration"]) == ("Established", "3")
    assert caller["capabilities"] == [
        "UpdateUserData", "SendDtmf", "InitiateConference", "Hold", "SingleStepTransfer", "InitiateTransfer",
        "AttachUserData", "DeleteUserDataPair", "SingleStepConference", "DeleteUserData", "Hangup",
        "StartCallRecording", "MuteCall",
    ]  # fmt: skip


def test_a_released_call_lists_nothing_and_still_names_the_far_end() -> None:
    """Released is told to both devices with an empty list of capabilities, never without one."""
    told = Told().then(
        LegMade(leg=CALLEE_LEG, address=JOHN, far=JANE),
        LegRinging(leg=CALLEE_LEG),
        LegAnswered(leg=CALLEE_LEG),
        LegEnded(leg=CALLEE_LEG),
    )
    for leg, far in ((CALLER_LEG, "15002"), (CALLEE_LEG, "15000")):
        call = shown(told.event(EventKind.ENDED, leg))["data"]["call"]
        assert (call["state"], call["capabilities"]) == ("Released", [])
        assert [one["phoneNumber"] for one in call["participants"]] == [far]


def test_changed_user_data_is_told_without_extensions() -> None:
    """User data has a notification of its own, which carries the data and no extensions."""
    told = Told().then(UserDataReplaced(user_data={"case": {"id": 7}}))
    data = shown(told.event(EventKind.USER_DATA))["data"]
    assert list(data) == ["notificationType", "call", "phoneNumber", "messageType"]
    assert (data["notificationType"], data["call"]["userData"]) == (
        "AttachedDataChanged",
        {"case": {"id": 7}},
    )
    data = shown(told.then(UserDataReplaced(user_data={})).event(EventKind.USER_DATA))["data"]
    assert "userData" not in data["call"]


def test_tones_are_told_as_sent() -> None:
    """A sent tone is a DtmfSent that leaves the state as it is."""
    data = shown(Told().then(DtmfSent(leg=CALLER_LEG, digits="5")).event(EventKind.DTMF))["data"]
    assert (data["notificationType"], data["call"]["state"]) == ("DtmfSent", "Dialing")
    assert data["extensions"] == {"BusinessCall": 0}


@pytest.mark.parametrize(
    ("caller", "destination", "kind", "leg", "ani", "dnis", "far"),
    [
        (JANE, OUTSIDE, CallType.OUTBOUND, CALLER_LEG, "15000", "+12025550123", "+12025550123"),
        (OUTSIDE, JOHN, CallType.INBOUND, CALLEE_LEG, "+12025550123", "15002", "+12025550123"),
    ],
)
def test_a_call_with_the_outside_tells_both_numbers(
    caller: Address, destination: Address, kind: CallType, leg: str, ani: str, dnis: str, far: str
) -> None:
    """An outside call has ani and dnis, and the outside party as E.164, as bare digits and with its place."""
    told = Told(caller, destination, kind).then(
        LegMade(leg=CALLEE_LEG, address=destination, far=caller), LegAnswered(leg=CALLEE_LEG)
    )
    event = next(event for event in told.events if event.party_id == leg)
    call = shown(event)["data"]["call"]
    assert (call["ani"], call["dnis"], call["callType"]) == (ani, dnis, kind.value.title())
    assert list(call)[5:9] == ["participants", "ani", "dnis", "callType"]
    assert call["participants"] == [
        {
            "e164Number": far,
            "formattedPhoneNumber": "+1 202-555-0123",
            "phoneNumber": far,
            "digits": far.lstrip("+"),
            "country": {"name": "United States", "code": "US", "callingCode": "1"},
            "location": "Washington D.C.",
            "localPhoneNumber": "(202) 555-0123",
        }
    ]


def test_what_is_not_a_gws_moment_is_not_told() -> None:
    """A leg not yet ringing, a leg the switch only took, and an outside party's leg are not told of."""
    told = Told().then(LegMade(leg=CALLEE_LEG, address=JOHN, far=JANE))
    assert {event.kind for event in told.events} == {EventKind.SETUP, EventKind.CONNECTED}
    assert [render(EVENT_ID, event) for event in told.events] == [None, None]
    outside = Told(OUTSIDE, JOHN, CallType.INBOUND)
    assert render(EVENT_ID, outside.event(EventKind.DIALING)) is None


def test_every_kind_a_leg_numbers_has_its_notification() -> None:
    """Of kinds that number no leg there are two: a leg moved from a call, or allows something else."""
    numbered = {kind for kind, numbering in NUMBERING.items() if numbering.leg}
    assert set(NOTIFICATIONS) == numbered | {EventKind.MOVED, EventKind.CAPABILITIES}


def test_a_callee_not_yet_ringing_reads_as_ringing() -> None:
    """Who reads the call before it rings sees what the next notification will say."""
    told = Told().then(LegMade(leg=CALLEE_LEG, address=JOHN, far=JANE))
    party = told.session.parties[1]
    assert (party.state, call_state(party)) == (PartyState.SETUP, "Ringing")
