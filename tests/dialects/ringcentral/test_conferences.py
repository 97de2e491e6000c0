from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.ringcentral.calls import HEX
from tests.dialects.ringcentral.face import Face, path_of
from tests.dialects.ringcentral.office import (
    Party,
    codes,
    conferring,
    inbound,
    session_id,
    session_path,
)


async def placed(face: Face) -> Party:
    """Have jane place a conference; return her party, which is in it."""
    answer = await face.post("/telephony/conference")
    assert answer.status == 201, answer.body
    [host] = (await face.get(f"/telephony/sessions/{answer.body['session']['id']}")).body["parties"]
    return dict(host)


async def bring(face: Face, host: Party, party: Party, name: str = "sessionId", user: str = "jane") -> Any:
    """Bring a call into a conference."""
    body = {name: session_id(party), "partyId": party["id"]}
    return await face.post(f"{session_path(host)}/parties/bring-in", body, user)


@pytest.mark.parametrize("body", [None, {}])
async def test_placing_a_conference(face: Face, body: Any) -> None:
    """It is answered wrapped, with its token and before anybody is in; its host is there at once."""
    answer = await face.post("/telephony/conference", body)
    assert (answer.status, list(answer.body)) == (201, ["session"])
    session = answer.body["session"]
    assert (session["origin"], session["parties"]) == ({"type": "Conference"}, [])
    assert session["voiceCallToken"].startswith("conf_")
    shown = (await face.get(f"/telephony/sessions/{session['id']}")).body
    [host] = shown["parties"]
    assert {**shown, "parties": []} == session
    assert (host["conferenceRole"], host["to"]) == ("Host", {"phoneNumber": "conference"})
    assert (host["status"], host["direction"]) == ({"code": "Answered"}, "Outbound")
    assert await face.trace(session["id"]) == ["2 p-1 Outbound 210 Setup", "3 p-1 Outbound 210 Answered"]
    told = (await face.notifications(session["id"]))[-1]["body"]
    assert (told["sessionId"], told["origin"]) == ("0", {"type": "Conference"})


async def test_who_has_no_phone_holds_no_conference(face: Face) -> None:
    """The host is in it by a phone."""
    answer = await face.post("/telephony/conference", {}, "admin")
    assert (answer.status, answer.code) == (403, "TAS-106")


@pytest.mark.parametrize("name", ["sessionId", "telephonySessionId"])
@pytest.mark.parametrize("named", ["own", "other"])
async def test_bringing_a_call_in(face: Face, name: str, named: str) -> None:
    """Whom the user talks to comes into the conference; the user's party there is gone to it."""
    own, callee = (await face.talk())["parties"]
    host = await placed(face)
    answer = await bring(face, host, own if named == "own" else callee, name)
    assert (answer.status, answer.body["conferenceRole"]) == (201, "Participant")
    assert (answer.body["to"]["phoneNumber"], answer.body["status"]) == ("200", {"code": "Answered"})
    assert session_id(answer.body) == session_id(host)
    assert await codes(face, host) == ["Answered", "Answered"]
    assert await codes(face, own) == ["Gone Conference", "Gone Conference"]
    assert (await face.party(own))["status"]["peerId"] == {
        "sessionId": "0",
        "telephonySessionId": session_id(host),
        "partyId": host["id"],
    }
    assert (await face.trace(session_id(own)))[5:] == [
        "7 p-1 Outbound 210 Gone Conference",
        "8 p-1 Outbound 210 Disconnected Conference",
        "9 p-2 Inbound 200 Gone Conference",
        "10 p-2 Inbound 200 Disconnected Conference",
    ]
    assert (await face.trace(session_id(host)))[-1] == "4 p-2 Inbound 200 Answered"


async def test_only_the_host_brings_calls_in(face: Face) -> None:
    """Who takes part in another's conference is not its host."""
    own = (await face.talk())["parties"][0]
    host = await placed(face)
    assert (await bring(face, host, own)).status == 201
    _, johns = await inbound(face, "john")
    answer = await bring(face, host, johns, user="john")
    assert (answer.status, answer.code) == (403, "TAS-106")


