"""What known clients of GWS v2 send from login to the end of a call, replayed at the running service."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientSession

from tests.harness.bayeux import BayeuxClient
from tests.harness.demo import ALEX, JANE, JOHN
from tests.harness.gws import Gws
from tests.harness.process import RelayProcess
from tests.waiting import eventually

MEDIA = ["/v2/me/calls", "/v2/me/devices", "/v2/me/channels", "/v2/me/chats", "/v2/me/emails"]
MOVING = {"duration": "", "capabilities": []}
"""What changes without a notification: time passes, and a second call at the device allows more or less."""
START = {
    "operationName": "StartContactCenterSession",
    "channels": ["voice"],
    "place": None,
    "loginCode": None,
}


async def shake(client: BayeuxClient, *subscriptions: str) -> None:
    """Shake hands and subscribe, one by one; each must succeed."""
    client.client_id = (
        await client.ask("/meta/handshake", version="1.0", supportedConnectionTypes=["long-polling"])
    )["clientId"]
    for subscription in subscriptions:
        assert (await client.ask("/meta/subscribe", subscription=subscription))["successful"], subscription
    assert (await client.connect(timeout=0))["successful"]


async def the_call(client: Gws, kind: str) -> dict[str, Any]:
    """Return the user's call of a type, once there is one."""

    async def found() -> list[dict[str, Any]]:
        return [call for call in await client.calls() if call["callType"] == kind]

    calls: list[dict[str, Any]] = await eventually(found, what=f"a call of type {kind}")
    return calls[0]


def told(client: BayeuxClient) -> list[str]:
    """Return each notification's state, and its type where it is no change of state."""
    return [
        data["call"]["state"] if data["notificationType"] == "StatusChange" else data["notificationType"]
        for data in client.told
    ]


async def test_a_browser_desktop_logs_in_transfers_and_recovers(
    relay: RelayProcess, http: ClientSession
) -> None:
    """It reads itself, starts its session, listens, and finds its calls again as its events told them."""
    jane, john, alex = (Gws(http, relay.url, user) for user in (JANE, JOHN, ALEX))
    assert (await jane.ask("GET", "/diagnostics/version")).body["version"]
    me = (await jane.ask("GET", "/me?subresources=features,devices,channels,settings")).body["user"]
    assert (me["devices"][0]["id"], me["devices"][0]["phoneNumber"]) == (JANE.device, JANE.number)
    assert (await jane.ask("POST", "/me", json=START)).status == 200
    at_jane = BayeuxClient(http, relay.url, JANE)
    await shake(at_jane, "/v2/me/*")
    await jane.dial(JOHN.number, userData={"case": "7"}, location=None)
    first = await the_call(jane, "Internal")
    await john.operate(first["id"], "Answer")
    await jane.operate(
        first["id"], "InitiateTransfer", destination={"phoneNumber": ALEX.number}, userData=None
    )
    consult = await the_call(jane, "Consult")
    assert consult["parentCallUri"] == first["uri"]
    await alex.operate(consult["id"], "Answer")
    again = (await jane.ask("GET", "/me/?subresources=devices,calls,channels,interactions,chats")).body[
        "user"
    ]
    assert {call["state"] for call in again["calls"]} == {"Held", "Established"}
    await at_jane.follow(5)
    known = {data["call"]["id"]: data["call"] for data in at_jane.told}
    listed = (await jane.ask("GET", "/me/calls/?fields=*")).body["calls"]
    for call in listed:
        assert {**call, **MOVING} == {**known[call["id"]], **MOVING}
    await jane.operate(first["id"], "CompleteTransfer")
    await at_jane.follow(7)
    assert told(at_jane) == [
        "Dialing", "Established", "Held", "Dialing", "Established", "Released", "Released",
    ]  # fmt: skip
    assert [data["call"]["id"] for data in at_jane.told[-2:]] == [first["id"], consult["id"]]
    [left] = await john.calls()
    assert [one["phoneNumber"] for one in left["participants"]] == [ALEX.number]
    assert (await jane.ask("POST", "/me", json={"operationName": "EndContactCenterSession"})).status == 200


async def test_a_phone_app_subscribes_to_everything_and_begins_anew_when_it_is_forgotten(
    relay: RelayProcess, http: ClientSession
) -> None:
    """Each channel is taken by itself, also silent ones; a stale client id leads to a handshake."""
    jane, john = Gws(http, relay.url, JANE), Gws(http, relay.url, JOHN)
    at_jane = BayeuxClient(http, relay.url, JANE)
    await shake(at_jane, *MEDIA)
    assert (await jane.ask("POST", "/me", json=START)).status == 200
    await john.dial(JANE.number)
    call = await the_call(jane, "Internal")
    await jane.operate(call["id"], "UpdateUserData", userData={"PegAG": 1})
    await jane.operate(call["id"], "Answer")
    await at_jane.follow(3)
    assert told(at_jane) == ["Ringing", "AttachedDataChanged", "Established"]
    assert "extensions" not in at_jane.told[1]
    at_jane.client_id = "forgotten"
    refused = await at_jane.connect()
    assert refused["error"].startswith("402::")
    assert refused["advice"]["reconnect"] == "handshake"
    at_jane.client_id = ""
    await shake(at_jane, "/**")
    [recovered] = (await jane.ask("GET", "/me/calls/?fields=*")).body["calls"]
    assert recovered["state"] == "Established"
    await jane.operate(call["id"], "Hangup")
    await at_jane.follow(4)
    assert told(at_jane)[-1] == "Released"
