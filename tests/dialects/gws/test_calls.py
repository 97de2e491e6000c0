from __future__ import annotations

from typing import Any

import pytest

from relay.dialects.gws.viewpoints import READABLE_AFTER_RELEASE
from tests.dialects.gws.face import ACCOUNT, BASE, JANES, JOHNS, Face

MALLORYS = "mallory"


@pytest.mark.parametrize("path", [f"/me/devices/{JANES}/calls", f"/devices/{JANES}/calls"])
@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("destination", [{"phoneNumber": "15002"}, "15002", "200", {"phoneNumber": "200"}])
async def test_dial_is_taken_at_both_uris(face: Face, path: str, slash: str, destination: Any) -> None:
    """Dial works at both documented URIs, to a number or an extension, given as an object or a string."""
    body = {"operationName": "Dial", "destination": destination, "location": None, "userData": None, "x": 1}
    assert await face.post(path + slash, body) == (200, 0, {"statusCode": 0})
    [call] = await face.calls()
    assert (call["state"], call["dnis"], call["uri"]) == ("Dialing", "15002", BASE + "/me" + call["path"])
    assert (await face.kinds())[0] == "dialing 15000"


async def test_a_call_from_dial_to_release(face: Face) -> None:
    """Caller and callee follow one call under one id, each by the own states, until it is released."""
    call = await face.dial()
    [ringing] = await face.calls("john")
    assert (ringing["state"], f"/me{ringing['path']}") == ("Ringing", call)
    assert ringing["deviceUri"] == f"{BASE}/devices/{JOHNS}"
    assert await face.operate(call, "Answer", "john") == (200, 0, {"statusCode": 0})
    assert [(await face.call(call, user))["state"] for user in ("jane", "john")] == ["Established"] * 2
    assert await face.operate(call, "Hangup") == (200, 0, {"statusCode": 0})
    for user in ("jane", "john", "admin"):
        released = await face.call(call, user)
        assert (released["state"], released["capabilities"]) == ("Released", [])
        assert await face.calls(user) == []
    assert (await face.kinds())[-2:] == ["ended 15000", "ended 15002"]


async def test_a_ringing_call_is_hung_up_by_who_is_called(face: Face) -> None:
    """Hangup is taken while Ringing, as clients send it: the call is released for both."""
    call = await face.dial()
    assert (await face.operate(call, "Hangup", "john")).code == 0
    assert (await face.call(call))["state"] == "Released"


async def test_user_data_is_attached_updated_and_deleted(face: Face) -> None:
    """User data given at Dial is kept, added to, overwritten and removed; an absent key needs no removing."""
    dial = {"operationName": "Dial", "destination": "15002", "userData": {"Segment": "Gold"}}
    await face.post(f"/me/devices/{JANES}/calls", dial)
    [made] = await face.calls()
    call = f"/me{made['path']}"
    steps: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
        ("AttachUserData", {"userData": {"case": {"id": 7}}}, {"Segment": "Gold", "case": {"id": 7}}),
        ("UpdateUserData", {"userData": {"Segment": "Iron"}}, {"Segment": "Iron", "case": {"id": 7}}),
        ("DeleteUserDataPair", {"key": "case"}, {"Segment": "Iron"}),
        ("DeleteUserDataPair", {"key": "absent"}, {"Segment": "Iron"}),
        ("DeleteUserData", {"keys": ["ignored"]}, None),
    ]
    for name, parameters, left in steps:
        assert (await face.operate(call, name, **parameters)).code == 0
        assert (await face.call(call)).get("userData") == left
    assert (await face.kinds()).count("user_data 15000") == 4


async def test_tones_are_sent_once_the_call_allows_it(face: Face) -> None:
    """SendDtmf is taken while Dialing and once Established, and refused while Ringing."""
    call = await face.dial()
    assert (await face.operate(call, "SendDtmf", digits="1")).code == 0
    assert (await face.operate(call, "SendDtmf", "john", digits="1"))[:2] == (400, 2)
    await face.operate(call, "Answer", "john")
    assert (await face.operate(call, "SendDtmf", "john", digits="42#*AD")).code == 0
    assert [kind for kind in await face.kinds() if "dtmf" in kind] == ["dtmf 15000", "dtmf 15002"]


