"""CometD clients that cost little: what they are told is counted, not read."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from typing import Any, Final, Self, cast

from bench.client import Connection, head_of

MARK: Final = b'"messageType"'
"""What is in every event once."""
WITHIN: Final = 30.0
"""Seconds that the last deliveries may take."""


class Tally:
    """Deliveries to all clients."""

    def __init__(self) -> None:
        self._wake = asyncio.Event()
        self.expect(0)

    def expect(self, count: int) -> None:
        """Count from here, to so many."""
        self.expected, self.count, self._awaited = count, 0, count

    def add(self, count: int) -> None:
        """Count deliveries."""
        self.count += count
        if self.count >= self._awaited:
            self._wake.set()

    async def reached(self, count: int) -> None:
        """Wait until there were so many.

        Raises:
            RuntimeError: there were not, or more than are expected.

        """
        self._awaited = count
        self._wake.clear()
        if self.count < count:
            try:
                await asyncio.wait_for(self._wake.wait(), WITHIN)
            except TimeoutError:
                raise RuntimeError(f"{self.count} of {count} deliveries") from None
        if self.count > self.expected:
            raise RuntimeError(f"{self.count} deliveries instead of {self.expected}")


class Subscriber(ABC):
    """A client of one channel, connected."""

    @classmethod
    @abstractmethod
    async def open(cls, port: int, path: str, token: str, channel: str, tally: Tally) -> Self:
        """Connect, subscribe and stay."""

    @abstractmethod
    def close(self) -> None:
        """Leave."""


async def _begin(connection: Connection, head: bytes, kind: str, channel: str) -> str:
    shake = {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": [kind], "id": "1"}
    [reply] = await connection.ask(head, [shake], expect=200)
    client = str(reply["clientId"])
    await connection.ask(
        head,
        [{"channel": "/meta/subscribe", "clientId": client, "subscription": channel, "id": "2"}],
        expect=200,
    )
    return client


class Poller(Subscriber):
    """Polls for ever, over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._polling: asyncio.Task[None]

    @classmethod
    async def open(cls, port: int, path: str, token: str, channel: str, tally: Tally) -> Self:
        """Connect, subscribe and poll."""
        connection, head = await Connection.open(port), head_of("POST", path, token)
        client = await _begin(connection, head, "long-polling", channel)
        self = cls(connection)
        self._polling = asyncio.create_task(self._poll(head, client, tally))
        return self

    def close(self) -> None:
        """Leave."""
        self._polling.cancel()
        self._connection.close()

    async def _poll(self, head: bytes, client: str, tally: Tally) -> None:
        message = {
            "channel": "/meta/connect",
            "clientId": client,
            "connectionType": "long-polling",
            "id": "3",
        }
        first = json.dumps([{**message, "advice": {"timeout": 0}}]).encode()
        await self._connection.request(head, first)
        body = json.dumps([message]).encode()
        while True:
            _, answer = await self._connection.request(head, body)
            tally.add(answer.count(MARK))


class Socket(Subscriber, asyncio.Protocol):
    """A websocket; frames are taken as they come, without looking at where they end."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._transport: asyncio.Transport
        self._rest = b""

    @classmethod
    async def open(cls, port: int, path: str, token: str, channel: str, tally: Tally) -> Self:
        """Handshake and subscribe by HTTP, then connect by websocket."""
        connection = await Connection.open(port)
        client = await _begin(connection, head_of("POST", path, token), "websocket", channel)
        connection.close()
        loop = asyncio.get_running_loop()
        _, self = await loop.create_connection(lambda: cls(tally), "127.0.0.1", port)
        lines = [
            f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            *([f"Authorization: Bearer {token}"] if token else []),
        ]  # fmt: skip
        self._transport.write("".join(f"{line}\r\n" for line in lines).encode() + b"\r\n")
        await asyncio.sleep(0.3)
        connect: dict[str, Any] = {
            "channel": "/meta/connect", "clientId": client, "connectionType": "websocket", "id": "3"
        }  # fmt: skip
        self._send([{**connect, "advice": {"timeout": 0}}])
        self._send([connect])
        return self

    def close(self) -> None:
        """Leave."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport. Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Count the events in what came. Called by the loop."""
        found = self._rest + data
        self._tally.add(found.count(MARK))
        self._rest = found[-len(MARK) + 1 :]

    def _send(self, messages: list[dict[str, Any]]) -> None:
        self._transport.write(masked(messages))


class Reader(Socket):
    """Reads a stream of `bench.bare`, whose channels are groups there."""

    @classmethod
    async def open(cls, port: int, path: str, token: str, channel: str, tally: Tally) -> Self:
        """Ask for the stream."""
        del path, token
        loop = asyncio.get_running_loop()
        _, self = await loop.create_connection(lambda: cls(tally), "127.0.0.1", port)
        self._transport.write(f"GET /sub/{channel} HTTP/1.1\r\n\r\n".encode())
        return self


def masked(messages: list[dict[str, Any]]) -> bytes:
    """Return messages as a client's frame, masked with zeros."""
    text = json.dumps(messages).encode()
    head = bytes((0x81, 0x80 | len(text))) if len(text) < 126 else b"\x81\xfe" + len(text).to_bytes(2, "big")
    return head + b"\0\0\0\0" + text
