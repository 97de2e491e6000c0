from __future__ import annotations

import importlib.resources
from typing import Any

import pytest

from relay.directory.loading import parse
from tests.dialects.ringcentral.conftest import Serve
from tests.dialects.ringcentral.face import Face, path_of
from tests.dialects.ringcentral.office import ALEX, PHONES, answer, codes, inbound, session_id, session_path

TO_ALEX = [
    {"extensionNumber": "220"},
    {"phoneNumber": "220"},
    {"extensionId": "400100000220"},
    {"phoneNumber": "15003"},
]


@pytest.mark.parametrize("target", TO_ALEX)
async def test_a_blind_transfer(face: Face, target: dict[str, str]) -> None:
    """The party leaves at once; a new one rings for the other end, and may answer."""
    session = await face.talk()
    callee = session["parties"][1]
    answer = await face.ask(callee, "transfer", target, "john")
    assert (answer.status, answer.body["status"]) == (
        200,
        {"code": "Disconnected", "reason": "BlindTransfer"},
    )
    parties = (await face.get(f"/telephony/sessions/{session['id']}")).body["parties"]
    assert [party["status"]["code"] for party in parties] == ["Answered", "Disconnected", "Proceeding"]
    assert parties[2]["to"]["phoneNumber"] == "220"
    assert parties[2]["from"]["phoneNumber"] == "210"
    answer = await face.ask(parties[2], "answer", {"deviceId": ALEX}, "alex")
    assert answer.body["status"]["code"] == "Answered"
    assert (await face.ask(callee, "hold", None, "john")).status == 409
    assert await face.trace(session["id"]) == [
        "2 p-1 Outbound 210 Setup",
        "3 p-2 Inbound 200 Setup",
        "4 p-1 Outbound 210 Answered",
        "5 p-2 Inbound 200 Proceeding",
        "6 p-2 Inbound 200 Answered",
        "7 p-2 Inbound 200 Disconnected BlindTransfer",
        "8 p-3 Inbound 220 Setup",
        "9 p-3 Inbound 220 Proceeding",
        "10 p-3 Inbound 220 Answered",
    ]


@pytest.mark.parametrize(
    ("body", "status", "parameter"),
    [
        ({}, 400, "to"),
        ({"phoneNumber": "220", "extensionNumber": "220"}, 400, "to"),
        ({"phoneNumber": "nobody"}, 400, "to"),
        ({"phoneNumber": []}, 400, "phoneNumber"),
        ({"extensionNumber": "999"}, 400, "to"),
        ({"extensionNumber": "210"}, 400, "to"),
        ({"extensionId": "1"}, 404, "extensionId"),
        ({"extensionId": "400100000001"}, 400, "extensionId"),
    ],
)
async def test_a_transfer_that_leads_nowhere(
    face: Face, body: dict[str, Any], status: int, parameter: str
) -> None:
    """Exactly one target that can be reached is needed; the call goes on as it was."""
    session = await face.talk()
    answer = await face.ask(session["parties"][1], "transfer", body, "john")
    assert (answer.status, answer.body["parameterName"]) == (status, parameter)
    assert (await face.get(f"/telephony/sessions/{session['id']}")).body == session


async def test_a_ringing_call_cannot_be_transferred(face: Face) -> None:
    """Before the party is answered there is nothing to transfer."""
    callee = (await face.call_out("jane", extensionNumber="200"))["parties"][1]
    answer = await face.ask(callee, "transfer", {"extensionNumber": "220"}, "john")
    assert (answer.status, answer.code) == (409, "TAS-106")


@pytest.mark.parametrize("target", TO_ALEX)
async def test_forwarding_a_call_that_rings(face: Face, target: dict[str, str]) -> None:
    """The party leaves before it is answered; somebody else's phone rings in its place."""
    session = await face.call_out("jane", extensionNumber="200")
    callee = session["parties"][1]
    moved = await face.ask(callee, "forward", target, "john")
    assert (moved.status, moved.body["status"]) == (200, {"code": "Disconnected", "reason": "BlindTransfer"})
    target_party = (await face.get(session_path(callee))).body["parties"][2]
    await answer(face, target_party, "alex")
    assert await codes(face, callee) == ["Answered", "Disconnected BlindTransfer", "Answered"]
    assert (await face.trace(session["id"]))[4:] == [
        "6 p-2 Inbound 200 Disconnected BlindTransfer",
        "7 p-3 Inbound 220 Setup",
        "8 p-3 Inbound 220 Proceeding",
        "9 p-3 Inbound 220 Answered",
    ]
    assert not (await face.party(callee))["status"].get("missedCall")


