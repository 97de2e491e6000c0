"""A client of the v3 API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from aiohttp import ClientSession

from tests.harness.demo import User


class Answer(NamedTuple):
    """What a request was answered."""

    status: int
    body: Any
    """Decoded JSON, or the text where it is none."""
    headers: Mapping[str, str]
    raw: bytes

    def accepted(self) -> dict[str, Any]:
        """Return the body of a 202."""
        assert self.status == 202, self
        return dict(self.body)


class V3:
    """Speaks to one process for one user."""

    def __init__(self, http: ClientSession, base: str, user: User) -> None:
        self._http = http
        self.base = base
        self.user = user

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """Send a request with the user's token; `options` are aiohttp's."""
        headers = {"Authorization": f"Bearer {self.user.token}", **options.pop("headers", {})}
        async with self._http.request(method, self.base + path, headers=headers, **options) as response:
            raw = await response.read()
            body = await response.json(content_type=None) if "json" in response.content_type else raw.decode()
            return Answer(response.status, body, response.headers, raw)

    async def command(self, command: str, *, key: str | None = None, **payload: Any) -> Answer:
        """Send a command; `key` is an Idempotency-Key."""
        body = {
            "command": command,
            "user": {"tenant_id": self.user.tenant, "user_extension": self.user.extension},
            "payload": payload,
        }
        headers = {"Idempotency-Key": key} if key else {}
        return await self.ask("POST", "/v3/call_control/", json=body, headers=headers)

    async def dial(self, destination: str, **payload: Any) -> dict[str, Any]:
        """Click to dial; return the ids of the call."""
        return (await self.command("click-to-dial", destination=destination, **payload)).accepted()

    async def on_leg(self, command: str, leg: str) -> None:
        """Send a command on a leg, which must be accepted."""
        (await self.command(command, call_leg_id=leg)).accepted()

    async def calls(self, **query: str) -> list[dict[str, Any]]:
        """Return the live legs the user sees."""
        answer = await self.ask("GET", "/v3/calls/", params=query)
        assert answer.status == 200, answer
        calls: list[dict[str, Any]] = answer.body["calls"]
        return calls

    async def leg(self, call: str, extension: str, state: str) -> str | None:
        """Return the id of the call's live leg of an extension in a state, or None."""
        found = [
            leg["id"]
            for leg in await self.calls(extension=extension)
            if leg["call_id"] == call and leg["state"] == state
        ]
        return found[0] if found else None

    async def history(self, **query: str) -> list[dict[str, Any]]:
        """Return every event the user sees, oldest first."""
        found: list[dict[str, Any]] = []
        after = query.pop("after", None)
        while True:
            page = {"limit": "1000", **query} | ({"after": after} if after else {})
            answer = await self.ask("GET", "/v3/events/", params=page)
            assert answer.status == 200, answer
            found += answer.body["events"]
            after = answer.body["next"]
            if after is None:
                return found

    async def subscribe(self, url: str, **options: Any) -> dict[str, Any]:
        """Subscribe a webhook; return the subscription with its secret."""
        answer = await self.ask("POST", "/v3/subscriptions/", json={"url": url, **options})
        assert answer.status == 201, answer
        return dict(answer.body)
