from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.ringcentral.calls import ACCOUNT, JANE, JOHN, OUTSIDE
from tests.dialects.ringcentral.face import Face, path_of


async def test_holding_and_taking_back(face: Face) -> None:
    """A hold answers with the party on hold, an unhold with it answered; either twice is a wrong state."""
    caller, callee = (await face.talk())["parties"]
    held = await face.ask(caller, "hold")
    assert (held.status, held.body["status"], held.body["standAlone"]) == (200, {"code": "Hold"}, False)
    assert held.body == await face.party(caller)
    assert (await face.party(callee))["status"] == {"code": "Answered"}
    refused = await face.ask(caller, "hold", {"proto": "Auto"})
    assert (refused.status, refused.code) == (409, "TAS-106")
    back = await face.ask(caller, "unhold", {})
    assert (back.status, back.body["status"]) == (200, {"code": "Answered"})
    assert (await face.ask(caller, "unhold")).status == 409
    assert (await face.ask(caller, "hold", {"proto": "Nonsense"})).body["parameterName"] == "proto"


async def test_the_recorded_trace_of_an_outbound_call(face: Face) -> None:
    """User to public network with hold and unhold: party by party and code by code as recorded."""
    session = await face.call_out("jane", phoneNumber=OUTSIDE.number)
    caller = session["parties"][0]
    await face.elapse()
    for what in ("hold", "unhold"):
        assert (await face.ask(caller, what)).status == 200
    assert (await face.request("DELETE", f"/telephony/sessions/{session['id']}")).status == 204
    assert await face.trace() == [
        "2 p-1 Outbound 210 Setup",
        "3 p-2 Inbound account Proceeding",
        "4 p-1 Outbound 210 Proceeding",
        "5 p-2 Inbound account Answered",
        "6 p-1 Outbound 210 Answered",
        "7 p-1 Outbound 210 Hold",
        "8 p-1 Outbound 210 Answered",
        "9 p-1 Outbound 210 Disconnected",
        "10 p-2 Inbound account Disconnected",
    ]


async def test_the_recorded_trace_of_a_call_between_users(face: Face) -> None:
    """User to user with hold and unhold: party by party and code by code as recorded."""
    session = await face.talk()
    caller = session["parties"][0]
    for what in ("hold", "unhold"):
        assert (await face.ask(caller, what)).status == 200
    assert (await face.request("DELETE", f"/telephony/sessions/{session['id']}")).status == 204
    assert await face.trace() == [
        "2 p-1 Outbound 210 Setup",
        "3 p-2 Inbound 200 Setup",
        "4 p-1 Outbound 210 Answered",
        "5 p-2 Inbound 200 Proceeding",
        "6 p-2 Inbound 200 Answered",
        "7 p-1 Outbound 210 Hold",
        "8 p-1 Outbound 210 Answered",
        "9 p-1 Outbound 210 Disconnected",
        "10 p-2 Inbound 200 Disconnected",
    ]


async def test_the_recorded_trace_of_an_inbound_call(face: Face) -> None:
    """Public network to user with hold and unhold, as recorded but for the menu before it."""
    placed = await face.control.simulate_inbound(ACCOUNT, OUTSIDE.number, "210")
    session = f"s-{placed.id.replace('-', '')}"
    callee = (await face.get(f"/telephony/sessions/{session}")).body["parties"][1]
    assert (await face.ask(callee, "answer", {"deviceId": JANE.device_id})).status == 200
    for what in ("hold", "unhold"):
        assert (await face.ask(callee, what)).status == 200
    assert (await face.request("DELETE", f"/telephony/sessions/{session}")).status == 204
    assert await face.trace() == [
        "2 p-1 Outbound account Setup",
        "3 p-2 Inbound 210 Setup",
        "4 p-1 Outbound account Answered",
        "5 p-2 Inbound 210 Proceeding",
        "6 p-2 Inbound 210 Answered",
        "7 p-2 Inbound 210 Hold",
        "8 p-2 Inbound 210 Answered",
        "9 p-2 Inbound 210 Disconnected",
        "10 p-1 Outbound account Disconnected",
    ]


