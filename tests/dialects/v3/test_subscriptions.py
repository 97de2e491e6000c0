"""``/v3/subscriptions/``: who may subscribe to what, and what is shown of it."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from relay.dialects.v3.subscription_bodies import LONGEST_DESCRIPTION, SubscriptionSchema
from relay.subscriptions.filters import MOST_PATTERNS
from relay.subscriptions.model import (
    LONGEST_PAUSE,
    LONGEST_TIMEOUT,
    LONGEST_WINDOW,
    MAX_IN_FLIGHT,
    MOST_HEADERS,
    MOST_IN_FLIGHT,
    MOST_PER_WINDOW,
    MOST_RETRIES,
    NewSubscription,
)
from relay.subscriptions.sealing import SecretKeys
from relay.subscriptions.signing_keys import SECRET_BYTES
from relay.subscriptions.store import Subscriptions
from relay.webhooks.guard import LONGEST_URL
from tests.dialects.v3.conftest import MOST_SUBSCRIPTIONS
from tests.dialects.v3.face import TENANT, Answer, Face

DOCS = Path(__file__).parents[3] / "docs" / "webhooks.md"
URL = "http://127.0.0.1:9999/hook"
SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()


async def subscribe(face: Face, user: str = "jane", **fields: Any) -> Answer:
    """Subscribe to something."""
    return await face.post("/subscriptions/", {"url": URL, **fields}, user)


async def test_a_subscription_is_made_with_a_secret(face: Face) -> None:
    """Only the url is needed; the secret is in the answer, and nowhere else but under its own path."""
    made = await subscribe(face, types=["call.leg.*"], description="mine")
    assert made.status == 201
    assert made.body["secret"].startswith("whsec_")
    assert made.headers["Location"] == f"https://relay.example.com/v3/subscriptions/{made.body['id']}"
    shown = (await face.get(f"/subscriptions/{made.body['id']}")).body
    assert made.body == {**shown, "secret": made.body["secret"]}
    assert shown == {
        "id": made.body["id"],
        "url": URL,
        "types": ["call.leg.*"],
        "extensions": ["210"],
        "format": "v3",
        "status": "active",
        "reason": None,
        "headers": {},
        "signature": "v1",
        "public_key": None,
        "max_in_flight": 10,
        "rate_limit": None,
        "retries": None,
        "timeout": None,
        "description": "mine",
        "health": {"breaker": "closed", "failing_since": None},
        "created_at": shown["created_at"],
    }
    secret = await face.get(f"/subscriptions/{made.body['id']}/secret")
    assert secret.body == {"secret": made.body["secret"]}
    assert secret.headers["Cache-Control"] == "no-store"


async def test_every_field_is_kept(face: Face) -> None:
    """As it was given."""
    fields: dict[str, Any] = {
        "types": ["call.leg.hungup"],
        "extensions": ["200", "210"],
        "secret": SECRET,
        "headers": {"Authorization": "Bearer x"},
        "max_in_flight": 3,
        "rate_limit": {"count": 5, "per_seconds": 2},
        "retries": [1, 2.5],
        "timeout": 10,
    }
    made = await subscribe(face, "admin", **fields)
    assert made.status == 201, made.body
    assert {name: made.body[name] for name in fields} == fields


def test_every_field_and_its_limits_are_documented() -> None:
    """In the table of the documentation, and none that there is not."""
    table = DOCS.read_text().partition("| field |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named == set(SubscriptionSchema().fields)
    for limit in (
        *(LONGEST_URL, MOST_PATTERNS, *SECRET_BYTES, MOST_HEADERS, MAX_IN_FLIGHT, MOST_IN_FLIGHT),
        *(MOST_PER_WINDOW, LONGEST_WINDOW, MOST_RETRIES, LONGEST_PAUSE, LONGEST_TIMEOUT, LONGEST_DESCRIPTION),
    ):
        assert re.search(rf"\b{limit:,.0f}\b", table), limit


async def test_an_agent_subscribes_to_its_own_extension(face: Face) -> None:
    """Without naming one it is not the whole tenant's; an admin's is."""
    assert (await subscribe(face)).body["extensions"] == ["210"]
    assert (await subscribe(face, "admin")).body["extensions"] == []
    refused = await subscribe(face, extensions=["210", "200"])
    assert (refused.status, refused.code) == (403, "extension_not_owned")


async def test_an_agent_has_its_own_and_an_admin_reaches_all(face: Face) -> None:
    """What another made does not exist for an agent, nor for another tenant."""
    janes, admins = (await subscribe(face)).body["id"], (await subscribe(face, "admin")).body["id"]
    listed = {
        user: [one["id"] for one in (await face.get("/subscriptions/", user)).body["subscriptions"]]
        for user in ("jane", "john", "admin", "mallory")
    }
    assert listed == {"jane": [janes], "john": [], "admin": [janes, admins], "mallory": []}
    for user, subscription in (("jane", admins), ("john", janes), ("mallory", janes)):
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/secret")):
            answer = await face.request(method, f"/subscriptions/{subscription}{path}", user)
            assert (answer.status, answer.code) == (404, "not_found")
    assert (await face.get(f"/subscriptions/{janes}", "admin")).status == 200


async def test_secrets_are_for_the_owner(face: Face) -> None:
    """An admin may see and delete an agent's subscription, but sign nothing in its name."""
    made = await subscribe(face, headers={"Authorization": "Bearer x"})
    path = f"/subscriptions/{made.body['id']}"
    refused = await face.get(f"{path}/secret", "admin")
    assert (refused.status, refused.code) == (403, "scope_missing")
    assert (await face.get(path, "admin")).body["headers"] == {"Authorization": "***"}
    assert (await face.get(path)).body["headers"] == {"Authorization": "Bearer x"}
    assert (await face.request("DELETE", path, "admin")).status == 204


