from __future__ import annotations

import importlib.resources
from typing import Any

import pytest

from relay.directory.loading import parse
from tests.dialects.ringcentral.conftest import Serve
from tests.dialects.ringcentral.face import Answer, Face, path_of
from tests.dialects.ringcentral.office import ALEX, Party, inbound, session_id, session_path

JANES = {"agentExtensionId": "400100000210"}


@pytest.fixture
async def face(serve: Serve) -> Face:
    """Give RingCentral with the demo's people, where alex is one who may supervise."""
    text = importlib.resources.files("relay.directory").joinpath("demo.yaml").read_text(encoding="utf-8")
    before, found, after = text.partition("login: alex")
    return await serve(directory=parse(before + found + after.replace("[agent]", "[agent, admin]", 1), "d"))


async def supervise(face: Face, party: Party, *, whole: bool, user: str = "alex", **change: Any) -> Answer:
    """Have alex listen in to jane, named by her extension in a session, or by her party."""
    path = session_path(party) if whole else path_of(party)
    body = {"mode": "Listen", "supervisorDeviceId": ALEX, **JANES, **change}
    return await face.post(f"{path}/supervise", body, user)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"agentExtensionId": None, "agentExtensionNumber": "210"},
        {"autoAnswer": True, "mediaSDP": "sendOnly"},
        {
            "supervisorDeviceId": None,
            "deviceId": ALEX,
            "agentExtensionId": None,
            "extensionNumber": "210",
        },
    ],
)
async def test_listening_in(face: Face, *, whole: bool, change: dict[str, Any]) -> None:
    """The supervisor's own party joins, muted; today's names and the older ones are the same."""
    _, callee = await inbound(face)
    joined = await supervise(face, callee, whole=whole, **change)
    assert joined.status == 201
    party = joined.body
    assert (party["status"], party["direction"]) == (
        {"code": "Answered", "reason": "Supervising"},
        "Outbound",
    )
    assert (party["from"]["deviceId"], party["to"]["phoneNumber"]) == (ALEX, "210")
    assert (party["owner"]["extensionId"], party["muted"]) == ("400100000220", True)
    assert (await face.trace(session_id(callee)))[-1] == "7 p-3 Outbound 220 Answered Supervising"


async def test_who_is_listened_to_does_not_see_it(face: Face) -> None:
    """Only supervisors see the party of one who is heard by nobody."""
    _, callee = await inbound(face)
    party = (await supervise(face, callee, whole=True)).body
    for user, there in (("jane", 2), ("alex", 3), ("admin", 3)):
        assert len((await face.get(session_path(callee), user)).body["parties"]) == there
        assert (await face.get(path_of(party), user)).status == (404 if user == "jane" else 200)


async def test_leaving_a_supervised_call(face: Face) -> None:
    """The supervisor's party may be deleted, by its supervisor only; the call goes on."""
    _, callee = await inbound(face)
    party = (await supervise(face, callee, whole=False)).body
    assert (await face.request("DELETE", path_of(party))).status == 404
    assert (await face.request("DELETE", path_of(party), "alex")).status == 204
    assert (await face.party(callee))["status"] == {"code": "Answered"}
    assert (await supervise(face, callee, whole=True)).status == 201


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("change", "status", "parameter"),
    [
        ({"mode": None}, 400, "mode"),
        ({"mode": "Whisper"}, 400, "mode"),
        ({"mediaSDP": "none"}, 400, "mediaSDP"),
        ({"autoAnswer": "yes"}, 400, "autoAnswer"),
        ({"supervisorDeviceId": None}, 400, "supervisorDeviceId"),
        ({"deviceId": ALEX}, 400, "supervisorDeviceId"),
        ({"supervisorDeviceId": "x"}, 404, "supervisorDeviceId"),
        ({"agentExtensionId": None}, 400, "agentExtensionId"),
        ({"agentExtensionId": "1"}, 404, "agentExtensionId"),
        ({"agentExtensionId": None, "extensionNumber": "999"}, 404, "extensionNumber"),
    ],
)
async def test_a_supervision_that_cannot_begin(
    face: Face, *, whole: bool, change: dict[str, Any], status: int, parameter: str
) -> None:
    """What is wrong is named, and nobody joins."""
    _, callee = await inbound(face)
    refused = await supervise(face, callee, whole=whole, **change)
    assert (refused.status, refused.body["parameterName"]) == (status, parameter)
    assert len((await face.get(session_path(callee))).body["parties"]) == 2


async def test_who_is_supervised_is_in_the_call(face: Face) -> None:
    """An agent who is not cannot be listened to; a party is its own agent's."""
    caller, callee = await inbound(face)
    johns = {"agentExtensionId": "400100000200"}
    refused = await supervise(face, callee, whole=True, **johns)
    assert (refused.status, refused.body["parameterName"]) == (404, "agentExtensionId")
    for party, change in ((callee, johns), (caller, {})):
        refused = await supervise(face, party, whole=False, **change)
        assert (refused.status, refused.body["parameterName"]) == (400, "agentExtensionId")


@pytest.mark.parametrize("whole", [True, False])
async def test_when_and_by_whom_a_call_is_supervised(face: Face, *, whole: bool) -> None:
    """Once it is answered, by one supervisor at a time, who is nobody's colleague only."""
    _, ringing = await inbound(face, answered=False)
    assert (await supervise(face, ringing, whole=whole)).status == 409
    _, callee = await inbound(face)
    assert (await supervise(face, callee, whole=whole, user="jane")).status == 403
    assert (await supervise(face, callee, whole=whole, user="john")).status == 403
    assert (await supervise(face, callee, whole=whole, user="mallory")).status == 404
    assert (await supervise(face, callee, whole=whole)).status == 201
    assert (await supervise(face, callee, whole=whole)).status == 409
