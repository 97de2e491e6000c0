"""One call controlled in turn through all three dialects, and what the subscribers of each are told of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import AsyncExitStack
from itertools import zip_longest
from typing import Any, Final, NamedTuple

import pytest
from aiohttp import ClientSession, encode_basic_auth

from relay.dialects.gws import identifiers as gws_ids
from relay.dialects.ringcentral import identifiers as ringcentral_ids
from tests.dialects.ringcentral.hooks import Hooks, listening
from tests.harness.bayeux import BayeuxClient
from tests.harness.demo import ADMIN, ALEX, JANE, JOHN, User
from tests.harness.gws import Gws
from tests.harness.process import RelayProcess
from tests.harness.sse import SseFollower
from tests.harness.v3 import V3
from tests.harness.webhooks import WebhookReceiver
from tests.waiting import eventually

AGENTS: Final = (JANE, JOHN, ALEX)
_NUMBERS: Final = {user.number: user.extension for user in AGENTS}
_GWS: Final = {"Dialing": "rings", "Ringing": "rings", "Established": "talks", "Held": "held"}
_V3: Final = {"ringing": "rings", "answered": "talks", "held": "held"}
_RINGCENTRAL: Final = {"Setup": "rings", "Proceeding": "rings", "Answered": "talks", "Hold": "held"}
_WIDTH: Final = 34

Calls = dict[tuple[str, str], str]
"""What each extension does in each session."""


class Told(NamedTuple):
    """Something a subscriber was told of a leg."""

    extension: str
    session: str
    state: str | None
    """In words common to all; None once it is over."""
    line: str
    """As it is shown to readers."""


def _known(told: Iterable[Told]) -> Calls:
    """Return what a subscriber knows who keeps the last word on each leg."""
    calls: dict[tuple[str, str], str | None] = {(one.extension, one.session): one.state for one in told}
    return {leg: state for leg, state in calls.items() if state is not None}


def _of_gws(data: dict[str, Any]) -> Told:
    call = data["call"]
    state = call["state"] + (" muted" if call["mute"] == "On" else "")
    word = state if data["notificationType"] == "StatusChange" else data["notificationType"]
    extension = _NUMBERS[data["phoneNumber"]]
    session = gws_ids.session_id(call["id"]) or ""
    return Told(extension, session, _GWS.get(call["state"]), f"{extension} {word}")


def _of_v3(events: Iterable[dict[str, Any]]) -> list[Told]:
    """Return what v3 tells; a leg that goes on in another call has left the one it was in."""
    told: list[Told] = []
    at: dict[str, str] = {}
    for event in events:
        extension, session = event["user_extension"], event["call_id"]
        before = at.setdefault(event["id"], session)
        if before != session:
            told.append(Told(extension, before, None, ""))
            at[event["id"]] = session
        line = f"{extension} {event['type'].removeprefix('call.leg.')}"
        told.append(Told(extension, session, _V3.get(event["state"]), line))
    return told


def _of_ringcentral(notifications: Iterable[dict[str, Any]]) -> list[Told]:
    """Return what RingCentral tells; a caller it calls answered talks once somebody else has answered."""
    told: list[Told] = []
    connected: dict[str, list[str]] = {}
    talking: set[str] = set()
    for notification in notifications:
        body = notification["body"]
        [party] = body["parties"]
        extension, code = str(party["extensionId"])[-3:], party["status"]["code"]
        session = ringcentral_ids.session_id(body["telephonySessionId"]) or ""
        line = f"{extension} {code}{' muted' * party['muted']}"
        if code == "Answered" and party["direction"] == "Inbound":
            talking.add(session)
        if code == "Answered" and session not in talking:
            connected.setdefault(session, []).append(extension)
            told.append(Told(extension, session, "rings", line))
            continue
        told.append(Told(extension, session, _RINGCENTRAL.get(code), line))
        if session in talking:
            told += [Told(caller, session, "talks", "") for caller in connected.pop(session, ())]
    return told


def _id(event: dict[str, Any]) -> str:
    return str(event["event_id"])


class Stage:
    """Everybody's clients, and a subscriber of each kind."""

    def __init__(self, http: ClientSession, base: str, tokens: dict[str, str]) -> None:
        self._http = http
        self._base = base
        self._tokens = tokens
        self.v3 = {user.login: V3(http, base, user) for user in (*AGENTS, ADMIN)}
        self.gws = {user.login: Gws(http, base, user) for user in AGENTS}
        self.cometd = [BayeuxClient(http, base, user) for user in AGENTS]
        self.stream: SseFollower
        self.receiver: WebhookReceiver
        self.hook = ""
        self.hooks: Hooks
        self.heard: list[Told] = []
        self._counts = [0, 0, 0]

    async def ringcentral(self, user: User, method: str, path: str, body: Any = None) -> Any:
        """Ask RingCentral something, which must be accepted."""
        headers = {"Authorization": f"Bearer {self._tokens[user.login]}"}
        url = f"{self._base}/restapi/v1.0{path}"
        async with self._http.request(method, url, json=body, headers=headers) as response:
            assert response.ok, await response.text()
            return await response.json(content_type=None) if response.status != 204 else None

    async def ask_party(self, user: User, session: str, method: str, suffix: str, body: Any = None) -> None:
        """Ask RingCentral something of the user's own party that lives."""
        path = f"/account/~/telephony/sessions/{ringcentral_ids.telephony_session_id(session)}"
        shown = await self.ringcentral(user, "GET", path)
        [party] = [
            party["id"]
            for party in shown["parties"]
            if party.get("extensionId", "")[-3:] == user.extension and party["status"]["code"] in _RINGCENTRAL
        ]
        await self.ringcentral(user, method, f"{path}/parties/{party}{suffix}", body)

    async def told(self) -> tuple[list[Told], list[Told], list[Told]]:
        """Return everything that subscribers of GWS, v3 and RingCentral were told so far."""
        for client in self.cometd:
            before = len(client.told)
            assert (await client.connect(timeout=0))["successful"]
            self.heard += map(_of_gws, client.told[before:])
        hooked = [delivery.event for delivery in self.receiver.first(self.hook)]
        streamed = self.stream.told
        assert sorted(map(_id, hooked)) == sorted(map(_id, streamed))
        in_order = sorted(self.hooks.events(), key=lambda one: int(one["uuid"]))
        return self.heard, _of_v3(streamed), _of_ringcentral(in_order)

    def numbers(self) -> list[list[int]]:
        """Return the sequences of v3's legs, and of RingCentral's sessions."""
        sessions: dict[str, list[int]] = {}
        for one in self.hooks.events():
            sessions.setdefault(one["body"]["telephonySessionId"], []).append(one["body"]["sequence"])
        legs = [[number for number, _ in events] for events in self.stream.legs().values()]
        return [*legs, *map(sorted, sessions.values())]

    async def agrees(self, expected: Calls) -> list[str]:
        """Wait until all subscribers know just that; return what they were told since, side by side."""

        async def same() -> tuple[list[Told], ...]:
            told = await self.told()
            known = [_known(one) for one in told]
            assert known == [expected] * 3, known
            return told

        told = await eventually(same, within=15, what=f"all three dialects to tell of {expected}")
        new = [
            [one.line for one in each[count:] if one.line]
            for each, count in zip(told, self._counts, strict=True)
        ]
        self._counts = [len(each) for each in told]
        return ["".join(f"{cell:{_WIDTH}}" for cell in row) for row in zip_longest(*new, fillvalue="")]


