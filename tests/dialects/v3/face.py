"""What the demo's users do over v3, and what is left of it in the journal."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestClient
from multidict import CIMultiDictProxy

from relay.control import Control
from relay.journal.commit import Timer
from relay.journal.journal import Journal

Client = TestClient[web.Request, web.Application]

TENANT: Final = "b11d749b-8eb7-4236-a068-3d94ba3860d6"
OTHER_TENANT: Final = "5d2f1c6a-7a55-4f0e-9d0b-1f6f8e1a2b3c"
EXTENSIONS: Final = {"jane": "210", "john": "200", "alex": "220", "mallory": "210", "admin": "210"}
TENANTS: Final = {"mallory": OTHER_TENANT}


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_763_717_404_218

    def __call__(self) -> int:
        """Return milliseconds since the epoch."""
        return self.now


class Answer(NamedTuple):
    """One response."""

    status: int
    body: Any
    headers: CIMultiDictProxy[str]

    @property
    def code(self) -> str | None:
        """The problem's code."""
        return self.body["code"] if self.headers["Content-Type"] == "application/problem+json" else None

    @property
    def pointers(self) -> list[str]:
        """What the problem points at."""
        return [error["pointer"] for error in self.body["errors"]]


def command(name: str, user: str = "jane", **payload: Any) -> dict[str, Any]:
    """Return a command's body in the published shape."""
    tenant = TENANTS.get(user, TENANT)
    return {
        "command": name,
        "user": {"tenant_id": tenant, "user_extension": EXTENSIONS[user]},
        "payload": payload,
    }


class Face:
    """v3 of one process."""

    def __init__(self, client: Client, control: Control, journal: Journal, clock: Clock) -> None:
        self.client = client
        self.control = control
        self.journal = journal
        self.clock = clock

    async def request(self, method: str, path: str, user: str | None = "jane", **options: Any) -> Answer:
        """Send a request as a user, or as nobody."""
        headers = {"Authorization": f"Bearer demo-{user}"} if user else {}
        headers |= options.pop("headers", {})
        async with self.client.request(method, f"/v3{path}", headers=headers, **options) as response:
            text = await response.text()
            body: Any = msgspec.json.decode(text or "null")
            answer = Answer(response.status, body, response.headers)
        if answer.status >= 400 and method != "HEAD":
            assert answer.code, f"{answer.status} is no problem+json"
            assert body["status"] == answer.status
            assert body["type"] == f"urn:relay:problem:{answer.code}"
            assert body["title"]
            assert body["detail"]
        return answer

    async def get(self, path: str, user: str | None = "jane", **query: Any) -> Answer:
        """Read something as a user."""
        return await self.request("GET", path, user, params=query)

    async def post(self, path: str, body: Any, user: str | None = "jane", **headers: str) -> Answer:
        """Post JSON as a user; underscores in header names stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.request("POST", path, user, json=body, headers=named)

    async def command(self, name: str, user: str = "jane", **payload: Any) -> Answer:
        """Send a command in the published shape."""
        return await self.post("/call_control/", command(name, user, **payload), user)

    async def dial(self, user: str = "jane", destination: str = "200", **payload: Any) -> str:
        """Click to dial, and return the caller's own leg."""
        answer = await self.command("click-to-dial", user, destination=destination, **payload)
        assert answer.status == 202, answer.body
        return str(answer.body["call_leg_id"])

    async def talk(self) -> tuple[str, str]:
        """Have jane call john and john answer; return both legs."""
        jane = await self.dial()
        await self.pick_up()
        [leg] = (await self.get("/calls/", "john")).body["calls"]
        assert (await self.command("answer", "john", call_leg_id=leg["id"])).status == 202
        return jane, leg["id"]

    async def pick_up(self) -> None:
        """Let the timers fall due that there are now: click-to-dial's own phones are picked up."""
        keys = self.journal.store.keys(TENANT)
        for member in await self.journal.store.call("ZRANGE", keys.timers, 0, -1):
            timer = msgspec.json.decode(member, type=Timer)
            self.clock.now = max(self.clock.now, timer.due)
            await self.control.elapse(keys.partition, timer)

    async def story(self, user: str = "admin") -> list[str]:
        """Return the events of the tenant, each as ``<type>(<extension>,<sequence>)``."""
        events = (await self.get("/events/", user, limit=1000)).body["events"]
        return [
            f"{event['type'].removeprefix('call.leg.')}({event['user_extension']},{event['sequence']})"
            for event in events
        ]

    async def written(self) -> list[str]:
        """Return the last id of every partition, and every key but those that count requests."""
        store = self.journal.store
        ids = [await self.journal.last_id(partition) for partition in range(store.partitions)]
        keys = [key.decode() for key in await store.call("KEYS", "relay:*")]
        return ids + sorted(key for key in keys if ":rate:" not in key)
