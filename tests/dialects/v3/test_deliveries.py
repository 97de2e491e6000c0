"""``/v3/deliveries/`` and ``/v3/dead-letters/``."""

from __future__ import annotations

import json
from typing import Any

import pytest
import structlog

from relay.webhooks.attempts import Attempt, Delivery, ErrorCode, Status, encode
from relay.webhooks.references import DeliveryId
from tests.dialects.v3.face import TENANT, Face
from tests.dialects.v3.test_subscriptions import subscribe


async def dead_letter(face: Face, user: str = "jane", **payload: Any) -> DeliveryId:
    """Make a call, and leave its first event a dead letter of a new subscription."""
    subscription = (await subscribe(face, user)).body["id"]
    await face.dial(**payload)
    events = (await face.get("/events/")).body["events"]
    store = face.journal.store
    keys = store.keys(TENANT)
    made = DeliveryId(keys.partition, subscription, events[0]["event_id"].rpartition("_")[2])
    attempt = Attempt(
        at=1_763_717_404_218,
        duration_ms=12,
        status_code=500,
        error=ErrorCode.HTTP_STATUS,
        response="no",
        truncated=True,
    )
    letter = Delivery(status=Status.DEAD, type="call.leg.ringing", attempts=(attempt,), reason="exhausted")
    await store.call("ZADD", keys.dead(subscription), made.place, f"{made.event} ".encode() + encode(letter))
    return made


async def test_what_the_store_refuses_is_logged_and_not_told(face: Face) -> None:
    """Where what is kept is of another type, who asks is at no fault, and told nothing of it."""
    store = face.journal.store
    await store.call("SET", store.keys(TENANT).subs_of(TENANT), "not ours")
    with structlog.testing.capture_logs() as logs:
        answer = await face.get("/deliveries/")
    assert (answer.status, answer.code) == (500, "internal_error")
    assert answer.body["detail"] == answer.body["title"]
    assert [one["event"] for one in logs if one["log_level"] == "error"] == ["a request failed"]


@pytest.mark.parametrize("what", ["queue", "lanes", "attempts", "dead"])
async def test_a_subscription_whose_keys_broke_hides_no_other_ones_deliveries(face: Face, what: str) -> None:
    """The key is set aside and said so; all that is kept elsewhere is listed, of that subscription too."""
    letter, ill = await dead_letter(face), await dead_letter(face)
    store = face.journal.store
    keys = store.keys(TENANT)
    key = getattr(keys, what)(ill.subscription)
    await store.call("DEL", key)
    await store.call("SET", key, "not ours")
    with structlog.testing.capture_logs() as logs:
        shown = (await face.get("/deliveries/")).body["deliveries"]
    assert [one["key"] for one in logs if one["event"] == "unfit key set aside"] == [key]
    assert await store.call("GET", keys.aside(key)) == b"not ours"
    assert str(letter) in [one["id"] for one in shown]
    assert (str(ill) in [one["id"] for one in shown]) is (what != "dead")
    assert (await face.get(f"/deliveries/{letter}")).status == 200
    assert (await face.get(f"/deliveries/{ill}")).status == (404 if what == "dead" else 200)


@pytest.mark.parametrize("what", ["queue", "attempts", "dead"])
async def test_dead_letters_can_be_redriven_though_a_key_broke(face: Face, what: str) -> None:
    """Those that can be read are queued again."""
    letter = await dead_letter(face)
    store = face.journal.store
    key = getattr(store.keys(TENANT), what)(letter.subscription)
    await store.call("DEL", key)
    await store.call("SET", key, "not ours")
    answer = await face.post("/dead-letters/redrive", {"subscription": letter.subscription})
    assert (answer.status, answer.body) == (202, {"redriven": 0 if what == "dead" else 1})


async def test_a_delivery_is_shown_with_its_attempts(face: Face) -> None:
    """Lists leave the attempts out; another user's delivery is none."""
    letter = await dead_letter(face)
    expected: dict[str, Any] = {
        "id": str(letter),
        "event_id": f"evt_{letter.partition:02d}_{letter.event}",
        "subscription": letter.subscription,
        "type": "call.leg.ringing",
        "status": "dead",
        "reason": "exhausted",
        "next_attempt_at": None,
    }
    assert (await face.get("/deliveries/")).body == {"deliveries": [expected], "next": None}
    attempt = {
        "id": f"{str(letter).replace('dlv', 'att')}_1",
        "at": "2025-11-21T09:30:04.218Z",
        "trigger": "schedule",
        "duration_ms": 12,
        "status_code": 500,
        "error": "http_status",
        "response": "no",
        "truncated": True,
    }
    [body, *_] = (await face.get("/events/")).body["events"]
    found = (await face.get(f"/deliveries/{letter}")).body
    request = found.pop("request")
    assert found == {**expected, "attempts": [attempt]}
    assert (json.loads(request["body"]), request["truncated"]) == (body, False)
    assert (await face.get(f"/deliveries/{letter}", "admin")).status == 200
    for user in ("john", "mallory"):
        assert (await face.get(f"/deliveries/{letter}", user)).status == 404
        assert (await face.get("/deliveries/", user)).body["deliveries"] == []


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"status": "dead"}, 1),
        ({"status": "pending"}, 0),
        ({"type": "call.leg.*"}, 1),
        ({"type": "call.leg.hungup"}, 0),
        ({"since": "2020-01-01T00:00:00Z"}, 1),
        ({"since": "2100-01-01T00:00:00.5+01:00"}, 0),
    ],
)
async def test_lists_are_restricted(face: Face, query: dict[str, str], count: int) -> None:
    """By status, type and time."""
    await dead_letter(face)
    assert len((await face.get("/deliveries/", **query)).body["deliveries"]) == count


