"""Webhooks of the running service, as somebody sees them who has nothing but its HTTP API and an endpoint."""

from __future__ import annotations

import re
import runpy
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from relay.dialects.times import milliseconds, timestamp
from relay.subscriptions.signing_keys import new_secret
from tests.harness.demo import ADMIN, JANE, OUTSIDE
from tests.harness.process import RelayProcess
from tests.harness.v3 import V3
from tests.harness.webhooks import Delivery, WebhookReceiver, take
from tests.waiting import eventually
from tests.workers.processes import metrics

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "webhooks.md"
EXAMPLE = ROOT / "examples" / "webhook_receiver.py"
HEADERS = {
    *("Host", "Content-Type", "User-Agent", "Content-Length"),
    *("webhook-id", "webhook-timestamp", "webhook-signature"),
}


async def refuse(_delivery: Delivery) -> int:
    """Fail a delivery."""
    return 500


class Desk:
    """The tenant's admin, who makes calls and looks after webhooks."""

    def __init__(self, http: ClientSession, relay: RelayProcess) -> None:
        self.admin = V3(http, relay.url, ADMIN)

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        """Return a request's status and body."""
        answer = await self.admin.ask(method, f"/v3{path}", **options)
        return answer.status, answer.body

    async def rings(self) -> str:
        """Let an outside caller ring Jane; return her leg."""
        status, made = await self.ask("POST", "/simulator/calls", json={"from": OUTSIDE, "to": "210"})
        assert status == 201
        return str(made["parties"][-1]["id"])

    async def phone(self, leg: str, *actions: str) -> None:
        """Let her phone do something."""
        for action in actions:
            assert (await self.ask("POST", f"/simulator/parties/{leg}/{action}"))[0] == 202

    async def deliveries(self, subscription: str, **query: str) -> list[dict[str, Any]]:
        """Return a subscription's deliveries, the newest first."""
        query["subscription"] = subscription
        status, found = await self.ask("GET", "/deliveries", params=query)
        assert status == 200
        return list(found["deliveries"])

    async def one(self, subscription: str, status: str) -> dict[str, Any]:
        """Return a subscription's only delivery, with its attempts, once it stands so."""

        async def found() -> list[dict[str, Any]]:
            return await self.deliveries(subscription, status=status)

        [only] = await eventually(found, what=f"a delivery to be {status}")
        return dict((await self.ask("GET", f"/deliveries/{only['id']}"))[1])


@pytest.fixture
def desk(relay: RelayProcess, http: ClientSession) -> Desk:
    """Give the admin's desk at a running service."""
    return Desk(http, relay)


async def test_what_is_sent_is_signed_in_every_format(
    desk: Desk, receiver: WebhookReceiver, relay: RelayProcess, http: ClientSession
) -> None:
    """The same events by the same ids, in each dialect's words, with headers of one's own."""
    wanted = {"types": ["call.leg.*"], "extensions": ["210"]}
    own = {"X-CuStom": "a b", "Authorization": "B c"}
    v3 = await receiver.subscribe(desk.admin, **wanted, headers=own)
    gws = await receiver.subscribe(desk.admin, **wanted, format="gws")
    ringcentral = await receiver.subscribe(desk.admin, **wanted, format="ringcentral", signature="v1a")
    janes = await receiver.subscribe(V3(http, relay.url, JANE), types=["call.leg.ringing"])
    await desk.phone(await desk.rings(), "answer", "hangup")
    await eventually(lambda: min(len(receiver.of(hook)) for hook in (v3, gws, ringcentral)) >= 3)

    history = await desk.admin.history()
    assert [one.event for one in receiver.of(v3)] == history
    assert [one.id for one in receiver.of(v3)] == [event["event_id"] for event in history]
    assert [one.event["channel"] for one in receiver.of(gws)] == ["/v2/me/calls"] * 3
    assert [one.id for one in receiver.of(gws)] == [one.id for one in receiver.of(v3)]
    states = [one.event["data"]["call"]["state"] for one in receiver.of(gws)]
    assert states == ["Ringing", "Established", "Released"]
    codes = [one.event["body"]["parties"][0]["status"]["code"] for one in receiver.of(ringcentral)]
    assert codes == ["Setup", "Proceeding", "Answered", "Disconnected"]
    assert [one.event["type"] for one in receiver.of(janes)] == ["call.leg.ringing"]
    for hook, more in ((v3, own), (gws, {}), (ringcentral, {})):
        for one in receiver.of(hook):
            assert one.headers.keys() == HEADERS | more.keys()
            assert more.items() <= one.headers.items()
            assert one.headers["Content-Type"] == "application/json"


