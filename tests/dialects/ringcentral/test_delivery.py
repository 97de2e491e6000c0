"""RingCentral's webhooks from the handshake to their end: told, reminded, blacklisted, cleared."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from aiohttp import web
from msgspec.structs import replace

from relay.calls.events import EventId
from relay.dialects.ringcentral.notifications import renderer
from relay.journal.record import ReminderEvent
from relay.journal.store import Store
from relay.subscriptions.model import Subscription
from tests.conftest import OpenStore
from tests.dialects.ringcentral.calls import ACCOUNT, IDENTITIES, START
from tests.dialects.ringcentral.conftest import Serve, StartOwner
from tests.dialects.ringcentral.face import Face
from tests.dialects.ringcentral.hooks import TOKEN, Hooks, willing
from tests.engines import Server
from tests.waiting import eventually
from tests.webhooks.conftest import SHORT_TTL, nothing_left

EVERY = "/restapi/v1.0/subscription"
ALL = "/restapi/v1.0/account/~/telephony/sessions"
OWN = "/restapi/v1.0/account/~/extension/~/telephony/sessions"
JANES = "/restapi/v1.0/account/400100000001/extension/400100000210/telephony/sessions"
LATER = tuple([0.05] * 20)
"""Many retries, soon one after another."""


async def make(face: Face, hooks: Hooks, *filters: str, user: str = "jane", **members: Any) -> str:
    """Subscribe the receiver, and return the subscription's id."""
    mode = {"transportType": "WebHook", "address": hooks.url(), **members.pop("mode", {})}
    body = {"eventFilters": filters or (OWN,), "deliveryMode": mode, **members}
    answer = await face.post(EVERY, body, user)
    assert answer.status == 200, answer.body
    return str(answer.body["id"])


async def change(face: Face, id_: str, changed: Callable[[Subscription], Subscription]) -> Subscription:
    """Change a subscription in the store."""
    return await face.subscriptions.change(ACCOUNT, f"sub_{id_.replace('-', '')}", changed)


def is_now(face: Face, id_: str, status: str) -> Callable[[], Awaitable[Any]]:
    """Return what asks for a subscription while it is so."""

    async def asking() -> Any:
        shown = (await face.get(f"{EVERY}/{id_}")).body
        return shown if shown["status"] == status else None

    return asking


def unless(status: int) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Shake hands, and answer notifications with a status."""

    async def answer(request: web.Request) -> web.Response:
        return await willing(request) if TOKEN in request.headers else web.Response(status=status)

    return answer


async def test_a_call_is_told_in_the_published_form(
    face: Face, hooks: Hooks, start_owner: StartOwner, store: Store
) -> None:
    """Each notification has the published headers, and the token that the subscriber wished for."""
    await start_owner()
    id_ = await make(face, hooks, mode={"verificationToken": "a secret"})
    await face.talk()
    await eventually(lambda: len(hooks.requests) == 2)
    for received in hooks.requests:
        assert received.headers["Verification-Token"] == "a secret"
        assert received.headers["User-Agent"] == "RingCentral-Webhook/8.3"
        assert received.headers["Content-Type"] == "application/json; charset=UTF-8"
        assert received.headers["Accept"] == "application/json"
        event = received.event
        assert (event["event"], event["subscriptionId"], event["ownerId"]) == (JANES, id_, "400100000210")
        assert event["uuid"].isdigit()
        assert list(event) == ["uuid", "event", "timestamp", "subscriptionId", "ownerId", "body"]
    assert [one.event["body"]["parties"][0]["status"]["code"] for one in hooks.requests] == [
        "Setup",
        "Answered",
    ]
    await eventually(lambda: nothing_left(store))


async def test_the_guides_name_of_the_token_is_taken(
    face: Face, hooks: Hooks, start_owner: StartOwner
) -> None:
    """It comes back under the header's name that receivers check, never as that of a handshake."""
    await start_owner()
    await make(face, hooks, mode={"validationToken": "other"})
    await face.call_out("jane", extensionNumber="200")
    await eventually(lambda: hooks.requests)
    assert hooks.requests[0].headers["Verification-Token"] == "other"
    assert TOKEN not in hooks.requests[0].headers


async def test_an_admin_is_told_of_every_leg(face: Face, hooks: Hooks, start_owner: StartOwner) -> None:
    """The source document's spelling of the account's filter is told on the paths of the account."""
    await start_owner()
    await make(face, hooks, "/restapi/v1.0/account/telephony/sessions", user="admin")
    await face.call_out("jane", phoneNumber="+12025550123")
    await eventually(lambda: len(hooks.requests) >= 2)
    assert {event["event"] for event in hooks.events()} == {
        JANES,
        "/restapi/v1.0/account/400100000001/telephony/sessions",
    }


