from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.ringcentral.calls import HEX, JANE
from tests.dialects.ringcentral.face import Face, path_of
from tests.dialects.ringcentral.office import ALEX

OPERATIONS: list[tuple[str, str, Any]] = [
    ("POST", "/hold", None),
    ("POST", "/unhold", None),
    ("POST", "/answer", {"deviceId": JANE.device_id}),
    ("POST", "/reject", None),
    ("POST", "/ignore", {"deviceId": JANE.device_id}),
    ("POST", "/transfer", {"phoneNumber": "220"}),
    ("POST", "/bridge", {"telephonySessionId": f"s-{HEX}", "partyId": "p-1"}),
    ("POST", "/forward", {"phoneNumber": "220"}),
    ("POST", "/forward", {"voicemail": "400100000210"}),
    ("POST", "/transfer", {"voicemail": "400100000210"}),
    ("POST", "/transfer", {"parkOrbit": "*801"}),
    ("POST", "/flip", {"callFlipId": "1"}),
    ("POST", "/park", None),
    ("POST", "/pickup", {"deviceId": JANE.device_id}),
    ("POST", "/reply", {"replyWithText": "later"}),
    ("POST", "/recordings", None),
    ("PATCH", "/recordings/1", {"active": True}),
    ("PATCH", "", {"muted": True}),
    ("DELETE", "", None),
]


@pytest.mark.parametrize(("method", "what", "body"), OPERATIONS)
async def test_another_users_party_is_not_ones_own(face: Face, method: str, what: str, body: Any) -> None:
    """In one's own call 403, in another's too; in another account's there is no such call."""
    callee = (await face.talk())["parties"][1]
    before = await face.written()
    options = {} if body is None else {"json": body}
    for user, device in (("jane", JANE.device_id), ("alex", ALEX)):
        given = {"json": {"deviceId": device}} if body is not None and "deviceId" in body else options
        answer = await face.request(method, path_of(callee) + what, user, **given)
        assert (answer.status, answer.code) == (403, "TAS-106")
    mallorys = {"json": {"deviceId": "307ae66a-ab85-43a3-9125-773d136d8b1f"}}
    given = mallorys if body is not None and "deviceId" in body else options
    answer = await face.request(method, path_of(callee) + what, "mallory", **given)
    assert (answer.status, answer.code) == (404, "CMN-102")
    assert await face.written() == before


@pytest.mark.parametrize(("method", "what", "body"), OPERATIONS)
async def test_an_ended_party_takes_nothing(face: Face, method: str, what: str, body: Any) -> None:
    """Once it is disconnected, everything is the wrong state; taken out, it is not there."""
    session = await face.talk()
    caller = session["parties"][0]
    await face.request("DELETE", f"/telephony/sessions/{session['id']}")
    before = await face.written()
    options = {} if body is None else {"json": body}
    answer = await face.request(method, path_of(caller) + what, **options)
    expected = (404, "CMN-102") if method == "DELETE" else (409, "TAS-106")
    assert (answer.status, answer.code) == expected
    assert await face.written() == before