async def test_a_secret_is_replaced_under_way(desk: Desk, receiver: WebhookReceiver) -> None:
    """Old and new verify what is sent meanwhile, whatever their kinds; without grace the new one alone."""
    hook = await receiver.subscribe(desk.admin)
    made = receiver.subscription(hook)
    path = f"/subscriptions/{made['id']}"

    async def tried() -> Delivery:
        count = len(receiver.of(hook))
        status, asked = await desk.ask("POST", f"{path}/test")
        assert status == 202
        await eventually(lambda: len(receiver.of(hook)) > count)
        sent = receiver.of(hook)[-1]
        assert (sent.event["type"], sent.id) == ("subscription.test", asked["event_id"])
        return sent

    status, rotated = await desk.ask("POST", f"{path}/rotate", json={"grace_seconds": 60})
    assert status == 200
    sent = await tried()
    for secret in (made["secret"], rotated["secret"]):
        Webhook(secret).verify(sent.body, sent.headers)
    _, mixed = await desk.ask("POST", f"{path}/rotate", json={"signature": "v1a"})
    assert mixed["public_key"].startswith("whpk_")
    tokens = (await tried()).headers["webhook-signature"].split(" ")
    assert [token.partition(",")[0] for token in tokens] == ["v1a", "v1", "v1"]

    hook = await receiver.subscribe(desk.admin)
    made = receiver.subscription(hook)
    former, path = made["secret"], f"/subscriptions/{made['id']}"
    made |= (await desk.ask("POST", f"{path}/rotate", json={"grace_seconds": 0}))[1]
    sent = await tried()
    with pytest.raises(WebhookVerificationError):
        Webhook(former).verify(sent.body, sent.headers)


async def test_a_failing_endpoint_is_repaired_by_hand(desk: Desk, receiver: WebhookReceiver) -> None:
    """Dead letters put back while it still fails, sent again, and dropped; all attempts can be read."""
    receiver.script = refuse
    hook = await receiver.subscribe(desk.admin, retries=[0.1, 0.1])
    subscription = receiver.subscription(hook)["id"]
    leg = await desk.rings()
    dead = await desk.one(subscription, "dead")
    assert (dead["reason"], dead["next_attempt_at"], dead["type"]) == ("exhausted", None, "call.leg.ringing")
    assert [(one["status_code"], one["error"], one["trigger"]) for one in dead["attempts"]] == [
        (500, "http_status", "schedule")
    ] * 3
    assert {one.id for one in receiver.deliveries} == {dead["event_id"]}

    asked = {"subscription": subscription, "ids": [dead["id"]]}
    assert await desk.ask("POST", "/dead-letters/redrive", json=asked) == (202, {"redriven": 1})
    await eventually(lambda: len(receiver.deliveries) == 6)
    again = await desk.one(subscription, "dead")
    assert [one["id"] for one in again["attempts"][:3]] == [one["id"] for one in dead["attempts"]]
    assert len(again["attempts"]) == 6
    receiver.script = take
    assert (await desk.ask("POST", f"/deliveries/{dead['id']}/resend"))[0] == 202
    mended = await desk.one(subscription, "succeeded")
    assert (mended["attempts"][-1]["trigger"], mended["attempts"][-1]["status_code"]) == ("manual", 204)
    assert {one.id for one in receiver.deliveries} == {dead["event_id"]}

    receiver.script = refuse
    await desk.phone(leg, "hangup")
    await desk.one(subscription, "dead")
    for purged in (1, 0):
        answer = await desk.ask("DELETE", "/dead-letters", params={"subscription": subscription})
        assert answer == (200, {"purged": purged})
    assert await desk.deliveries(subscription, status="dead") == []


