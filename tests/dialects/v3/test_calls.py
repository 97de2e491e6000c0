"""``GET /v3/calls/``: who sees which leg, and for how long."""

from __future__ import annotations

import pytest

from tests.dialects.v3.face import Face


async def test_an_agent_sees_its_own_legs_and_an_admin_every_one(face: Face) -> None:
    """Another tenant sees none."""
    jane, john = await face.talk()
    await face.dial("alex", "+12025550123")
    seen = {
        user: [leg["user_extension"] for leg in (await face.get("/calls/", user)).body["calls"]]
        for user in ("jane", "john", "alex", "admin", "mallory")
    }
    assert seen == {
        "jane": ["210"],
        "john": ["200"],
        "alex": ["220"],
        "admin": ["210", "200", "220"],
        "mallory": [],
    }
    assert (await face.get("/calls", "jane")).body["next"] is None
    assert (await face.get(f"/calls/{jane}/", "admin")).body["id"] == jane
    assert (await face.get(f"/calls/{john}", "john")).body["id"] == john


async def test_a_leg_is_shaped_as_in_its_events(face: Face) -> None:
    """What a list shows and what an event tells is the same."""
    jane, _ = await face.talk()
    leg = (await face.get(f"/calls/{jane}")).body
    event = (await face.get("/events/")).body["events"][-1]
    assert leg.items() <= event.items()
    assert set(event) - set(leg) == {"type", "timestamp", "event_id", "schema", "sequence", "command_id"}


async def test_legs_can_be_selected(face: Face) -> None:
    """By state and by extension; both may be given."""
    await face.talk()
    await face.dial("alex", "+12025550123")
    admin = {"user": "admin"}
    ringing = (await face.get("/calls/", **admin, state="ringing")).body["calls"]
    assert [leg["user_extension"] for leg in ringing] == ["220"]
    answered = (await face.get("/calls/", **admin, state="answered", extension="200")).body["calls"]
    assert [leg["user_extension"] for leg in answered] == ["200"]
    assert (await face.get("/calls/", **admin, state="hungup")).body["calls"] == []
    both = (await face.get("/calls/?extension=210&extension=220", "admin")).body["calls"]
    assert [leg["user_extension"] for leg in both] == ["210", "220"]


async def test_an_ended_leg_leaves_the_list_but_can_be_read(face: Face) -> None:
    """How it ended is told for an hour."""
    jane = await face.dial()
    await face.command("hangup", call_leg_id=jane)
    assert (await face.get("/calls/")).body["calls"] == []
    leg = (await face.get(f"/calls/{jane}")).body
    assert (leg["state"], leg["hangup"]) == ("hungup", {"cause": "canceled", "by": "210"})


async def test_an_external_end_has_no_leg_of_its_own(face: Face) -> None:
    """v3 shows the legs of the tenant's users alone."""
    inbound = await face.post("/simulator/calls/", {"from": "+12025550123", "to": "210"}, "admin")
    outside, inside = (party["id"] for party in inbound.body["parties"])
    assert [leg["id"] for leg in (await face.get("/calls/", "admin")).body["calls"]] == [inside]
    assert (await face.get(f"/calls/{outside}", "admin")).code == "not_found"


@pytest.mark.parametrize(
    ("user", "status", "code"),
    [("alex", 403, "extension_not_owned"), ("mallory", 404, "not_found"), (None, 401, "missing_token")],
)
async def test_others_cannot_read_a_leg(face: Face, user: str | None, status: int, code: str) -> None:
    """Another tenant cannot tell it from one that never was."""
    jane = await face.dial()
    answer = await face.get(f"/calls/{jane}", user)
    assert (answer.status, answer.code) == (status, code)
    unknown = await face.get("/calls/unknown", user)
    assert unknown.status == (401 if user is None else 404)
