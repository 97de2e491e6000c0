"""RingCentral's own packages, unmodified: whole calls, each method of the call control, over plain HTTP."""

from __future__ import annotations

import asyncio
import importlib.resources
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession

from tests.dialects.ringcentral.hooks import listening
from tests.engines import Server
from tests.harness.demo import ALEX, JANE, JOHN, OUTSIDE
from tests.harness.fixtures import NewRelay
from tests.harness.process import RelayProcess
from tests.harness.ringcentral import EXTENSION, OWN_CALLS, Json, Sdk, sdk
from tests.harness.v3 import V3
from tests.harness.way import Way
from tests.waiting import eventually


class Two(NamedTuple):
    """Jane's application and John's, and the service."""

    relay: RelayProcess
    jane: Sdk
    john: Sdk

    async def talk(self, call: int = 1) -> str:
        """Have Jane call John, and John answer; return the session. ``call`` counts what John is told of."""
        session = await self.jane.call(extensionNumber=JOHN.extension)
        assert await self.john.pick_up(call) == session
        await self.john.becomes(session, "Answered")
        await self.jane.on(session, "reload")
        return session


@pytest.fixture
async def two(relay: RelayProcess) -> AsyncIterator[Two]:
    """Give both applications."""
    async with sdk(relay.url, JANE) as jane, sdk(relay.url, JOHN) as john:
        yield Two(relay, jane, john)


async def test_a_call_from_ringing_to_its_end(two: Two) -> None:
    """Each method answers, and what it changes is told to the application by notifications."""
    session = await two.talk()
    for method, code in (("hold", "Hold"), ("unhold", "Answered")):
        assert (await two.jane.on(session, method))["status"]["code"] == code
        await two.jane.becomes(session, code)
    assert (await two.jane.on(session, "mute"))["muted"] is True
    assert (await two.jane.on(session, "unmute"))["muted"] is False
    assert (await two.jane.on(session, "updateParty", {"muted": True}))["muted"] is True
    assert await eventually(lambda: _told(two.jane, "muted")[-1:] == [True])
    await two.jane.on(session, "drop")
    await two.john.forgets(session)
    await two.jane.forgets(session)


async def test_recording(two: Two) -> None:
    """It begins, pauses and goes on; the party shows it, and notifications tell of it."""
    session = await two.talk()
    recording = await two.jane.on(session, "createRecord")
    assert recording["active"] is True
    assert await eventually(lambda: _told(two.jane, "recordings")) == [[recording]]
    assert (await two.jane.on(session, "pauseRecord", recording["id"]))["active"] is False
    assert (await two.jane.on(session, "resumeRecord", recording["id"]))["active"] is True
    paused = {"id": recording["id"], "active": False}
    assert (await two.jane.on(session, "updateRecord", paused))["active"] is False
    assert (await two.jane.party(session))["recordings"] == [paused]


def _told(of: Sdk, name: str) -> list[Any]:
    """Return what notifications told of the user's own party, where they did."""
    parties = [event["body"]["parties"][0] for event in of.program.of("event")]
    return [party[name] for party in parties if name in party]


async def test_transfers(two: Two, http: ClientSession) -> None:
    """Blind to another extension, to a mailbox, and warm: whoever leaves is told, and forgets the call."""
    session = await two.talk()
    moved = await two.jane.on(session, "transfer", {"extensionNumber": ALEX.extension})
    assert moved["status"] == {"code": "Disconnected", "reason": "BlindTransfer"}
    await two.jane.forgets(session)
    alex = V3(http, two.relay.url, ALEX)
    assert await eventually(lambda: alex.leg(_call(session), ALEX.extension, "ringing"))
    await two.john.on(session, "drop")

    session = await two.talk(2)
    moved = await two.jane.on(session, "transfer", {"voicemail": "400100000220"})
    assert moved["status"]["code"] == "Disconnected"
    await two.jane.forgets(session)

    session = await two.talk(3)
    await two.jane.on(session, "hold")
    other = await two.jane.call(phoneNumber=OUTSIDE)
    await two.jane.becomes(other, "Answered")
    target = {"telephonySessionId": other, "partyId": (await two.jane.party(other))["id"]}

    async def bridged() -> Json | None:
        answer = await two.jane.program.ask(f"session {session}", ["bridge", target])
        assert answer.get("status") in (None, 409), answer
        return answer.get("value")

    gone = await eventually(bridged)
    assert gone["status"]["code"] == "Gone"
    assert gone["status"]["reason"] == "AttendedTransfer"
    assert {"telephonySessionId", "partyId"} <= set(gone["status"]["peerId"])
    await two.jane.forgets(session)
    await two.jane.forgets(other)


