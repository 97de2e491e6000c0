"""``GET /v3/events/``: history in pages and the stream, for whoever may see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from tests.dialects.v3.conftest import MakeFace
from tests.dialects.v3.face import TENANT, Face
from tests.streaming.eventstream import Reader
from tests.waiting import eventually


class Following:
    """A client of the stream."""

    def __init__(self) -> None:
        self.reader = Reader()

    @property
    def types(self) -> list[str]:
        """The types of the events so far."""
        return [event.type for event in self.reader.events]

    @property
    def data(self) -> list[dict[str, object]]:
        """The events so far, decoded."""
        return [msgspec.json.decode(event.data) for event in self.reader.events]


@asynccontextmanager
async def following(
    face: Face, path: str = "/events/stream", user: str | None = "jane", **headers: str
) -> AsyncIterator[Following]:
    """Follow the stream as a user, or as nobody; underscores in header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named |= {"Authorization": f"Bearer demo-{user}"} if user else {}
    client = Following()
    async with face.client.get(f"/v3{path}", headers=named) as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")

        async def read() -> None:
            async for chunk in response.content.iter_any():
                client.reader.feed(chunk)

        reading = asyncio.create_task(read())
        await eventually(lambda: client.reader.retries)
        try:
            yield client
        finally:
            reading.cancel()
            await asyncio.wait([reading])


async def test_history_is_what_the_stream_told(face: Face) -> None:
    """Same events, same bytes; an event's id leads back to its place."""
    async with following(face, user="admin") as client:
        jane, _ = await face.talk()
        await face.command("hangup", call_leg_id=jane)
        await eventually(lambda: len(client.types) == 6)
    events = (await face.get("/events/", "admin")).body["events"]
    assert client.data == events
    partition = face.journal.store.keys(TENANT).partition
    assert [f"evt_{partition:02d}_{event.last_id}" for event in client.reader.events] == [
        event["event_id"] for event in events
    ]


async def test_an_agent_sees_its_own_legs_events(face: Face) -> None:
    """An admin sees the tenant's, another tenant nothing."""
    await face.talk()
    assert await face.story("jane") == ["ringing(210,1)", "answered(210,2)"]
    assert await face.story("john") == ["ringing(200,1)", "answered(200,2)"]
    assert len(await face.story("admin")) == 4
    assert await face.story("alex") == []
    assert await face.story("mallory") == []
    async with following(face, "/events/stream?last_event_id=0-0") as client:
        await eventually(lambda: client.types == ["call.leg.ringing", "call.leg.answered"])


async def test_history_comes_in_pages(face: Face) -> None:
    """Each page's cursor leads to the next, until there is none; nothing is missing or repeated."""
    jane, _ = await face.talk()
    await face.command("hangup", call_leg_id=jane)
    found, after, pages = [], "", 0
    while True:
        page = (await face.get("/events/", "admin", limit=2, after=after)).body
        found += page["events"]
        pages += 1
        if page["next"] is None:
            break
        after = page["next"]
    assert pages == 3
    assert found == (await face.get("/events/", "admin")).body["events"]


async def test_a_page_ends_where_its_last_event_was(face: Face) -> None:
    """Also with a filter that passes over others: the cursor skips nothing."""
    jane, _ = await face.talk()
    await face.command("hangup", call_leg_id=jane)
    query = {"extension": "200", "limit": "1"}
    first = (await face.get("/events/", "admin", **query)).body
    second = (await face.get("/events/", "admin", **query, after=first["next"])).body
    third = (await face.get("/events/", "admin", **query, after=second["next"])).body
    found = [page["events"][0]["sequence"] for page in (first, second, third)]
    assert found == [1, 2, 3]
    assert third["next"] is None


@pytest.mark.parametrize("form", ["{}", "evt_{partition:02d}_{}"])
async def test_history_goes_on_after_an_id_in_either_form(face: Face, form: str) -> None:
    """Stream id or event id."""
    await face.talk()
    first, *rest = (await face.get("/events/", "admin")).body["events"]
    stream_id = first["event_id"].split("_")[2]
    after = form.format(stream_id, partition=face.journal.store.keys(TENANT).partition)
    assert (await face.get("/events/", "admin", after=after)).body["events"] == rest


async def test_types_select(face: Face) -> None:
    """By name, or by beginning; several may be given."""
    await face.talk()
    for query, count in (
        ("type=call.leg.answered", 2),
        ("type=call.leg.*", 4),
        ("type=call.leg.answered&type=call.leg.ringing", 4),
        ("type=call.leg", 0),
        ("type=presence.*", 0),
        ("type=call.leg.answered&extension=210", 1),
    ):
        assert len((await face.get(f"/events/?{query}", "admin")).body["events"]) == count, query
        async with following(face, f"/events/stream?{query}&last_event_id=0-0", "admin") as client:
            await eventually(lambda: len(client.types) == count)  # noqa: B023 - waited for within the loop


