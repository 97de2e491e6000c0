from __future__ import annotations

import pytest

from relay.calls.parking import MAX_PARKED, ORBITS
from relay.switch.simulator import PhoneAction
from tests.dialects.ringcentral.calls import ACCOUNT, JANE, JOHN
from tests.dialects.ringcentral.face import Face, path_of
from tests.dialects.ringcentral.office import ALEX, USERS, Party, codes, inbound, session_id, session_path


async def parked(face: Face) -> tuple[Party, Party]:
    """Have jane answer a call from outside and park it; return its parties."""
    caller, callee = await inbound(face)
    answer = await face.ask(callee, "park")
    assert answer.status == 201, answer.body
    return caller, answer.body


async def test_parking(face: Face) -> None:
    """The party says where its call waits, also in presence and in its notification."""
    caller, callee = await parked(face)
    assert callee["status"] == {"code": "Parked", "parkData": "*801"}
    assert callee["park"] == {"id": "*801"}
    assert callee == await face.party(callee)
    assert "park" not in await face.party(caller)
    presence = await face.get("/extension/~/presence?detailedTelephonyState=true")
    assert (presence.body["telephonyStatus"], len(presence.body["activeCalls"])) == ("ParkedCall", 1)
    assert (await face.trace(session_id(callee)))[-1] == "7 p-2 Inbound 210 Parked"


async def test_each_parked_call_has_a_place_of_its_own(face: Face) -> None:
    """The first that is free; who is picked up or hangs up makes room."""
    calls = [(await parked(face))[1] for _ in range(3)]
    assert [call["park"]["id"] for call in calls] == ["*801", "*802", "*803"]
    assert (await face.ask(calls[0], "pickup", {"deviceId": JANE.device_id})).status == 201
    assert (await face.request("DELETE", path_of(calls[1]))).status == 204
    assert [(await parked(face))[1]["park"]["id"] for _ in range(2)] == ["*801", "*802"]


async def test_as_many_calls_are_parked_as_may_be(face: Face) -> None:
    """One more is the wrong moment, and the call goes on."""
    store = face.journal.store
    for orbit in ORBITS[:MAX_PARKED]:
        key = store.keys(ACCOUNT).device(ACCOUNT, orbit)
        await store.call("HSET", key, "line:x", '{"session":"s","leg":"x","state":"parked"}')
    _, callee = await inbound(face)
    answer = await face.ask(callee, "park")
    assert (answer.status, answer.code) == (409, "TAS-106")
    assert (await face.party(callee))["status"]["code"] == "Answered"


@pytest.mark.parametrize(
    ("user", "device"), [("jane", JANE.device_id), ("john", JOHN.device_id), ("alex", ALEX)]
)
async def test_anybody_picks_up(face: Face, user: str, device: str) -> None:
    """The new party is answered at the device that was named; the parked one is over."""
    caller, callee = await parked(face)
    assert (await face.get(session_path(callee), user)).status == 200
    answer = await face.ask(callee, "pickup", {"deviceId": device}, user)
    assert (answer.status, answer.body["status"]) == (201, {"code": "Answered", "reason": "Pickup"})
    assert answer.body["to"]["deviceId"] == device
    assert answer.body["owner"]["extensionId"] == {"jane": "400100000210", "john": "400100000200"}.get(
        user, "400100000220"
    )
    assert await codes(face, caller, user) == ["Answered", "Disconnected Pickup", "Answered Pickup"]
    extension = {"jane": "210", "john": "200", "alex": "220"}[user]
    assert (await face.trace(session_id(callee)))[-3:] == [
        "7 p-2 Inbound 210 Parked",
        "8 p-2 Inbound 210 Disconnected Pickup",
        f"9 p-3 Inbound {extension} Answered Pickup",
    ]
    assert (await face.ask(answer.body, "hold", None, user)).body["status"] == {"code": "Hold"}
    assert (await face.request("DELETE", session_path(callee), user)).status == 204