def _call(session: str) -> str:
    """Return v3's id of a session."""
    digits = session.removeprefix("s-")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


async def inbound(http: ClientSession, relay: RelayProcess) -> None:
    """Have somebody outside call Jane."""
    body = {"from": OUTSIDE, "to": JANE.extension}
    answer = await V3(http, relay.url, JANE).ask("POST", "/v3/simulator/calls/", json=body)
    assert answer.status in (201, 202), answer


async def test_a_call_that_comes_in_is_led_elsewhere(two: Two, http: ClientSession) -> None:
    """Sent to the mailbox, forwarded, ignored, or replied to with a text or a pattern."""
    jane = two.jane
    await inbound(http, two.relay)
    await jane.on(await jane.rung(1), "toVoicemail")
    await jane.becomes(await jane.rung(1), "VoiceMail")

    await inbound(http, two.relay)
    moved = await jane.on(await jane.rung(2), "forward", {"extensionNumber": JOHN.extension})
    assert moved["status"]["code"] == "Disconnected"
    await jane.forgets(await jane.rung(2))
    assert await two.john.pick_up(1) == await jane.rung(2)

    await inbound(http, two.relay)
    await jane.on(await jane.rung(3), "ignore", {"deviceId": JANE.device})
    await jane.forgets(await jane.rung(3))

    await inbound(http, two.relay)
    replied = await jane.on(await jane.rung(4), "reply", {"replyWithText": "In a minute"})
    assert replied["status"] == {"code": "Setup", "reason": "CallReplied"}

    await inbound(http, two.relay)
    pattern = {"pattern": "CallMeBack", "time": 5, "timeUnit": "Minute"}
    replied = await jane.on(await jane.rung(5), "reply", {"replyWithPattern": pattern})
    assert replied["status"]["reason"] == "CallReplied"

    await inbound(http, two.relay)
    left = await jane.on(await jane.rung(6), "forward", {"voicemail": "400100000210"})
    assert left["status"] == {"code": "VoiceMail"}
    await jane.becomes(await jane.rung(6), "VoiceMail")


async def test_parking_and_flipping(two: Two) -> None:
    """A parked call shows its place; a flipped one rings at the user's phone again."""
    session = await two.talk()
    parked = await two.john.on(session, "park")
    assert parked["status"]["code"] == "Parked"
    assert parked["park"]["id"] == "*801"
    party = f"/restapi/v1.0/account/~/telephony/sessions/{session}/parties/{parked['id']}"
    taken = await two.john.ask("platform", ["post", f"{party}/pickup", {"deviceId": JOHN.device}])
    assert taken["status"] == 201
    assert taken["body"]["status"] == {"code": "Answered", "reason": "Pickup"}

    session = await two.talk(2)
    moved = await two.jane.on(session, "flip", {"callFlipId": "1"})
    assert moved["status"] == {"code": "Disconnected", "reason": "CallFlip"}


async def test_conferences(two: Two) -> None:
    """A conference has a token; a call is brought in, and its participant removed."""
    conference = await two.jane.ask("control", ["createConference"])
    assert conference["voiceCallToken"].startswith("conf_")
    session = await two.talk()
    own = (await two.jane.party(session))["id"]
    brought = await two.jane.on(conference["id"], "bringInParty", {"sessionId": session, "partyId": own})
    assert brought["conferenceRole"] == "Participant"
    await two.jane.forgets(session)
    removed = await two.jane.on(conference["id"], "removeParty", brought["id"], {"keepConferenceAlive": True})
    assert removed["status"] == 204
    await two.john.program.tells("status")
    await two.jane.on(conference["id"], "reload")
    parties = (await two.jane.ask(f"session {conference['id']}", ["data"]))["parties"]
    assert [one["status"]["code"] for one in parties] == ["Answered", "Disconnected"]