async def test_a_deleted_subscription_is_gone(face: Face) -> None:
    """Deleting it again finds nothing."""
    path = f"/subscriptions/{(await subscribe(face)).body['id']}"
    deleted = await face.request("DELETE", path)
    assert (deleted.status, deleted.body) == (204, None)
    for method in ("GET", "DELETE"):
        assert (await face.request(method, path)).status == 404
    assert (await face.get("/subscriptions/")).body == {"subscriptions": [], "next": None}


async def test_lists_come_in_pages(face: Face) -> None:
    """Oldest first, each page with the cursor of the next."""
    made = [(await subscribe(face)).body["id"] for _ in range(5)]
    found: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await face.get("/subscriptions", **query)).body
        found += [one["id"] for one in page["subscriptions"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == made


@pytest.mark.parametrize("query", ["cursor=x", "cursor=-1", "limit=0", "limit=x"])
async def test_an_unusable_parameter_is_named(face: Face, query: str) -> None:
    """A cursor is what a page gave."""
    answer = await face.get(f"/subscriptions/?{query}")
    assert (answer.status, answer.code) == (400, "invalid_field")
    assert answer.body["errors"][0]["parameter"] == query.split("=", maxsplit=1)[0]


async def test_a_tenant_has_only_so_many(face: Face) -> None:
    """The limit is named; deleting one makes room."""
    made = [await subscribe(face) for _ in range(MOST_SUBSCRIPTIONS)]
    refused = await subscribe(face)
    assert (refused.status, refused.code) == (409, "limit_reached")
    assert str(MOST_SUBSCRIPTIONS) in refused.body["detail"]
    assert (await subscribe(face, "mallory")).status == 201
    await face.request("DELETE", f"/subscriptions/{made[0].body['id']}")
    assert (await subscribe(face)).status == 201


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"url": "http://10.0.0.1/"}, ["/url"]),
        ({"url": "http://169.254.169.254/"}, ["/url"]),
        ({"url": "http://[::ffff:10.0.0.1]/"}, ["/url"]),
        ({"url": "ftp://127.0.0.1/"}, ["/url"]),
        ({"url": "nonsense"}, ["/url"]),
        ({"url": ""}, ["/url"]),
        ({"url": None}, ["/url"]),
        ({"url": 7}, ["/url"]),
        ({"types": ["*leg"]}, ["/types"]),
        ({"types": "call.leg.*"}, ["/types"]),
        ({"types": [7, None]}, ["/types/0", "/types/1"]),
        ({"extensions": ["999"]}, ["/extensions/0"]),
        ({"format": "xml"}, ["/format"]),
        ({"secret": "short"}, ["/secret"]),
        ({"secret": "whsec_!!!"}, ["/secret"]),
        ({"headers": {"a/b~c": 7}}, ["/headers/a~1b~0c"]),
        ({"headers": {"Host": "x"}}, ["/headers"]),
        ({"headers": {"X": "a\r\nb"}}, ["/headers"]),
        ({"headers": ["X"]}, ["/headers"]),
        ({"max_in_flight": 0}, ["/max_in_flight"]),
        ({"max_in_flight": "3"}, ["/max_in_flight"]),
        ({"max_in_flight": True}, ["/max_in_flight"]),
        ({"max_in_flight": 1.5}, ["/max_in_flight"]),
        ({"retries": [0]}, ["/retries"]),
        ({"retries": ["5"]}, ["/retries/0"]),
        ({"retries": [10**400]}, ["/retries/0"]),
        ({"retries": 5}, ["/retries"]),
        ({"timeout": 0.1}, ["/timeout"]),
        ({"timeout": False}, ["/timeout"]),
        ({"description": "x" * 501}, ["/description"]),
        ({"rate_limit": {"count": 1}}, ["/rate_limit/per_seconds"]),
        ({"_schema": 1}, ["/_schema"]),
    ],
)
async def test_an_unusable_field_is_pointed_at(
    face: Face, fields: dict[str, Any], pointers: list[str]
) -> None:
    """And nothing is made."""
    before = await face.written()
    answer = await subscribe(face, "admin", **fields)
    assert (answer.status, answer.code, answer.pointers) == (422, "invalid_field", pointers)
    assert await face.written() == before


