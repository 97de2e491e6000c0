"""A Bayeux client that sends exactly what a test says and shows exactly what comes back."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

from aiohttp import ClientSession, ClientTimeout, encode_basic_auth

from tests.harness.demo import User

Message = dict[str, Any]

CALLS = "/v2/me/calls"
_HELD = ClientTimeout(total=None, sock_connect=5)


class BayeuxClient:
    """One session over long-polling, which may be carried on at any process."""

    def __init__(self, http: ClientSession, base: str, user: User) -> None:
        self._http = http
        self.user = user
        self.headers = {"Authorization": encode_basic_auth(user.login, user.password)}
        """What every request says of the user."""
        self._ids = itertools.count(1)
        self.base = base
        """The process that is asked; change it to carry the session on at another."""
        self.client_id = ""
        self.told: list[Message] = []
        """The data of every event about a call, in order."""
        self.heard: list[Message] = []
        """Every event, in order."""

    async def post(self, *messages: Message) -> tuple[int, list[Message]]:
        """Send messages as one payload; return the HTTP status and the messages of the answer."""
        async with self._http.post(
            f"{self.base}/api/v2/notifications", json=list(messages), headers=self.headers, timeout=_HELD
        ) as response:
            answer = await response.json() if response.status == 200 else []
        self.heard += [message for message in answer if not message["channel"].startswith("/meta/")]
        self.told += [message["data"] for message in answer if message["channel"] == CALLS]
        return response.status, answer

    def message(self, channel: str, **members: Any) -> Message:
        """Make a message with the next id and the session's client id."""
        client = {"clientId": self.client_id} if self.client_id else {}
        return {"id": str(next(self._ids)), "channel": channel, **client, **members}

    async def ask(self, channel: str, **members: Any) -> Message:
        """Send one message and return its reply."""
        message = self.message(channel, **members)
        status, answer = await self.post(message)
        assert status == 200, status
        [reply] = [one for one in answer if one.get("id") == message["id"]]
        return reply

    async def renew(self) -> None:
        """Begin anew, after the session was lost."""
        self.client_id = ""
        await self.begin()

    async def begin(self) -> Message:
        """Shake hands, subscribe to the user's calls and connect once; return the handshake's reply."""
        shaken = await self.ask("/meta/handshake", version="1.0", supportedConnectionTypes=["long-polling"])
        assert shaken["successful"], shaken
        self.client_id = shaken["clientId"]
        assert (await self.ask("/meta/subscribe", subscription=CALLS))["successful"]
        assert (await self.connect(timeout=0))["successful"]
        return shaken

    async def connect(self, *, timeout: int | None = None) -> Message:
        """Connect and return the connect's reply; `timeout` in milliseconds advises how long to hold it."""
        advice = {} if timeout is None else {"advice": {"timeout": timeout}}
        return await self.ask("/meta/connect", connectionType="long-polling", **advice)

    def hold(self) -> asyncio.Task[Message]:
        """Begin a connect that is held until there is something to tell."""
        return asyncio.create_task(self.connect(), name="held-connect")

    async def follow(self, events: int, *, within: float = 20.0) -> list[Message]:
        """Connect again and again until so many events were told; return them."""
        async with asyncio.timeout(within):
            while len(self.told) < events:
                reply = await self.connect()
                assert reply["successful"], reply
        return self.told

    async def hear(self, events: int, *, within: float = 20.0) -> list[Message]:
        """Connect again and again until so many more events came, of whatever channel; return those."""
        before = len(self.heard)
        async with asyncio.timeout(within):
            while len(self.heard) < before + events:
                assert (await self.connect())["successful"]
        return self.heard[before:]

    async def end(self) -> None:
        """Disconnect."""
        assert (await self.ask("/meta/disconnect"))["successful"]
