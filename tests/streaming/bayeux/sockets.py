"""A client that speaks Bayeux over a websocket in the raw."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import msgspec

from tests.streaming.bayeux.pods import Pod, Reply

WITHIN = 10.0
"""Seconds a frame may take; two busy cores need some."""


class Socket:
    """One websocket; what comes is kept until it is asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.raw = socket
        self.client = ""
        self.frames: list[list[Reply]] = []
        """Every frame that has come."""
        self._waiting: list[Reply] = []
        self._ids = 0

    @classmethod
    async def open(
        cls, http: aiohttp.ClientSession, pod: Pod, *, user: str = "jane", **headers: str
    ) -> Socket:
        """Open a websocket as a user."""
        given = {"Authorization": f"Bearer demo-{user}", **headers}
        return cls(await http.ws_connect(pod.url, headers=given))

    async def send(self, *messages: Any) -> None:
        """Send messages in one frame."""
        await self.raw.send_bytes(b"") if not messages else await self.raw.send_str(
            msgspec.json.encode(list(messages)).decode()
        )

    def message(self, channel: str, **fields: Any) -> dict[str, Any]:
        """Make a message with the next id, of the session if there is one."""
        self._ids += 1
        client = {"clientId": self.client} if self.client else {}
        return {"id": str(self._ids), "channel": channel, **client, **fields}

    def connecting(self, *, timeout: int | None = None, **fields: Any) -> dict[str, Any]:
        """Make a connect."""
        advice = {} if timeout is None else {"advice": {"timeout": timeout}}
        return self.message("/meta/connect", connectionType="websocket", **advice, **fields)

    async def frame(self) -> list[Reply]:
        """Return the next frame."""
        async with asyncio.timeout(WITHIN):
            message = await self.raw.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, message
        self.frames.append(msgspec.json.decode(message.data))
        return self.frames[-1]

    async def reply(self, asked: dict[str, Any]) -> Reply:
        """Return the reply to a message; what comes before it is kept."""
        while True:
            for one in self._waiting:
                if one.get("id") == asked["id"]:
                    self._waiting.remove(one)
                    return one
            self._waiting += await self.frame()

    async def ask(self, channel: str, **fields: Any) -> Reply:
        """Send one message and return its reply."""
        asked = self.message(channel, **fields)
        await self.send(asked)
        return await self.reply(asked)

    async def connect(self, **fields: Any) -> Reply:
        """Connect and return the reply."""
        asked = self.connecting(**fields)
        await self.send(asked)
        return await self.reply(asked)

    async def told(self, count: int) -> list[Any]:
        """Return the data of the next events."""
        while len(self.events) < count:
            self.keep(await self.frame())
        found = self.take(count)
        assert all(sorted(event) == ["channel", "data"] for event in found)
        return [event["data"] for event in found]

    def keep(self, frame: list[Reply]) -> None:
        """Keep what came until it is asked for."""
        self._waiting += frame

    def take(self, count: int) -> list[Reply]:
        """Take the first events out of what is kept."""
        found = self.events[:count]
        for event in found:
            self._waiting.remove(event)
        return found

    @property
    def events(self) -> list[Reply]:
        """Events that have come and were not asked for."""
        return [one for one in self._waiting if "data" in one]

    async def handshake(self, **fields: Any) -> Reply:
        """Begin a session."""
        self.client = ""
        reply = await self.ask(
            "/meta/handshake", version="1.0", supportedConnectionTypes=["websocket"], **fields
        )
        self.client = reply["clientId"]
        return reply

    async def begin(self, *patterns: str) -> Socket:
        """Handshake, subscribe, and have the first connect behind it."""
        await self.handshake()
        assert (await self.ask("/meta/subscribe", subscription=list(patterns)))["successful"]
        assert (await self.connect(timeout=0))["successful"]
        return self

    def drop(self) -> None:
        """Break the connection off, whatever has come and was not read."""
        connection = self.raw._response.connection
        assert connection is not None
        assert connection.transport is not None
        connection.transport.abort()

    async def closed(self) -> int | None:
        """Wait until it is closed, and return with which code; what comes before is dropped."""
        async with asyncio.timeout(WITHIN):
            while True:
                if (await self.raw.receive()).type is not aiohttp.WSMsgType.TEXT:
                    return self.raw.close_code
