from __future__ import annotations

import pytest

from tests.dialects.ringcentral.face import Answer, Face, path_of
from tests.dialects.ringcentral.office import inbound, session_path

HEADER = "X-HTTP-Method-Override"


async def tunnelled(face: Face, path: str, method: str, *, by_header: bool = True) -> Answer:
    """Post to a path, and mean another method."""
    if by_header:
        return await face.request("POST", path, headers={HEADER: method})
    return await face.request("POST", f"{path}?_method={method}")


@pytest.mark.parametrize("by_header", [True, False])
async def test_a_post_may_mean_another_method(face: Face, *, by_header: bool) -> None:
    """It is answered as that method would be, whichever way it is named and in whichever case."""
    caller, callee = await inbound(face)
    read = await tunnelled(face, session_path(caller), "get", by_header=by_header)
    assert read.body == (await face.get(session_path(caller))).body
    query = "" if by_header else "?_method=PATCH"
    headers = {HEADER: "PATCH"} if by_header else {}
    muted = await face.request("POST", f"{path_of(callee)}{query}", headers=headers, json={"muted": True})
    assert (muted.status, muted.body["muted"]) == (200, True)
    ended = await tunnelled(face, f"{session_path(caller)}/", "DELETE", by_header=by_header)
    assert ended.status == 204
    assert (await tunnelled(face, session_path(caller), "DELETE", by_header=by_header)).status == 404


async def test_a_post_of_its_own_stays_one(face: Face) -> None:
    """Where a path takes POST too, one that names nothing, or itself, is just that."""
    path = "/restapi/v1.0/subscription"
    assert (await tunnelled(face, path, "GET")).body["records"] == []
    for headers in ({}, {HEADER: "post"}, {HEADER: ""}):
        made = await face.request("POST", path, json={}, headers=headers)
        assert (made.status, made.code) == (400, "CMN-101")


async def test_methods_that_a_path_does_not_take_are_not_tunnelled(face: Face) -> None:
    """405 with the methods that it takes, as without a tunnel; and nothing happens."""
    caller, callee = await inbound(face)
    for method in ("PUT", "TRACE", "nonsense", "POST"):
        refused = await tunnelled(face, session_path(caller), method)
        assert (refused.status, refused.headers["Allow"]) == (405, "DELETE,GET")
    assert (await face.post(session_path(caller))).status == 405
    assert (await tunnelled(face, f"{path_of(callee)}/hold", "DELETE")).status == 405
    assert (await face.party(callee))["status"]["code"] == "Answered"


async def test_only_posts_are_tunnelled(face: Face) -> None:
    """Any other method is what it is."""
    caller, _ = await inbound(face)
    read = await face.request("GET", f"{session_path(caller)}?_method=DELETE", headers={HEADER: "DELETE"})
    assert (read.status, read.body["id"]) == (200, session_path(caller).rpartition("/")[2])


async def test_a_tunnelled_request_needs_a_token(face: Face) -> None:
    """It is let in like the one that it means."""
    caller, _ = await inbound(face)
    refused = await face.request("POST", f"{session_path(caller)}?_method=DELETE", None)
    assert (refused.status, refused.code) == (401, "AGW-401")