@pytest.mark.parametrize(
    ("name", "value"),
    [("status", "lost"), ("type", "a*b"), ("since", "yesterday"), ("cursor", "x"), ("limit", "0")],
)
async def test_a_parameter_that_cannot_be_used_is_named(face: Face, name: str, value: str) -> None:
    """With 400."""
    refused = await face.get("/deliveries/", **{name: value})
    assert (refused.status, refused.body["errors"][0]["parameter"]) == (400, name)


async def test_of_a_request_the_beginning_is_shown(face: Face) -> None:
    """While its event is kept; also of what was not tried yet, whose type can be told then."""
    letter = await dead_letter(face, user_data={"note": "ż" * 3000})
    store = face.journal.store
    keys = store.keys(TENANT)
    await store.call("DEL", keys.dead(letter.subscription))
    await store.call("ZADD", keys.queue(letter.subscription), letter.place, letter.event)
    found = (await face.get(f"/deliveries/{letter}")).body
    assert (found["status"], found["type"], found["attempts"]) == ("pending", "call.leg.ringing", [])
    assert found["request"]["truncated"]
    assert found["request"]["body"].startswith('{"type":"call.leg.ringing"')
    assert 4093 <= len(found["request"]["body"].encode()) <= 4096
    await store.call("XTRIM", keys.events, "MAXLEN", 0)
    gone = (await face.get(f"/deliveries/{letter}")).body
    assert (gone["request"], gone["type"]) == (None, None)


async def test_a_resend_is_accepted(face: Face) -> None:
    """With 202; of a disabled subscription it is refused with 409."""
    letter = await dead_letter(face)
    sent = await face.post(f"/deliveries/{letter}/resend", None)
    assert (sent.status, sent.body["delivery_id"]) == (202, str(letter))
    assert (await face.post(f"/deliveries/{letter}/resend", None, "john")).status == 404
    keys = face.journal.store.keys(TENANT)
    await face.journal.store.call("XTRIM", keys.events, "MAXLEN", 0)
    refused = await face.post(f"/deliveries/{letter}/resend", None)
    assert (refused.status, refused.code) == (409, "body_expired")


async def test_dead_letters_are_redriven_and_purged(face: Face) -> None:
    """All of a subscription's, or those named."""
    letter = await dead_letter(face)
    wanted = {"subscription": letter.subscription}
    refused = await face.post("/dead-letters/redrive", {**wanted, "ids": ["x"]})
    assert refused.status == 404
    assert (await face.post("/dead-letters/redrive", wanted, "john")).status == 404
    assert (await face.post("/dead-letters/redrive", {})).pointers == ["/subscription"]
    redriven = await face.post("/dead-letters/redrive", {**wanted, "ids": [str(letter)]})
    assert (redriven.status, redriven.body) == (202, {"redriven": 1})
    assert (await face.get(f"/deliveries/{letter}")).body["status"] == "pending"
    assert (await face.post("/dead-letters/redrive", wanted)).body == {"redriven": 0}
    purged = await face.request("DELETE", "/dead-letters/", params={"subscription": letter.subscription})
    assert (purged.status, purged.body) == (200, {"purged": 0})
    assert (await face.request("DELETE", "/dead-letters/")).status == 400


async def test_a_recovery_tells_how_far_it_is(face: Face) -> None:
    """From when on, whether that is all, and what has been looked at; to whom the subscription is."""
    made = (await subscribe(face)).body["id"]
    await face.dial()
    path = f"/subscriptions/{made}"
    since = (await face.get(path)).body["created_at"]
    asked = await face.post(f"{path}/recover", {"since": "2020-01-01T00:00:00Z", "events": "undelivered"})
    assert asked.status == 202
    expected = {
        "recovery_id": asked.body["recovery_id"],
        "subscription": made,
        "status": "pending",
        "since": "2020-01-01T00:00:00.000Z",
        "until": asked.body["until"],
        "events": "undelivered",
        "from": asked.body["from"],
        "complete": True,
        "reached": asked.body["from"],
        "scanned": 0,
        "queued": 0,
    }
    assert asked.body == expected
    assert since[:10] == asked.body["from"][:10]
    found = await face.get(f"{path}/recoveries/{asked.body['recovery_id']}", "admin")
    assert (found.status, found.body) == (200, expected)
    assert (await face.get(f"{path}/recoveries/{asked.body['recovery_id']}", "john")).status == 404
    assert (await face.get(f"{path}/recoveries/none")).status == 404
    assert (await face.post(f"{path}/recover", {"since": since}, "john")).status == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/since"),
        ({"since": "yesterday"}, "/since"),
        ({"since": "2100-01-01T00:00:00Z"}, "/since"),
        ({"since": "2020-01-01T00:00:00Z", "until": "2019-01-01T00:00:00Z"}, "/until"),
        ({"since": "2020-01-01T00:00:00Z", "until": "now"}, "/until"),
        ({"since": "2020-01-01T00:00:00Z", "events": "some"}, "/events"),
        ({"since": "2020-01-01T00:00:00Z", "to": "x"}, "/to"),
    ],
)
async def test_a_range_that_cannot_be_recovered_is_pointed_at(
    face: Face, body: dict[str, str], pointer: str
) -> None:
    """With 422."""
    made = (await subscribe(face)).body["id"]
    refused = await face.post(f"/subscriptions/{made}/recover", body)
    assert (refused.status, refused.pointers) == (422, [pointer])
