"""Every command on a call, and what it is told by."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.v3.face import Face

OUTSIDE = "+12025550123"


async def told(face: Face, name: str, leg: str, user: str = "jane", **payload: Any) -> list[str]:
    """Send a command, which must be accepted; return the new events, each as ``<type>(<extension>)``."""
    before = len(await face.story())
    answer = await face.command(name, user, call_leg_id=leg, **payload)
    assert answer.status == 202, answer.body
    return [event.partition(",")[0] + ")" for event in (await face.story())[before:]]


async def leg_of(face: Face, user: str) -> str:
    """Return the leg a user got last."""
    return str((await face.get("/calls/", user)).body["calls"][-1]["id"])


async def last(face: Face, kind: str, user: str = "jane") -> dict[str, Any]:
    """Return a user's last event of a type."""
    events = (await face.get("/events/", user, type=f"call.leg.{kind}", limit=1000)).body["events"]
    found: dict[str, Any] = events[-1]
    return found


async def consulting(face: Face) -> tuple[str, str]:
    """Have jane talk with john, and ask alex; return her two legs."""
    jane, _ = await face.talk()
    answer = await face.command("consult", call_leg_id=jane, destination="220")
    alex = await leg_of(face, "alex")
    assert (await face.command("answer", "alex", call_leg_id=alex)).status == 202
    return jane, answer.body["call_leg_id"]


async def test_hold_mute_and_tones(face: Face) -> None:
    """Each is told of the leg it was asked of, and shown by it."""
    jane, _ = await face.talk()
    assert await told(face, "hold", jane) == ["held(210)"]
    assert (await face.get(f"/calls/{jane}")).body["state"] == "held"
    assert await told(face, "retrieve", jane) == ["retrieved(210)"]
    assert await told(face, "mute", jane) == ["muted(210)"]
    assert (await face.get(f"/calls/{jane}")).body["muted"] is True
    assert await told(face, "unmute", jane) == ["unmuted(210)"]
    assert await told(face, "send-dtmf", jane, digits="1*#D") == ["dtmf(210)"]
    assert (await last(face, "dtmf"))["digits"] == "1*#D"


async def test_a_recording(face: Face) -> None:
    """Each change is told with the recording's state, under one id."""
    jane, _ = await face.talk()
    seen = []
    for name in ("start-recording", "pause-recording", "resume-recording", "stop-recording"):
        assert await told(face, name, jane) == ["recording(210)"]
        seen.append((await last(face, "recording"))["recording"])
    assert [one["state"] for one in seen] == ["recording", "paused", "recording", "stopped"]
    assert len({one["id"] for one in seen}) == 1


async def test_user_data_is_set_key_by_key(face: Face) -> None:
    """Other keys stay, a null removes its key; both ends are told."""
    jane, _ = await face.talk()
    assert await told(face, "set-user-data", jane, user_data={"a": 1, "b": {"c": 2}}) == [
        "user_data(210)", "user_data(200)",
    ]  # fmt: skip
    await told(face, "set-user-data", jane, user_data={"a": None})
    assert (await last(face, "user_data", "john"))["user_data"] == {"b": {"c": 2}}


async def test_a_blind_transfer(face: Face) -> None:
    """The leg leaves at once; who stays is told who has come."""
    jane, john = await face.talk()
    assert await told(face, "transfer", jane, destination="220") == [
        "hungup(210)", "transferred(200)", "ringing(220)",
    ]  # fmt: skip
    assert (await last(face, "hungup"))["hangup"] == {"cause": "transferred", "by": "210"}
    assert (await last(face, "transferred", "john"))["participants"] == [
        {"number": "220", "name": "Alex Roe"}
    ]
    assert (await face.command("answer", "alex", call_leg_id=await leg_of(face, "alex"))).status == 202
    assert (await face.get(f"/calls/{john}", "john")).body["state"] == "answered"