async def test_what_an_event_matches_twice_is_told_once(
    face: Face, hooks: Hooks, start_owner: StartOwner
) -> None:
    """Several filters of one subscription make one notification."""
    await start_owner()
    await make(face, hooks, ALL, OWN, f"{OWN}?direction=Outbound", user="admin")
    await make(face, hooks, OWN, f"{OWN}?direction=Outbound", JANES)
    await face.call_out("jane", extensionNumber="200")
    await eventually(lambda: len({event["uuid"] for event in hooks.events()}) >= 2)
    seen = [(event["subscriptionId"], event["uuid"]) for event in hooks.events()]
    assert len(seen) == len(set(seen))


async def test_only_200_is_a_success(face: Face, hooks: Hooks, start_owner: StartOwner) -> None:
    """Another answer has the notification sent again, the same in every byte."""
    await start_owner(retries=LATER)
    hooks.answers["/hook"] = unless(204)
    await make(face, hooks)
    await face.call_out("jane", extensionNumber="200")
    await eventually(lambda: len(hooks.requests) >= 3)
    hooks.answers["/hook"] = willing
    first, *again = [one.body for one in hooks.requests[:3]]
    assert again == [first, first]


async def test_an_expiry_is_reminded_of(face: Face, hooks: Hooks, start_owner: StartOwner) -> None:
    """From the threshold on, each interval: the filter as it was written, and the seconds that are left."""
    await start_owner()
    reminder = f"{EVERY}/~?threshold=2&interval=1"
    id_ = await make(face, hooks, OWN, reminder, expiresIn=4)
    began = time.monotonic()
    await eventually(lambda: len(hooks.events()) == 2)
    assert time.monotonic() - began > 1.5
    events = hooks.events()
    assert [event["event"] for event in events] == [reminder, reminder]
    assert {(event["subscriptionId"], event["ownerId"]) for event in events} == {(id_, "400100000210")}
    left = [event["body"]["expiresIn"] for event in events]
    assert left == sorted(left, reverse=True)
    assert set(left) <= {2, 1, 0}, "on time, or a little late"

    async def gone() -> bool:
        return (await face.get(f"{EVERY}/{id_}")).status == 404

    await eventually(gone)
    assert len(hooks.events()) == 2


@pytest.mark.parametrize(("left", "shown"), [(60_000, 60), (59_999, 60), (59_001, 60), (1, 1), (-5, 0)])
def test_a_reminder_in_full(left: int, shown: int) -> None:
    """A second that has begun counts; everything else is as in other notifications."""
    source = f"{EVERY}/~?threshold=60&interval=15"
    event = ReminderEvent(
        account=ACCOUNT, subscription="sub_1", source=source, expires_at=START + left, time=START
    )
    told = renderer(IDENTITIES)(EventId(5, f"{START}-0"), event)
    assert told is not None
    assert told.labels == {"subscription=sub_1"}
    body = msgspec.json.decode(told.body)
    assert (body["event"], body["timestamp"]) == (source, "2025-11-21T09:30:04.218Z")
    assert body["body"] == {"expiresIn": shown}


async def test_a_renewal_puts_reminders_off(face: Face, hooks: Hooks, start_owner: StartOwner) -> None:
    """They are planned anew from the new end."""
    await start_owner()
    id_ = await make(face, hooks, f"{EVERY}/~?threshold=30&interval=1", expiresIn=60)
    await change(face, id_, lambda one: replace(one, expires_at=(one.expires_at or 0) - 31_000))
    await eventually(hooks.events)
    assert (await face.post(f"{EVERY}/{id_}/renew")).status == 200
    seen = len(hooks.events())
    await change(face, id_, lambda one: replace(one, expires_at=(one.expires_at or 0) - 29_000))
    await eventually(lambda: len(hooks.events()) > seen)
    assert hooks.events()[seen]["body"]["expiresIn"] in (29, 30)


