"""What each change of a call is told by: the members that differ from an ordinary notification."""

from __future__ import annotations

from typing import Any

import pytest

from relay.switch.simulator import PhoneAction
from tests.dialects.ringcentral.calls import JANE
from tests.dialects.ringcentral.face import Face, path_of
from tests.dialects.ringcentral.office import USERS, Party, inbound, session_id

ORDINARY = {"missedCall": False, "standAlone": False, "muted": False, "park": {}}
ENVELOPE = {"uuid", "event", "timestamp", "subscriptionId", "body"}
BODY = {"sequence", "sessionId", "telephonySessionId", "serverId", "eventTime", "parties", "origin"}


async def told(face: Face, party: Party) -> list[dict[str, Any]]:
    """Return what was told of a party, each as its status and whatever is out of the ordinary."""
    found = []
    notifications = await face.notifications(session_id(party))
    sequences = [one["body"]["sequence"] for one in notifications]
    assert sequences == list(range(2, 2 + len(sequences)))
    for one in notifications:
        assert (set(one), set(one["body"])) == (ENVELOPE, BODY)
        [shown] = one["body"]["parties"]
        if shown["id"] == party["id"]:
            names = {*ORDINARY, "status", "recordings", "conferenceRole"} & set(shown)
            assert ORDINARY.keys() <= names
            found.append({name: shown[name] for name in names if shown[name] != ORDINARY.get(name)})
    return found


def status(code: str, **more: Any) -> dict[str, Any]:
    """Return a status as notifications show it."""
    return {"status": {"code": code, "rcc": False, **more}}


async def test_hold_mute_and_recording(face: Face) -> None:
    """A change that is none of the state tells the state with it."""
    _, callee = await inbound(face)
    for what in ("hold", "unhold"):
        await face.ask(callee, what)
    await face.request("PATCH", path_of(callee), json={"muted": True})
    recording = (await face.ask(callee, "recordings")).body
    path = f"{path_of(callee)}/recordings/{recording['id']}"
    await face.request("PATCH", path, json={"active": False})
    assert (await told(face, callee))[3:] == [
        status("Hold"),
        status("Answered"),
        {**status("Answered"), "muted": True},
        {**status("Answered"), "muted": True, "recordings": [recording]},
        {**status("Answered"), "muted": True, "recordings": [{**recording, "active": False}]},
    ]


async def test_parking_and_picking_up(face: Face) -> None:
    """Where it waits is told twice over, in the status and beside it."""
    _, callee = await inbound(face)
    await face.ask(callee, "park")
    taken = (await face.ask(callee, "pickup", {"deviceId": JANE.device_id})).body
    assert (await told(face, callee))[3:] == [
        {**status("Parked", parkData="*801"), "park": {"id": "*801"}},
        status("Disconnected", reason="Pickup"),
    ]
    assert await told(face, taken) == [status("Answered", reason="Pickup")]


@pytest.mark.parametrize("conference", [True, False])
async def test_joining_calls(face: Face, *, conference: bool) -> None:
    """A party that is gone names its counterpart; then it is disconnected, so that clients forget it."""
    _, callee = await inbound(face)
    if conference:
        other = (await face.post("/telephony/conference")).body["session"]
        [own] = (await face.get(f"/telephony/sessions/{other['id']}")).body["parties"]
        body = {"sessionId": session_id(callee), "partyId": callee["id"]}
        await face.post(f"/telephony/sessions/{other['id']}/parties/bring-in", body)
    else:
        own = (await face.talk())["parties"][0]
        body = {"telephonySessionId": session_id(own), "partyId": own["id"]}
        await face.ask(callee, "bridge", body)
    [last] = [one["body"]["sessionId"] for one in (await face.notifications(session_id(own)))[-1:]]
    reason = "Conference" if conference else "AttendedTransfer"
    peer = {"sessionId": last, "telephonySessionId": session_id(own), "partyId": own["id"]}
    assert (await told(face, callee))[3:] == [
        status("Gone", reason=reason, peerId=peer),
        status("Disconnected", reason=reason),
    ]
    assert last.isdigit()
    assert (last == "0") == conference


async def test_a_missed_call(face: Face) -> None:
    """Only who was called, and did nothing, missed it."""
    caller, callee = await inbound(face, answered=False)
    [session] = await face.control.live(USERS["jane"])
    await face.control.simulate_phone(USERS["admin"], session.parties[0].id, PhoneAction.HANGUP)
    assert (await told(face, callee))[-1] == {**status("Disconnected"), "missedCall": True}
    assert (await told(face, caller))[-1] == status("Disconnected")


@pytest.mark.parametrize(
    ("what", "body", "reason"),
    [
        ("forward", {"extensionNumber": "220"}, "BlindTransfer"),
        ("forward", {"voicemail": "400100000220"}, "BlindTransfer"),
        ("ignore", {"deviceId": JANE.device_id}, "Rejected"),
    ],
)
async def test_a_call_that_was_dealt_with_is_not_missed(
    face: Face, what: str, body: Any, reason: str
) -> None:
    """Who forwards or refuses a call knows of it."""
    _, callee = await inbound(face, answered=False)
    await face.ask(callee, what, body)
    assert (await told(face, callee))[-1] == status("Disconnected", reason=reason)
