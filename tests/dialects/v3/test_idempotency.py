"""``Idempotency-Key``: a command sent again is answered again."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from relay.dialects.v3 import idempotency
from tests.dialects.v3.conftest import MakeFace
from tests.dialects.v3.face import Answer, Face, command
from tests.waiting import eventually

DIAL = command("click-to-dial", destination="200")


async def dial(face: Face, key: str = "k1", user: str = "jane", **payload: object) -> Answer:
    """Click to dial under a key."""
    body = command("click-to-dial", user, **{"destination": "200", **payload})
    return await face.post("/call_control/", body, user, Idempotency_Key=key)


async def only_key(face: Face) -> str:
    """Return the one key that answers are kept under."""
    [key] = await face.journal.store.call("KEYS", "relay:*:idem:*")
    return str(key.decode())


async def test_the_same_command_is_carried_out_once(face: Face) -> None:
    """The second answer is the first, and says so; the call is one."""
    first, second = await dial(face), await dial(face)
    assert first.status == second.status == 202
    assert first.body == second.body
    assert idempotency.REPLAYED not in first.headers
    assert second.headers[idempotency.REPLAYED] == "true"
    assert second.headers["Content-Type"] == first.headers["Content-Type"]
    assert await face.story() == ["ringing(210,1)"]


async def test_an_answer_is_kept_for_a_day(face: Face) -> None:
    """And not longer."""
    await dial(face)
    left = await face.journal.store.call("TTL", await only_key(face))
    assert 86_000 < left <= 86_400


async def test_refusals_are_answers_too(face: Face) -> None:
    """What became of the command is told again, although it might succeed by now."""
    body = command("hangup", call_leg_id="unknown")
    first = await face.post("/call_control/", body, Idempotency_Key="k")
    second = await face.post("/call_control/", body, Idempotency_Key="k")
    assert first.code == second.code == "not_active_participant"
    assert second.headers[idempotency.REPLAYED] == "true"


async def test_a_key_is_for_one_body(face: Face) -> None:
    """Another command under the same key is refused, and the first answer stays; spelling does not matter."""
    first = await dial(face)
    reused = await dial(face, destination="220")
    assert (reused.status, reused.code) == (422, "idempotency_key_reused")
    reordered = dict(reversed(DIAL.items()))
    again = await face.post("/call_control/", reordered, Idempotency_Key="k1")
    assert again.body == first.body


async def test_keys_are_the_users_own(face: Face) -> None:
    """Two users may choose the same key."""
    jane, john = await dial(face), await dial(face, user="john", destination="220")
    assert jane.body["call_id"] != john.body["call_id"]
    assert idempotency.REPLAYED not in john.headers


async def test_processes_share_the_answers(make_face: MakeFace) -> None:
    """The second request may meet another process."""
    one, other = await make_face(), await make_face()
    first, second = await dial(one), await dial(other)
    assert first.body == second.body
    assert second.headers[idempotency.REPLAYED] == "true"


async def test_without_a_key_every_command_counts(face: Face) -> None:
    """Nothing is kept."""
    await face.dial()
    await face.dial()
    assert len(await face.story()) == 2
    assert await face.journal.store.call("KEYS", "relay:*:idem:*") == []


async def test_bodies_that_were_never_carried_out_leave_no_trace(face: Face) -> None:
    """A wrong shape can be mended and sent under the same key."""
    wrong = await face.post("/call_control/", {**DIAL, "payload": {}}, Idempotency_Key="k1")
    assert wrong.status == 422
    assert (await dial(face)).status == 202


async def test_requests_at_once_are_carried_out_once(make_face: MakeFace) -> None:
    """The others are told to ask again, and then get the answer."""
    faces = [await make_face(), await make_face()]
    answers = await asyncio.gather(*(dial(faces[n % 2]) for n in range(10)))
    accepted = [answer for answer in answers if answer.status == 202]
    waiting = [answer for answer in answers if answer.status != 202]
    assert accepted
    assert {answer.body["call_id"] for answer in accepted} == {accepted[0].body["call_id"]}
    assert {answer.code for answer in waiting} <= {"idempotency_key_in_use"}
    assert all(answer.headers["Retry-After"] == "1" for answer in waiting)
    assert await faces[0].story() == ["ringing(210,1)"]
    assert (await dial(faces[0])).body == accepted[0].body


async def forget_answers(face: Face, *, age: float = 0) -> None:
    """Leave of each answer the mark its command began with, as a death in between does, from so long ago."""
    for key in await face.journal.store.call("KEYS", "relay:*:idem:*"):
        kept = msgspec.json.decode(await face.journal.store.call("GET", key))
        mark = {"fingerprint": kept["fingerprint"], "at": kept["at"] - age}
        await face.journal.store.call("SET", key, msgspec.json.encode(mark))


async def test_a_death_between_call_and_answer_dials_once(face: Face) -> None:
    """Whoever takes over an old mark finds the call that is there already."""
    first = await dial(face)
    await forget_answers(face)
    early = await dial(face)
    assert (early.status, early.code) == (409, "idempotency_key_in_use")
    await forget_answers(face, age=idempotency.PENDING)
    late = await dial(face)
    assert late.body == first.body
    assert idempotency.REPLAYED not in late.headers
    assert await face.story() == ["ringing(210,1)"]
    assert (await dial(face)).headers[idempotency.REPLAYED] == "true"


async def once(face: Face, name: str, user: str = "jane", **payload: Any) -> Answer:
    """Send a command under its name as the key."""
    return await face.post("/call_control/", command(name, user, **payload), user, Idempotency_Key=name)


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("hangup", {}),
        ("hold", {}),
        ("send-dtmf", {"digits": "1"}),
        ("set-user-data", {"user_data": {"k": "v"}}),
        ("transfer", {"destination": "220"}),
        ("consult", {"destination": "220"}),
    ],
)
async def test_a_death_between_a_change_and_its_answer_changes_once(
    face: Face, name: str, payload: dict[str, Any]
) -> None:
    """Who asks again gets the first answer, although the leg may not allow it, and nothing happens again."""
    jane, _ = await face.talk()
    first = await once(face, name, call_leg_id=jane, **payload)
    assert first.status == 202
    story = await face.story()
    await forget_answers(face, age=idempotency.PENDING)
    again = await once(face, name, call_leg_id=jane, **payload)
    assert (again.status, again.body) == (202, first.body)
    assert await face.story() == story


async def test_a_death_before_the_answer_to_answering(face: Face) -> None:
    """A leg that was picked up is not refused, nor is one that has gone on in another call since."""
    jane, _ = await face.talk()
    consult = (await face.command("consult", call_leg_id=jane, destination="220")).body["call_leg_id"]
    [alex] = (await face.get("/calls/", "alex")).body["calls"]
    first = await once(face, "answer", "alex", call_leg_id=alex["id"])
    for _ in range(20):
        await face.command("send-dtmf", "alex", call_leg_id=alex["id"], digits="1")
    await face.command("complete-transfer", call_leg_id=jane, other_call_leg_id=consult)
    assert (await face.get(f"/calls/{alex['id']}", "alex")).body["call_id"] != first.body["call_id"]
    story = await face.story()
    await forget_answers(face, age=idempotency.PENDING)
    again = await once(face, "answer", "alex", call_leg_id=alex["id"])
    assert (first.status, again.status, again.body) == (202, 202, first.body)
    assert await face.story() == story


async def test_what_is_away_can_be_asked_again_at_once(face: Face) -> None:
    """A 503 is no answer to keep."""
    face.control.drain()
    assert (await dial(face)).status == 503
    assert await face.journal.store.call("KEYS", "relay:*:idem:*") == []


@pytest.mark.parametrize("key", ["x" * 256, "ż"])
async def test_a_key_must_be_plain(face: Face, key: str) -> None:
    """It is named as the header it is."""
    answer = await dial(face, key)
    assert (answer.status, answer.code) == (400, "invalid_field")
    assert answer.body["errors"][0]["header"] == "Idempotency-Key"
    assert await face.story() == []


async def test_the_answer_stands_although_the_client_left(face: Face) -> None:
    """A client that drops and asks again is told what became of its command."""
    asking = asyncio.ensure_future(dial(face))
    await eventually(lambda: only_key(face), every=0.0005)
    asking.cancel()
    await asyncio.wait([asking])

    async def answered() -> Answer | None:
        answer = await dial(face)
        return answer if answer.status == 202 else None

    assert (await eventually(answered)).headers[idempotency.REPLAYED] == "true"
    assert await face.story() == ["ringing(210,1)"]