@pytest.mark.parametrize(
    ("what", "body", "status"), [("reject", None, 204), ("forward", {"voicemail": "400100000210"}, 200)]
)
async def test_leaving_a_call_to_ones_own_mailbox(face: Face, what: str, body: Any, status: int) -> None:
    """It answers the caller as the same party, and hangs up once it has its message."""
    _, callee = await inbound(face, answered=False)
    moved = await face.ask(callee, what, body)
    assert moved.status == status
    assert await codes(face, callee) == ["Answered", "VoiceMail"]
    mailbox = await face.party(callee)
    assert moved.body in (None, mailbox)
    assert mailbox["id"] == callee["id"]
    assert mailbox["to"] == {"phoneNumber": "210", "name": "Jane Doe", "extensionId": "400100000210"}
    assert mailbox["owner"]["extensionId"] == "400100000210"
    assert (await face.ask(callee, "answer", {"deviceId": PHONES["jane"]})).status == 409
    await face.elapse()
    assert (await face.trace(session_id(callee)))[4:] == [
        "6 p-2 Inbound 210 VoiceMail",
        "7 p-2 Inbound 210 Disconnected",
        "8 p-1 Outbound account Disconnected",
    ]
    assert (await face.ask(callee, what, body)).status == 409


async def test_forwarding_to_somebody_elses_voicemail(face: Face) -> None:
    """The party leaves, and another one is the mailbox's."""
    _, callee = await inbound(face, answered=False)
    moved = await face.ask(callee, "forward", {"voicemail": "400100000220"})
    assert (moved.status, moved.body["status"]["reason"]) == (200, "BlindTransfer")
    assert await codes(face, callee) == ["Answered", "Disconnected BlindTransfer", "VoiceMail"]


async def test_transferring_to_voicemail(face: Face) -> None:
    """Whoever stays talks to somebody else's mailbox."""
    caller, callee = (await face.talk())["parties"]
    moved = await face.ask(callee, "transfer", {"voicemail": "400100000220"}, "john")
    assert (moved.status, moved.body["status"]["reason"]) == (200, "BlindTransfer")
    assert await codes(face, caller) == ["Answered", "Disconnected BlindTransfer", "VoiceMail"]
    mailbox = (await face.get(session_path(caller))).body["parties"][2]
    assert mailbox["owner"]["extensionId"] == "400100000220"
    assert (await face.get(session_path(caller), "alex")).status == 403
    assert (await face.ask(mailbox, "hold", None, "alex")).status == 403
    assert (await face.trace(session_id(caller)))[-1] == "8 p-3 Inbound 220 VoiceMail"


@pytest.mark.parametrize(
    ("body", "status", "parameter"),
    [
        ({}, 400, "to"),
        ({"parkOrbit": "*801"}, 400, "to"),
        ({"phoneNumber": "220", "voicemail": "400100000220"}, 400, "to"),
        ({"phoneNumber": "nobody"}, 400, "to"),
        ({"extensionNumber": "210"}, 400, "to"),
        ({"extensionId": "1"}, 404, "extensionId"),
        ({"voicemail": "1"}, 404, "voicemail"),
        ({"voicemail": "400100000001"}, 400, "voicemail"),
    ],
)
async def test_a_forwarding_that_leads_nowhere(
    face: Face, body: dict[str, Any], status: int, parameter: str
) -> None:
    """Exactly one target that can be reached is needed; a call is not parked before it is answered."""
    session = await face.call_out("jane", extensionNumber="200")
    refused = await face.ask(session["parties"][1], "forward", body, "john")
    assert (refused.status, refused.body["parameterName"]) == (status, parameter)
    assert (await face.get(f"/telephony/sessions/{session['id']}")).body == session