async def test_who_is_gone_gets_nothing_until_it_is_enabled(desk: Desk, receiver: WebhookReceiver) -> None:
    """410 disables; nothing can be asked for it then, and what came meanwhile is not made up for."""

    async def gone(_delivery: Delivery) -> int:
        return 410

    receiver.script = gone
    hook = await receiver.subscribe(desk.admin)
    subscription = receiver.subscription(hook)["id"]
    path = f"/subscriptions/{subscription}"
    leg = await desk.rings()

    async def disabled() -> bool:
        found = (await desk.ask("GET", path))[1]
        return (found["status"], found["reason"]) == ("disabled", "gone")

    await eventually(disabled)
    letter = await desk.one(subscription, "dead")
    await desk.phone(leg, "answer")
    for ask, body in (
        (f"{path}/test", None),
        (f"{path}/recover", {"since": "2020-01-01T00:00:00Z"}),
        (f"/deliveries/{letter['id']}/resend", None),
        ("/dead-letters/redrive", {"subscription": subscription}),
    ):
        status, problem = await desk.ask("POST", ask, **({"json": body} if body else {}))
        assert (status, problem["code"]) == (409, "subscription_disabled")
    receiver.script = take
    status, enabled = await desk.ask("POST", f"{path}/enable")
    assert (status, enabled["status"], enabled["reason"]) == (200, "active", None)
    await desk.phone(leg, "hangup")
    await eventually(lambda: len(receiver.of(hook)) == 1)
    assert [one.event["type"] for one in receiver.deliveries] == ["call.leg.ringing", "call.leg.hungup"]


async def test_a_time_range_is_delivered_again(desk: Desk, receiver: WebhookReceiver) -> None:
    """From the first moment to the last, both included; undelivered only if that is asked for."""
    hook = await receiver.subscribe(desk.admin)
    path = f"/subscriptions/{receiver.subscription(hook)['id']}"
    await desk.phone(await desk.rings(), "answer", "hangup")
    await eventually(lambda: len(receiver.of(hook)) == 3)
    ids = [one.id for one in receiver.of(hook)]
    first, middle, last = (int(one.split("_")[2].split("-")[0]) for one in ids)

    async def recovered(**asked: Any) -> list[str]:
        count = len(receiver.deliveries)
        times = {name: timestamp(one) if isinstance(one, int) else one for name, one in asked.items()}
        status, begun = await desk.ask("POST", f"{path}/recover", json=times)
        assert status == 202
        done: dict[str, Any] = {}

        async def over() -> bool:
            done.update((await desk.ask("GET", f"{path}/recoveries/{begun['recovery_id']}"))[1])
            return done["status"] == "done" and len(receiver.deliveries) == count + int(done["queued"])

        await eventually(over)
        assert done["complete"]
        assert milliseconds(done["reached"]) == milliseconds(done["until"])
        return [one.id for one in receiver.deliveries[count:]]

    assert first < middle < last
    assert await recovered(since=first) == ids
    assert await recovered(since=first + 1, until=last) == ids[1:]
    assert await recovered(since=middle, until=middle) == ids[1:2]
    assert await recovered(since=first, until=last - 1) == ids[:2]
    assert await recovered(since=last + 1) == []
    assert await recovered(since=first, events="undelivered") == []


async def test_the_example_takes_what_is_sent(
    desk: Desk, http: ClientSession, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A call's events and test events alike, and nothing that is not signed."""
    secret = new_secret()
    monkeypatch.setenv("WEBHOOK_SECRET", secret)
    async with TestServer(runpy.run_path(str(EXAMPLE))["app"]) as server:
        url = str(server.make_url("/"))
        made = await desk.admin.subscribe(url, secret=secret, types=["call.leg.ringing"])
        assert (await desk.ask("POST", f"/subscriptions/{made['id']}/test"))[0] == 202
        await desk.rings()

        async def both() -> bool:
            return len(await desk.deliveries(made["id"], status="succeeded")) == 2

        await eventually(both)
        forged = {"webhook-id": "evt_1", "webhook-timestamp": str(int(time.time())), "webhook-signature": "x"}
        for headers in ({}, forged, {**forged, "webhook-signature": "v1,AAAA"}):
            async with http.post(url, data=b"{}", headers=headers) as answer:
                assert answer.status == 401
    told = [line.split()[1:] for line in capsys.readouterr().out.splitlines() if line.startswith("evt_")]
    assert sorted(told) == [["call.leg.ringing", "210"], ["subscription.test"]]


async def test_every_metric_is_documented(relay: RelayProcess, http: ClientSession) -> None:
    """By the very name under which it is exported, and none that is not."""
    exported = {re.sub(r"(_bucket|_sum|_count)?(\{.*)?$", "", name) for name in await metrics(http, relay)}
    named = set(re.findall(r"`(relay_[a-z_]+)", DOCS.read_text()))
    assert named <= exported | {"relay_webhook_dead_letters_total", "relay_webhook_outcomes_total"}
    assert {name for name in exported if name.startswith("relay_webhook_")} <= named
