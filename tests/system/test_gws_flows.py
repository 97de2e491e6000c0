"""What published clients of GWS v2 send, from login to logout and after a drop, replayed at the service."""

from __future__ import annotations

from aiohttp import ClientSession

from tests.engines import Server
from tests.harness.demo import ALEX, JANE, JOHN
from tests.harness.fixtures import NewRelay
from tests.harness.process import RelayProcess
from tests.system.gws_desk import Desk

VOICE = "/me/channels/voice"
START, END = "StartContactCenterSession", "EndContactCenterSession"
EVERY_PARAMETER = {"place": None, "loginCode": None, "queue": None, "devicePath": None}
MEDIA = ["/v2/me/calls", "/v2/me/devices", "/v2/me/channels", "/v2/me/chats", "/v2/me/emails"]


def desks(http: ClientSession, relay: RelayProcess) -> tuple[Desk, Desk, Desk]:
    """Return the desks of Jane, John and Alex."""
    return Desk(http, relay, JANE), Desk(http, relay, JOHN), Desk(http, relay, ALEX)


async def test_a_browser_desktop_takes_a_call_and_transfers_it(
    relay: RelayProcess, http: ClientSession
) -> None:
    """It starts its session before it listens, is ready once it does, and reads itself anew as it goes."""
    jane, john, alex = desks(http, relay)
    assert (await jane.get("/diagnostics/version"))["statusCode"] == 0
    me = (await jane.get("/me?subresources=features,devices,channels"))["user"]
    assert me["channels"][0]["userState"]["state"] == me["devices"][0]["userState"]["state"] == "LoggedOut"
    await jane.post("/me", START, channels=["voice"], place="P1")
    assert [one["operationName"] for one in (await jane.get("/settings/agent-states"))["settings"]]
    await jane.shake("/v2/me/*")
    me = (await jane.get("/me/?subresources=devices,calls,channels,interactions,chats"))["user"]
    assert (me["calls"], me["channels"][0]["userState"]["state"]) == ([], "NotReady")
    await jane.post(VOICE, "Ready")
    assert await jane.hear(2) == ["Ready", "device Ready"]
    await john.dial(JANE.number, userData={"case": "7"}, location=None)
    assert await jane.hear() == ["1 Ringing"]
    assert jane.last(1)["userData"] == {"case": "7"}
    await jane.on(1, "UpdateUserData", userData={"PegAG": 1})
    assert await jane.hear() == ["1 AttachedDataChanged"]
    await jane.on(1, "Answer")
    assert await jane.hear() == ["1 Established"]
    await jane.on(1, "InitiateTransfer", destination={"phoneNumber": ALEX.number}, userData=None)
    assert await jane.hear(2) == ["1 Held", "2 Dialing"]
    assert (jane.last(2)["callType"], jane.last(2)["parentCallUri"]) == ("Consult", jane.uri(1))
    alex.calls = [jane.calls[1]]
    await alex.on(1, "Answer")
    assert await jane.hear(2) == ["2 Established", "1 ParticipantsUpdated"]
    await jane.recovers_what_it_was_told(1, 2)
    await jane.on(1, "CompleteTransfer")
    assert await jane.hear(2) == ["1 Released", "2 Released"]
    [left] = await john.rest.calls()
    assert [one["phoneNumber"] for one in left["participants"]] == [ALEX.number]
    await jane.post(VOICE, "AfterCallWork")
    assert await jane.hear(2) == ["NotReady", "device NotReady"]
    await jane.post("/me", END)
    assert await jane.hear(2) == ["LoggedOut", "device LoggedOut"]


async def test_a_phone_app_swaps_two_calls_and_begins_anew_when_it_is_forgotten(
    relay: RelayProcess, http: ClientSession
) -> None:
    """It starts its session once every channel is subscribed, and after a drop only listens again."""
    jane, john, alex = desks(http, relay)
    await jane.get("/me?subresources=*")
    await jane.get("/settings/agent-states")
    await jane.shake(*MEDIA)
    await jane.post("/me", START, channels=["voice"])
    assert await jane.hear(2) == ["NotReady", "device NotReady"]
    await john.dial(JANE.number)
    assert await jane.hear() == ["1 Ringing"]
    await jane.on(1, "Answer")
    assert await jane.hear() == ["1 Established"]
    assert "SwapCalls" not in jane.last(1)["capabilities"]
    await jane.on(1, "InitiateConference", destination={"phoneNumber": ALEX.number})
    assert await jane.hear(2) == ["1 Held", "2 Dialing"]
    alex.calls = [jane.calls[1]]
    await alex.on(1, "Answer")
    assert await jane.hear(2) == ["2 Established", "1 ParticipantsUpdated"]
    assert "SwapCalls" in jane.last(1)["capabilities"]
    await jane.on(2, "SwapCalls", otherCallUri=jane.uri(1))
    assert await jane.hear(2) == ["2 Held", "1 Established"]
    jane.comet.client_id = "forgotten"
    refused = await jane.comet.connect()
    assert refused["error"].startswith("402::")
    assert refused["advice"]["reconnect"] == "handshake"
    await jane.shake(*MEDIA)
    await jane.recovers_what_it_was_told(1, 2)
    await jane.on(2, "CompleteConference")
    assert await jane.hear(2) == ["2 Released", "1 ParticipantsUpdated"]
    assert {one["phoneNumber"] for one in jane.last(1)["participants"]} == {JOHN.number, ALEX.number}
    await jane.on(1, "Hangup")
    assert await jane.hear() == ["1 Released"]
    assert (await jane.get(VOICE))["channel"]["userState"]["state"] == "NotReady"