async def test_who_is_in_a_call_tells_whether_it_is_internal(face: Face) -> None:
    """It is not once somebody outside is in it, and is again when they have left."""
    jane, john = await face.talk()
    assert (await last(face, "answered"))["internal"] is True
    await told(face, "conference", jane, destination=OUTSIDE)
    assert (await last(face, "participants"))["internal"] is False
    await told(face, "remove-participant", jane, participant=OUTSIDE)
    assert (await last(face, "participants"))["internal"] is True
    await told(face, "transfer", jane, destination=OUTSIDE)
    assert (await last(face, "hungup"))["internal"] is True
    assert (await last(face, "transferred", "john"))["internal"] is False
    await face.pick_up()
    assert (await face.get(f"/calls/{john}", "john")).body["internal"] is False
    await told(face, "hangup", john, "john")
    assert (await last(face, "hungup", "john"))["internal"] is False


async def test_a_consultation_that_ends_in_a_transfer(face: Face) -> None:
    """Consult answers the new leg; after completion the legs that remain share one call."""
    jane, consult = await consulting(face)
    assert jane != consult
    assert (await face.get(f"/calls/{jane}")).body["state"] == "held"
    assert await told(face, "complete-transfer", consult, other_call_leg_id=jane) == [
        "hungup(210)", "hungup(210)", "transferred(220)", "transferred(200)",
    ]  # fmt: skip
    legs = (await face.get("/calls/", "admin")).body["calls"]
    assert sorted(leg["user_extension"] for leg in legs) == ["200", "220"]
    assert len({leg["call_id"] for leg in legs}) == 1


async def test_a_consultation_that_ends_in_a_conference(face: Face) -> None:
    """The first leg goes on with everybody; its owner may remove somebody, by leg, extension or number."""
    jane, consult = await consulting(face)
    assert await told(face, "complete-conference", jane, other_call_leg_id=consult) == [
        "hungup(210)", "retrieved(210)", "transferred(220)", "participants(210)", "participants(200)",
    ]  # fmt: skip
    assert [end["number"] for end in (await last(face, "participants"))["participants"]] == ["200", "220"]
    refused = await face.command(
        "remove-participant", "john", call_leg_id=await leg_of(face, "john"), participant="220"
    )
    assert (refused.status, refused.code) == (409, "not_allowed_now")
    refused = await face.command("remove-participant", call_leg_id=jane, participant="999")
    assert (refused.status, refused.pointers) == (422, ["/payload/participant"])
    assert await told(face, "remove-participant", jane, participant="220") == [
        "hungup(220)", "participants(210)", "participants(200)",
    ]  # fmt: skip


async def test_two_calls_are_swapped_and_merged(face: Face) -> None:
    """Swapping holds one and retrieves the other; merging leaves the held one."""
    jane, consult = await consulting(face)
    assert await told(face, "swap", consult, other_call_leg_id=jane) == ["held(210)", "retrieved(210)"]
    assert await told(face, "merge", jane, other_call_leg_id=consult) == [
        "hungup(210)", "retrieved(210)", "transferred(200)", "participants(210)", "participants(220)",
    ]  # fmt: skip


async def test_a_conference_in_one_step(face: Face) -> None:
    """The added one rings beside the others; who does not come is named with the cause."""
    jane, _ = await face.talk()
    assert await told(face, "conference", jane, destination="220") == [
        "participants(210)", "participants(200)", "ringing(220)",
    ]  # fmt: skip
    assert await told(face, "reject", await leg_of(face, "alex"), "alex") == [
        "hungup(220)", "participants(210)", "participants(200)",
    ]  # fmt: skip
    event = await last(face, "participants")
    assert (event["participant"], event["cause"]) == ("15003", "rejected")


