"""The states of agents over HTTP: entered by operations, listed, and shown alike wherever they are read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.gws.conftest import Serve
from tests.dialects.gws.face import BASE, JANES, Face

VOICE = "/me/channels/voice"
OFFLINE = {"id": "0F7F5003-EF26-4D13-A6Ef-D0C7EC819BEB", "displayName": "Offline", "state": "LoggedOut"}
READY = {"id": "9430250E-0A1B-421F-B372-F29E69366DED", "displayName": "Ready", "state": "Ready"}
NOT_READY = {"id": "900D55CC-2BB0-431F-8BF9-D3525B383BE6", "displayName": "Not Ready", "state": "NotReady"}
AFTER_CALL_WORK = {
    "id": "D3663509-3D82-4DD3-A82E-2EA8EFA02AEF",
    "displayName": "AfterCallWork",
    "state": "NotReady",
    "workMode": "AfterCallWork",
}
AUX_WORK = {
    "id": "2B36138D-C564-4562-A8CB-3C32D564F296",
    "displayName": "AuxWork",
    "state": "NotReady",
    "workMode": "AuxWork",
}
START = {"operationName": "StartContactCenterSession", "channels": ["voice"]}


async def state(face: Face, user: str = "jane") -> dict[str, Any]:
    """Return the state a user is in, as their channel shows it."""
    answer = await face.get(VOICE, user)
    assert answer.body["channel"]["channel"] == "voice"
    found: dict[str, Any] = answer.body["channel"]["userState"]
    return found


@pytest.mark.parametrize("path", [VOICE, f"{VOICE}/", "/me"])
@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("Ready", {}, READY),
        ("NotReady", {}, NOT_READY),
        ("NotReady", {"reason": None}, NOT_READY),
        ("NotReady", {"reason": "Lunch"}, {**NOT_READY, "reason": "Lunch"}),
        ("AfterCallWork", {"wrapUpTime": "0"}, AFTER_CALL_WORK),
        ("AuxWork", {}, AUX_WORK),
        ("Offline", {}, OFFLINE),
    ],
)
async def test_each_operation_leads_to_its_state(
    face: Face, path: str, name: str, parameters: dict[str, Any], expected: dict[str, Any]
) -> None:
    """At the channel, or for all channels at the user as older clients ask; asked again it stays."""
    for _ in range(2):
        assert await face.operate(path, name, **parameters) == (200, 0, {"statusCode": 0})
        assert await state(face) == expected
    assert await state(face, "john") == OFFLINE


async def test_a_session_begins_not_ready_and_ends_logged_out(face: Face) -> None:
    """A page that is loaded again starts its session again, and its agent stays as they were."""
    assert await state(face) == OFFLINE
    assert (await face.post("/me", START)).code == 0
    assert await state(face) == NOT_READY
    await face.operate(VOICE, "Ready")
    assert (await face.post("/me", START)).code == 0
    assert await state(face) == READY
    assert (await face.operate("/me", "EndContactCenterSession")).code == 0
    assert await state(face) == OFFLINE


async def test_a_session_without_voice_changes_no_state(face: Face) -> None:
    """What did not start leaves the agent where they were; with voice among others, voice starts."""
    assert (await face.post("/me", {**START, "channels": ["chat"]}))[:2] == (400, 10)
    assert await state(face) == OFFLINE
    assert (await face.post("/me", {**START, "channels": ["chat", "voice"]}))[:2] == (200, 7)
    assert await state(face) == NOT_READY


async def test_a_state_reads_the_same_everywhere(serve: Serve, face: Face) -> None:
    """At the channel, in lists, at the user and at their device, in every process."""
    other = await serve(face.journal)
    await face.operate(VOICE, "NotReady", reason="Lunch")
    away = {**NOT_READY, "reason": "Lunch"}
    channel = {"channel": "voice", "userState": away}
    for one in (face, other):
        assert (await one.get(VOICE)).body == {"statusCode": 0, "channel": channel}
        assert (await one.get("/me/channels?fields=*")).body["channels"] == [channel]
        assert (await one.get("/me?subresources=channels")).body["user"]["channels"] == [channel]
        assert (await one.get(f"/me/devices/{JANES}")).body["device"]["userState"] == away
        assert (await one.get(f"/devices/{JANES}", "admin")).body["device"]["userState"] == away
    assert (await face.get("/me/channels")).body["uris"] == [f"{BASE}/me/channels/voice"]
    assert (await face.get("/me/channels?fields=*&channel=chat")).body["channels"] == []
    assert (await face.get("/me/channels/chat"))[:2] == (404, 6)


async def test_the_listed_states_are_those_that_can_be_entered(face: Face) -> None:
    """Each has the operation that leads to it, and the id and name it then has."""
    listed = (await face.get("/settings/agent-states")).body["settings"]
    assert [one["state"] for one in listed] == ["Ready", "NotReady", "NotReady", "NotReady", "Logout"]
    for one in listed:
        assert (await face.operate(VOICE, one["operationName"])).code == 0
        entered = await state(face)
        for member in ("id", "displayName", "workMode"):
            assert entered.get(member) == one.get(member)


async def test_features_are_those_of_the_role(face: Face) -> None:
    """Supervision is for admins alone."""
    for user, features in (
        ("jane", {"api-voice", "api-voice-recording"}),
        ("admin", {"api-voice", "api-voice-recording", "api-supervisor-monitoring"}),
    ):
        shown = (await face.get("/me?subresources=features", user)).body["user"]["features"]
        assert {one["id"] for one in shown} == features