async def test_answering_at_a_device(face: Face) -> None:
    """The party answers with the device it was picked up at; another's device is not found."""
    session = await face.call_out("jane", extensionNumber="200")
    callee = session["parties"][1]
    for body, status in (({}, 400), ({"deviceId": JANE.device_id}, 404), ({"deviceId": "x"}, 404)):
        answer = await face.ask(callee, "answer", body, "john")
        assert (answer.status, answer.body["parameterName"]) == (status, "deviceId")
    answer = await face.ask(callee, "answer", {"deviceId": JOHN.device_id}, "john")
    assert (answer.status, answer.body["status"]["code"]) == (200, "Answered")
    assert answer.body["to"]["deviceId"] == JOHN.device_id
    assert (await face.ask(callee, "answer", {"deviceId": JOHN.device_id}, "john")).status == 409


@pytest.mark.parametrize(
    ("what", "body"), [("reject", None), ("reject", {}), ("ignore", {"deviceId": JOHN.device_id})]
)
async def test_refusing_a_call(face: Face, what: str, body: Any) -> None:
    """204 without a body; a caller cannot refuse the own call, and nobody one that is answered."""
    caller, callee = (await face.call_out("jane", extensionNumber="200"))["parties"]
    own = {"deviceId": JANE.device_id} if what == "ignore" else body
    assert (await face.ask(caller, what, own)).status == 409
    answer = await face.ask(callee, what, body, "john")
    assert (answer.status, answer.body) == (204, None)
    after = {"code": "VoiceMail"} if what == "reject" else {"code": "Disconnected", "reason": "Rejected"}
    assert (await face.party(callee))["status"] == after
    assert (await face.ask(callee, what, body, "john")).status == 409


@pytest.mark.parametrize(
    "body", [{"muted": True}, {"party": {"muted": True}}, {"muted": True, "party": None}]
)
async def test_muting(face: Face, body: dict[str, Any]) -> None:
    """Both shapes of the body mute; muting again changes nothing, and nothing is told of it."""
    caller = (await face.talk())["parties"][0]
    for _ in range(2):
        answer = await face.request("PATCH", path_of(caller), json=body)
        assert (answer.status, answer.body["muted"]) == (200, True)
    told = [line for line in await face.trace() if line.startswith(("7", "8"))]
    assert told == ["7 p-1 Outbound 210 Answered"]
    answer = await face.request("PATCH", path_of(caller), json={"muted": False, "standAlone": False})
    assert (answer.status, answer.body["muted"]) == (200, False)


@pytest.mark.parametrize(
    ("body", "status"),
    [({"muted": "yes"}, 400), ({"party": 1}, 400), ({"muted": 1}, 400), ({"standAlone": True}, 409)],
)
async def test_a_change_that_cannot_be_made(face: Face, body: dict[str, Any], status: int) -> None:
    """Wrong values are told by name; a party's media cannot be taken apart."""
    caller = (await face.talk())["parties"][0]
    answer = await face.request("PATCH", path_of(caller), json=body)
    assert answer.status == status
    assert await face.party(caller) == caller


async def test_recording(face: Face) -> None:
    """A recording is made, paused, gone on with, and shown in the party for as long as it is not over."""
    caller, callee = (await face.talk())["parties"]
    made = await face.ask(caller, "recordings")
    assert (made.status, made.body) == (201, {"id": made.body["id"], "active": True})
    assert (await face.party(caller))["recordings"] == [made.body]
    assert "recordings" not in await face.party(callee)
    path = f"{path_of(caller)}/recordings/{made.body['id']}"
    for active in (False, False, True):
        answer = await face.request("PATCH", path, json={"active": active})
        assert (answer.status, answer.body) == (200, {"id": made.body["id"], "active": active})
    assert (await face.ask(caller, "recordings")).status == 409
    answer = await face.request("PATCH", f"{path_of(caller)}/recordings/7", json={"active": True})
    assert (answer.status, answer.body["parameterName"]) == (404, "recordingId")
    assert (await face.request("PATCH", path, json={})).body["parameterName"] == "active"
    told = [line for line in await face.trace() if int(line.partition(" ")[0]) > 6]
    assert told == [f"{sequence} p-1 Outbound 210 Answered" for sequence in (7, 8, 9)]
