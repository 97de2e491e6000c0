"""CometD sessions that cost little, as what comes is counted and not read; and the users whose they are."""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from array import array
from collections.abc import Generator
from typing import Any, Final, Self, cast

from bench.client import head_of
from bench.cometd import MARK, masked
from bench.publishing import Phone

PATH: Final = "/api/v2/notifications"
CHANNEL: Final = "/v2/me/calls"
OPENED_WITHIN: Final = 60.0
"""Seconds until a session has begun."""
_CONNECTED: Final = b'"/meta/connect"'
_WHOLE: Final = (b"]", b"\r\n\r\n")
"""How a whole message ends, and the answer to an upgrade."""

Talk = Generator[bytes, bytes, None]
"""Yields what is sent, and is sent what was answered."""


class User:
    """One user, who has events, and the user's sessions, which are told of them."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self.sessions: list[Session] = []
        self.published = 0
        self.told = 0
        """Events that have come to sessions, all together."""
        self.repeated = 0
        """How often a session had been told more events than there were."""
        self.last_ms = array("d")
        """For each event that came to all before the next one was made, how long that took."""
        self._at = 0.0

    async def publish(self) -> None:
        """Make one event."""
        self.published += 1
        self._at = time.monotonic()
        await self._phone.tone("5")

    def tell(self, session: Session, count: int) -> None:
        """Count events that came to a session."""
        session.told += count
        self.told += count
        if session.told > self.published:
            self.repeated += 1
        if self.told == self.published * len(self.sessions):
            self.last_ms.append((time.monotonic() - self._at) * 1000)

    def begin(self) -> None:
        """Count from here."""
        self.published = self.told = self.repeated = 0
        self.last_ms = array("d")
        for session in self.sessions:
            session.told = 0

    @property
    def complete(self) -> bool:
        """Whether every session has every event once."""
        return not self.repeated and all(session.told == self.published for session in self.sessions)


class Session(asyncio.Protocol, ABC):
    """A session that connects again whenever a connect is answered."""

    def __init__(self, user: User, bearer: str) -> None:
        self.told = 0
        """Events that have come."""
        self._user = user
        self._beginning = self._begin(bearer)
        self._begun = False
        self._rest = b""
        self._transport: asyncio.Transport
        self._connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.again = b""
        """Connects."""

    @classmethod
    async def open(cls, port: int, user: User, bearer: str) -> Self:
        """Shake hands, subscribe and connect."""
        loop = asyncio.get_running_loop()
        _, self = await loop.create_connection(lambda: cls(user, bearer), "127.0.0.1", port)
        await asyncio.wait_for(self._connected, OPENED_WITHIN)
        user.sessions.append(self)
        return self

    def close(self) -> None:
        """Leave."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin. Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(next(self._beginning))

    def data_received(self, data: bytes) -> None:
        """Count the events in what came, and connect again if a connect was answered. Called by the loop."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        if not data.endswith(_WHOLE):
            self._rest = data
        elif self._begun:
            if count := data.count(MARK):
                self._user.tell(self, count)
            if self._answered(data):
                self._transport.write(self.again)
        else:
            self._go_on(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that it never connected. Called by the loop."""
        if not self._connected.done():
            self._connected.set_exception(exc or ConnectionResetError("closed by the server"))

    def _go_on(self, answer: bytes) -> None:
        try:
            self._transport.write(self._beginning.send(answer))
        except StopIteration:
            self._begun = True
            self._transport.write(self.again)
            self._connected.set_result(None)

    @abstractmethod
    def _begin(self, bearer: str) -> Talk:
        """Shake hands, subscribe, connect once, and set `again`."""

    @abstractmethod
    def _answered(self, data: bytes) -> bool:
        """Tell whether a connect was answered."""


class Live(Session):
    """A session on a websocket."""

    def _begin(self, bearer: str) -> Talk:
        yield _upgrade(bearer)
        answer = yield masked([_handshake("websocket")])
        subscribe, connect = _rest_of("websocket", answer)
        yield masked([subscribe, {**connect, "advice": {"timeout": 0}}])
        self.again = masked([connect])

    def _answered(self, data: bytes) -> bool:
        return _CONNECTED in data


class Polling(Session):
    """A session that polls, over one connection."""

    def _begin(self, bearer: str) -> Talk:
        head = head_of("POST", PATH, bearer)
        answer = yield _post(head, _handshake("long-polling"))
        subscribe, connect = _rest_of("long-polling", answer)
        yield _post(head, subscribe)
        yield _post(head, {**connect, "advice": {"timeout": 0}})
        self.again = _post(head, connect)

    def _answered(self, data: bytes) -> bool:
        return data.endswith(b"]")


def _handshake(kind: str) -> dict[str, Any]:
    return {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": [kind], "id": "1"}


def _rest_of(kind: str, shaken: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what subscribes and what connects, by the answer to a handshake."""
    client = shaken.partition(b'"clientId":"')[2].partition(b'"')[0].decode()
    subscribe = {"channel": "/meta/subscribe", "clientId": client, "subscription": CHANNEL, "id": "2"}
    return subscribe, {"channel": "/meta/connect", "clientId": client, "connectionType": kind, "id": "3"}


def _post(head: bytes, message: dict[str, Any]) -> bytes:
    body = json.dumps([message]).encode()
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


def _upgrade(bearer: str) -> bytes:
    lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    return head_of("GET", PATH, bearer) + "".join(f"{line}\r\n" for line in (*lines, key)).encode() + b"\r\n"