@pytest.mark.parametrize("body", [{"extensionNumber": "220"}, {"voicemail": "400100000210"}])
async def test_only_a_ringing_call_is_forwarded(face: Face, body: dict[str, str]) -> None:
    """One that is answered can be transferred, a caller's own do neither."""
    caller, callee = (await face.talk())["parties"]
    for party, user in ((caller, "jane"), (callee, "john")):
        refused = await face.ask(party, "forward", body, user)
        assert (refused.status, refused.code) == (409, "TAS-106")


async def test_nobody_comes_where_a_call_was_forwarded_to(face: Face) -> None:
    """The call ends as one that rang in vain."""
    caller, callee = (await face.call_out("jane", extensionNumber="200"))["parties"]
    assert (await face.ask(callee, "forward", {"phoneNumber": "+12025550101"}, "john")).status == 200
    await face.elapse()
    assert await codes(face, caller) == [
        "Disconnected TargetBusy",
        "Disconnected BlindTransfer",
        "Disconnected TargetBusy",
    ]


@pytest.mark.parametrize("flip_id", ["1", "*1", 1])
async def test_flipping(face: Face, flip_id: Any) -> None:
    """The party leaves, and the user's phone rings to go on with the call; the answer is JSON."""
    caller, callee = (await face.talk())["parties"]
    moved = await face.ask(caller, "flip", {"callFlipId": flip_id})
    assert (moved.status, moved.body["status"]) == (200, {"code": "Disconnected", "reason": "CallFlip"})
    again = (await face.get(session_path(caller))).body["parties"][2]
    assert (again["direction"], again["to"]["phoneNumber"]) == ("Inbound", "210")
    await answer(face, again, "jane")
    assert await codes(face, callee) == ["Disconnected CallFlip", "Answered", "Answered"]
    assert (await face.trace(session_id(caller)))[5:] == [
        "7 p-1 Outbound 210 Disconnected CallFlip",
        "8 p-3 Inbound 210 Setup",
        "9 p-3 Inbound 210 Proceeding",
        "10 p-3 Inbound 210 Answered",
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"callFlipId": "x"}, 400), ({"callFlipId": "0"}, 400), ({"callFlipId": "2"}, 404)],
)
async def test_a_flip_to_no_phone(face: Face, body: dict[str, str], status: int) -> None:
    """The id is that of one of the user's phones."""
    caller = (await face.talk())["parties"][0]
    refused = await face.ask(caller, "flip", body)
    assert (refused.status, refused.body["parameterName"]) == (status, "callFlipId")


async def test_a_ringing_call_is_not_flipped(face: Face) -> None:
    """Before it is answered there is nothing to go on with."""
    callee = (await face.call_out("jane", extensionNumber="200"))["parties"][1]
    assert (await face.ask(callee, "flip", {"callFlipId": "1"}, "john")).status == 409


