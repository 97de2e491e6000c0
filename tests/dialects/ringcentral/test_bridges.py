from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.ringcentral.calls import HEX
from tests.dialects.ringcentral.face import Face
from tests.dialects.ringcentral.office import codes, consulting, inbound, session_id


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


async def test_bridging_calls_that_have_nothing_to_do_with_each_other(face: Face) -> None:
    """One's own calls are left to each other, held or not; the session that the path names goes on."""
    _, first = await inbound(face)
    assert (await face.ask(first, "hold")).status == 200
    second = (await face.talk())["parties"][0]
    body = {"telephonySessionId": session_id(second), "partyId": second["id"]}
    moved = await face.ask(first, "bridge", body)
    assert (moved.status, moved.body["status"]["code"]) == (200, "Gone")
    assert moved.body["status"]["peerId"]["partyId"] == second["id"]
    assert await codes(face, first) == ["Answered", "Gone AttendedTransfer", "Answered"]
    assert await codes(face, second) == ["Gone AttendedTransfer"] * 2
    assert (await face.trace(session_id(first)))[-3:] == [
        "8 p-2 Inbound 210 Gone AttendedTransfer",
        "9 p-2 Inbound 210 Disconnected AttendedTransfer",
        "10 p-3 Inbound 200 Answered",
    ]


async def test_a_bridge_needs_somebody_at_both_ends(face: Face) -> None:
    """A call that rings still cannot be left to another, nor one to itself."""
    _, own = await inbound(face)
    dialled = (await face.call_out("jane", extensionNumber="200"))["parties"][0]
    for path, other in ((own, dialled), (dialled, own)):
        body = {"telephonySessionId": session_id(other), "partyId": other["id"]}
        refused = await face.ask(path, "bridge", body)
        assert (refused.status, refused.code) == (409, "TAS-106")
