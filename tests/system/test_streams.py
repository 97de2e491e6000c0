"""Event streams of the running service, as followers meet them."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import ClientSession

from tests.harness.bayeux import CALLS, BayeuxClient
from tests.harness.demo import ADMIN, ANSWERS_AND_LEAVES, JANE
from tests.harness.process import RelayProcess
from tests.harness.sse import SseFollower
from tests.harness.v3 import V3
from tests.waiting import eventually


async def test_nothing_is_missed_from_the_head_on(relay: RelayProcess, http: ClientSession) -> None:
    """A command sent the moment a stream's head is there is told on it, on a process's first one too."""
    jane = V3(http, relay.url, JANE)
    headers = {"Authorization": f"Bearer {ADMIN.token}"}
    for _ in range(20):
        async with http.get(f"{relay.url}/v3/events/stream", headers=headers) as response:
            placed = await jane.dial("200")
            async with asyncio.timeout(10):
                while placed["call_id"].encode() not in await response.content.readline():
                    pass
        await jane.on_leg("hangup", placed["call_leg_id"])


async def test_a_stream_that_was_told_nothing_yet_resumes_all_the_same(
    relay: RelayProcess, http: ClientSession
) -> None:
    """The process is killed before the first event; what happens before the client is back is replayed."""
    admin = V3(http, relay.url, ADMIN)
    async with SseFollower(http, relay.url) as stream:
        assert stream.events == []
        stream.pause()
        relay.kill()
        await relay.start()
        await V3(http, relay.url, JANE).dial(ANSWERS_AND_LEAVES)
        await eventually(admin.history)
        stream.go_on()
        await eventually(lambda: len(stream.events) >= 3)
        assert stream.told == await admin.history()
        assert stream.gaps == []


async def test_each_format_tells_the_same_moments_in_its_own_words(
    relay: RelayProcess, http: ClientSession
) -> None:
    """v3's types, the messages of CometD, RingCentral's envelopes; an event has one id in all of them."""
    client = BayeuxClient(http, relay.url, JANE)
    await client.begin()
    async with (
        SseFollower(http, relay.url, JANE) as v3,
        SseFollower(http, relay.url, JANE, format="gws") as gws,
        SseFollower(http, relay.url, JANE, format="ringcentral") as ringcentral,
    ):
        await V3(http, relay.url, JANE).dial(ANSWERS_AND_LEAVES)
        await eventually(lambda: [event["type"] for event in v3.told][-1:] == ["call.leg.hungup"])
        await eventually(lambda: states(gws.told)[-1:] == ["Released"])
        await client.follow(len(gws.told))
    assert [event.type for event in v3.events] == [event["type"] for event in v3.told]
    assert {event.type for event in gws.events} == {CALLS}
    assert gws.told == [{"data": data, "channel": CALLS} for data in client.told]
    assert states(gws.told) == ["Dialing", "Established", "Released"]
    assert {event.type for event in ringcentral.events} == {"telephony/sessions"}
    assert {envelope["subscriptionId"] for envelope in ringcentral.told} == {None}
    ids = [[event.last_id for event in one.events] for one in (v3, gws, ringcentral)]
    assert set(ids[0]) <= set(ids[1])
    assert set(ids[0]) & set(ids[2])


def states(messages: list[Any]) -> list[str]:
    """Return the call's states that messages of GWS tell of."""
    told = [message["data"] for message in messages]
    return [data["call"]["state"] for data in told if data["notificationType"] == "StatusChange"]
