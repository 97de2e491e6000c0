"""The tables of the published API, word by word: commands, types of events, codes of errors."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import make_mocked_request

from relay import errors
from relay.dialects.leg_types import TYPES
from relay.dialects.v3.access import InvalidTokenError, MissingTokenError, NotOwnerError, TenantMismatchError
from relay.dialects.v3.commands import COMMANDS
from relay.dialects.v3.problems import IdempotencyKeyReusedError, InvalidBodyError, render_error
from relay.http.body import (
    BodyTooLargeError,
    DoubleEncodedJsonError,
    InvalidJsonError,
    UnsupportedMediaTypeError,
)
from tests.dialects.v3.face import Face

PUBLISHED: dict[str, dict[str, Any]] = {
    "hangup": {}, "answer": {}, "reject": {}, "hold": {}, "retrieve": {}, "mute": {}, "unmute": {},
    "send-dtmf": {"digits": "1"},
    "transfer": {"destination": "220"}, "consult": {"destination": "220"},
    "conference": {"destination": "220"},
    "complete-transfer": {"other_call_leg_id": "x"}, "complete-conference": {"other_call_leg_id": "x"},
    "swap": {"other_call_leg_id": "x"}, "merge": {"other_call_leg_id": "x"},
    "remove-participant": {"participant": "220"},
    "start-recording": {}, "stop-recording": {}, "pause-recording": {}, "resume-recording": {},
    "set-user-data": {"user_data": {"k": "v"}},
}  # fmt: skip
"""Every command on a leg, with what it needs beside its leg."""

ERRORS: list[tuple[Exception, int, str]] = [
    (InvalidJsonError("not JSON", 1), 400, "invalid_json"),
    (DoubleEncodedJsonError(), 400, "double_encoded_json"),
    (MissingTokenError("none"), 401, "missing_token"),
    (InvalidTokenError("unknown"), 401, "invalid_token"),
    (errors.NotAllowedError("another's"), 403, "extension_not_owned"),
    (errors.NotParticipantError("another's"), 403, "not_active_participant"),
    (TenantMismatchError("another"), 403, "tenant_mismatch"),
    (NotOwnerError("another's"), 403, "scope_missing"),
    (errors.NotFoundError("none"), 404, "not_found"),
    (errors.NotAllowedNowError("hold", ["hangup"]), 409, "not_allowed_now"),
    (BodyTooLargeError(10), 413, "body_too_large"),
    (UnsupportedMediaTypeError("text/plain", ("application/json",)), 415, "unsupported_media_type"),
    (InvalidBodyError([], code="invalid_command"), 422, "invalid_command"),
    (errors.InvalidFieldError("destination", "is nobody's"), 422, "invalid_field"),
    (IdempotencyKeyReusedError("used"), 422, "idempotency_key_reused"),
    (errors.StoreUnavailableError("away"), 503, "store_unavailable"),
    (errors.SwitchUnavailableError("away"), 503, "switch_unavailable"),
    (errors.DrainingError("stopping"), 503, "draining"),
]


def test_the_commands_are_the_published_ones() -> None:
    """All of them, and no other."""
    assert set(COMMANDS) == {"click-to-dial", *PUBLISHED}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
async def test_each_command_needs_just_what_is_published(face: Face, name: str) -> None:
    """What is missing is pointed at; with all of it the command is judged by whose leg it names."""
    payload = {"call_leg_id": "unknown", **PUBLISHED[name]}
    for member in payload:
        rest = {key: value for key, value in payload.items() if key != member}
        answer = await face.command(name, **rest)
        assert (answer.status, answer.pointers) == (422, [f"/payload/{member}"])
    answer = await face.command(name, **payload)
    assert (answer.status, answer.code) == (403, "not_active_participant")


def test_the_types_of_events_are_the_published_ones() -> None:
    """All of them, and no other."""
    names = (
        "ringing", "answered", "held", "retrieved", "muted", "unmuted", "dtmf", "user_data", "participants",
        "recording", "transferred", "hungup",
    )  # fmt: skip
    assert set(TYPES.values()) == {f"call.leg.{name}" for name in names}


@pytest.mark.parametrize(("error", "status", "code"), ERRORS, ids=[code for _, _, code in ERRORS])
def test_each_error_has_its_published_code(error: Exception, status: int, code: str) -> None:
    """As a problem that says the same in all its members."""
    response = render_error(make_mocked_request("GET", "/v3/calls"), error)
    assert isinstance(response.body, bytes)
    problem = msgspec.json.decode(response.body)
    assert (response.status, problem["status"], problem["code"]) == (status, status, code)
    assert problem["type"] == f"urn:relay:problem:{code}"
    assert response.content_type == "application/problem+json"
    assert ("WWW-Authenticate" in response.headers) is (status == 401)
