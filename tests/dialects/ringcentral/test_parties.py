from __future__ import annotations

from typing import Any

import pytest

from relay.calls.commands import Conference, Consult
from relay.directory.model import Principal
from tests.dialects.ringcentral.calls import ACCOUNT, DIRECTORY, HEX, JANE, JOHN, OUTSIDE
from tests.dialects.ringcentral.face import Face, path_of

ALEX = "c2a1d9f4-0e4b-4f0c-8a55-90b7c4d1e733"
USERS = {user.login: Principal(ACCOUNT, user) for user in DIRECTORY.users(ACCOUNT)}
Party = dict[str, Any]


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
    assert (await face.party(callee))["status"] == {"code": "Disconnected", "reason": "Rejected"}
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


@pytest.mark.parametrize(
    "target",
    [
        {"extensionNumber": "220"},
        {"phoneNumber": "220"},
        {"extensionId": "400100000220"},
        {"phoneNumber": "15003"},
    ],
)
async def test_a_blind_transfer(face: Face, target: dict[str, str]) -> None:
    """The party leaves at once; a new one rings for the other end, and may answer."""
    session = await face.talk()
    callee = session["parties"][1]
    answer = await face.ask(callee, "transfer", target, "john")
    assert (answer.status, answer.body["status"]) == (
        200,
        {"code": "Disconnected", "reason": "BlindTransfer"},
    )
    parties = (await face.get(f"/telephony/sessions/{session['id']}")).body["parties"]
    assert [party["status"]["code"] for party in parties] == ["Answered", "Disconnected", "Proceeding"]
    assert parties[2]["to"]["phoneNumber"] == "220"
    assert parties[2]["from"]["phoneNumber"] == "210"
    answer = await face.ask(parties[2], "answer", {"deviceId": ALEX}, "alex")
    assert answer.body["status"]["code"] == "Answered"
    assert (await face.ask(callee, "hold", None, "john")).status == 409
    assert await face.trace(session["id"]) == [
        "2 p-1 Outbound 210 Setup",
        "3 p-2 Inbound 200 Setup",
        "4 p-1 Outbound 210 Answered",
        "5 p-2 Inbound 200 Proceeding",
        "6 p-2 Inbound 200 Answered",
        "7 p-2 Inbound 200 Disconnected BlindTransfer",
        "8 p-3 Inbound 220 Setup",
        "9 p-3 Inbound 220 Proceeding",
        "10 p-3 Inbound 220 Answered",
    ]


@pytest.mark.parametrize(
    ("body", "status", "parameter"),
    [
        ({}, 400, "to"),
        ({"phoneNumber": "220", "extensionNumber": "220"}, 400, "to"),
        ({"phoneNumber": "nobody"}, 400, "to"),
        ({"phoneNumber": []}, 400, "phoneNumber"),
        ({"extensionNumber": "999"}, 400, "to"),
        ({"extensionNumber": "210"}, 400, "to"),
        ({"extensionId": "1"}, 404, "extensionId"),
        ({"extensionId": "400100000001"}, 400, "extensionId"),
    ],
)
async def test_a_transfer_that_leads_nowhere(
    face: Face, body: dict[str, Any], status: int, parameter: str
) -> None:
    """Exactly one target that can be reached is needed; the call goes on as it was."""
    session = await face.talk()
    answer = await face.ask(session["parties"][1], "transfer", body, "john")
    assert (answer.status, answer.body["parameterName"]) == (status, parameter)
    assert (await face.get(f"/telephony/sessions/{session['id']}")).body == session


async def test_a_ringing_call_cannot_be_transferred(face: Face) -> None:
    """Before the party is answered there is nothing to transfer."""
    callee = (await face.call_out("jane", extensionNumber="200"))["parties"][1]
    answer = await face.ask(callee, "transfer", {"extensionNumber": "220"}, "john")
    assert (answer.status, answer.code) == (409, "TAS-106")


async def consulting(face: Face) -> tuple[Party, Party, Party]:
    """Have jane talk to john, consult alex, and alex answer; return jane's parties and john's."""
    caller, callee = (await face.talk())["parties"]
    [session] = await face.control.live(USERS["jane"])
    accepted = await face.control.act(USERS["jane"], leg=session.parties[0].id, action=Consult("220"))
    consult = (await face.get(f"/telephony/sessions/s-{accepted.session.id.replace('-', '')}")).body
    answer = await face.ask(consult["parties"][1], "answer", {"deviceId": ALEX}, "alex")
    assert answer.status == 200
    return caller, consult["parties"][0], callee