async def test_a_conference_of_several_calls(face: Face) -> None:
    """It grows call by call, and goes on when one leaves; its host stays also alone."""
    host = await placed(face)
    _, outside = await inbound(face)
    assert (await face.ask(outside, "hold")).status == 200
    first = (await face.talk())["parties"][0]
    for party in (outside, first):
        assert (await bring(face, host, party)).status == 201
    parties = (await face.get(session_path(host))).body["parties"]
    assert [party["conferenceRole"] for party in parties] == ["Host", "Participant", "Participant"]
    for party in parties[1:]:
        assert (await face.request("DELETE", path_of(party))).status == 204
    assert await codes(face, host) == ["Answered", "Disconnected", "Disconnected"]
    assert (await face.request("DELETE", path_of(host))).status == 204
    assert await codes(face, host) == ["Disconnected"] * 3


async def test_a_conference_is_not_recorded(face: Face) -> None:
    """Recording it is refused."""
    assert (await face.ask(await placed(face), "recordings")).status == 409


async def test_a_conference_has_room_for_ten(face: Face) -> None:
    """One more is refused, and keeps talking to the host."""
    host = await placed(face)
    for _ in range(9):
        _, own = await inbound(face)
        assert (await bring(face, host, own)).status == 201
    _, own = await inbound(face)
    answer = await bring(face, host, own)
    assert (answer.status, answer.code) == (409, "TAS-106")
    assert (await face.party(own))["status"] == {"code": "Answered"}


@pytest.mark.parametrize(
    ("change", "status", "parameter"),
    [
        ({"partyId": None}, 400, "partyId"),
        ({"sessionId": None}, 400, "sessionId"),
        ({"sessionId": f"s-{HEX}"}, 404, "sessionId"),
        ({"telephonySessionId": f"s-{HEX}"}, 404, "telephonySessionId"),
        ({"partyId": f"p-{HEX}-1"}, 404, "partyId"),
    ],
)
async def test_what_cannot_be_found_is_not_brought_in(
    face: Face, change: dict[str, Any], status: int, parameter: str
) -> None:
    """The body names a party of another session."""
    own = (await face.talk())["parties"][0]
    host = await placed(face)
    body = {"sessionId": session_id(own), "partyId": own["id"], **change}
    answer = await face.post(f"{session_path(host)}/parties/bring-in", body)
    assert (answer.status, answer.body["parameterName"]) == (status, parameter)


async def test_what_is_not_ones_own_is_not_brought_in(face: Face) -> None:
    """Neither into another's conference, nor another's call; nor into what is no conference."""
    own, callee = (await face.talk())["parties"]
    host = await placed(face)
    assert (await bring(face, host, callee, user="john")).status == 403
    _, theirs = await inbound(face, "alex")
    assert (await bring(face, host, theirs)).status == 403
    _, other = await inbound(face)
    answer = await bring(face, own, other)
    assert (answer.status, answer.code) == (409, "TAS-106")
    answer = await bring(face, host, host)
    assert (answer.status, answer.body["parameterName"]) == (400, "partyId")
    dialled = (await face.call_out("jane", extensionNumber="220"))["parties"][0]
    assert (await bring(face, host, dialled)).status == 409
    await face.request("DELETE", session_path(own))
    assert (await bring(face, host, own)).status == 409
    assert (await face.request("DELETE", session_path(host))).status == 204
    assert (await bring(face, host, other)).status == 409


async def test_a_host_removes_a_participant(face: Face) -> None:
    """A conference shows who is its host; who takes part cannot remove others."""
    session, parties = await conferring(face)
    assert [party["conferenceRole"] for party in parties] == ["Host", "Participant", "Participant"]
    answer = await face.request("DELETE", path_of(parties[2]), "john")
    assert (answer.status, answer.code) == (403, "TAS-106")
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
    assert (await face.request("DELETE", path_of(caller))).status == 403
    assert (await face.request("DELETE", path_of(callee))).status == 403


async def test_ending_a_session(face: Face) -> None:
    """Either side ends the call for both, a conference for everybody; what has ended is not found."""
    session = await face.talk()
    path = f"/telephony/sessions/{session['id']}"
    assert (await face.request("DELETE", path, "alex")).status == 403
    assert (await face.request("DELETE", path, "admin")).status == 403
    answer = await face.request("DELETE", path, "john", json={})
    assert (answer.status, answer.body) == (204, None)
    codes = [party["status"] for party in (await face.get(path)).body["parties"]]
    assert codes == [{"code": "Disconnected"}] * 2
    answer = await face.request("DELETE", path, "john")
    assert (answer.status, answer.code) == (404, "CMN-102")
