"""A client of GWS v2."""

from __future__ import annotations

from typing import Any

from aiohttp import ClientSession, encode_basic_auth

from tests.harness.demo import User
from tests.harness.v3 import Answer


class Gws:
    """Speaks to one process for one user, with Basic credentials in every request."""

    def __init__(self, http: ClientSession, base: str, user: User) -> None:
        self._http = http
        self.headers = {"Authorization": encode_basic_auth(user.login, user.password)}
        self.api = f"{base}/api/v2"
        self.user = user

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """Send a request; `options` are aiohttp's. Every answer is the envelope."""
        async with self._http.request(method, self.api + path, headers=self.headers, **options) as response:
            raw = await response.read()
            body = await response.json()
            assert (body["statusCode"] == 0) == (response.status == 200), body
            return Answer(response.status, body, response.headers, raw)

    async def dial(self, number: str, **parameters: Any) -> None:
        """Dial from the user's device."""
        body = {"operationName": "Dial", "destination": {"phoneNumber": number}, **parameters}
        assert (await self.ask("POST", f"/me/devices/{self.user.device}/calls", json=body)).status == 200

    async def operate(self, call: str, operation: str, **parameters: Any) -> None:
        """Carry out an operation on a call."""
        body = {"operationName": operation, **parameters}
        answer = await self.ask("POST", f"/me/calls/{call}", json=body)
        assert answer.status == 200, answer

    async def calls(self) -> list[dict[str, Any]]:
        """Return the user's calls in full."""
        calls: list[dict[str, Any]] = (await self.ask("GET", "/me/calls?fields=*")).body["calls"]
        return calls