async def test_a_warm_transfer(face: Face) -> None:
    """Bridging two calls lets their others talk; the party is gone to its peer, and then disconnected."""
    own, other, _ = await consulting(face)
    body = {"telephonySessionId": "s-" + other["id"].split("-")[1], "partyId": other["id"]}
    answer = await face.ask(own, "bridge", body)
    assert answer.status == 200
    status = answer.body["status"]
    assert (status["code"], status["reason"]) == ("Gone", "AttendedTransfer")
    assert status["peerId"]["telephonySessionId"] == body["telephonySessionId"]
    assert status["peerId"]["partyId"] == body["partyId"]
    assert status["peerId"]["sessionId"].isdigit()
    session = "s-" + own["id"].split("-")[1]
    assert (await face.trace(session))[-4:] == [
        "7 p-1 Outbound 210 Hold",
        "8 p-1 Outbound 210 Gone AttendedTransfer",
        "9 p-1 Outbound 210 Disconnected AttendedTransfer",
        "10 p-3 Inbound 220 Answered",
    ]
    assert (await face.trace(body["telephonySessionId"]))[-4:] == [
        "7 p-1 Outbound 210 Gone AttendedTransfer",
        "8 p-1 Outbound 210 Disconnected AttendedTransfer",
        "9 p-2 Inbound 220 Gone AttendedTransfer",
        "10 p-2 Inbound 220 Disconnected AttendedTransfer",
    ]


@pytest.mark.parametrize(
    ("change", "status", "parameter"),
    [
        ({"partyId": None}, 400, "partyId"),
        ({"telephonySessionId": None}, 400, "telephonySessionId"),
        ({"telephonySessionId": f"s-{HEX}"}, 404, "telephonySessionId"),
        ({"partyId": f"p-{HEX}-1"}, 404, "partyId"),
    ],
)
async def test_a_bridge_that_cannot_be_made(
    face: Face, change: dict[str, Any], status: int, parameter: str
) -> None:
    """The body must name the user's own party in another session."""
    own, other, _ = await consulting(face)
    body = {"telephonySessionId": "s-" + other["id"].split("-")[1], "partyId": other["id"], **change}
    answer = await face.ask(own, "bridge", body)
    assert (answer.status, answer.body["parameterName"]) == (status, parameter)


async def test_a_bridge_with_anothers_party(face: Face) -> None:
    """Another's party in one's own call is not one's own."""
    own, other, callee = await consulting(face)
    session = "s-" + own["id"].split("-")[1]
    answer = await face.ask(other, "bridge", {"telephonySessionId": session, "partyId": callee["id"]})
    assert (answer.status, answer.code) == (403, "TAS-106")
    answer = await face.ask(own, "bridge", {"telephonySessionId": session, "partyId": own["id"]})
    assert (answer.status, answer.body["parameterName"]) == (400, "partyId")


async def conferring(face: Face) -> tuple[str, list[Party]]:
    """Have jane talk to john and add alex, who answers; return the session's id and its parties."""
    session = await face.talk()
    [call] = await face.control.live(USERS["jane"])
    await face.control.act(USERS["jane"], leg=call.parties[0].id, action=Conference("220"))
    path = f"/telephony/sessions/{session['id']}"
    added = (await face.get(path)).body["parties"][2]
    assert (await face.ask(added, "answer", {"deviceId": ALEX}, "alex")).status == 200
    return session["id"], (await face.get(path)).body["parties"]


async def test_a_host_removes_a_participant(face: Face) -> None:
    """A conference shows who is its host; who takes part cannot remove others."""
    session, parties = await conferring(face)
    assert [party["conferenceRole"] for party in parties] == ["Host", "Participant", "Participant"]
    answer = await face.request("DELETE", path_of(parties[2]), "john")
    assert (answer.status, answer.code) == (409, "TAS-106")
    answer = await face.request("DELETE", path_of(parties[2]))
    assert (answer.status, answer.body) == (204, None)
    codes = [
        one["status"]["code"] for one in (await face.get(f"/telephony/sessions/{session}")).body["parties"]
    ]
    assert codes == ["Answered", "Answered", "Disconnected"]