@pytest.mark.parametrize(
    "body",
    [
        {"replyWithText": "In a minute"},
        {"replyWithPattern": {"pattern": "OnMyWay"}},
        {"replyWithPattern": {"pattern": "CallMeBack", "time": 5, "timeUnit": "Minute"}},
    ],
)
async def test_replying(face: Face, body: dict[str, Any]) -> None:
    """The phone rings no longer; the caller hears the message, and is released after it."""
    caller, callee = (await face.call_out("jane", extensionNumber="200"))["parties"]
    replied = await face.ask(callee, "reply", body, "john")
    assert (replied.status, replied.body["status"]) == (200, {"code": "Setup", "reason": "CallReplied"})
    assert replied.body == await face.party(callee)
    assert (await face.ask(callee, "answer", {"deviceId": ALEX}, "alex")).status == 403
    assert (await face.ask(callee, "reply", body, "john")).status == 409
    await face.elapse()
    assert await codes(face, caller) == ["Disconnected Rejected", "Disconnected CallReplied"]
    assert (await face.trace(session_id(caller)))[3:] == [
        "5 p-2 Inbound 200 Proceeding",
        "6 p-2 Inbound 200 Setup CallReplied",
        "7 p-2 Inbound 200 Disconnected CallReplied",
        "8 p-1 Outbound 210 Disconnected Rejected",
    ]


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({}, "replyWithText"),
        ({"replyWithText": ""}, "replyWithText"),
        ({"replyWithText": "x" * 1001}, "replyWithText"),
        ({"replyWithText": 1}, "replyWithText"),
        ({"replyWithText": "a", "replyWithPattern": {"pattern": "OnMyWay"}}, "replyWithText"),
        ({"replyWithPattern": {}}, "replyWithPattern.pattern"),
        ({"replyWithPattern": {"pattern": "Never"}}, "replyWithPattern.pattern"),
        ({"replyWithPattern": {"pattern": "CallMeBack", "time": 5}}, "replyWithPattern.time"),
        (
            {"replyWithPattern": {"pattern": "OnMyWay", "time": 5, "timeUnit": "Day"}},
            "replyWithPattern.time",
        ),
        (
            {"replyWithPattern": {"pattern": "CallMeBack", "time": 0, "timeUnit": "Day"}},
            "replyWithPattern.time",
        ),
        (
            {"replyWithPattern": {"pattern": "CallMeBack", "time": 5, "timeUnit": "Year"}},
            "replyWithPattern.timeUnit",
        ),
    ],
)
async def test_a_reply_that_cannot_be_read_out(face: Face, body: dict[str, Any], parameter: str) -> None:
    """It is given in words or as one of the patterns, of which some take a time."""
    callee = (await face.call_out("jane", extensionNumber="200"))["parties"][1]
    refused = await face.ask(callee, "reply", body, "john")
    assert (refused.status, refused.code, refused.body["parameterName"]) == (400, "CMN-101", parameter)


async def test_an_answered_call_takes_no_reply(face: Face) -> None:
    """Nor does the caller's own party."""
    caller, callee = (await face.talk())["parties"]
    for party, user in ((caller, "jane"), (callee, "john")):
        assert (await face.ask(party, "reply", {"replyWithText": "a"}, user)).status == 409
    assert (await face.request("GET", path_of(caller))).status == 200


async def test_flipping_to_another_phone(serve: Serve) -> None:
    """Of a user with two phones the other one rings; the call goes on where it is until that is answered."""
    text = importlib.resources.files("relay.directory").joinpath("demo.yaml").read_text(encoding="utf-8")
    first = f"- {{id: {PHONES['jane']},"
    assert first in text
    second = "6a1f0f8e-1c55-4c1b-9a52-27d5b1f0c0aa"
    text = text.replace(first, f'- {{id: {second}, number: "15009"}}\n          {first}')
    face = await serve(directory=parse(text, "demo.yaml"))
    caller, callee = (await face.call_out("jane", device=PHONES["jane"] or "", extensionNumber="200"))[
        "parties"
    ]
    await answer(face, callee, "john")
    assert (await face.ask(caller, "flip", {"callFlipId": "3"})).status == 404
    for what, body in (("reject", None), ("ignore", {"deviceId": second})):
        flipped = await face.ask(caller, "flip", {"callFlipId": "1"})
        assert (flipped.status, flipped.body["status"]) == (200, {"code": "Answered"})
        refused = (await face.get(session_path(caller))).body["parties"][-1]
        assert refused["status"] == {"code": "Proceeding"}
        assert (await face.ask(refused, what, body)).status == 204
    assert (await codes(face, caller))[:2] == ["Answered", "Answered"]
    await face.ask(caller, "flip", {"callFlipId": "1"})
    again = (await face.get(session_path(caller))).body["parties"][4]
    assert (await face.ask(again, "answer", {"deviceId": PHONES["jane"]})).status == 409
    answered = await face.ask(again, "answer", {"deviceId": second})
    assert (answered.status, answered.body["to"]["deviceId"]) == (200, second)
    assert await codes(face, caller) == [
        "Disconnected CallFlip",
        "Answered",
        "Disconnected Rejected",
        "Disconnected Rejected",
        "Answered CallFlip",
    ]