@pytest.mark.parametrize(
    ("name", "payload", "pointer"),
    [
        ("send-dtmf", {"digits": "x"}, "/payload/digits"),
        ("send-dtmf", {"digits": 1}, "/payload/digits"),
        ("send-dtmf", {}, "/payload/digits"),
        ("transfer", {}, "/payload/destination"),
        ("transfer", {"destination": "999"}, "/payload/destination"),
        ("conference", {"destination": "200"}, "/payload/destination"),
        ("consult", {"destination": "210"}, "/payload/destination"),
        ("swap", {}, "/payload/other_call_leg_id"),
        ("merge", {"other_call_leg_id": None}, "/payload/other_call_leg_id"),
        ("set-user-data", {"user_data": "k=v"}, "/payload/user_data"),
        ("set-user-data", {"user_data": {"k": "x" * 17_000}}, "/payload/user_data"),
        ("remove-participant", {}, "/payload/participant"),
        ("hold", {"unknown": 1}, "/payload/unknown"),
    ],
)
async def test_a_payload_that_cannot_be_used_is_pointed_at(
    face: Face, name: str, payload: dict[str, Any], pointer: str
) -> None:
    """With 422, and nothing has happened."""
    jane, _ = await face.talk()
    before = await face.story()
    answer = await face.command(name, call_leg_id=jane, **payload)
    assert (answer.status, answer.code, answer.pointers) == (422, "invalid_field", [pointer])
    assert await face.story() == before


async def test_swapping_a_leg_with_itself_points_at_the_other(face: Face) -> None:
    """It is the second leg that is wrong."""
    jane, _ = await face.talk()
    answer = await face.command("swap", call_leg_id=jane, other_call_leg_id=jane)
    assert (answer.status, answer.pointers) == (422, ["/payload/other_call_leg_id"])


@pytest.mark.parametrize("name", ["complete-transfer", "complete-conference", "swap", "merge"])
async def test_the_other_leg_must_be_an_active_one_of_ones_own(face: Face, name: str) -> None:
    """Unknown, a colleague's and ended are 403 alike; an own one that does not go with it is 409."""
    jane, john = await face.talk()
    ended = await face.dial(destination="220")
    await face.command("hangup", call_leg_id=ended)
    for other in ("unknown", john, ended):
        answer = await face.command(name, call_leg_id=jane, other_call_leg_id=other)
        assert (answer.status, answer.code) == (403, "not_active_participant"), other
    ringing = await face.dial(destination="220")
    answer = await face.command(name, call_leg_id=jane, other_call_leg_id=ringing)
    assert (answer.status, answer.code) == (409, "not_allowed_now")


@pytest.mark.parametrize("name", ["transfer", "consult", "conference", "swap"])
async def test_whose_leg_it_is_counts_before_what_else_is_wrong(face: Face, name: str) -> None:
    """A colleague's leg is 403 whatever stands beside it, and an own one that is not picked up is 409."""
    _, john = await face.talk()
    bad = {"other_call_leg_id": john} if name == "swap" else {"destination": "999"}
    answer = await face.command(name, call_leg_id=john, **bad)
    assert (answer.status, answer.code) == (403, "not_active_participant")
    if name != "swap":
        ringing = await face.dial("alex", "210")
        answer = await face.command(name, "alex", call_leg_id=ringing, **bad)
        assert (answer.status, answer.code) == (409, "not_allowed_now")


async def test_a_consultation_asked_for_twice_is_one(face: Face) -> None:
    """The same key gets the same answer, and there is one new call."""
    jane, _ = await face.talk()
    body = {
        "command": "consult",
        "user": {"tenant_id": (await face.get(f"/calls/{jane}")).body["tenant_id"], "user_extension": "210"},
        "payload": {"call_leg_id": jane, "destination": "220"},
    }
    first = await face.post("/call_control/", body, Idempotency_Key="once")
    again = await face.post("/call_control/", body, Idempotency_Key="once")
    assert (first.status, again.body) == (202, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len((await face.get("/calls/")).body["calls"]) == 2
