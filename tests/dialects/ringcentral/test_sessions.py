from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.ringcentral.calls import HEX, JANE, JOHN
from tests.dialects.ringcentral.face import Face

OUTSIDE = "+12025550123"


async def test_a_call_out_between_users(face: Face) -> None:
    """The new session is answered wrapped; its parties are what the switch made at once."""
    answer = await face.post(
        "/telephony/call-out", {"from": {"deviceId": JANE.device_id}, "to": {"extensionNumber": "200"}}
    )
    assert answer.status == 201
    assert list(answer.body) == ["session"]
    session = answer.body["session"]
    assert [party["status"]["code"] for party in session["parties"]] == ["Answered", "Proceeding"]
    assert [party["owner"]["extensionId"] for party in session["parties"]] == ["400100000210", "400100000200"]
    caller = session["parties"][0]
    assert (caller["from"]["deviceId"], caller["to"]["phoneNumber"]) == (JANE.device_id, "200")


async def test_a_call_out_to_the_public_network(face: Face) -> None:
    """The callee's party belongs to nobody of ours."""
    session = await face.call_out(device=JANE.device_id or "", phoneNumber=OUTSIDE)
    caller, callee = session["parties"]
    assert callee["to"] == {"phoneNumber": OUTSIDE}
    assert "owner" not in callee
    assert caller["direction"], callee["direction"] == ("Outbound", "Inbound")


@pytest.mark.parametrize(
    ("body", "status", "parameter"),
    [
        ({}, 400, "from"),
        ({"from": {"deviceId": JANE.device_id}}, 400, "to"),
        ({"from": "x", "to": {"phoneNumber": OUTSIDE}}, 400, "from"),
        ({"from": {}, "to": {"phoneNumber": OUTSIDE}}, 400, "from"),
        ({"from": {"deviceId": None}, "to": {"phoneNumber": OUTSIDE}}, 400, "from"),
        ({"from": {"deviceId": {}}, "to": {"phoneNumber": OUTSIDE}}, 400, "from.deviceId"),
        ({"from": {"deviceId": "a", "extensionId": "b"}, "to": {"phoneNumber": OUTSIDE}}, 400, "from"),
        ({"from": {"deviceId": "a"}, "to": {"phoneNumber": OUTSIDE}}, 404, "from.deviceId"),
        ({"from": {"deviceId": JOHN.device_id}, "to": {"phoneNumber": OUTSIDE}}, 404, "from.deviceId"),
        ({"from": {"deviceId": JANE.device_id}, "to": {}}, 400, "to"),
        (
            {"from": {"deviceId": JANE.device_id}, "to": {"phoneNumber": "200", "extensionNumber": "200"}},
            400,
            "to",
        ),
        ({"from": {"deviceId": JANE.device_id}, "to": {"extensionNumber": "999"}}, 400, "to"),
        ({"from": {"deviceId": JANE.device_id}, "to": {"phoneNumber": "nobody"}}, 400, "to"),
        ({"from": {"deviceId": JANE.device_id}, "to": {"extensionNumber": "210"}}, 400, "to"),
    ],
)
async def test_a_call_out_that_cannot_be_placed(
    face: Face, body: dict[str, Any], status: int, parameter: str
) -> None:
    """What is wrong is named, and no call is left behind."""
    await face.token("jane")
    before = await face.written()
    answer = await face.post("/telephony/call-out", body)
    assert (answer.status, answer.body["parameterName"]) == (status, parameter)
    assert answer.code == {400: "CMN-101", 404: "CMN-102"}[status]
    assert await face.written() == before


async def test_an_extension_calls_from_its_own_device_only(face: Face) -> None:
    """``extensionId`` in place of a device means the user's first one, and nobody else's."""
    assert await face.call_out("jane", extensionNumber="200")
    body = {"from": {"extensionId": "400100000200"}, "to": {"phoneNumber": OUTSIDE}}
    answer = await face.post("/telephony/call-out", body)
    assert (answer.status, answer.code) == (403, "TAS-106")
    body = {"from": {"extensionId": "400100000001"}, "to": {"phoneNumber": OUTSIDE}}
    assert (await face.post("/telephony/call-out", body, "admin")).code == "CMN-101"


async def test_reading_a_session_and_its_parties(face: Face) -> None:
    """The session is answered bare; each of its parties is answered alone as it is in it."""
    session = await face.call_out("jane", extensionNumber="200")
    path = f"/telephony/sessions/{session['id']}"
    for user in ("jane", "john", "admin"):
        answer = await face.get(path, user)
        assert (answer.status, answer.body) == (200, session)
    for party in session["parties"]:
        answer = await face.get(f"{path}/parties/{party['id']}")
        assert (answer.status, answer.body) == (200, party)


async def test_who_is_not_in_a_call_cannot_read_it(face: Face) -> None:
    """Another user of the account is refused; for another account's user there is no such call."""
    session = await face.call_out("jane", extensionNumber="200")
    path = f"/telephony/sessions/{session['id']}"
    party = f"{path}/parties/{session['parties'][0]['id']}"
    for one in (path, party):
        answer = await face.get(one, "alex")
        assert (answer.status, answer.code) == (403, "TAS-106")
        answer = await face.get(one, "mallory")
        assert (answer.status, answer.code) == (404, "CMN-102")


@pytest.mark.parametrize("session", [f"s-{HEX}", "s-1", "x", "%F0%9F%8D%95", "s-" + "0" * 5000])
async def test_a_session_that_is_not_there(face: Face, session: str) -> None:
    """An unknown id and one that cannot be an id are not found."""
    answer = await face.get(f"/telephony/sessions/{session}")
    assert (answer.status, answer.code) == (404, "CMN-102")
    assert answer.body["parameterName"] == "telephonySessionId"


async def test_a_party_that_is_not_there(face: Face) -> None:
    """A session has the parties it shows."""
    session = await face.call_out("jane", extensionNumber="200")
    answer = await face.get(f"/telephony/sessions/{session['id']}/parties/p-{HEX}-1")
    assert (answer.status, answer.body["parameterName"]) == (404, "partyId")


@pytest.mark.parametrize("account", ["400100000001", "~"])
async def test_the_own_account_has_two_names(face: Face, account: str) -> None:
    """``~`` and the account's id are the same."""
    session = await face.call_out("jane", extensionNumber="200")
    path = f"/restapi/v1.0/account/{account}/telephony/sessions/{session['id']}"
    assert (await face.get(path)).body == session
    assert (await face.get(f"{path}/")).body == session


@pytest.mark.parametrize("account", ["400200000001", "1", "b11d749b-8eb7-4236-a068-3d94ba3860d6"])
async def test_another_account_is_not_found(face: Face, account: str) -> None:
    """Nobody reaches another account, nor one's own by another id."""
    answer = await face.get(f"/restapi/v1.0/account/{account}/telephony/sessions/s-{HEX}")
    assert (answer.status, answer.code, answer.body["parameterName"]) == (404, "CMN-102", "accountId")


async def test_a_path_that_is_not_there(face: Face) -> None:
    """Unknown paths and methods are answered in the dialect's own form, with or without a token."""
    async with face.client.get("/restapi/v1.0/nothing") as response:
        assert (response.status, (await response.json())["errorCode"]) == (404, "CMN-120")
    async with face.client.put("/restapi/oauth/token") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
