"""What the demo's users do over GWS, and what is left of it in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestClient

from relay.control import Control
from relay.dialects.gws.admission import Admission
from relay.directory.model import Principal
from relay.journal.commit import Timer
from relay.journal.journal import Journal
from relay.journal.record import RecordKind

Client = TestClient[web.Request, web.Application]

ACCOUNT: Final = "b11d749b-8eb7-4236-a068-3d94ba3860d6"
BASE: Final = "http://127.0.0.1:8080/api/v2"
"""What URIs begin with by default, wherever the service really listens."""

JANES: Final = "631608b3-ceb1-472b-ba05-2ae39555b0d1"
JOHNS: Final = "7b0c5e52-6a0f-4c53-9a44-3f2f0d5b8e11"
"""Device ids."""


class Clock:
    """A clock that begins at a fixed time and is set by hand."""

    def __init__(self) -> None:
        self.now = 1_763_717_404_218

    def __call__(self) -> int:
        """Return milliseconds since the epoch."""
        return self.now


class Answer(NamedTuple):
    """One response: HTTP status, statusCode, and the whole body."""

    status: int
    code: int
    body: dict[str, Any]


class Face:
    """GWS of one process."""

    def __init__(
        self,
        client: Client,
        control: Control,
        journal: Journal,
        clock: Clock,
        admission: Admission,
        ended: list[Principal],
    ) -> None:
        self.client = client
        self.control = control
        self.journal = journal
        self.clock = clock
        self.admission = admission
        self.ended = ended
        """Whom sessions spoke for that their users have ended."""

    async def get(self, path: str, user: str = "jane") -> Answer:
        """Read something as a user."""
        return await self.request("GET", path, headers={"Authorization": f"Bearer demo-{user}"})

    async def post(self, path: str, body: Any, user: str = "jane") -> Answer:
        """Post JSON as a user."""
        headers = {"Authorization": f"Bearer demo-{user}"}
        return await self.request("POST", path, json=body, headers=headers)

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        """Send a request; every answer is an envelope of plain application/json."""
        async with self.client.request(method, f"/api/v2{path}", **options) as response:
            assert response.headers["Content-Type"] == "application/json"
            body = await response.json()
        assert (body["statusCode"] in (0, 7)) == (response.status == 200)
        if body["statusCode"] not in (0, 7):
            assert set(body) == {"statusCode", "statusMessage"}
        return Answer(response.status, body["statusCode"], body)

    async def dial(self, user: str = "jane", device: str = JANES, destination: str = "15002") -> str:
        """Dial, and return the path of the call as its caller's client knows it."""
        body = {"operationName": "Dial", "destination": {"phoneNumber": destination}}
        answer = await self.post(f"/me/devices/{device}/calls", body, user)
        assert answer == (200, 0, {"statusCode": 0})
        [call] = await self.calls(user)
        return f"/me{call['path']}"

    async def operate(self, call: str, name: str, user: str = "jane", **parameters: Any) -> Answer:
        """Ask for an operation on a call."""
        return await self.post(call, {"operationName": name, **parameters}, user)

    async def calls(self, user: str = "jane") -> list[Mapping[str, Any]]:
        """Return a user's calls in full."""
        found: list[Mapping[str, Any]] = (await self.get("/me/calls?fields=*", user)).body["calls"]
        return found

    async def call(self, call: str, user: str = "jane") -> Mapping[str, Any]:
        """Return one call as a user sees it."""
        found: Mapping[str, Any] = (await self.get(call, user)).body["call"]
        return found

    async def elapse(self) -> None:
        """Let every timer fall due that there is now."""
        keys = self.journal.store.keys(ACCOUNT)
        for member in await self.journal.store.call("ZRANGE", keys.timers, 0, -1):
            timer = msgspec.json.decode(member, type=Timer)
            self.clock.now = max(self.clock.now, timer.due)
            await self.control.elapse(keys.partition, timer)

    async def kinds(self) -> list[str]:
        """Return what the journal tells of the account's calls."""
        page = await self.journal.history(ACCOUNT, None, limit=1000)
        calls = [entry.event for entry in page.entries if entry.kind is RecordKind.CALL]
        return [f"{event.kind} {event.party.address.number}" for event in calls]