async def test_supervision(new_relay: NewRelay, tmp_path: Path) -> None:
    """A supervisor listens in to an agent's call by the package's older names."""
    text = importlib.resources.files("relay.directory").joinpath("demo.yaml").read_text(encoding="utf-8")
    before, found, after = text.partition("login: alex")
    directory = tmp_path / "directory.yaml"
    directory.write_text(before + found + after.replace("[agent]", "[agent, admin]", 1))
    relay = await new_relay(rate_limits="off", directory=str(directory)).start()
    everything = "/restapi/v1.0/account/~/telephony/sessions"
    async with (
        sdk(relay.url, JANE) as jane,
        sdk(relay.url, JOHN) as john,
        sdk(relay.url, ALEX, everything) as alex,
    ):
        session = await Two(relay, jane, john).talk()

        async def known() -> bool:
            return session in [one["id"] for one in await alex.ask("control", ["sessions"])]

        await eventually(known)
        wanted = {"mode": "Listen", "deviceId": ALEX.device, "extensionNumber": JANE.extension}
        joined = await alex.on(session, "supervise", wanted)
        assert joined["status"] == {"code": "Answered", "reason": "Supervising"}
        assert joined["from"]["deviceId"] == ALEX.device
        async with sdk(relay.url, ALEX, everything) as later:
            assert [one["id"] for one in await later.ask("control", ["sessions"])] == [session]


async def test_refusals_reach_the_application(relay: RelayProcess) -> None:
    """A wrong state, another's call and what is not there are told by status and message."""
    async with sdk(relay.url, JANE) as jane:
        session = await jane.call(extensionNumber=JOHN.extension)
        assert await jane.refused(f"session {session}", ["hold"]) == (409, "Operation is not allowed")
        parties = "/restapi/v1.0/account/~/telephony/sessions/s-1/parties/p-1"
        status, message = await jane.refused("platform", ["post", f"{parties}/hold"])
        assert (status, message) == (404, "Resource for parameter [telephonySessionId] is not found")


async def test_one_request_too_many(new_relay: NewRelay) -> None:
    """The application is told when to come again; what it may still ask shows in each answer."""
    relay = await new_relay(ringcentral_limits="50,2,50,50").start()
    async with sdk(relay.url, JANE) as jane:
        devices = ["get", f"{EXTENSION}/device"]
        answers = [await jane.program.ask("platform", devices) for _ in range(3)]
        assert answers[-1]["status"] == 429
        assert answers[-1]["error"] == "Request rate exceeded"
        assert (await jane.ask("platform", ["get", EXTENSION]))["status"] == 200


async def test_what_began_before_the_application_is_read(two: Two) -> None:
    """Started in the middle of a call, it finds it by presence and goes on with it."""
    session = await two.talk()
    async with sdk(two.relay.url, JANE) as later:
        [found] = await later.ask("control", ["sessions"])
        assert found["id"] == session
        assert (await later.on(session, "hold"))["status"]["code"] == "Hold"
        await two.jane.becomes(session, "Hold")


async def test_subscriptions_of_the_package(two: Two) -> None:
    """What is told over its WebSocket is what the call's parties come to; it can be refreshed and revoked."""
    session = await two.talk()
    events = await two.john.program.tells("event", 3)
    codes = [event["body"]["parties"][0]["status"]["code"] for event in events]
    assert codes == ["Setup", "Proceeding", "Answered"]
    await two.john.ask("socket", ["refresh"])
    await two.john.ask("socket", ["revoke"])
    await two.jane.on(session, "drop")
    await two.jane.forgets(session)
    assert len(two.john.program.of("event")) == 3


async def test_a_websocket_that_breaks_off_goes_on_at_another_process(
    new_relay: NewRelay, server: Server
) -> None:
    """The package recovers its session: what happened meanwhile is told, and nothing comes twice."""
    async with Way(0) as way:
        options = {"rate_limits": "off", "store_url": server.url, "public_url": way.url}
        first, second = new_relay(**options), new_relay(**options)
        await asyncio.gather(first.start(), second.start())
        way.to = first.port
        async with sdk(way.url, JANE) as jane, sdk(second.url, JOHN) as john:
            session = await jane.call(extensionNumber=JOHN.extension)
            await jane.program.tells("event", 2)
            way.to = second.port
            first.kill()
            await john.pick_up()
            await john.on(session, "hold")
            await john.on(session, "unhold")
            await john.on(session, "drop")
            await jane.program.tells("event", 3)
            await jane.forgets(session)
        sequences = [event["body"]["sequence"] for event in jane.program.of("event")]
        assert sequences == sorted(set(sequences))
        codes = [event["body"]["parties"][0]["status"]["code"] for event in jane.program.of("event")]
        assert codes == ["Setup", "Answered", "Disconnected"]