@pytest.fixture
async def stage(relay: RelayProcess, http: ClientSession, receiver: WebhookReceiver) -> AsyncIterator[Stage]:
    """Give a stage with everybody listening."""
    tokens = {}
    for user in (*AGENTS, ADMIN):
        form = {"grant_type": "password", "username": user.login, "password": user.password}
        headers = {"Authorization": encode_basic_auth("demo-client", "demo-secret")}
        async with http.post(f"{relay.url}/restapi/oauth/token", data=form, headers=headers) as response:
            tokens[user.login] = (await response.json())["access_token"]
    stage = Stage(http, relay.url, tokens)
    async with AsyncExitStack() as listeners:
        stage.stream = await listeners.enter_async_context(SseFollower(http, relay.url))
        stage.receiver, stage.hook = receiver, await receiver.subscribe(stage.v3["admin"])
        stage.hooks = await listeners.enter_async_context(listening())
        filters = ["/restapi/v1.0/account/~/telephony/sessions"]
        delivery = {"transportType": "WebHook", "address": stage.hooks.url()}
        await stage.ringcentral(
            ADMIN, "POST", "/subscription", {"eventFilters": filters, "deliveryMode": delivery}
        )
        await asyncio.gather(*(client.begin() for client in stage.cometd))
        yield stage