async def test_an_expired_subscription_is_cleared_away(
    face: Face, hooks: Hooks, start_owner: StartOwner, store: Store
) -> None:
    """With what waited for it: nothing of it is left, and nothing more is sent."""
    await start_owner(retries=(3600,))
    hooks.answers["/hook"] = unless(500)
    await make(face, hooks, expiresIn=2)
    await make(face, hooks, user="john")
    await face.call_out("jane", extensionNumber="200")
    await eventually(lambda: hooks.requests)

    async def cleared() -> bool:
        keys = store.keys(ACCOUNT)
        return int(await store.call("HLEN", keys.subs)) == 1

    await eventually(cleared)
    hooks.answers["/hook"] = willing
    seen = len([one for one in hooks.events() if one["ownerId"] == "400100000210"])
    session = (await face.get("/extension/~/active-calls")).body["records"][0]["telephonySessionId"]
    await face.request("DELETE", f"/telephony/sessions/{session}")
    keys = store.keys(ACCOUNT)
    await eventually(lambda: store.call("SCARD", keys.ready))
    assert len([one for one in hooks.events() if one["ownerId"] == "400100000210"]) == seen


async def test_an_endpoint_that_only_fails_is_blacklisted_and_recovers(
    face: Face, hooks: Hooks, start_owner: StartOwner, store: Store
) -> None:
    """It says since when and why; asked again, it is active once it shakes hands, from then on."""
    await start_owner(patience=0.3, recheck=0.5, retries=LATER)
    hooks.answers["/hook"] = unless(404)
    id_ = await make(face, hooks)
    session = await face.talk()
    shown = await eventually(is_now(face, id_, "Blacklisted"))
    assert shown["blacklistedData"]["reason"] == "Webhook responses with code: [404], reason: [Not Found]"
    assert shown["blacklistedData"]["blacklistedAt"].endswith("Z")
    hooks.answers["/hook"] = _refusing
    await eventually(lambda: nothing_left(store))
    refused = len(hooks.handshakes)
    await face.ask(session["parties"][0], "hold")
    await eventually(lambda: len(hooks.handshakes) > refused)
    assert (await face.get(f"{EVERY}/{id_}")).body["status"] == "Blacklisted"
    hooks.answers["/hook"] = willing
    shown = await eventually(is_now(face, id_, "Active"))
    assert "blacklistedData" not in shown
    seen = len(hooks.requests)
    await face.ask(session["parties"][0], "unhold")
    await eventually(lambda: len(hooks.requests) > seen)
    assert [event["body"]["sequence"] for event in hooks.events()[seen:]] == [8]


async def _refusing(request: web.Request) -> web.Response:
    return web.Response(status=503)


async def test_a_renewal_ends_the_blacklisting_at_once(
    face: Face, hooks: Hooks, start_owner: StartOwner
) -> None:
    """As does an update; deliveries go on."""
    await start_owner(patience=0.3, retries=LATER)
    hooks.answers["/hook"] = unless(500)
    id_ = await make(face, hooks)
    session = await face.talk()
    await eventually(is_now(face, id_, "Blacklisted"))
    hooks.answers["/hook"] = willing
    assert (await face.post(f"{EVERY}/{id_}/renew")).body["status"] == "Active"
    seen = len(hooks.requests)
    await face.ask(session["parties"][0], "hold")
    await eventually(lambda: len(hooks.requests) > seen)
    assert hooks.events()[-1]["body"]["parties"][0]["status"]["code"] == "Hold"


async def test_reminders_outlast_the_store(
    faulty_server: Server, open_store: OpenStore, serve_on: Serve, hooks: Hooks, start_owner: StartOwner
) -> None:
    """What was due meanwhile comes once it is back."""
    store = await open_store(faulty_server.url)
    face = await serve_on(store)
    await start_owner(on=store)
    id_ = await make(face, hooks, f"{EVERY}/~?threshold=30&interval=1", expiresIn=60)
    await change(face, id_, lambda one: replace(one, expires_at=(one.expires_at or 0) - 29_000))
    faulty_server.kill()
    faulty_server.start()
    await eventually(lambda: len(hooks.events()) > 1, within=20)
    assert {event["subscriptionId"] for event in hooks.events()} == {id_}


async def test_reminders_and_ends_come_from_whoever_owns_the_partition(
    face: Face, hooks: Hooks, start_owner: StartOwner
) -> None:
    """An owner that dies leaves them to the next."""
    first = await start_owner(lease_ttl=SHORT_TTL)
    id_ = await make(face, hooks, f"{EVERY}/~?threshold=30&interval=1", expiresIn=60)
    await first.kill()
    await change(face, id_, lambda one: replace(one, expires_at=(one.expires_at or 0) - 31_000))
    await start_owner(lease_ttl=SHORT_TTL)
    await eventually(hooks.events)
    assert hooks.events()[0]["subscriptionId"] == id_
