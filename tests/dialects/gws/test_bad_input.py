"""Whatever is sent wrongly is refused in the published form, and leaves nothing behind."""

from __future__ import annotations

from typing import Any

import pytest

from relay.dialects.gws.identifiers import call_id
from tests.dialects.gws.calls import SESSION
from tests.dialects.gws.face import JANES, JOHNS, Face

DIALS = (f"/me/devices/{JANES}/calls", f"/devices/{JANES}/calls")
POSTS = ("/me", "/me/channels/voice", f"/me/devices/{JANES}", *DIALS, "CALL")
"""Every path that takes a POST; CALL stands for a live call of the user's."""

TO = {"phoneNumber": "15002"}
START = "StartContactCenterSession"

BODIES: list[tuple[bytes, int, int]] = [
    (b"", 400, 1),
    (b"{", 400, 1),
    (b"Dial", 400, 1),
    (b"\xff\xfe", 400, 1),
    (b'{"operationName":"\xed\xa0\x80"}', 400, 1),
    (b'{"operationName":"Dial"', 400, 1),
    (b'{"operationName":NaN}', 400, 1),
    (b"[]", 400, 1),
    (b'["Dial"]', 400, 1),
    (b"null", 400, 1),
    (b"7", 400, 1),
    (b'"{\\"operationName\\":\\"Dial\\"}"', 400, 1),
    (b"{}", 400, 1),
    (b'{"operationName":null}', 400, 1),
    (b'{"operationName":""}', 400, 1),
    (b'{"operationname":"Dial"}', 400, 1),
    (b'{"operationName":5}', 400, 2),
    (b'{"operationName":["Dial"]}', 400, 2),
    (b'{"operationName":"Nonsense"}', 400, 2),
    (b'{"operationName":"dial"}', 400, 2),
    (b'{"operationName":"HangUp"}', 400, 2),
    (b'{"operationName":"Hold"}', 400, 2),
    (b'{"operationName":"' + b"x" * 5000 + b'"}', 400, 2),
    (b'{"operationName":' + b"[" * 5000 + b"]" * 5000 + b"}", 400, 1),
    (b'{"operationName":"' + b"x" * 70_000 + b'"}', 413, 10),
]

PARAMETERS: list[tuple[str, str, dict[str, Any], int, int]] = [
    *(
        (path, "Dial", parameters, status, code)
        for path in DIALS
        for parameters, status, code in (
            ({}, 400, 1),
            ({"destination": None}, 400, 1),
            ({"destination": {}}, 400, 1),
            ({"destination": {"phoneNumber": None}}, 400, 1),
            ({"destination": ""}, 400, 1),
            ({"destination": 15002}, 400, 2),
            ({"destination": {"phoneNumber": 15002}}, 400, 2),
            ({"destination": ["15002"]}, 400, 2),
            ({"destination": True}, 400, 2),
            ({"destination": {"phoneNumber": {"phoneNumber": "15002"}}}, 400, 2),
            ({"destination": "999"}, 400, 2),
            ({"destination": "25000"}, 400, 2),
            ({"destination": "nobody"}, 400, 2),
            ({"destination": "15000"}, 400, 2),
            ({"destination": "+0"}, 400, 2),
            ({"destination": "+" + "1" * 40}, 400, 2),
            ({"destination": "\u0661\u0665\u0660\u0660\u0662"}, 400, 2),
            ({"destination": "15002\n"}, 400, 2),
            ({"destination": TO, "userData": "x"}, 400, 2),
            ({"destination": TO, "userData": [1]}, 400, 2),
            ({"destination": TO, "userData": {"k": "x" * 20_000}}, 400, 2),
        )
    ),
    (f"/me/devices/{JOHNS}/calls", "Dial", {"destination": "15003"}, 403, 5),
    (f"/devices/{JOHNS}/calls", "Dial", {"destination": "15003"}, 403, 5),
    ("/me/devices/unknown/calls", "Dial", {"destination": TO}, 404, 6),
    ("/devices/%00%FF/calls", "Dial", {"destination": TO}, 404, 6),
    (f"/me/calls/{call_id(SESSION)}", "Hangup", {}, 404, 6),
    ("/me/calls/unknown", "Hangup", {}, 404, 6),
    ("/me/calls/%2e%2e%2f", "Hangup", {}, 404, 6),
    ("/me/calls/" + "0" * 2000, "Hangup", {}, 404, 6),
    ("CALL", "Answer", {}, 400, 2),
    ("CALL", "SendDtmf", {}, 400, 1),
    ("CALL", "SendDtmf", {"digits": None}, 400, 1),
    ("CALL", "SendDtmf", {"digits": ""}, 400, 1),
    ("CALL", "SendDtmf", {"digits": 5}, 400, 2),
    ("CALL", "SendDtmf", {"digits": "x"}, 400, 2),
    ("CALL", "SendDtmf", {"digits": "1" * 1000}, 400, 2),
    *(
        ("CALL", name, parameters, 400, code)
        for name in ("AttachUserData", "UpdateUserData")
        for parameters, code in (
            ({}, 1),
            ({"userData": None}, 1),
            ({"userData": "x"}, 2),
            ({"userData": [{"k": "v"}]}, 2),
            ({"userData": {"k": "x" * 20_000}}, 2),
        )
    ),
    ("CALL", "DeleteUserDataPair", {}, 400, 1),
    ("CALL", "DeleteUserDataPair", {"key": ""}, 400, 1),
    ("CALL", "DeleteUserDataPair", {"key": {"k": 1}}, 400, 2),
    ("/me", START, {}, 400, 1),
    ("/me", START, {"channels": None}, 400, 1),
    ("/me", START, {"channels": []}, 400, 2),
    ("/me", START, {"channels": "voice"}, 400, 2),
    ("/me", START, {"channels": [None]}, 400, 2),
    ("/me", START, {"channels": [{"channel": "voice"}]}, 400, 2),
    ("/me", START, {"channels": ["chat"]}, 400, 10),
    ("/me", "NotReady", {"reason": 5}, 400, 2),
    ("/me", "NotReady", {"reason": "x" * 257}, 400, 2),
    ("/me/channels/voice", "StartContactCenterSession", {"channels": ["voice"]}, 400, 2),
    ("/me/channels/voice", "NotReady", {"reason": ["Lunch"]}, 400, 2),
    ("/me/channels/chat", "Ready", {}, 404, 6),
]