async def test_one_call_in_three_dialects(stage: Stage) -> None:
    """After each command all subscribers know the same of every leg, whichever dialect it was given in."""
    story: list[str] = []

    async def step(asked: str, command: Awaitable[Any], **expected: str) -> None:
        await command
        wanted = {
            (extension[1:4], one if extension.endswith("1") else two): state
            for extension, state in expected.items()
        }
        story.extend(["", f"- {asked}", *await stage.agrees(wanted)])

    jane, john, alex = AGENTS
    out = {"from": {"deviceId": jane.device}, "to": {"extensionNumber": john.extension}}
    placed = await stage.ringcentral(jane, "POST", "/account/~/telephony/call-out", out)
    one, two = ringcentral_ids.session_id(placed["session"]["id"]) or "", ""
    first = gws_ids.call_id(one)
    story += [
        "".join(f"{name:{_WIDTH}}" for name in ("GWS (CometD)", "v3 (SSE, webhook)", "RingCentral (webhook)"))
    ]
    await step("RingCentral: Jane calls out to John", asyncio.sleep(0), x210_1="rings", x200_1="rings")
    await step(
        "GWS: John answers", stage.gws["john"].operate(first, "Answer"), x210_1="talks", x200_1="talks"
    )
    [own] = await stage.v3["jane"].calls()
    await step("v3: Jane holds", stage.v3["jane"].on_leg("hold", own["id"]), x210_1="held", x200_1="talks")
    await step(
        "RingCentral: Jane takes it back",
        stage.ask_party(jane, one, "POST", "/unhold"), x210_1="talks", x200_1="talks",
    )  # fmt: skip
    await step(
        "RingCentral: John mutes himself",
        stage.ask_party(john, one, "PATCH", "", {"muted": True}), x210_1="talks", x200_1="talks",
    )  # fmt: skip
    consult = (await stage.v3["jane"].command("consult", call_leg_id=own["id"], destination="220")).accepted()
    two = consult["call_id"]
    await step(
        "v3: Jane asks Alex for advice",
        asyncio.sleep(0), x210_1="held", x200_1="talks", x210_2="rings", x220_2="rings",
    )  # fmt: skip
    await step(
        "RingCentral: Alex answers",
        stage.ask_party(alex, two, "POST", "/answer", {"deviceId": alex.device}),
        x210_1="held", x200_1="talks", x210_2="talks", x220_2="talks",
    )  # fmt: skip
    await step(
        "GWS: Jane swaps",
        stage.gws["jane"].operate(gws_ids.call_id(two), "SwapCalls", otherCallUri=f"/me/calls/{first}"),
        x210_1="talks", x200_1="talks", x210_2="held", x220_2="talks",
    )  # fmt: skip
    await step(
        "GWS: Jane completes the transfer",
        stage.gws["jane"].operate(first, "CompleteTransfer"), x200_1="talks", x220_1="talks",
    )  # fmt: skip
    [leg] = await stage.v3["alex"].calls()
    await step(
        "v3: Alex notes something",
        stage.v3["alex"].command("set-user-data", call_leg_id=leg["id"], user_data={"case": "7"}),
        x200_1="talks", x220_1="talks",
    )  # fmt: skip
    assert (await stage.gws["john"].calls())[0]["userData"] == {"case": "7"}
    await step("GWS: Alex hangs up", stage.gws["alex"].operate(first, "Hangup"))
    for numbers in stage.numbers():
        assert numbers == [*range(numbers[0], numbers[0] + len(numbers))]
    print("\n".join(story))  # noqa: T201 - shown with -s, and where it fails
