"""``POST /v3/events/tickets``: a stream for whoever cannot send a header."""

from __future__ import annotations

import pytest

from tests.dialects.v3.conftest import MakeFace
from tests.dialects.v3.face import TENANT, Face
from tests.dialects.v3.test_events import following
from tests.waiting import eventually


async def ticket(face: Face, user: str = "jane") -> str:
    """Ask for a ticket."""
    answer = await face.request("POST", "/events/tickets", user)
    assert answer.status == 201
    assert answer.body.keys() == {"ticket", "expires_in"}
    assert answer.body["expires_in"] == 60
    assert answer.headers["Cache-Control"] == "no-store"
    return str(answer.body["ticket"])


async def test_a_ticket_opens_the_stream_of_its_user(face: Face) -> None:
    """Without any header it shows what its user may see, and resumes."""
    await face.talk()
    given = await ticket(face, "john")
    path = f"/events/stream?last_event_id=0-0&ticket={given}"
    async with following(face, path, user=None) as client:
        await eventually(lambda: len(client.types) == 2)
        assert {event["user_extension"] for event in client.data} == {"200"}


async def test_a_ticket_is_good_for_one_stream(face: Face, make_face: MakeFace) -> None:
    """At whichever process it was used; then it is refused like one that never was."""
    other = await make_face()
    given = await ticket(face)
    async with following(other, f"/events/stream?ticket={given}", user=None):
        answer = await face.get("/events/stream", None, ticket=given)
        assert (answer.status, answer.code) == (401, "invalid_token")
        assert answer.headers["WWW-Authenticate"].endswith('error="invalid_token"')


async def test_a_ticket_is_good_for_a_minute(face: Face) -> None:
    """The store forgets it, and never has more than its hash, in its tenant's partition."""
    given = await ticket(face)
    keys = face.journal.store.keys(TENANT)
    store = face.journal.store
    [key] = await store.call("KEYS", keys.token("*"))
    assert 59_000 < await store.call("PTTL", key) <= 60_000
    assert given.startswith(f"{keys.partition:02d}-")
    assert given[3:] not in key.decode() + (await store.call("GET", key)).decode()
    await store.call("PEXPIRE", key, 0)
    assert (await face.get("/events/stream", None, ticket=given)).status == 401


async def test_a_ticket_is_for_the_stream_alone(face: Face) -> None:
    """It is no token: not in a header, and not for anything else."""
    given = await ticket(face)
    for path in ("/events/", "/calls/"):
        assert (await face.get(path, None, ticket=given)).code == "missing_token"
    headers = {"Authorization": f"Bearer {given}"}
    assert (await face.request("GET", "/events/stream", None, headers=headers)).code == "invalid_token"
    assert (await face.request("POST", "/events/tickets", None)).code == "missing_token"


async def test_a_token_in_the_header_counts_before_a_ticket(face: Face) -> None:
    """Who sends both keeps the ticket, and a wrong token is not made good by it."""
    given = await ticket(face)
    async with following(face, f"/events/stream?ticket={given}", "john"):
        headers = {"Authorization": "Bearer nobody"}
        answer = await face.request("GET", f"/events/stream?ticket={given}", None, headers=headers)
        assert answer.code == "invalid_token"
    async with following(face, f"/events/stream?ticket={given}", user=None):
        pass


@pytest.mark.parametrize(
    "given",
    [
        "",
        "x",
        "demo-jane",
        "07-" + 64 * "0",
        "9999-" + 64 * "0",
        "07-" + 64 * "G",
        "\u0660\u0667-" + 64 * "0",
    ],
)
async def test_what_is_no_ticket_is_refused(face: Face, given: str) -> None:
    """As unknown, and nothing is asked of the store that could fail."""
    answer = await face.get("/events/stream", None, ticket=given)
    assert (answer.status, answer.code) == (401, "invalid_token")


async def test_a_ticket_cannot_widen_what_a_user_sees(face: Face) -> None:
    """Another's extension is as forbidden with it as with the token."""
    answer = await face.get("/events/stream", None, ticket=await ticket(face), extension="200")
    assert (answer.status, answer.code) == (403, "extension_not_owned")
