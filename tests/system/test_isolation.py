"""Who may see what at the running service: no tenant sees another's calls on any channel."""

from __future__ import annotations

import asyncio

from aiohttp import ClientSession

from tests.harness.bayeux import BayeuxClient
from tests.harness.demo import ALEX, ANSWERS_AND_LEAVES, JANE, MALLORY, NEVER_ANSWERS
from tests.harness.gws import Gws
from tests.harness.office import brief, office
from tests.harness.process import RelayProcess
from tests.harness.sse import SseFollower
from tests.harness.v3 import V3
from tests.harness.webhooks import WebhookReceiver
from tests.waiting import eventually

STORY = [("210", "ringing", 1), ("210", "answered", 2), ("210", "hungup", 3)]


async def test_no_tenant_sees_another_on_any_channel(
    relay: RelayProcess, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """Two tenants have an extension 210 each and call at once: every channel tells its own call alone."""
    mallory = V3(http, relay.url, MALLORY)
    bayeux = [BayeuxClient(http, relay.url, user) for user in (JANE, MALLORY)]
    for client in bayeux:
        await client.begin()
    async with office(http, relay.url, receiver) as here, SseFollower(http, relay.url, MALLORY) as stream:
        hook = await receiver.subscribe(mallory)
        own, other = await asyncio.gather(here.jane.dial(NEVER_ANSWERS), mallory.dial(NEVER_ANSWERS))
        assert [call["id"] for call in await here.admin.calls()] == [own["call_leg_id"]]
        assert [call["id"] for call in await mallory.calls()] == [other["call_leg_id"]]
        await eventually(lambda: len(stream.events) == len(here.stream.events) == 2, what="both to pick up")
        await asyncio.gather(
            here.jane.on_leg("hangup", own["call_leg_id"]), mallory.on_leg("hangup", other["call_leg_id"])
        )
        await asyncio.gather(*(client.follow(3) for client in bayeux))
        assert [len({data["call"]["id"] for data in client.told}) for client in bayeux] == [1, 1]
        assert len({data["call"]["id"] for client in bayeux for data in client.told}) == 2
        assert await here.told(3) == STORY
        await eventually(lambda: len(stream.events) >= 3 and len(receiver.of(hook)) >= 3)
        assert [brief(event) for event in stream.told] == STORY
        assert [delivery.event for delivery in receiver.of(hook)] == stream.told == await mallory.history()
        assert {event["call_id"] for event in here.stream.told} == {own["call_id"]}
        assert {event["call_id"] for event in stream.told} == {other["call_id"]}


async def test_what_belongs_to_another_tenant_looks_as_if_it_were_not_there(
    relay: RelayProcess, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """Another tenant's legs, calls, devices and subscriptions answer as unknown ones do, whoever asks."""
    jane, mallory = V3(http, relay.url, JANE), V3(http, relay.url, MALLORY)
    placed = await jane.dial("200")
    subscription = await jane.subscribe(f"{receiver.url}/never-called", types=["call.leg.held"])
    for path in (f"/v3/calls/{placed['call_leg_id']}", f"/v3/subscriptions/{subscription['id']}"):
        assert (await mallory.ask("GET", path)).body["code"] == "not_found"
    assert (await mallory.ask("DELETE", f"/v3/subscriptions/{subscription['id']}")).status == 404
    refused = await mallory.command("hangup", call_leg_id=placed["call_leg_id"])
    assert (refused.status, refused.body["code"]) == (403, "not_active_participant")
    [call] = await Gws(http, relay.url, JANE).calls()
    theirs = Gws(http, relay.url, MALLORY)
    assert (await theirs.ask("GET", f"/me/calls/{call['id']}")).status == 404
    assert (await theirs.ask("GET", f"/devices/{JANE.device}")).status == 404
    assert len(await jane.calls()) == 1


async def test_an_agent_is_told_of_own_legs_alone(relay: RelayProcess, http: ClientSession) -> None:
    """Within a tenant, an agent who takes no part sees nothing and may not ask for another's extension."""
    jane, alex = V3(http, relay.url, JANE), V3(http, relay.url, ALEX)
    async with SseFollower(http, relay.url, JANE) as at_jane, SseFollower(http, relay.url, ALEX) as at_alex:
        placed = await jane.dial("200")
        await eventually(lambda: len(at_jane.events) >= 2)
        await jane.on_leg("hangup", placed["call_leg_id"])
        await alex.dial(ANSWERS_AND_LEAVES)
        await eventually(lambda: len(at_alex.events) >= 3)
        assert {event["user_extension"] for event in at_jane.told} == {"210"}
        assert {event["user_extension"] for event in at_alex.told} == {"220"}
    assert {event["user_extension"] for event in await alex.history()} == {"220"}
    for path in ("/v3/events/?extension=210", "/v3/events/stream?extension=210"):
        assert (await alex.ask("GET", path)).status == 403