async def refused(face: Face, method: str, path: str, status: int, code: int, **options: Any) -> str:
    """Ask for something on a live call's behalf, see it refused and nothing changed; return the message."""
    call = await face.dial()
    before = await face.kinds(), await face.call(call)
    headers = {"Authorization": "Bearer demo-jane", **options.pop("headers", {})}
    answer = await face.request(method, call if path == "CALL" else path, headers=headers, **options)
    assert answer[:2] == (status, code)
    assert (await face.kinds(), await face.call(call)) == before
    assert len(await face.journal.store.call("KEYS", "*call:*")) == 1
    return str(answer.body["statusMessage"])


@pytest.mark.parametrize("path", POSTS)
async def test_a_body_that_is_no_operation_is_refused(face: Face, path: str) -> None:
    """What is not JSON, no object, too large or names no operation of the path changes nothing."""
    call = await face.dial()
    before = await face.kinds()
    headers = {"Authorization": "Bearer demo-jane", "Content-Type": "application/json"}
    for body, status, code in BODIES:
        target = call if path == "CALL" else path
        answer = await face.request("POST", target, data=body, headers=headers)
        assert answer[:2] == (status, code), body[:60]
    assert await face.kinds() == before


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "?"])
async def test_only_json_is_read(face: Face, content_type: str) -> None:
    """Another media type, such as a page of another site can post by itself, is not read as JSON."""
    body = b'{"operationName":"Hangup"}'
    message = await refused(face, "POST", "CALL", 400, 1, data=body, headers={"Content-Type": content_type})
    assert "application/json" in message


@pytest.mark.parametrize(("path", "name", "parameters", "status", "code"), PARAMETERS)
async def test_wrong_parameters_are_refused(
    face: Face, path: str, name: str, parameters: dict[str, Any], status: int, code: int
) -> None:
    """A missing parameter, a wrong one and another's object each have their code, and change nothing."""
    await refused(face, "POST", path, status, code, json={"operationName": name, **parameters})


async def test_a_refusal_names_the_parameter(face: Face) -> None:
    """Who reads the message knows what to correct, by the name they know it by."""
    dial = {"operationName": "Dial", "destination": TO, "userData": {"k": "x" * 20_000}}
    assert (await refused(face, "POST", DIALS[0], 400, 2, json=dial)).startswith("userData: ")
    dial = {"operationName": "Dial", "destination": {}}
    assert "destination" in (await face.post(DIALS[0], dial)).body["statusMessage"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/me/calls/unknown", 404, 6),
        ("GET", f"/me/calls/{call_id(SESSION)}", 404, 6),
        ("GET", "/me/devices/unknown", 404, 6),
        ("GET", "/devices/%FF", 404, 6),
        ("GET", "/nonsense", 404, 6),
        ("GET", "", 404, 6),
        ("GET", "/me/calls/a/b", 404, 6),
        ("GET", DIALS[0], 405, 3),
        ("POST", "/me/calls", 405, 3),
        ("DELETE", "/me", 405, 3),
        ("PUT", "CALL", 405, 3),
    ],
)
async def test_what_is_not_there_is_refused(
    face: Face, method: str, path: str, status: int, code: int
) -> None:
    """Unknown objects, paths and methods are answered in the envelope too."""
    await refused(face, method, path, status, code)
