"""A page in a browser: its own EventSource, and CometD's browser client."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlencode

from aiohttp import ClientSession, encode_basic_auth

from tests.edge.chromium import OPENS_WITHIN, Chromium, Site
from tests.edge.conftest import Pair
from tests.edge.nginx import Nginx
from tests.harness.bayeux import CALLS
from tests.harness.demo import ADMIN, ANSWERS_AND_LEAVES, JANE, JOHN
from tests.harness.node import WITHIN, node
from tests.harness.v3 import V3
from tests.harness.way import Way
from tests.waiting import eventually

STATES = ["Dialing", "Established", "Released"]


async def talk(http: ClientSession, base: str) -> None:
    """Have Jane call John, John answer, and Jane hang up."""
    jane, john = V3(http, base, JANE), V3(http, base, JOHN)
    placed = await jane.dial("200")
    leg = await eventually(lambda: john.leg(placed["call_id"], "200", "ringing"))
    await john.on_leg("answer", leg)
    await jane.on_leg("hangup", placed["call_leg_id"])


async def test_eventsource_goes_on_at_another_process(
    pair: Pair, site: Site, http: ClientSession, tmp_path: Path
) -> None:
    """Its process is killed in a call; it resumes at the other, and has each event once, in order."""
    query = urlencode({"relay": f"{pair.a.url},{pair.b.url}", "token": ADMIN.token})
    async with Chromium(tmp_path / "chromium", f"{site.origin}/eventsource.html?{query}"):
        assert await site.tells("open", within=OPENS_WITHIN) == [pair.a.url]
        jane, john = V3(http, pair.b.url, JANE), V3(http, pair.b.url, JOHN)
        placed = await jane.dial("200")
        await site.tells("event", 3)
        pair.a.kill()
        leg = await eventually(lambda: john.leg(placed["call_id"], "200", "ringing"))
        await john.on_leg("answer", leg)
        await jane.on_leg("hangup", placed["call_leg_id"])
        assert (await site.tells("open", 2))[-1] == pair.b.url
        await pair.a.start()
        assert await pair.b.stop() == 0
        await V3(http, pair.a.url, JANE).dial(ANSWERS_AND_LEAVES)
        told = await site.tells("event", 9)
        history = await V3(http, pair.a.url, ADMIN).history()
        assert [event["data"] for event in told] == history
        assert [event["type"] for event in told] == [event["type"] for event in history]
        assert "relay.gap" not in {event["type"] for event in told}


def cometd(site: Site, relay: str, transport: str) -> str:
    """Return the address of the page with CometD's client."""
    node()  # it brings the packages of tests/js
    query = urlencode(
        {
            "relay": relay,
            "authorization": encode_basic_auth(JANE.login, JANE.password),
            "transport": transport,
            "channel": CALLS,
        }
    )
    return f"{site.origin}/cometd.html?{query}"


async def test_cometd_goes_on_at_another_process(
    nginx: Nginx, pair: Pair, site: Site, http: ClientSession, tmp_path: Path
) -> None:
    """Behind nginx both processes die, one after the other: its session goes on, each state is told once."""
    async with Chromium(tmp_path / "chromium", cometd(site, nginx.url, "long-polling")):
        assert await site.tells("subscribed", within=OPENS_WITHIN) == [True]
        await talk(http, pair.b.url)
        await followed(site, 1)
        await pair.replace_both()
        await talk(http, pair.a.url)
        await followed(site, 2)
    assert site.of("handshake") == [True]
    assert {line["by"] for line in site.told if line.get("connected")} == {"long-polling"}


async def test_cometd_on_a_websocket_goes_on_at_another_process(
    pair: Pair, site: Site, http: ClientSession, tmp_path: Path
) -> None:
    """With the session cookie and `ack`: its process is killed, and at the other each state is told once."""
    async with (
        Way(pair.a.port) as way,
        Chromium(tmp_path / "chromium", cometd(site, way.url, "websocket")),
    ):
        assert await site.tells("signedIn", within=OPENS_WITHIN) == [True]
        assert await site.tells("subscribed") == [True]
        await talk(http, pair.b.url)
        await followed(site, 1)
        way.to = pair.b.port
        pair.a.kill()
        for calls in (2, 3):
            await talk(http, pair.b.url)
            await followed(site, calls)
    assert site.of("handshake") == [True]
    assert {line["by"] for line in site.told if line.get("connected")} == {"websocket"}


async def followed(site: Site, calls: int) -> None:
    """Wait until the page was told so many calls from their begin to their end, each state once."""

    def states() -> list[str]:
        told = [data for data in site.of("event") if data["notificationType"] == "StatusChange"]
        return [data["call"]["state"] for data in told]

    await eventually(lambda: len(states()) >= calls * len(STATES), within=WITHIN, what=f"{calls} calls")
    assert states() == STATES * calls
    told = [json.dumps(data) for data in site.of("event")]
    assert len(told) == len(set(told)), "nothing came twice"


async def test_a_browser_leaves_nothing_behind(tmp_path: Path) -> None:
    """All it keeps is in a folder of its own, which goes with it: it is killed, and clears nothing away."""
    profile = tmp_path / "chromium" / "profile"
    async with Chromium(profile.parent, "about:blank"):
        made = await eventually((profile / "SingletonSocket").readlink, within=OPENS_WITHIN)
        assert made.exists()
        await eventually((made.parents[1] / ".config").exists, what="its settings to be there")
    assert not made.parent.exists()
