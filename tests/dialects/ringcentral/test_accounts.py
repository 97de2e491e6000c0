from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.ringcentral.calls import ACCOUNT, JANE, OUTSIDE
from tests.dialects.ringcentral.face import Face

BASE = "http://127.0.0.1:8080/restapi/v1.0/account/400100000001"
JANES = "400100000210"
JOHNS = "400100000200"


async def test_an_extension(face: Face) -> None:
    """Clients learn from it who they are: numbers for its id, text for everything else."""
    shown = (await face.get("/extension/~")).body
    assert (shown["id"], shown["extensionNumber"], shown["name"]) == (400100000210, "210", "Jane Doe")
    assert shown["account"]["id"] == "400100000001"
    assert shown["uri"] == f"{BASE}/extension/{JANES}"
    assert (await face.get(f"/extension/{JANES}")).body == shown


async def test_devices_of_an_extension(face: Face) -> None:
    """A device has the id by which calls are placed from it, and the list is paged."""
    answer = await face.get("/extension/~/device")
    [device] = answer.body["records"]
    assert (device["id"], device["status"], device["type"]) == (JANE.device_id, "Online", "SoftPhone")
    assert device["extension"]["extensionNumber"] == "210"
    assert answer.body["paging"]["totalElements"] == 1
    assert answer.body["navigation"]["firstPage"]["uri"].startswith(f"{answer.body['uri']}?page=1")


@pytest.mark.parametrize("path", ["", "/device", "/presence", "/active-calls"])
async def test_extensions_are_their_users_and_admins_to_read(face: Face, path: str) -> None:
    """An agent reads the own one, an admin any of the account, nobody one of another account."""
    assert (await face.get(f"/extension/{JANES}{path}", "admin")).status == 200
    assert (await face.get(f"/extension/{JANES}{path}", "jane")).status == 200
    answer = await face.get(f"/extension/{JANES}{path}", "john")
    assert (answer.status, answer.body["errorCode"], answer.code) == (
        403,
        "InsufficientPermissions",
        "CMN-408",
    )
    for extension, user in ((JANES, "mallory"), ("400200000210", "admin"), ("1", "jane"), ("x", "jane")):
        answer = await face.get(f"/extension/{extension}{path}", user)
        assert (answer.status, answer.code, answer.body["parameterName"]) == (404, "CMN-102", "extensionId")


async def test_presence_of_a_user_without_a_call(face: Face) -> None:
    """Nobody calls: available, and no list of calls unless it is asked for."""
    shown = (await face.get("/extension/~/presence")).body
    assert shown["extension"] == {
        "uri": f"{BASE}/extension/{JANES}", "id": 400100000210, "extensionNumber": "210",
    }  # fmt: skip
    assert (shown["presenceStatus"], shown["telephonyStatus"]) == ("Available", "NoCall")
    assert (shown["userStatus"], shown["dndStatus"]) == ("Available", "TakeAllCalls")
    assert "activeCalls" not in shown
    assert (await _presence(face))["activeCalls"] == []


async def test_presence_while_a_call_comes_about(face: Face) -> None:
    """The callee rings, the caller is connected; each call leads to its session and party."""
    session = await face.call_out("jane", extensionNumber="200")
    [callers] = (await _presence(face))["activeCalls"]
    shown = await _presence(face, "john")
    [callees] = shown["activeCalls"]
    assert (shown["presenceStatus"], shown["telephonyStatus"]) == ("Busy", "Ringing")
    assert callees == {
        "id": session["id"],
        "direction": "Inbound",
        "from": "210",
        "fromName": "Jane Doe",
        "to": "200",
        "toName": "John Doe",
        "telephonyStatus": "Ringing",
        "sessionId": callees["sessionId"],
        "startTime": "2025-11-21T09:30:04.218Z",
        "partyId": session["parties"][1]["id"],
        "telephonySessionId": session["id"],
        "sipData": {
            "toTag": "blf", "fromTag": session["parties"][1]["id"], "remoteUri": "-", "localUri": "-",
        },
    }  # fmt: skip
    assert (callers["direction"], callers["telephonyStatus"]) == ("Outbound", "CallConnected")
    assert callers["partyId"] == session["parties"][0]["id"]
    assert callers["id"] != session["id"]
    assert callers["sipData"]["toTag"] != "blf"


