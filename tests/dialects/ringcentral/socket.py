"""A client of RingCentral's WebSockets: it keeps what it is told, and the ``wsc`` to come back with."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import msgspec
from aiohttp import ClientWebSocketResponse, WSMsgType

from tests.dialects.ringcentral.face import Face

OWN = "/restapi/v1.0/account/~/extension/~/telephony/sessions"
EVERY = "/restapi/v1.0/subscription"


class Socket:
    """One connection; what comes is kept in `heads` and `bodies`."""

    def __init__(self, face: Face, connection: ClientWebSocketResponse) -> None:
        self.face = face
        self.connection = connection
        self.messages: list[tuple[dict[str, Any], Any]] = []
        self.wsc: dict[str, Any] = {}
        self._ids = itertools.count(1)

    @property
    def notified(self) -> list[dict[str, Any]]:
        """Every notification so far."""
        return [body for head, body in self.messages if head["type"] == "ServerNotification"]

    @property
    def told(self) -> list[str]:
        """Sequence and status of each notification about a call."""
        return [
            f"{body['body']['sequence']} {body['body']['parties'][0]['status']['code']}"
            for body in self.notified
        ]

    async def next(self) -> tuple[dict[str, Any], Any]:
        """Return the next message."""
        async with asyncio.timeout(10):
            message = await self.connection.receive()
        assert message.type is WSMsgType.TEXT, message
        head, *rest = msgspec.json.decode(message.data)
        body = rest[0] if rest else None
        self.messages.append((head, body))
        if "wsc" in head:
            assert not self.wsc or head["wsc"]["sequence"] == self.wsc["sequence"] + 1
            self.wsc = head["wsc"]
        return head, body

    async def closed(self) -> int:
        """Return the code with which the server closes, once it has; what came before is kept."""
        while True:
            async with asyncio.timeout(10):
                message = await self.connection.receive()
            if message.type is not WSMsgType.TEXT:
                assert self.connection.close_code is not None
                return self.connection.close_code
            head, *rest = msgspec.json.decode(message.data)
            self.messages.append((head, rest[0] if rest else None))

    async def hears(self, count: int) -> list[str]:
        """Return what is told of calls, once it is so much."""
        while len(self.notified) < count:
            await self.next()
        return self.told

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[dict[str, Any], Any]:
        """Send a request and return its answer; what is told meanwhile is kept."""
        id_ = str(next(self._ids))
        head = {"type": "ClientRequest", "messageId": id_, "method": method, "path": path}
        await self.say(head, *([] if body is None else [body]))
        while True:
            answer, content = await self.next()
            if answer["messageId"] == id_:
                return answer, content

    async def say(self, *message: Any) -> None:
        """Send a message."""
        await self.connection.send_str(msgspec.json.encode(message).decode())

    async def subscribe(self, *filters: str, path: str = f"{EVERY}/") -> dict[str, Any]:
        """Subscribe, as the published clients do."""
        wanted = {"eventFilters": filters or (OWN,), "deliveryMode": {"transportType": "WebSocket"}}
        head, body = await self.ask("POST", path, wanted)
        assert head["status"] == 200, body
        assert head["headers"]["WSG-SubscriptionId"] == body["id"]
        return dict(body)

    def drop(self) -> None:
        """Break the connection off, as a network does."""
        response = self.connection._response
        assert response.connection is not None
        assert response.connection.transport is not None
        response.connection.transport.abort()


async def token_of(face: Face, user: str = "jane") -> str:
    """Return a token for a socket."""
    answer = await face.post("/restapi/oauth/wstoken", user=user)
    assert answer.status == 200, answer.body
    return str(answer.body["ws_access_token"])


async def connect(face: Face, token: str, wsc: str | None = None, **options: Any) -> Socket:
    """Open a connection with a token."""
    query = {"access_token": token, **({} if wsc is None else {"wsc": wsc})}
    return Socket(face, await face.client.ws_connect("/restapi/ws", params=query, **options))


async def opened(face: Face, user: str = "jane", wsc: str | None = None) -> tuple[Socket, dict[str, Any]]:
    """Open a connection for a user; return it with its details."""
    socket = await connect(face, await token_of(face, user), wsc)
    head, details = await socket.next()
    assert (head["type"], head["status"]) == ("ConnectionDetails", 200)
    return socket, details


async def subscribed(face: Face, user: str = "jane") -> Socket:
    """Return a connection with a subscription to the user's own calls."""
    socket, _ = await opened(face, user)
    await socket.subscribe()
    return socket
