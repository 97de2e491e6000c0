"""Notifications of presence: what a user does on the telephone, as each filter asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from relay.calls.devices import DoNotDisturb
from relay.directory.model import Principal
from tests.dialects.ringcentral.calls import ACCOUNT, DIRECTORY, JANE
from tests.dialects.ringcentral.conftest import StartOwner
from tests.dialects.ringcentral.face import Face
from tests.dialects.ringcentral.hooks import Hooks
from tests.waiting import eventually

EVERY = "/restapi/v1.0/subscription"
OWN = "/restapi/v1.0/account/~/extension/~/presence"
JANES = "/restapi/v1.0/account/400100000001/extension/400100000210/presence"
JOHNS = "/restapi/v1.0/account/400100000001/extension/400100000200/presence"

Follow = Callable[..., Awaitable[str]]


@pytest.fixture
async def follow(face: Face, hooks: Hooks, start_owner: StartOwner) -> Follow:
    """Give a function that subscribes filters and returns the path of their endpoint."""
    await start_owner()

    async def following(*filters: str, user: str = "jane") -> str:
        path = f"/{len(hooks.handshakes)}"
        asked = {
            "eventFilters": filters,
            "deliveryMode": {"transportType": "WebHook", "address": hooks.url(path)},
        }
        answer = await face.post(EVERY, asked, user)
        assert answer.status == 200, answer.body
        return path

    return following


async def told(hooks: Hooks, path: str, count: int) -> list[dict[str, Any]]:
    """Return what an endpoint was told, once that is so much."""
    await eventually(lambda: len(hooks.events(path)) >= count)
    found = hooks.events(path)
    assert len(found) == count, found
    return found


async def quiet(face: Face, *, on: bool, user: str = "jane", device: str = JANE.device_id or "") -> None:
    """Let a user take no calls, or take them again."""
    found = next(one for one in DIRECTORY.users(ACCOUNT) if one.login == user)
    await face.control.set_device(Principal(ACCOUNT, found), device_id=device, action=DoNotDisturb(on=on))


async def test_a_call_is_told_from_ringing_to_its_end(face: Face, hooks: Hooks, follow: Follow) -> None:
    """Each change of the callee's comes with the calls there are then; the ended one is listed once more."""
    path = await follow(f"{OWN}?detailedTelephonyState=true&sipData=true", user="john")
    session = await face.talk()
    caller, callee = session["parties"]
    await face.ask(callee, "hold", user="john")
    await face.request("DELETE", f"/telephony/sessions/{session['id']}", "john")
    events = await told(hooks, path, 4)
    assert {event["event"] for event in events} == {f"{JOHNS}?detailedTelephonyState=true&sipData=true"}
    assert {event["ownerId"] for event in events} == {"400100000200"}
    bodies = [event["body"] for event in events]
    assert [
        (body["presenceStatus"], body["telephonyStatus"], body["totalActiveCalls"]) for body in bodies
    ] == [
        ("Busy", "Ringing", 1),
        ("Busy", "CallConnected", 1),
        ("Busy", "OnHold", 1),
        ("Available", "NoCall", 0),
    ]
    assert [body["sequence"] for body in bodies] == [1, 2, 3, 4]
    calls = [call for body in bodies for call in body["activeCalls"]]
    assert [call["telephonyStatus"] for call in calls] == ["Ringing", "CallConnected", "OnHold", "NoCall"]
    assert [call.get("terminationType") for call in calls] == [None, None, None, "final"]
    assert {call["telephonySessionId"] for call in calls} == {session["id"]}
    assert {call["partyId"] for call in calls} == {callee["id"]}
    assert [call["id"] == session["id"] for call in calls] == [True, False, False, True]
    assert calls[0]["sipData"]["fromTag"] == callee["id"] != caller["id"]
    assert calls[1]["sipData"]["toTag"] != "blf"


async def test_what_is_told_is_what_is_read(face: Face, hooks: Hooks, follow: Follow) -> None:
    """The states and calls of a notification are those of the presence that is read then."""
    query = "detailedTelephonyState=true&sipData=true"
    path = await follow(f"{OWN}?{query}", user="john")
    await face.talk()
    told_last = (await told(hooks, path, 2))[-1]["body"]
    read = (await face.get(f"/extension/~/presence?{query}", "john")).body
    assert {name: read[name] for name in read if name not in ("uri", "extension")} == {
        name: told_last[name]
        for name in told_last
        if name not in ("extensionId", "sequence", "totalActiveCalls")
    }


