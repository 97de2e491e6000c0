"""Behind nginx as Debian ships it, buffering as it does by default."""

from __future__ import annotations

import asyncio

from aiohttp import ClientSession

from tests.edge.conftest import Pair
from tests.edge.nginx import Nginx
from tests.harness.bayeux import BayeuxClient
from tests.harness.demo import ADMIN, JANE, JOHN
from tests.harness.sse import SseFollower
from tests.harness.traffic import Traffic
from tests.harness.v3 import V3
from tests.harness.webhooks import WebhookReceiver
from tests.waiting import eventually


async def test_each_event_comes_at_once(nginx: Nginx, http: ClientSession) -> None:
    """A stream through it opens with its first bytes, and tells each event before the next happens."""
    jane, john = V3(http, nginx.url, JANE), V3(http, nginx.url, JOHN)
    async with SseFollower(http, nginx.url) as stream:
        placed = await jane.dial("200")
        await eventually(lambda: len(stream.events) == 3)
        leg = await eventually(lambda: john.leg(placed["call_id"], "200", "ringing"))
        await john.on_leg("answer", leg)
        await eventually(lambda: len(stream.events) == 4)
        await jane.on_leg("hangup", placed["call_leg_id"])
        await eventually(lambda: len(stream.events) == 6)
        assert stream.opened == 1


async def test_a_client_that_leaves_is_noticed_behind_it(
    nginx: Nginx, pair: Pair, http: ClientSession
) -> None:
    """The process behind it has no stream any more."""

    async def streams() -> int:
        counts = []
        for process in pair:
            async with http.get(f"{process.admin_url}/metrics") as response:
                lines = (await response.text()).splitlines()
            counts += [int(float(line.split()[1])) for line in lines if line.startswith("relay_sse_streams ")]
        return sum(counts)

    async with SseFollower(http, nginx.url):
        assert await streams() == 1

    async def none() -> bool:
        return await streams() == 0

    await eventually(none)


async def test_long_polls_are_held_and_answered_at_once(nginx: Nginx, http: ClientSession) -> None:
    """A session whose connects meet both processes is told of a call the moment it rings."""
    client = BayeuxClient(http, nginx.url, JOHN)
    await client.begin()
    jane, john = V3(http, nginx.url, JANE), V3(http, nginx.url, JOHN)
    for number in range(4):
        held = client.hold()
        placed = await jane.dial("200")
        assert (await asyncio.wait_for(held, 10))["successful"]
        assert client.told[-1]["call"]["state"] == "Ringing"
        leg = await eventually(lambda: john.leg(placed["call_id"], "200", "ringing"))  # noqa: B023
        await john.on_leg("reject", leg)
        await client.follow(2 * number + 2)
    assert [data["call"]["state"] for data in client.told] == ["Ringing", "Released"] * 4
    await client.end()


async def test_a_killed_process_is_not_missed(
    nginx: Nginx, pair: Pair, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """Calls go on through both, while each dies once: the stream resumes, and nothing is lost or doubled."""
    traffic = Traffic(http, [pair.a.url, pair.b.url], at_once=6)
    admin = V3(http, nginx.url, ADMIN)
    hook = await receiver.subscribe(admin)
    async with SseFollower(http, nginx.url) as stream:
        running = asyncio.create_task(traffic.run(40))
        await eventually(lambda: traffic.accepted >= 20, within=60)
        await pair.replace_both()
        await running
        await traffic.check(admin, stream, receiver, hook)
    assert stream.opened > 1
    assert stream.gaps == []
