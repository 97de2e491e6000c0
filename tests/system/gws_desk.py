"""A desk of GWS v2: a user's requests and what CometD brings, one line a step."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import ClientSession

from tests.harness.bayeux import BayeuxClient
from tests.harness.demo import User
from tests.harness.gws import Gws
from tests.harness.process import RelayProcess
from tests.waiting import eventually

SPAN: Final = 30
"""Seconds by which two readings of a call may differ in `duration`, which runs on by itself: a busy machine
takes some between them."""


class Desk:
    """One user's client; calls are numbered from 1 in the order they were heard of."""

    def __init__(self, http: ClientSession, relay: RelayProcess, user: User) -> None:
        self.rest = Gws(http, relay.url, user)
        self.comet = BayeuxClient(http, relay.url, user)
        self.user = user
        self.calls: list[str] = []
        """Ids."""

    async def shake(self, *subscriptions: str) -> None:
        """Shake hands and subscribe, one by one; each must succeed."""
        self.comet.client_id = ""
        shaken = await self.comet.ask(
            "/meta/handshake", version="1.0", supportedConnectionTypes=["long-polling"]
        )
        assert shaken["successful"], shaken
        self.comet.client_id = shaken["clientId"]
        for subscription in subscriptions:
            assert (await self.comet.ask("/meta/subscribe", subscription=subscription))["successful"]
        assert (await self.comet.connect(timeout=0))["successful"]

    async def get(self, path: str) -> dict[str, Any]:
        """Read something."""
        answer = await self.rest.ask("GET", path)
        assert answer.status == 200, answer
        return dict(answer.body)

    async def post(self, path: str, name: str, **parameters: Any) -> None:
        """Carry out an operation."""
        answer = await self.rest.ask("POST", path, json={"operationName": name, **parameters})
        assert answer.body == {"statusCode": 0}, answer

    async def dial(self, number: str, **parameters: Any) -> None:
        """Dial from the user's device."""
        destination = {"phoneNumber": number}
        await self.post(
            f"/me/devices/{self.user.device}/calls", "Dial", destination=destination, **parameters
        )

    async def on(self, call: int, name: str, **parameters: Any) -> None:
        """Carry out an operation on a call."""
        await self.post(f"/me/calls/{self.calls[call - 1]}", name, **parameters)

    async def hear(self, events: int = 1) -> list[str]:
        """Wait for so many events and return them: ``<call> <state or type>``, or what device or agent is."""
        return [self._line(message["channel"], message["data"]) for message in await self.comet.hear(events)]

    def uri(self, call: int) -> str:
        """Return a call's URI."""
        return f"{self.rest.api}/me/calls/{self.calls[call - 1]}"

    def last(self, call: int) -> dict[str, Any]:
        """Return a call as it was last told."""
        told = [data["call"] for data in self.comet.told if data["call"]["id"] == self.calls[call - 1]]
        found: dict[str, Any] = told[-1]
        return found

    async def recovers_what_it_was_told(self, *calls: int) -> None:
        """Read all calls anew: they are these, each as its last event told it."""
        listed = (await self.get("/me/calls/?fields=*"))["calls"]
        inlined = (await self.get("/me/?subresources=calls"))["user"]["calls"]
        assert [one["id"] for one in listed] == [self.calls[call - 1] for call in calls]
        for call, *read in zip(calls, listed, inlined, strict=True):
            for one in read:
                late = int(one["duration"]) - int(self.last(call)["duration"])
                assert 0 <= late <= SPAN
                assert one == {**self.last(call), "duration": one["duration"]}

    async def rings(self) -> None:
        """Wait until a call rings here, without hearing of it."""

        async def ringing() -> bool:
            return any(call["state"] == "Ringing" for call in await self.rest.calls())

        await eventually(ringing, what="a call that rings")

    def _line(self, channel: str, data: dict[str, Any]) -> str:
        assert data["messageType"]
        if channel == "/v2/me/channels":
            return str(data["channels"][0]["userState"]["state"])
        if channel == "/v2/me/devices":
            return f"device {data['devices'][0]['userState']['state']}"
        call = data["call"]
        assert isinstance(call["capabilities"], list)
        if call["id"] not in self.calls:
            self.calls.append(call["id"])
        changed = data["notificationType"]
        return f"{self.calls.index(call['id']) + 1} {call['state'] if changed == 'StatusChange' else changed}"
