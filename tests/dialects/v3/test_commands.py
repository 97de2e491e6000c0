"""``POST /v3/call_control/``: the published commands, who may send them, and what comes of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from relay.dialects.v3.commands import COMMANDS
from tests.dialects.v3.conftest import MakeFace
from tests.dialects.v3.face import OTHER_TENANT, TENANT, Face, command

ON_A_LEG: dict[str, dict[str, Any]] = {
    **{name: {} for name in COMMANDS if name != "click-to-dial"},
    **{name: {"destination": "+12025550123"} for name in ("transfer", "consult", "conference")},
    **{
        name: {"other_call_leg_id": "x"}
        for name in ("complete-transfer", "complete-conference", "swap", "merge")
    },
    "send-dtmf": {"digits": "1"},
    "remove-participant": {"participant": "220"},
    "set-user-data": {"user_data": {"k": "v"}},
}
"""Every command on a leg, with the rest of its payload."""


async def test_a_click_to_dial_is_accepted_with_the_ids_it_made(face: Face) -> None:
    """The caller's own leg is known at once, and can be used."""
    answer = await face.command("click-to-dial", destination="200")
    assert answer.status == 202
    assert set(answer.body) == {"command_id", "call_id", "call_leg_id"}
    leg = (await face.get(f"/calls/{answer.body['call_leg_id']}")).body
    assert (leg["call_id"], leg["state"]) == (answer.body["call_id"], "ringing")


async def test_a_whole_call_makes_the_published_events(face: Face) -> None:
    """Own phone first, then the destination; either end's answer and hangup are told on both legs."""
    jane, _ = await face.talk()
    assert (await face.command("hangup", call_leg_id=jane)).status == 202
    assert await face.story() == [
        "ringing(210,1)",
        "answered(210,2)",
        "ringing(200,1)",
        "answered(200,2)",
        "hungup(210,3)",
        "hungup(200,3)",
    ]


async def test_a_called_leg_can_be_rejected(face: Face) -> None:
    """Both legs tell the same cause."""
    await face.dial()
    await face.pick_up()
    [leg] = (await face.get("/calls/", "john")).body["calls"]
    answer = await face.command("reject", "john", call_leg_id=leg["id"])
    assert answer.status == 202
    assert answer.body["call_leg_id"] == leg["id"]
    ends = [event["hangup"] for event in (await face.get("/events/", "admin")).body["events"][-2:]]
    assert ends == [{"cause": "rejected", "by": "200"}] * 2


async def test_events_carry_the_command_that_caused_them(face: Face) -> None:
    """What a command answered leads to its events."""
    answer = await face.command("click-to-dial", destination="200", user_data={"case": "7"})
    [event] = (await face.get("/events/")).body["events"]
    assert event["command_id"] == answer.body["command_id"]
    assert event["user_data"] == {"case": "7"}


@pytest.mark.parametrize("path", ["/call_control", "/call_control/"])
async def test_the_trailing_slash_is_optional(face: Face, path: str) -> None:
    """Without a redirect, which would lose the body."""
    body = command("click-to-dial", destination="200")
    answer = await face.request("POST", path, json=body, allow_redirects=False)
    assert answer.status == 202


@pytest.mark.parametrize(
    ("user", "changed", "code"),
    [
        ("jane", {"user_extension": "200"}, "extension_not_owned"),
        ("jane", {"user_extension": "999"}, "extension_not_owned"),
        ("admin", {"user_extension": "210"}, "extension_not_owned"),
        ("admin", {"user_extension": ""}, "extension_not_owned"),
        ("jane", {"tenant_id": OTHER_TENANT}, "tenant_mismatch"),
        ("mallory", {"tenant_id": TENANT}, "tenant_mismatch"),
        ("jane", {"tenant_id": OTHER_TENANT, "user_extension": "999"}, "tenant_mismatch"),
    ],
)
async def test_only_the_owner_of_an_extension_may_use_it(
    face: Face, user: str, changed: dict[str, str], code: str
) -> None:
    """Tenant and extension are the token's; an admin owns no extension."""
    body = command("click-to-dial", user, destination="200")
    body["user"] |= changed
    answer = await face.post("/call_control/", body, user)
    assert (answer.status, answer.code) == (403, code)
    assert await face.story() == []


@pytest.mark.parametrize("name", sorted(ON_A_LEG))
async def test_only_an_active_participant_may_act(face: Face, name: str) -> None:
    """The other party's leg, an ended one and an unknown one are refused alike."""
    jane, john = await face.talk()
    for user, leg in (("jane", john), ("alex", jane), ("mallory", jane), ("jane", "unknown"), ("jane", "")):
        answer = await face.command(name, user, call_leg_id=leg, **ON_A_LEG[name])
        assert (answer.status, answer.code) == (403, "not_active_participant"), (user, leg)
    await face.command("hangup", "john", call_leg_id=john)
    answer = await face.command(name, call_leg_id=jane, **ON_A_LEG[name])
    assert (answer.status, answer.code) == (403, "not_active_participant")


async def test_what_the_state_does_not_allow_says_what_it_allows(face: Face) -> None:
    """An answered leg cannot be answered again."""
    jane, _ = await face.talk()
    answer = await face.command("answer", call_leg_id=jane)
    assert (answer.status, answer.code) == (409, "not_allowed_now")
    assert "hangup" in answer.body["allowed"]
    assert "hangup" in answer.body["detail"]


@pytest.mark.parametrize("destination", ["999", "", "nobody", "210", "25000", "+", "+12", "0" * 5000])
async def test_a_destination_nobody_has_is_refused(face: Face, destination: str) -> None:
    """The pointer leads to it; another tenant's number and one's own are nobody's too."""
    answer = await face.command("click-to-dial", destination=destination)
    assert (answer.status, answer.code, answer.pointers) == (422, "invalid_field", ["/payload/destination"])