async def test_a_widget_goes_by_its_cookie_alone(relay: RelayProcess, http: ClientSession) -> None:
    """One read with credentials; then REST and CometD bring the cookie, and the session starts last."""
    jane, john, _ = desks(http, relay)
    first = await jane.rest.ask("GET", "/me?subresources=features,devices,channels,settings")
    device = first.body["user"]["devices"][0]
    assert (device["id"], device["phoneNumber"]) == (JANE.device, JANE.number)
    cookie = first.headers["Set-Cookie"].partition(";")[0]
    jane.rest.headers = jane.comet.headers = {"Cookie": cookie}
    await jane.shake("/v2/me/*")
    await jane.post("/me", START, channels=["voice"])
    assert await jane.hear(2) == ["NotReady", "device NotReady"]
    for name, state in (("Ready", "Ready"), ("NotReady", "NotReady"), ("AfterCallWork", "NotReady")):
        await jane.post(VOICE, name)
        assert await jane.hear(2) == [state, f"device {state}"]
    await jane.dial(JOHN.number)
    assert await jane.hear() == ["1 Dialing"]
    john.calls = jane.calls
    await john.on(1, "Answer")
    assert await jane.hear() == ["1 Established"]
    await jane.on(1, "StartCallRecording")
    assert await jane.hear() == ["1 CallRecordingStateChange"]
    await jane.on(1, "Hangup")
    assert await jane.hear() == ["1 Released"]


async def test_a_library_that_sends_every_parameter_is_understood(
    relay: RelayProcess, http: ClientSession
) -> None:
    """It asks for the version first, listens to all there is, sends nulls, and sets its state at the user."""
    jane, john, alex = desks(http, relay)
    await jane.get("/diagnostics/version")
    me = (await jane.get("/me?subresources=*"))["user"]
    assert isinstance(me["settings"], dict)
    assert len(me["devices"]) == 1
    await jane.shake("/**")
    await jane.post("/me", START, channels=["voice"], **EVERY_PARAMETER)
    await jane.post("/me", "Ready", channels=None, **EVERY_PARAMETER)
    assert await jane.hear(4) == ["NotReady", "device NotReady", "Ready", "device Ready"]
    nulls = {"userData": None, "location": None, "outboundCallerId": None, "extensions": None}
    await jane.dial(JOHN.number, **nulls)
    assert await jane.hear() == ["1 Dialing"]
    john.calls = jane.calls
    await john.on(1, "Answer", **nulls)
    await jane.on(1, "InitiateConference", destination={"phoneNumber": ALEX.number}, **nulls)
    assert await jane.hear(3) == ["1 Established", "1 Held", "2 Dialing"]
    alex.calls = [jane.calls[1]]
    await alex.on(1, "Answer")
    assert await jane.hear(2) == ["2 Established", "1 ParticipantsUpdated"]
    await jane.on(2, "CompleteConference", consultCallUri=None, **nulls)
    assert await jane.hear(3) == ["2 Released", "1 Established", "1 ParticipantsUpdated"]
    await jane.on(1, "RemoveParticipantFromConference", participant=ALEX.number)
    assert await jane.hear() == ["1 ParticipantsUpdated"]
    await jane.on(1, "Hangup")
    assert await jane.hear() == ["1 Released"]
    assert await jane.get("/me/calls") == {"statusCode": 0, "uris": []}


async def test_a_client_goes_on_after_a_drop_at_another_process(
    new_relay: NewRelay, server: Server, http: ClientSession
) -> None:
    """It misses nothing of calls and states, and reads the same there, where the first process is gone."""
    first = await new_relay(store_url=server.url, rate_limits="off").start()
    second = await new_relay(store_url=server.url, rate_limits="off").start()
    jane, john, _ = desks(http, first)
    await jane.shake("/v2/me/*")
    await jane.post("/me", START, channels=["voice"])
    assert await jane.hear(2) == ["NotReady", "device NotReady"]
    for desk in (jane, john):
        desk.rest.api = f"{second.url}/api/v2"
    await john.dial(JANE.number)
    await jane.rings()
    await jane.post(VOICE, "Ready")
    first.kill()
    jane.comet.base = second.url
    assert await jane.hear(3) == ["1 Ringing", "Ready", "device Ready"]
    assert (await jane.get(VOICE))["channel"]["userState"]["state"] == "Ready"
