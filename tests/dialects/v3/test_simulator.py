"""``/v3/simulator/``: calls from outside and what is done at the phones."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.v3.conftest import MakeFace
from tests.dialects.v3.face import Answer, Face

INBOUND = {"from": "+12025550123", "to": "210", "user_data": {"case": "7"}}


async def inbound(face: Face, user: str = "admin", **changed: Any) -> Answer:
    """Have an outside number call."""
    return await face.post("/simulator/calls/", {**INBOUND, **changed}, user)


async def test_an_outside_number_calls(face: Face) -> None:
    """The legs are answered with their ids; ours rings and is told of."""
    answer = await inbound(face)
    assert answer.status == 201
    caller, callee = answer.body["parties"]
    assert (caller["number"], caller["extension"]) == ("+12025550123", None)
    assert (callee["number"], callee["extension"]) == ("15000", "210")
    [event] = (await face.get("/events/")).body["events"]
    assert (event["id"], event["call_id"]) == (callee["id"], answer.body["call_id"])
    assert (event["direction"], event["internal"], event["user_data"]) == ("inbound", False, {"case": "7"})
    assert event["from"] == {"number": "+12025550123", "name": None}


@pytest.mark.parametrize(
    ("action", "cause"), [("reject", "rejected"), ("busy", "busy"), ("hangup", "rejected"), ("answer", None)]
)
async def test_a_ringing_phone_can_be_acted_at(face: Face, action: str, cause: str | None) -> None:
    """By its owner; what comes of it is told by events."""
    leg = (await inbound(face)).body["parties"][1]["id"]
    answer = await face.request("POST", f"/simulator/parties/{leg}/{action}")
    assert (answer.status, answer.body) == (202, {"call_leg_id": leg})
    shown = (await face.get(f"/calls/{leg}")).body
    assert (shown["hangup"] or {}).get("cause") == cause


async def test_an_outside_phone_is_the_admins(face: Face) -> None:
    """Nobody else can act there."""
    caller, callee = (party["id"] for party in (await inbound(face)).body["parties"])
    refused = await face.request("POST", f"/simulator/parties/{caller}/hangup", "jane")
    assert (refused.status, refused.code) == (403, "extension_not_owned")
    assert (await face.request("POST", f"/simulator/parties/{caller}/hangup/", "admin")).status == 202
    assert (await face.get(f"/calls/{callee}")).body["hangup"] == {"cause": "canceled", "by": None}


async def test_tones_are_told(face: Face) -> None:
    """With their digits."""
    leg = (await inbound(face)).body["parties"][1]["id"]
    await face.request("POST", f"/simulator/parties/{leg}/answer")
    answer = await face.post(f"/simulator/parties/{leg}/dtmf", {"digits": "42#"})
    assert answer.status == 202
    event = (await face.get("/events/")).body["events"][-1]
    assert (event["type"], event["digits"]) == ("call.leg.dtmf", "42#")


async def test_a_phone_holds_and_retrieves(face: Face) -> None:
    """Its leg shows it, and each is told of."""
    leg = (await inbound(face)).body["parties"][1]["id"]
    await face.request("POST", f"/simulator/parties/{leg}/answer")
    for action, state, told in (("hold", "held", "held"), ("retrieve", "answered", "retrieved")):
        assert (await face.request("POST", f"/simulator/parties/{leg}/{action}/")).status == 202
        assert (await face.get(f"/calls/{leg}")).body["state"] == state
        assert (await face.story())[-1].startswith(f"{told}(210,")


async def test_what_a_phone_cannot_do_now_is_refused(face: Face) -> None:
    """An answered phone cannot be answered; an ended one can do nothing."""
    leg = (await inbound(face)).body["parties"][1]["id"]
    await face.request("POST", f"/simulator/parties/{leg}/answer")
    for expected in (["dtmf", "hangup", "hold"], []):
        refused = await face.request("POST", f"/simulator/parties/{leg}/answer")
        assert (refused.status, refused.code) == (409, "not_allowed_now")
        assert refused.body["allowed"] == expected
        await face.request("POST", f"/simulator/parties/{leg}/hangup")


@pytest.mark.parametrize("user", ["mallory", "jane"])
async def test_an_unknown_leg_is_not_found(face: Face, user: str) -> None:
    """Nor is another tenant's."""
    leg = (await inbound(face)).body["parties"][1]["id"] if user == "mallory" else "unknown"
    answer = await face.request("POST", f"/simulator/parties/{leg}/answer", user)
    assert (answer.status, answer.code) == (404, "not_found")


async def test_an_unknown_action_is_not_found(face: Face) -> None:
    """There is no such path."""
    assert (await face.request("POST", "/simulator/parties/x/explode")).code == "not_found"


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"from": "210"}, "/from"),
        ({"from": "15000"}, "/from"),
        ({"from": "x"}, "/from"),
        ({"to": "999"}, "/to"),
        ({"to": "+12025550199"}, "/to"),
        ({"user_data": {"k": "x" * 17_000}}, "/user_data"),
    ],
)
async def test_unusable_numbers_are_named(face: Face, changed: dict[str, Any], pointer: str) -> None:
    """The caller must be outside, the called one of ours."""
    answer = await inbound(face, **changed)
    assert (answer.status, answer.code, answer.pointers) == (422, "invalid_field", [pointer])


async def test_it_is_not_there_with_a_real_switch(make_face: MakeFace) -> None:
    """Its paths are unknown then."""
    face = await make_face(simulated=False)
    assert (await inbound(face)).code == "not_found"
