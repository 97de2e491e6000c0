"""Calls as clients of GWS v2 see them at the running service: HTTP operations, CometD notifications."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import ClientSession

from tests.harness.bayeux import BayeuxClient
from tests.harness.demo import JANE, JOHN, OUTSIDE, User
from tests.harness.gws import Gws
from tests.harness.process import RelayProcess
from tests.harness.v3 import V3
from tests.waiting import eventually

CALL_KEYS = [
    "id", "state", "callUuid", "connId", "deviceUri", "participants", "dnis", "callType", "capabilities",
    "duration", "mute", "supervisorListeningIn", "monitoredUserMuted", "monitoring", "uri", "path",
]  # fmt: skip
"""Members of an internal call without user data, in the published order."""


def states(client: BayeuxClient) -> list[str]:
    """Return the call's state in each notification."""
    return [data["call"]["state"] for data in client.told]


async def listening(http: ClientSession, relay: RelayProcess, *users: User) -> list[BayeuxClient]:
    """Return a Bayeux session, subscribed to the user's calls, for each user."""
    clients = [BayeuxClient(http, relay.url, user) for user in users]
    for client in clients:
        await client.begin()
    return clients


async def the_call(client: Gws) -> dict[str, Any]:
    """Return the user's one call, once there is one."""
    call: dict[str, Any] = (await eventually(client.calls, what="a call"))[0]
    return call


async def test_a_dial_is_told_to_both_users_over_cometd(relay: RelayProcess, http: ClientSession) -> None:
    """Jane dials John's number, he answers, she hangs up: each is told the states at the own device."""
    jane, john = Gws(http, relay.url, JANE), Gws(http, relay.url, JOHN)
    at_jane, at_john = await listening(http, relay, JANE, JOHN)
    followed = asyncio.gather(at_jane.follow(3), at_john.follow(3))
    await jane.dial(JOHN.number)
    call = await the_call(john)
    await john.operate(call["id"], "Answer")
    await jane.operate(call["id"], "Hangup")
    await followed
    assert states(at_jane) == ["Dialing", "Established", "Released"]
    assert states(at_john) == ["Ringing", "Established", "Released"]
    for client in (at_jane, at_john):
        for data in client.told:
            assert list(data) == ["notificationType", "call", "phoneNumber", "extensions", "messageType"]
            assert list(data["call"]) == CALL_KEYS
            assert data["notificationType"] == "StatusChange"
            assert data["messageType"] == "CallStateChangeMessage"
            assert data["phoneNumber"] == client.user.number
            assert data["call"]["deviceUri"] == f"{relay.url}/api/v2/devices/{client.user.device}"
            assert data["call"]["uri"] == f"{relay.url}/api/v2/me/calls/{call['id']}"
        assert client.told[-1]["call"]["capabilities"] == []
    assert [one["phoneNumber"] for one in at_jane.told[0]["call"]["participants"]] == [JOHN.number]
    assert await jane.calls() == []


async def test_a_click_to_dial_is_told_in_gws_words_too(relay: RelayProcess, http: ClientSession) -> None:
    """Over CometD, its states are Dialing or Ringing, Established (again as John answers) and Released."""
    at_jane, at_john = await listening(http, relay, JANE, JOHN)
    followed = asyncio.gather(at_jane.follow(4), at_john.follow(3))
    placed = await V3(http, relay.url, JANE).dial("200")
    john = Gws(http, relay.url, JOHN)
    call = await the_call(john)
    await john.operate(call["id"], "Answer")
    await V3(http, relay.url, JANE).on_leg("hangup", placed["call_leg_id"])
    await followed
    assert states(at_jane) == ["Dialing", "Established", "Established", "Released"]
    assert states(at_john) == ["Ringing", "Established", "Released"]


async def test_an_inbound_call_shows_who_calls(relay: RelayProcess, http: ClientSession) -> None:
    """A call from outside is Ringing, with the caller's number as `ani`, and can be answered and hung up."""
    [at_jane] = await listening(http, relay, JANE)
    jane = Gws(http, relay.url, JANE)
    followed = asyncio.create_task(at_jane.follow(3))
    made = await V3(http, relay.url, JANE).ask(
        "POST", "/v3/simulator/calls/", json={"from": OUTSIDE, "to": JANE.extension}
    )
    assert made.status == 201
    call = await the_call(jane)
    await jane.operate(call["id"], "Answer")
    await jane.operate(call["id"], "Hangup")
    await followed
    assert states(at_jane) == ["Ringing", "Established", "Released"]
    assert {(data["call"]["callType"], data["call"]["ani"]) for data in at_jane.told} == {
        ("Inbound", OUTSIDE)
    }
    released = await jane.ask("GET", f"/me/calls/{call['id']}")
    assert released.body["call"]["state"] == "Released"