async def test_a_stream_resumes_after_the_header(face: Face) -> None:
    """The header wins over the query."""
    await face.talk()
    events = (await face.get("/events/", "admin")).body["events"]
    last = events[1]["event_id"].split("_")[2]
    path = "/events/stream?last_event_id=0-0"
    async with following(face, path, "admin", Last_Event_ID=last) as client:
        await eventually(lambda: client.data == events[2:])


@pytest.mark.parametrize("path", ["/events/", "/events/stream"])
async def test_anothers_extension_is_refused(face: Face, path: str) -> None:
    """An agent asks for its own only; an admin for any."""
    answer = await face.get(path, extension="200")
    assert (answer.status, answer.code) == (403, "extension_not_owned")
    assert (await face.get("/events/", "admin", extension="200")).status == 200
    assert (await face.get("/events/", extension="210")).status == 200


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("/events/?after=x", "after"),
        ("/events/?after=1-1-1", "after"),
        ("/events/?after=99999999999999999999999-0", "after"),
        ("/events/?limit=0", "limit"),
        ("/events/?limit=1001", "limit"),
        ("/events/?limit=ten", "limit"),
        ("/events/?limit=%D9%A1", "limit"),
        ("/events/?type=*leg", "type"),
        ("/events/?type=", "type"),
        ("/events/?extension=x", "extension"),
        ("/events/?" + "&".join(f"type=t{n}" for n in range(60)), "type"),
        ("/events/stream?last_event_id=x", "last_event_id"),
        ("/events/stream?format=xml", "format"),
        ("/events/stream?type=call%0Aleg", "type"),
    ],
)
async def test_an_unusable_parameter_is_named(face: Face, path: str, parameter: str) -> None:
    """Before anything is sent."""
    answer = await face.get(path, "admin")
    assert (answer.status, answer.code) == (400, "invalid_field")
    assert answer.body["errors"][0]["parameter"] == parameter


@pytest.mark.parametrize("path", ["/events/", "/events/stream"])
async def test_what_is_no_extension_is_unusable_and_not_anothers(face: Face, path: str) -> None:
    """An agent is told the same of it as an admin."""
    answer = await face.get(path, extension="x")
    assert (answer.status, answer.code) == (400, "invalid_field")
    assert answer.body["errors"][0]["parameter"] == "extension"


async def test_a_user_has_so_many_streams(make_face: MakeFace) -> None:
    """With a token or a ticket; who leaves makes room, and others are not concerned."""
    face = await make_face(streams_per_user=2)
    ticket = (await face.request("POST", "/events/tickets")).body["ticket"]
    async with following(face), following(face, f"/events/stream?ticket={ticket}", None) as leaving:
        answer = await face.get("/events/stream")
        assert (answer.status, answer.code) == (429, "too_many_streams")
        assert int(answer.headers["Retry-After"]) > 0
        async with following(face, user="john"), following(face, user="mallory"):
            pass
        assert leaving.types == []

    async def has_room() -> bool:
        answer = face.client.get("/v3/events/stream", headers={"Authorization": "Bearer demo-jane"})
        async with answer as response:
            return response.status == 200

    await eventually(has_room)


async def test_an_unusable_last_event_id_is_named(face: Face) -> None:
    """The header as well as the parameter."""
    answer = await face.request("GET", "/events/stream", headers={"Last-Event-ID": "<x>"})
    assert (answer.status, answer.code) == (400, "invalid_field")
    [error] = answer.body["errors"]
    assert error["header"] == "Last-Event-ID"
    assert answer.body["detail"] == f"Last-Event-ID {error['detail']}"
    assert error["detail"].startswith("must be an event id")


async def test_a_stream_is_no_thing_to_head(face: Face) -> None:
    """It would stay open for nobody."""
    assert (await face.request("HEAD", "/events/stream")).status == 405


async def test_the_stream_tells_of_ended_subscriptions(face: Face) -> None:
    """Live and on resuming, to their owner and to admins."""
    made = (await face.post("/subscriptions/", {"url": "http://127.0.0.1:9/"})).body["id"]
    async with following(face) as jane, following(face, user="admin") as admin, following(face, user="john"):
        await face.post(f"/subscriptions/{made}/disable", None)
        await eventually(lambda: jane.types == admin.types == ["subscription.disabled"])
    async with following(face, "/events/stream?type=subscription.*", Last_Event_ID="0-0") as again:
        await eventually(lambda: again.data == jane.data)
    async with following(face, user="john", Last_Event_ID="0-0") as john:
        await face.dial("john", "210")
        await eventually(lambda: john.types == ["call.leg.ringing"])