@pytest.mark.parametrize(
    ("user", "options", "codes"),
    [
        ("john", {}, ["Answered", "Disconnected", "Answered"]),
        ("jane", {"json": {"keepConferenceAlive": True}}, ["Disconnected", "Answered", "Answered"]),
        ("jane", {}, ["Disconnected"] * 3),
        ("jane", {"json": {}}, ["Disconnected"] * 3),
    ],
)
async def test_leaving_a_conference(face: Face, user: str, options: Any, codes: list[str]) -> None:
    """Who takes part leaves the others alone; the host ends the conference unless it is to be kept alive."""
    session, parties = await conferring(face)
    own = parties[0] if user == "jane" else parties[1]
    assert (await face.request("DELETE", path_of(own), user, **options)).status == 204
    shown = (await face.get(f"/telephony/sessions/{session}")).body["parties"]
    assert [party["status"]["code"] for party in shown] == codes


async def test_a_party_of_a_plain_call_is_not_removed(face: Face) -> None:
    """Only a conference's parties are; a call is ended by its session."""
    caller, callee = (await face.talk())["parties"]
    assert (await face.request("DELETE", path_of(caller))).status == 409
    assert (await face.request("DELETE", path_of(callee))).status == 403


async def test_ending_a_session(face: Face) -> None:
    """Either side ends the call for both, a conference for everybody; what has ended is a wrong state."""
    session = await face.talk()
    path = f"/telephony/sessions/{session['id']}"
    assert (await face.request("DELETE", path, "alex")).status == 403
    assert (await face.request("DELETE", path, "admin")).status == 403
    answer = await face.request("DELETE", path, "john", json={})
    assert (answer.status, answer.body) == (204, None)
    codes = [party["status"] for party in (await face.get(path)).body["parties"]]
    assert codes == [{"code": "Disconnected"}] * 2
    answer = await face.request("DELETE", path, "john")
    assert (answer.status, answer.code) == (409, "TAS-106")


OPERATIONS: list[tuple[str, str, Any]] = [
    ("POST", "/hold", None),
    ("POST", "/unhold", None),
    ("POST", "/answer", {"deviceId": JANE.device_id}),
    ("POST", "/reject", None),
    ("POST", "/ignore", {"deviceId": JANE.device_id}),
    ("POST", "/transfer", {"phoneNumber": "220"}),
    ("POST", "/bridge", {"telephonySessionId": f"s-{HEX}", "partyId": "p-1"}),
    ("POST", "/recordings", None),
    ("PATCH", "/recordings/1", {"active": True}),
    ("PATCH", "", {"muted": True}),
    ("DELETE", "", None),
]


@pytest.mark.parametrize(("method", "what", "body"), OPERATIONS)
async def test_another_users_party_is_not_ones_own(face: Face, method: str, what: str, body: Any) -> None:
    """In one's own call 403, in another's too; in another account's there is no such call."""
    callee = (await face.talk())["parties"][1]
    before = await face.written()
    options = {} if body is None else {"json": body}
    for user, device in (("jane", JANE.device_id), ("alex", ALEX)):
        given = {"json": {"deviceId": device}} if body is not None and "deviceId" in body else options
        answer = await face.request(method, path_of(callee) + what, user, **given)
        assert (answer.status, answer.code) == (403, "TAS-106")
    mallorys = {"json": {"deviceId": "307ae66a-ab85-43a3-9125-773d136d8b1f"}}
    given = mallorys if body is not None and "deviceId" in body else options
    answer = await face.request(method, path_of(callee) + what, "mallory", **given)
    assert (answer.status, answer.code) == (404, "CMN-102")
    assert await face.written() == before


@pytest.mark.parametrize(("method", "what", "body"), OPERATIONS)
async def test_an_ended_party_takes_nothing(face: Face, method: str, what: str, body: Any) -> None:
    """Once it is disconnected, everything is the wrong state."""
    session = await face.talk()
    caller = session["parties"][0]
    await face.request("DELETE", f"/telephony/sessions/{session['id']}")
    before = await face.written()
    options = {} if body is None else {"json": body}
    answer = await face.request(method, path_of(caller) + what, **options)
    assert (answer.status, answer.code) == (409, "TAS-106")
    assert await face.written() == before