async def test_user_data_has_a_limit(face: Face) -> None:
    """More than events can carry is refused, in bytes and in depth."""
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"a": deep}
    for user_data in ({"k": "x" * 17_000}, deep):
        answer = await face.command("click-to-dial", destination="200", user_data=user_data)
        assert (answer.status, answer.code, answer.pointers) == (422, "invalid_field", ["/payload/user_data"])


async def test_the_published_python_sample_is_told_what_is_wrong(face: Face) -> None:
    """It sends a JSON string that holds JSON."""
    answer = await face.post("/call_control/", '{"command": "click-to-dial"}')
    assert (answer.status, answer.code) == (400, "double_encoded_json")
    assert "json=data" in answer.body["detail"]


async def test_the_published_samples_with_nested_strings_are_told_what_is_wrong(face: Face) -> None:
    """Some send ``user`` and ``payload`` as strings."""
    body = {
        "command": "click-to-dial",
        "user": "{'tenant_id': 'b11d749b-8eb7-4236-a068-3d94ba3860d6', 'user_extension': '210'}",
        "payload": "{'destination': '200'}",
    }
    answer = await face.post("/call_control/", body)
    assert (answer.status, answer.code, answer.pointers) == (422, "invalid_field", ["/user", "/payload"])
    assert {error["detail"] for error in answer.body["errors"]} == {"must be an object"}


async def test_an_unknown_command_lists_the_known_ones(face: Face) -> None:
    """So does a missing one."""
    for body in (command("explode", call_leg_id="x"), {}, {"command": 7}, {"command": ["hangup"]}):
        answer = await face.post("/call_control/", body)
        assert (answer.status, answer.code, answer.pointers) == (422, "invalid_command", ["/command"])
        assert "click-to-dial, hangup, answer, reject" in answer.body["detail"]


async def test_checks_come_in_order(face: Face) -> None:
    """Who asks, media type, JSON, shape, permission: what is wrong first is told."""
    bad_body: dict[str, Any] = {"data": b"{", "headers": {"Content-Type": "text/plain"}}
    assert (await face.request("POST", "/call_control/", None, **bad_body)).code == "missing_token"
    assert (await face.request("POST", "/call_control/", "nobody", **bad_body)).code == "invalid_token"
    assert (await face.request("POST", "/call_control/", **bad_body)).code == "unsupported_media_type"
    bad_body["headers"] = {"Content-Type": "application/json"}
    assert (await face.request("POST", "/call_control/", **bad_body)).code == "invalid_json"
    foreign = command("hangup", "mallory", call_leg_id=7)
    assert (await face.post("/call_control/", foreign)).code == "invalid_field"
    foreign["payload"]["call_leg_id"] = "7"
    assert (await face.post("/call_control/", foreign)).code == "tenant_mismatch"


async def test_tokens_are_asked_for_as_bearer(face: Face) -> None:
    """The challenge names the scheme, and says whether a token was given (RFC 6750, section 3)."""
    missing = await face.post("/call_control/", {}, None)
    assert (missing.status, missing.headers["WWW-Authenticate"]) == (401, 'Bearer realm="relay"')
    invalid = await face.post("/call_control/", {}, "nobody")
    assert invalid.headers["WWW-Authenticate"] == 'Bearer realm="relay", error="invalid_token"'
    basic = await face.post("/call_control/", {}, None, Authorization="Basic amFuZTpkZW1v")
    assert basic.code == "missing_token"


async def test_every_answer_tells_the_standing(make_face: MakeFace) -> None:
    """Good or bad, as long as it is known whose it is; without limits there are no headers."""
    face = await make_face(limits=True)
    answer = await face.command("click-to-dial", destination="200")
    assert answer.status == 202
    assert answer.headers["RateLimit-Policy"] == '"call-control";q=60;w=60'
    assert answer.headers["RateLimit"] == '"call-control";r=59;t=60'
    refused = await face.request(
        "POST", "/call_control/", data=b"{", headers={"Content-Type": "application/json"}
    )
    assert refused.code == "invalid_json"
    assert refused.headers["RateLimit"].startswith('"call-control";r=58;t=')
    assert "RateLimit" not in (await face.post("/call_control/", {}, None)).headers
    unlimited = await make_face(limits=False)
    assert "RateLimit" not in (await unlimited.command("click-to-dial", destination="200")).headers


async def test_the_sixty_first_command_of_a_minute_is_refused(make_face: MakeFace) -> None:
    """Whatever process it meets; it is not carried out, and others' are."""
    one, other = await make_face(limits=True), await make_face(limits=True)
    answers = await asyncio.gather(
        *((one, other)[n % 2].command("hangup", call_leg_id="unknown") for n in range(60))
    )
    assert {answer.status for answer in answers} == {403}
    refused = await one.command("click-to-dial", destination="200")
    assert (refused.status, refused.code) == (429, "rate_limited")
    assert refused.headers["RateLimit"].startswith('"call-control";r=0;t=')
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert await one.story() == []
    assert (await other.command("click-to-dial", "john", destination="210")).status == 202


async def test_a_draining_process_refuses_commands(face: Face) -> None:
    """Another one will take them."""
    face.control.drain()
    answer = await face.command("click-to-dial", destination="200")
    assert (answer.status, answer.code) == (503, "draining")
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_trace_goes_with_the_call(face: Face) -> None:
    """A valid traceparent is kept with the events, anything else is ignored."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for given in (trace, "nonsense"):
        body = command("click-to-dial", destination="200")
        assert (await face.post("/call_control/", body, traceparent=given)).status == 202
    page = await face.journal.history(TENANT, None, limit=10)
    assert [entry.event.traceparent for entry in page.entries] == [trace, None]