async def test_what_presence_lists_is_asked_for(face: Face) -> None:
    """Calls come with ``detailedTelephonyState``, SIP data with ``sipData``, which implies the calls."""
    await face.call_out("jane", extensionNumber="200")
    detailed = (await face.get("/extension/~/presence?detailedTelephonyState=true")).body
    assert "sipData" not in detailed["activeCalls"][0]
    assert "sipData" in (await face.get("/extension/~/presence?sipData=true")).body["activeCalls"][0]
    assert "activeCalls" not in (await face.get("/extension/~/presence?sipData=false")).body
    answer = await face.get("/extension/~/presence?sipData=maybe")
    assert (answer.status, answer.body["parameterName"]) == (400, "sipData")


async def test_presence_lists_the_latest_calls(face: Face) -> None:
    """Of many calls the last seven are shown."""
    sessions = []
    for _ in range(9):
        face.clock.now += 1000
        sessions.append(await face.call_out("jane", extensionNumber="200"))
    shown = await _presence(face)
    assert [call["telephonySessionId"] for call in shown["activeCalls"]] == [
        one["id"] for one in sessions[2:]
    ]


async def test_presence_of_an_account(face: Face) -> None:
    """An admin sees every extension, with its calls; agents do not."""
    await face.call_out("jane", extensionNumber="200")
    shown = (await face.get("/presence?detailedTelephonyState=true", "admin")).body
    told = {one["extension"]["extensionNumber"]: one["telephonyStatus"] for one in shown["records"]}
    assert told == {"210": "CallConnected", "200": "Ringing", "220": "NoCall", "": "NoCall"}
    assert (await face.get("/presence")).status == 403


async def test_active_calls(face: Face) -> None:
    """Live calls read as call log records: an agent's own, for an admin all; filtered by direction."""
    session = await face.call_out("jane", extensionNumber="200")
    await face.control.simulate_inbound(ACCOUNT, OUTSIDE.number, "220")
    face.clock.now += 2500
    [record] = (await face.get("/extension/~/active-calls")).body["records"]
    assert record["telephonySessionId"] == session["id"]
    assert (record["direction"], record["result"], record["duration"]) == ("Outbound", "In Progress", 2)
    assert record["from"] == {"phoneNumber": "210", "name": "Jane Doe", "extensionId": JANES}
    everybody = (await face.get("/active-calls", "admin")).body["records"]
    assert [one["extension"]["id"] for one in everybody] == [400100000210, 400100000200, 400100000220]
    inbound = (await face.get("/active-calls?direction=Inbound", "admin")).body["records"]
    assert [one["direction"] for one in inbound] == ["Inbound", "Inbound"]
    assert (await face.get("/active-calls?direction=Up", "admin")).status == 400
    assert (await face.get("/active-calls")).status == 403


async def test_lists_come_in_pages(face: Face) -> None:
    """``page`` and ``perPage`` choose, and the answer tells where the others are."""
    first = (await face.get("/presence?perPage=3", "admin")).body
    assert [len(first["records"]), first["paging"]["totalPages"], first["paging"]["pageEnd"]] == [3, 2, 2]
    assert first["navigation"]["nextPage"]["uri"] == f"{BASE}/presence?page=2&perPage=3"
    last = (await face.get("/presence?perPage=3&page=2", "admin")).body
    assert (len(last["records"]), list(last["navigation"])) == (1, ["firstPage", "lastPage", "previousPage"])
    beyond = (await face.get("/presence?page=9", "admin")).body
    assert (beyond["records"], "pageStart" in beyond["paging"]) == ([], False)


@pytest.mark.parametrize("query", ["page=0", "page=x", "perPage=1001", "perPage=-1", "page=", "page=%D9%A1"])
async def test_a_page_that_cannot_be_asked_for(face: Face, query: str) -> None:
    """Pages are counted from 1, and hold a bounded number of records."""
    answer = await face.get(f"/presence?{query}", "admin")
    assert (answer.status, answer.body["parameterName"]) == (400, query.partition("=")[0])


async def _presence(face: Face, user: str = "jane") -> dict[str, Any]:
    answer = await face.get("/extension/~/presence?detailedTelephonyState=true&sipData=true", user)
    return dict(answer.body)
