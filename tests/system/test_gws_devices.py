"""What CometD clients of GWS v2 are told of devices and of their agents' states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from tests.harness.bayeux import BayeuxClient, Message
from tests.harness.demo import ADMIN, ALEX, JANE, JOHN, User, with_a_supervisor
from tests.harness.fixtures import NewRelay
from tests.harness.gws import Gws
from tests.harness.process import RelayProcess
from tests.harness.sse import SseFollower
from tests.harness.v3 import V3
from tests.harness.webhooks import WebhookReceiver
from tests.waiting import eventually

DEVICES, CHANNELS = "/v2/me/devices", "/v2/me/channels"
VOICE = "/me/channels/voice"
OFFLINE = {"id": "0F7F5003-EF26-4D13-A6Ef-D0C7EC819BEB", "displayName": "Offline", "state": "LoggedOut"}
READY = {"id": "9430250E-0A1B-421F-B372-F29E69366DED", "displayName": "Ready", "state": "Ready"}
NOT_READY = {"id": "900D55CC-2BB0-431F-8BF9-D3525B383BE6", "displayName": "Not Ready", "state": "NotReady"}


async def listen(http: ClientSession, relay: RelayProcess, user: User, *patterns: str) -> BayeuxClient:
    """Shake hands and subscribe."""
    client = BayeuxClient(http, relay.url, user)
    shaken = await client.ask("/meta/handshake", version="1.0", supportedConnectionTypes=["long-polling"])
    client.client_id = shaken["clientId"]
    for pattern in patterns:
        assert (await client.ask("/meta/subscribe", subscription=pattern))["successful"]
    assert (await client.connect(timeout=0))["successful"]
    return client


async def ask(client: Gws, path: str, name: str, **parameters: Any) -> None:
    """Carry out an operation."""
    answer = await client.ask("POST", path, json={"operationName": name, **parameters})
    assert answer.body == {"statusCode": 0}


def of_device(user: User, **changed: Any) -> Message:
    """Return the notification of a device, which is as it is by default but for what is changed."""
    device = {
        "id": user.device,
        "deviceState": "Active",
        "userState": OFFLINE,
        "phoneNumber": user.number,
        "description": "",
        "e164Number": "",
        "telephonyNetwork": "Private",
        "doNotDisturb": "Off",
        "capabilities": ["DoNotDisturbOn", "ForwardCallsOn"],
        "channels": ["voice"],
        "dynamicPhoneNumber": "",
        **changed,
    }
    return {"channel": DEVICES, "data": {"devices": [device], "messageType": "DeviceStateChangeMessage"}}


def of_channel(state: dict[str, str]) -> Message:
    """Return the notification of the channel of voice."""
    channel = {"channel": "voice", "userState": state}
    return {
        "channel": CHANNELS,
        "data": {"channels": [channel], "messageType": "ChannelStateChangeMessageV2"},
    }


async def test_what_is_set_at_a_device_is_told_with_all_of_it(
    relay: RelayProcess, http: ClientSession
) -> None:
    """Each operation is followed by the whole device as it then is, which reads the same."""
    john = Gws(http, relay.url, JOHN)
    at_john = await listen(http, relay, JOHN, DEVICES)
    at = f"/me/devices/{JOHN.device}"
    dnd = {"doNotDisturb": "On", "capabilities": ["DoNotDisturbOff", "ForwardCallsOn"]}
    forwards = {"forwardTo": ALEX.number, "capabilities": ["DoNotDisturbOn", "ForwardCallsOff"]}
    for name, parameters, told in (
        ("DoNotDisturbOn", {}, dnd),
        ("DoNotDisturbOff", {}, {}),
        ("ForwardCallsOn", {"destination": ALEX.number}, forwards),
        ("ForwardCallsOff", {}, {}),
    ):
        await ask(john, at, name, **parameters)
        [heard] = await at_john.hear(1)
        assert heard == of_device(JOHN, **told)
        assert (await john.ask("GET", at)).body["device"] == heard["data"]["devices"][0]


async def test_a_state_is_told_at_the_channel_and_at_the_device(
    relay: RelayProcess, http: ClientSession
) -> None:
    """In the order in which they are entered; what changes nothing is not told."""
    jane = Gws(http, relay.url, JANE)
    at_jane = await listen(http, relay, JANE, "/v2/me/*")
    steps: list[tuple[str, str, dict[str, Any], dict[str, str]]] = [
        ("/me", "StartContactCenterSession", {"channels": ["voice"]}, NOT_READY),
        (VOICE, "Ready", {}, READY),
        (VOICE, "NotReady", {"reason": "Lunch"}, {**NOT_READY, "reason": "Lunch"}),
        ("/me", "EndContactCenterSession", {}, OFFLINE),
    ]
    for path, name, parameters, state in steps:
        await ask(jane, path, name, **parameters)
        await ask(jane, path, name, **parameters)
        assert await at_jane.hear(2) == [of_channel(state), of_device(JANE, userState=state)]


async def test_each_is_told_of_their_own_alone(relay: RelayProcess, http: ClientSession) -> None:
    """Neither a colleague's device nor their state is anybody else's to hear of; channels are apart."""
    at_jane = await listen(http, relay, JANE, "/v2/me/*")
    at_john = await listen(http, relay, JOHN, CHANNELS)
    john, jane = Gws(http, relay.url, JOHN), Gws(http, relay.url, JANE)
    await ask(john, f"/me/devices/{JOHN.device}", "DoNotDisturbOn")
    await ask(john, VOICE, "Ready")
    await ask(jane, VOICE, "Ready")
    assert await at_jane.hear(2) == [of_channel(READY), of_device(JANE, userState=READY)]
    assert await at_john.hear(1) == [of_channel(READY)]


async def test_a_state_outlives_the_process(relay: RelayProcess, http: ClientSession) -> None:
    """After a kill it reads as before, and the client goes on where it was."""
    jane = Gws(http, relay.url, JANE)
    at_jane = await listen(http, relay, JANE, CHANNELS)
    await ask(jane, VOICE, "NotReady", reason="Lunch")
    relay.kill()
    await relay.start()
    shown = (await jane.ask("GET", VOICE)).body["channel"]["userState"]
    assert shown == {**NOT_READY, "reason": "Lunch"}
    assert await at_jane.hear(1) == [of_channel({**NOT_READY, "reason": "Lunch"})]


async def test_a_supervisor_is_told_of_the_supervision_and_of_the_call(
    new_relay: NewRelay, http: ClientSession, tmp_path: Path
) -> None:
    """The device says whose calls, the call comes as it is picked up, and what was for one call ends."""
    relay = await new_relay(rate_limits="off", directory=str(with_a_supervisor(tmp_path))).start()
    alex, jane, john = (Gws(http, relay.url, user) for user in (ALEX, JANE, JOHN))
    at_alex = await listen(http, relay, ALEX, "/v2/me/*")
    janes = f"{alex.api}/devices/{JANE.device}"
    allowed = ["DoNotDisturbOn", "ForwardCallsOn", "ListenIn", "Coach", "BargeIn"]
    following = {"mode": "NextCall", "scope": "Call", "targetDeviceUri": janes}
    for name in ("ListenIn", "Coach"):
        parameters = {"targetDeviceUri": janes, "supervisorMonitoringMode": "NextCall"}
        await ask(alex, f"/me/devices/{ALEX.device}", name, **parameters)
        assert await at_alex.hear(1) == [
            of_device(
                ALEX,
                capabilities=[*allowed, "CancelSupervisorMonitoring"],
                supervisorMonitoringState={"state": name, **following},
            )
        ]
    await jane.dial(JOHN.number)
    [call] = await jane.calls()
    await john.operate(call["id"], "Answer")
    told = await at_alex.hear(2)
    assert [message["channel"] for message in told] == ["/v2/me/calls", DEVICES]
    supervised = told[0]["data"]["call"]
    assert (supervised["state"], supervised["monitoring"]) == ("Established", True)
    assert supervised["supervisorMonitoringState"] == {"state": "Coach"}
    assert told[1] == of_device(ALEX, capabilities=allowed)
    await alex.operate(call["id"], "SwitchToBargeIn")
    [switched] = await at_alex.hear(1)
    assert switched["data"]["notificationType"] == "StatusChange"
    assert switched["data"]["call"]["mute"] == "Off"
    assert switched["data"]["call"]["supervisorMonitoringState"] == {"state": "BargeIn"}


async def test_streams_and_webhooks_in_gws_words_tell_of_devices_and_states_too(
    relay: RelayProcess, receiver: WebhookReceiver, http: ClientSession
) -> None:
    """One message each, the same by every channel; who resumes is told what they missed."""
    jane, admin = Gws(http, relay.url, JANE), V3(http, relay.url, ADMIN)
    hook = await receiver.subscribe(admin, format="gws", types=["/v2/me/devices", "/v2/me/channels"])
    at_jane = await listen(http, relay, JANE, "/v2/me/*")
    async with SseFollower(http, relay.url, format="gws") as stream:
        await ask(jane, VOICE, "Ready")
        told = await at_jane.hear(2)
        await eventually(lambda: len(stream.told) == 2, what="both by stream")
        assert stream.told == told
    await ask(jane, f"/me/devices/{JANE.device}", "DoNotDisturbOn")
    async with http.get(
        f"{relay.url}/v3/events/stream?format=gws",
        headers={"Authorization": f"Bearer {ADMIN.token}", "Last-Event-ID": stream.last_id},
    ) as response:
        resumed = b""
        while b"DeviceStateChangeMessage" not in resumed:
            resumed += await response.content.readany()
    assert b'"doNotDisturb":"On"' in resumed
    await eventually(lambda: len(receiver.of(hook)) == 3, what="all by webhook")
    everything = [*told, *(await at_jane.hear(1))]
    assert sorted(str(delivery.event) for delivery in receiver.of(hook)) == sorted(map(str, everything))
