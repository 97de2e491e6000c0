"""Changing subscriptions: merge patches, rotation, on and off."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from relay.subscriptions.model import NewSubscription
from relay.subscriptions.store import Subscriptions
from tests.dialects.v3.face import TENANT, Answer, Face
from tests.dialects.v3.test_subscriptions import URL, subscribe

PATCH = "application/merge-patch+json"


async def patch(face: Face, subscription: str, user: str = "jane", **changes: Any) -> Answer:
    """Send a merge patch."""
    return await face.request(
        "PATCH", f"/subscriptions/{subscription}", user, json=changes, headers={"Content-Type": PATCH}
    )


async def test_a_merge_patch_changes_what_it_names(face: Face) -> None:
    """Objects are merged, null brings the default back, and all else stays."""
    made = (
        await subscribe(
            face,
            "admin",
            types=["call.leg.*"],
            extensions=["210"],
            headers={"X-A": "1", "X-B": "2"},
            retries=[5],
            timeout=3,
            rate_limit={"count": 5, "per_seconds": 1},
        )
    ).body
    changed = await patch(
        face,
        made["id"],
        "admin",
        url=URL + "/2",
        types=None,
        extensions=["200"],
        headers={"X-A": None, "X-C": "3"},
        retries=None,
        max_in_flight=2,
        rate_limit={"count": 9},
        description="d",
    )
    assert changed.status == 200, changed.body
    del made["secret"]
    assert changed.body == {
        **made,
        "url": URL + "/2",
        "types": [],
        "extensions": ["200"],
        "headers": {"X-B": "2", "X-C": "3"},
        "retries": None,
        "max_in_flight": 2,
        "rate_limit": {"count": 9, "per_seconds": 1},
        "description": "d",
    }
    assert (await face.get(f"/subscriptions/{made['id']}", "admin")).body == changed.body
    assert (await patch(face, made["id"], "admin")).body == changed.body


@pytest.mark.parametrize(
    ("changes", "status", "pointer"),
    [
        ({"url": None}, 422, "/url"),
        ({"url": "http://10.0.0.1/"}, 422, "/url"),
        ({"types": ["a*b"]}, 422, "/types"),
        ({"headers": {"Host": "x"}}, 422, "/headers"),
        ({"headers": {"X-A": 1}}, 422, "/headers/X-A"),
        ({"rate_limit": {"count": 1}}, 422, "/rate_limit/per_seconds"),
        ({"rate_limit": {"count": 0, "per_seconds": 1}}, 422, "/rate_limit/count"),
        ({"secret": "whsec_x"}, 422, "/secret"),
        ({"status": "active"}, 422, "/status"),
        ({"extensions": ["999"]}, 422, "/extensions/0"),
    ],
)
async def test_a_patch_that_cannot_be_used_changes_nothing(
    face: Face, changes: dict[str, Any], status: int, pointer: str
) -> None:
    """Its fault is pointed at."""
    made = (await subscribe(face)).body
    refused = await patch(face, made["id"], **changes)
    assert (refused.status, refused.pointers) == (status, [pointer])
    assert (await face.get(f"/subscriptions/{made['id']}")).body["url"] == URL


async def test_what_another_api_decides_about_its_subscription_stays(face: Face) -> None:
    """Where it goes and what it gets; how fast, and its description, can be changed here."""
    store = Subscriptions(face.journal.store, formats=("v3",), limit=1)
    made = await store.create(TENANT, "jane", NewSubscription(url=URL, extensions=("210",), manner="other"))
    for name, value in (("url", URL + "/2"), ("types", ["*"]), ("headers", {"X": "y"})):
        refused = await patch(face, made.id, "admin", **{name: value})
        assert (refused.status, refused.pointers) == (422, [f"/{name}"])
    changed = await patch(
        face, made.id, "admin", url=URL, extensions=["210"], description="d", max_in_flight=2
    )
    assert (changed.status, changed.body["description"], changed.body["max_in_flight"]) == (200, "d", 2)


async def test_an_agent_cannot_widen_its_reach_by_a_patch(face: Face) -> None:
    """Another's extension is refused, none means the own one; another's subscription is not there."""
    made = (await subscribe(face)).body["id"]
    assert (await patch(face, made, extensions=["200"])).code == "extension_not_owned"
    assert (await patch(face, made, extensions=None)).body["extensions"] == ["210"]
    for action in ("rotate", "enable", "disable"):
        assert (await face.post(f"/subscriptions/{made}/{action}", {}, "john")).status == 404
    assert (await patch(face, made, "john", description="x")).status == 404


async def test_rotation_answers_with_another_secret(face: Face) -> None:
    """Of the same kind, of the kind asked for, or the one given; the one it had signs on for its grace."""
    made = (await subscribe(face)).body
    path = f"/subscriptions/{made['id']}"
    rotated = await face.request("POST", f"{path}/rotate")
    assert rotated.status == 200
    assert rotated.headers["Cache-Control"] == "no-store"
    assert rotated.body["secret"].startswith("whsec_")
    assert rotated.body["secret"] != made["secret"]
    assert (await face.get(f"{path}/secret")).body == {"secret": rotated.body["secret"]}
    asymmetric = (await face.post(f"{path}/rotate", {"signature": "v1a", "grace_seconds": 0})).body
    assert asymmetric["secret"].startswith("whsk_")
    assert asymmetric["public_key"].startswith("whpk_")
    own = "whsec_" + base64.b64encode(bytes(24)).decode()
    assert (await face.post(f"{path}/rotate", {"secret": own})).body["signature"] == "v1"
    assert (await face.post(f"{path}/rotate", {"secret": "whsec_x"})).pointers == ["/secret"]
    assert (await face.post(f"{path}/rotate", {"grace_seconds": -1})).pointers == ["/grace_seconds"]
    assert (await face.request("POST", f"{path}/rotate", "admin")).code == "scope_missing"


async def test_a_subscription_is_disabled_and_enabled(face: Face) -> None:
    """With its reason; either may be asked for twice."""
    path = f"/subscriptions/{(await subscribe(face)).body['id']}"
    for _ in range(2):
        off = await face.request("POST", f"{path}/disable")
        assert (off.status, off.body["status"], off.body["reason"]) == (200, "disabled", "owner")
    for _ in range(2):
        on = await face.request("POST", f"{path}/enable", "admin")
        assert (on.status, on.body["status"], on.body["reason"]) == (200, "active", None)