async def test_an_endpoint_that_fails_shows_it(face: Face) -> None:
    """While its breaker is open the subscription is failing, since its first failure."""
    made = (await subscribe(face)).body["id"]
    store = face.journal.store
    kept = b'{"failing_since":1763717404218,"complaint":"failing","open":true}'
    await store.call("HSET", store.keys(TENANT).health, made, kept)
    shown = (await face.get(f"/subscriptions/{made}")).body
    assert shown["status"] == "failing"
    assert shown["health"] == {"breaker": "open", "failing_since": "2025-11-21T09:30:04.218Z"}
    assert (await face.get("/subscriptions/")).body["subscriptions"] == [shown]
    disabled = await face.request("POST", f"/subscriptions/{made}/disable")
    assert disabled.body["status"] == "disabled"


async def test_a_subscription_is_tried(face: Face) -> None:
    """A test event waits as a delivery that can be read; a disabled subscription's is refused."""
    made = (await subscribe(face)).body["id"]
    tried = await face.post(f"/subscriptions/{made}/test", None)
    assert tried.status == 202
    delivery = (await face.get(f"/deliveries/{tried.body['delivery_id']}")).body
    assert delivery["event_id"] == tried.body["event_id"]
    assert (delivery["type"], delivery["status"]) == ("subscription.test", "pending")
    assert (await face.post(f"/subscriptions/{made}/test", None, "john")).status == 404
    assert (await face.post(f"/subscriptions/{made}/disable", None)).status == 200
    refused = await face.post(f"/subscriptions/{made}/test", None)
    assert (refused.status, refused.code) == (409, "subscription_disabled")


async def test_history_tells_of_ended_subscriptions(face: Face) -> None:
    """To their owner and to admins, among the calls' events; an extension's history has none of it."""
    made = (await subscribe(face)).body["id"]
    await face.post(f"/subscriptions/{made}/disable", None)
    for user in ("jane", "admin"):
        [event] = (await face.get("/events/", user)).body["events"]
        assert (event["type"], event["subscription"], event["reason"]) == (
            "subscription.disabled",
            made,
            "owner",
        )
    assert (await face.get("/events/", "john")).body["events"] == []
    assert (await face.get("/events/", "admin", extension="210")).body["events"] == []
    assert (await face.get("/events/", "admin", type="call.*")).body["events"] == []


async def test_secrets_under_another_key_are_said_to_be(face: Face) -> None:
    """With 503, not as if the subscription were gone; deleting it needs the key too, and nothing is shown."""
    store = face.journal.store
    sealing = Subscriptions(store, formats=("v3",), limit=10, secret_keys=SecretKeys([bytes(32)]))
    made = await sealing.create(TENANT, "admin", NewSubscription(url=URL, secret=SECRET))
    for path in (f"/subscriptions/{made.id}", "/subscriptions/"):
        refused = await face.get(path, "admin")
        assert (refused.status, refused.code) == (503, "secrets_unavailable")
        assert SECRET not in str(refused.body)
        assert int(refused.headers["Retry-After"]) > 0


@pytest.mark.parametrize("field", ["x", "1-0 1-0 {}", "id", "account", "secrets", "secret", "from"])
async def test_a_subscription_that_cannot_be_read_is_told_and_can_be_deleted(face: Face, field: str) -> None:
    """It hides no other one and breaks no list; whose it was cannot be told, so an admin deletes it."""
    well, ill = (await subscribe(face)).body["id"], (await subscribe(face)).body["id"]
    store = face.journal.store
    keys = store.keys(TENANT)
    from_id, rev, kept = (await store.call("HGET", keys.subs, ill)).decode().split(" ", 2)
    changes: dict[str, dict[str, Any]] = {
        "id": {"id": well},
        "account": {"account": "other"},
        "secrets": {"secrets": []},
        "secret": {"secrets": ["whsec_!"]},
    }
    if field in changes:
        field = f"{from_id} {rev} {json.dumps({**json.loads(kept), **changes[field]})}"
    await store.call("HSET", keys.subs, ill, f"x {rev} {kept}" if field == "from" else field)
    for user in ("jane", "admin"):
        listed = await face.get("/subscriptions/", user)
        assert [one["id"] for one in listed.body["subscriptions"]] == [well]
        assert (await face.get("/deliveries/", user)).status == 200
        shown = await face.get(f"/subscriptions/{ill}", user)
        assert (shown.status, shown.code) == (409, "subscription_unreadable")
        changed = await face.request("PATCH", f"/subscriptions/{ill}", user, json={"description": "x"})
        assert (changed.status, changed.code) == (409, "subscription_unreadable")
    assert (await face.request("DELETE", f"/subscriptions/{ill}", "jane")).status == 409
    assert (await face.request("DELETE", f"/subscriptions/{ill}", "admin")).status == 204
    assert (await face.get(f"/subscriptions/{ill}", "admin")).status == 404
    assert not await store.call("HEXISTS", keys.subs, ill)