async def test_lists_and_single_calls_follow_the_query(face: Face) -> None:
    """Without fields a list is of URIs; fields select members; values filter; a slash may end a path."""
    call = await face.dial()
    uri = f"{BASE}{call}"
    assert (await face.get("/me/calls/")).body == {"statusCode": 0, "uris": [uri]}
    assert (await face.get("/me/calls?fields=state,id,nope")).body["calls"] == [
        {"id": call.rpartition("/")[2], "state": "Dialing"}
    ]
    assert (await face.get("/me/calls/?state=Held")).body["uris"] == []
    assert (await face.get("/me/calls?state=Dialing&callType=Internal&channel=voice")).body["uris"] == [uri]
    assert list((await face.get(f"{call}/?fields=mute,state")).body["call"]) == ["state", "mute"]


async def test_an_admin_reads_every_call_once_and_operates_none(face: Face) -> None:
    """An admin's list has each call of the account as its first leg shows it; operating is not permitted."""
    call = await face.dial()
    [shown] = await face.calls("admin")
    assert shown["deviceUri"] == f"{BASE}/devices/{JANES}"
    assert (await face.call(call, "admin"))["id"] == shown["id"]
    before = await face.kinds()
    assert (await face.operate(call, "Hangup", "admin"))[:2] == (403, 5)
    assert await face.kinds() == before


async def test_others_calls_are_not_shown_and_not_operated(face: Face) -> None:
    """A colleague's call is not permitted; another tenant's is as unknown as none."""
    call = await face.dial()
    before = await face.kinds()
    assert await face.calls("alex") == []
    assert await face.calls(MALLORYS) == []
    for user, refusal in (("alex", (403, 5)), (MALLORYS, (404, 6))):
        assert (await face.get(call, user))[:2] == refusal
        assert (await face.operate(call, "Hangup", user))[:2] == refusal
    assert await face.kinds() == before


async def test_only_what_is_listed_is_taken(face: Face) -> None:
    """An operation is accepted exactly when the call lists it; a refusal names what is listed."""
    call = await face.dial()
    before = await face.kinds()
    for user, name in (("jane", "Answer"), ("jane", "Hold"), ("john", "SendDtmf")):
        answer = await face.operate(call, name, user, digits="1")
        assert answer[:2] == (400, 2)
    assert "Answer is not allowed now" in (await face.operate(call, "Answer")).body["statusMessage"]
    assert await face.kinds() == before
    await face.operate(call, "Hangup")
    assert (await face.operate(call, "Hangup"))[:2] == (400, 2)


async def test_a_released_call_is_gone_after_a_minute(face: Face) -> None:
    """Once the minute after its release is over, a call is unknown."""
    call = await face.dial()
    await face.operate(call, "Hangup")
    face.clock.now += READABLE_AFTER_RELEASE - 1
    assert (await face.get(call)).body["call"]["duration"] == "0"
    face.clock.now += 1
    assert (await face.get(call))[:2] == (404, 6)
    assert (await face.operate(call, "Hangup"))[:2] == (404, 6)


async def test_a_call_with_the_outside_shows_both_numbers(face: Face) -> None:
    """An inbound call rings with the outside number as ani and participant, ready to be answered."""
    await face.control.simulate_inbound(ACCOUNT, "+12025550123", "210", {"k": "v"})
    [call] = await face.calls()
    assert (call["state"], call["callType"], call["ani"], call["dnis"]) == (
        "Ringing", "Inbound", "+12025550123", "15000",
    )  # fmt: skip
    assert call["participants"][0]["e164Number"] == "+12025550123"
    assert (await face.operate(f"/me{call['path']}", "Answer")).code == 0