async def test_the_extensible_package(two: Two) -> None:
    """Its paths, bodies and token calls: a call, its parties, presence, refresh and revoke."""
    rc = two.jane
    telephony = [["restapi"], ["account"], ["telephony"]]
    body = {"from": {"deviceId": JANE.device}, "to": {"extensionNumber": JOHN.extension}}
    placed = (await rc.ask("rc", *telephony, ["callOut"], ["post", body]))["session"]
    session = [*telephony, ["sessions", placed["id"]]]
    await two.john.pick_up()
    party = [*session, ["parties", placed["parties"][0]["id"]]]
    held = await rc.ask("rc", *party, ["hold"], ["post", {}])
    assert held["status"]["code"] == "Hold"
    assert (await rc.ask("rc", *party, ["unhold"], ["post"]))["status"]["code"] == "Answered"
    patched = await rc.ask("rc", *party, ["patch", {"party": {"muted": True}}])
    assert patched["muted"] is True
    assert (await rc.ask("rc", *party, ["get"]))["muted"] is True
    shown = await rc.ask("rc", *session, ["get"])
    assert [one["status"]["code"] for one in shown["parties"]] == ["Answered", "Answered"]
    extension = [["restapi"], ["account"], ["extension"]]
    presence = await rc.ask("rc", *extension, ["presence"], ["get", {"detailedTelephonyState": True}])
    assert presence["telephonyStatus"] == "CallConnected"
    assert (await rc.ask("rc", ["get", f"{EXTENSION}/device"], ["data"]))["records"][0]["id"] == JANE.device
    before = (await rc.ask("rc", ["token"]))["access_token"]
    assert (await rc.ask("rc", ["refresh"]))["access_token"] != before
    await rc.ask("rc", *session, ["delete"])
    await rc.ask("rc", ["revoke"])
    await two.john.forgets(placed["id"])


async def test_webhooks_of_the_extensible_package(relay: RelayProcess) -> None:
    """A subscription is made with its handshake, told, read, changed, renewed and deleted."""
    async with listening() as hooks, sdk(relay.url, JANE) as jane:
        mode = {"transportType": "WebHook", "address": hooks.url(), "verificationToken": "mine"}
        every: list[list[Any]] = [["restapi"], ["subscription"]]
        made = await jane.ask("rc", *every, ["post", {"eventFilters": [OWN_CALLS], "deliveryMode": mode}])
        assert (made["status"], len(hooks.handshakes)) == ("Active", 1)
        session = await jane.call(extensionNumber=JOHN.extension)
        await eventually(lambda: len(hooks.requests) == 2)
        assert {one.headers["Verification-Token"] for one in hooks.requests} == {"mine"}
        for event in hooks.events():
            assert event["subscriptionId"] == made["id"]
            assert event["body"]["telephonySessionId"] == session
        one: list[list[Any]] = [["restapi"], ["subscription", made["id"]]]
        changed = {"eventFilters": [f"{EXTENSION}/presence"], "expiresIn": 100}
        assert (await jane.ask("rc", *one, ["put", changed]))["expiresIn"] in (99, 100)
        assert (await jane.ask("rc", *one, ["renew"], ["post"]))["id"] == made["id"]
        shown = await jane.ask("rc", *one, ["get"])
        assert shown["eventFilters"][0].endswith("/extension/400100000210/presence")
        assert [found["id"] for found in (await jane.ask("rc", *every, ["list"]))["records"]] == [made["id"]]
        await jane.ask("rc", *one, ["delete"])
        assert (await jane.ask("rc", *every, ["list"]))["records"] == []


async def test_logging_out_and_tokens_that_expire(relay: RelayProcess) -> None:
    """A token that is not good any more is refreshed by the package itself; logging out ends it."""
    async with sdk(relay.url, JANE) as jane:
        platform = "platform"
        await jane.ask(platform, ["refresh"])
        assert (await jane.ask(platform, ["get", EXTENSION]))["status"] == 200
        assert await jane.ask(platform, ["loggedIn"]) is True
        await jane.ask(platform, ["logout"])
        assert await jane.ask(platform, ["loggedIn"]) is False