@pytest.mark.parametrize("conference", [True, False])
async def test_every_face_of_a_call_has_the_same_session_id(
    face: Face, hooks: Hooks, follow: Follow, *, conference: bool
) -> None:
    """Presence, its notifications, active calls and call notifications agree: 0 is a conference's."""
    path = await follow(f"{OWN}?detailedTelephonyState=true")
    if conference:
        await face.post("/telephony/conference")
    else:
        await face.call_out("jane", extensionNumber="200")
    [event] = await told(hooks, path, 1)
    read = (await face.get("/extension/~/presence?detailedTelephonyState=true")).body
    [listed] = (await face.get("/extension/~/active-calls")).body["records"]
    [calls, *_] = await face.notifications()
    session_id = calls["body"]["sessionId"]
    assert (session_id == "0") is conference
    assert [call["sessionId"] for call in (*event["body"]["activeCalls"], *read["activeCalls"], listed)] == [
        session_id
    ] * 3


async def test_each_filter_is_told_in_its_own_detail(face: Face, hooks: Hooks, follow: Follow) -> None:
    """Calls, and their SIP data, come where they are asked for; the most that one subscription asks for."""
    plain, detailed = await follow(OWN), await follow(f"{OWN}?detailedTelephonyState=true")
    both = await follow(OWN, f"{OWN}?sipData=true", OWN)
    await face.call_out("jane", extensionNumber="200")
    [one] = await told(hooks, plain, 1)
    assert (one["event"], "activeCalls" in one["body"]) == (JANES, False)
    [one] = await told(hooks, detailed, 1)
    assert one["event"] == f"{JANES}?detailedTelephonyState=true"
    assert "sipData" not in one["body"]["activeCalls"][0]
    [one] = await told(hooks, both, 1)
    assert one["event"] == f"{JANES}?sipData=true"
    assert "sipData" in one["body"]["activeCalls"][0]


async def test_an_admin_is_told_of_every_extension(face: Face, hooks: Hooks, follow: Follow) -> None:
    """The account's presence is that of its extensions, each on its own path; nobody else sees it."""
    path = await follow("/restapi/v1.0/account/~/presence", user="admin")
    other = await follow(OWN, user="alex")
    await face.call_out("jane", extensionNumber="200")
    events = await told(hooks, path, 2)
    assert [(event["event"], event["body"]["extensionId"]) for event in events] == [
        (JANES, "400100000210"),
        (JOHNS, "400100000200"),
    ]
    assert hooks.events(other) == []


async def test_do_not_disturb_is_told_and_read(face: Face, hooks: Hooks, follow: Follow) -> None:
    """A user whose devices take no calls is busy, and says why."""
    path = await follow(OWN)
    await quiet(face, on=True)
    assert (await face.get("/extension/~/presence")).body["dndStatus"] == "DoNotAcceptAnyCalls"
    shown = (await face.get("/presence", "admin")).body["records"]
    assert [one["dndStatus"] for one in shown].count("DoNotAcceptAnyCalls") == 1
    await quiet(face, on=False)
    bodies = [event["body"] for event in await told(hooks, path, 2)]
    assert [(body["dndStatus"], body["presenceStatus"], body["telephonyStatus"]) for body in bodies] == [
        ("DoNotAcceptAnyCalls", "Busy", "NoCall"),
        ("TakeAllCalls", "Available", "NoCall"),
    ]
    assert (await face.get("/extension/~/presence")).body["dndStatus"] == "TakeAllCalls"


async def test_the_latest_calls_are_listed(face: Face, hooks: Hooks, follow: Follow) -> None:
    """Of many calls seven are told, and how many there are."""
    path = await follow(f"{OWN}?detailedTelephonyState=true")
    sessions = []
    for _ in range(9):
        face.clock.now += 1000
        sessions.append((await face.call_out("jane", extensionNumber="200"))["id"])
    last = (await told(hooks, path, 9))[-1]["body"]
    assert [call["telephonySessionId"] for call in last["activeCalls"]] == sessions[2:]
    assert last["totalActiveCalls"] == 9


async def test_presence_and_telephony_come_side_by_side(face: Face, hooks: Hooks, follow: Follow) -> None:
    """One subscription may follow both; SIP data that one asks for is not the other's."""
    telephony = JANES.replace("/presence", "/telephony/sessions")
    path = await follow(telephony, f"{OWN}?sipData=true")
    await face.call_out("jane", extensionNumber="200")
    await eventually(lambda: len(hooks.events(path)) >= 3)
    events = hooks.events(path)
    assert {event["event"] for event in events} == {telephony, f"{JANES}?sipData=true"}
    parties = [event["body"]["parties"][0] for event in events if event["event"] == telephony]
    assert parties
    assert not any("sipData" in party for party in parties)