async def test_a_pickup_that_cannot_be_made(face: Face) -> None:
    """The device must be one's own, the party parked, and the phone not in the call."""
    caller, callee = await parked(face)
    for body, status in (({}, 400), ({"deviceId": JOHN.device_id}, 404), ({"deviceId": "x"}, 404)):
        answer = await face.ask(callee, "pickup", body)
        assert (answer.status, answer.body["parameterName"]) == (status, "deviceId")
    assert (await face.ask(caller, "pickup", {"deviceId": JANE.device_id})).status == 403
    assert (await face.ask(callee, "pickup", {"deviceId": JANE.device_id})).status == 201
    assert (await face.ask(callee, "pickup", {"deviceId": JANE.device_id})).status == 409
    assert (await face.ask(callee, "pickup", {"deviceId": ALEX}, "alex")).status == 403
    mallory = {"deviceId": "307ae66a-ab85-43a3-9125-773d136d8b1f"}
    assert (await face.ask(callee, "pickup", mallory, "mallory")).status == 404


async def test_the_caller_does_not_pick_up_the_own_call(face: Face) -> None:
    """One phone is in a call once."""
    _, callee = (await face.talk())["parties"]
    assert (await face.ask(callee, "park", None, "john")).status == 201
    assert (await face.ask(callee, "pickup", {"deviceId": JANE.device_id})).status == 409
    assert (await face.ask(callee, "pickup", {"deviceId": JOHN.device_id}, "john")).status == 201


async def test_what_cannot_be_parked(face: Face) -> None:
    """A call one made oneself, one that rings, and one that is parked already."""
    caller, ringing = (await face.call_out("jane", extensionNumber="200"))["parties"]
    assert (await face.ask(ringing, "park", None, "john")).status == 409
    assert (await face.ask(caller, "park")).status == 409
    _, callee = await parked(face)
    for what in ("park", "hold", "unhold", "recordings"):
        assert (await face.ask(callee, what)).status == 409


@pytest.mark.parametrize("hangs_up", ["caller", "owner"])
async def test_a_parked_call_ends(face: Face, hangs_up: str) -> None:
    """Whoever waits may hang up; whose call it is may end it by deleting its party or the session."""
    caller, callee = await parked(face)
    if hangs_up == "owner":
        assert (await face.request("DELETE", path_of(callee), "john")).status == 403
        assert (await face.request("DELETE", path_of(callee))).status == 204
    else:
        [session] = await face.control.live(USERS["jane"])
        outside = session.parties[0].id
        await face.control.simulate_phone(USERS["admin"], outside, PhoneAction.HANGUP)
    assert await codes(face, caller) == ["Disconnected", "Disconnected"]


async def test_transferring_to_a_parking_place(face: Face) -> None:
    """The party leaves, and a new one that is nobody's waits there; whoever picks it up talks on."""
    caller, callee = await inbound(face)
    moved = await face.ask(callee, "transfer", {"parkOrbit": "*812"})
    assert (moved.status, moved.body["status"]) == (200, {"code": "Disconnected", "reason": "BlindTransfer"})
    assert await codes(face, caller) == ["Answered", "Disconnected BlindTransfer", "Parked"]
    waiting = (await face.get(session_path(callee))).body["parties"][2]
    assert (waiting["to"], waiting["park"]) == ({"phoneNumber": "*812"}, {"id": "*812"})
    assert "owner" not in waiting
    _, other = await inbound(face)
    assert (await face.ask(other, "transfer", {"parkOrbit": "*812"})).status == 409
    assert (await face.ask(waiting, "pickup", {"deviceId": ALEX}, "alex")).status == 201
    assert (await face.trace(session_id(callee)))[-4:] == [
        "7 p-2 Inbound 210 Disconnected BlindTransfer",
        "8 p-3 Inbound account Parked",
        "9 p-3 Inbound account Disconnected Pickup",
        "10 p-4 Inbound 220 Answered Pickup",
    ]


async def test_an_unknown_parking_place(face: Face) -> None:
    """There are as many as their numbers say."""
    _, callee = await inbound(face)
    for orbit in ("*800", "*900", "801", "x"):
        answer = await face.ask(callee, "transfer", {"parkOrbit": orbit})
        assert (answer.status, answer.body["parameterName"]) == (404, "parkOrbit")
