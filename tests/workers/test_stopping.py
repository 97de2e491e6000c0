"""A graceful stop of several workers: everything is ended in good order, and goes on at another relay."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final

from aiohttp import ClientSession, ServerDisconnectedError

from tests.engines import Server
from tests.harness.bayeux import CALLS, BayeuxClient, Message
from tests.harness.demo import ADMIN, ALEX, JANE
from tests.harness.fixtures import NewRelay
from tests.harness.process import RelayProcess
from tests.harness.sse import SseFollower
from tests.harness.v3 import V3
from tests.waiting import eventually
from tests.workers.conftest import WORKERS
from tests.workers.processes import connections, workers

CLIENTS: Final = 8
"""Of each kind: enough for both workers to have some of them."""
BEFORE: Final = 10
"""Calls before the workers are told to stop, and as many after they have."""
DRAIN: Final = 15
"""Seconds in which they stop; they need two, and a busy machine some more."""


class SocketClient:
    """A session on a websocket, which goes on by another one when that is closed."""

    def __init__(self, http: ClientSession, base: str, *, ack: bool) -> None:
        self._http = http
        self._ids = itertools.count(1)
        self._session: Message = {}
        self.acks = ack
        """Whether it acknowledges what it is told (CometD's ``ack`` extension)."""
        self._ack = -1
        self.base = base
        """Where the next socket is opened."""
        self.told: list[Message] = []
        """The data of every event, in order."""
        self.connects = 0
        """How many were answered."""
        self.closed: list[int | None] = []
        """The code that each socket was closed with."""

    def __repr__(self) -> str:
        return f"SocketClient({len(self.told)} told, closed {self.closed})"

    async def follow(self) -> None:
        """Open one socket after another."""
        while True:
            await self._once()

    async def _once(self) -> None:
        headers = {"Authorization": f"Bearer {JANE.token}"}
        async with self._http.ws_connect(f"{self.base}/api/v2/notifications", headers=headers) as socket:
            if not self._session:
                await socket.send_json([self._handshake()])
                [shaken] = await socket.receive_json(timeout=10)
                self._session = {"clientId": shaken["clientId"]}
                await socket.send_json([self._message("/meta/subscribe", subscription=CALLS)])
            await socket.send_json([self._connect(advice={"timeout": 0})])
            async for frame in socket:
                for message in frame.json():
                    if self._answers_a_connect(message):
                        await socket.send_json([self._connect()])
            self.closed.append(socket.close_code)

    def _answers_a_connect(self, message: Message) -> bool:
        if "data" in message:
            self.told.append(message["data"])
            return False
        assert message["successful"], message
        if message["channel"] != "/meta/connect":
            return False
        self.connects += 1
        if self.acks:
            self._ack = message["ext"]["ack"]
        return True

    def _handshake(self) -> Message:
        ext = {"ext": {"ack": True}} if self.acks else {}
        return self._message("/meta/handshake", version="1.0", supportedConnectionTypes=["websocket"], **ext)

    def _connect(self, **members: Any) -> Message:
        ext = {"ext": {"ack": self._ack}} if self.acks else {}
        return self._message("/meta/connect", connectionType="websocket", **ext, **members)

    def _message(self, channel: str, **members: Any) -> Message:
        return {"id": str(next(self._ids)), "channel": channel, **self._session, **members}


async def poll(client: BayeuxClient) -> None:
    """Connect for ever; again if the server closed the connection just when a request was sent."""
    while True:
        with suppress(ServerDisconnectedError):
            assert (await client.connect())["successful"]


@asynccontextmanager
async def running(*followers: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have clients follow; what fails one of them fails the test at once."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in followers]
        yield
        for task in tasks:
            task.cancel()


async def calls(jane: V3, count: int) -> None:
    """Make so many calls, one after another."""
    for _ in range(count):
        placed = await jane.dial("200")
        await jane.on_leg("hangup", placed["call_leg_id"])


async def test_clients_of_stopping_workers_go_on_at_another_relay(
    new_relay: NewRelay, server: Server, http: ClientSession
) -> None:
    """Sockets close with 1001, held connects are answered, streams end with a hint; nobody misses a thing."""
    settings = {"store_url": server.url, "rate_limits": "off", "public_url": "http://relay.example.com"}
    stopping = new_relay(arguments=WORKERS, drain_timeout=str(DRAIN), **settings)
    other = new_relay(**settings)
    await asyncio.gather(stopping.start(), other.start())
    jane = V3(http, other.url, JANE)
    undisturbed = BayeuxClient(http, other.url, JANE)
    pollers = [BayeuxClient(http, stopping.url, JANE) for _ in range(CLIENTS)]
    quiet = [BayeuxClient(http, stopping.url, ALEX) for _ in range(CLIENTS)]
    sockets = [SocketClient(http, stopping.url, ack=number % 2 == 0) for number in range(CLIENTS)]
    followers = [SseFollower(http, stopping.url) for _ in range(CLIENTS)]
    await asyncio.gather(*(client.begin() for client in (undisturbed, *pollers, *quiet)))
    polling = [poll(client) for client in (undisturbed, *pollers)]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(*polling, *(socket.follow() for socket in sockets)))
        for follower in followers:
            await stack.enter_async_context(follower)
        await eventually(lambda: all(socket.connects for socket in sockets), what="every socket's session")
        held = [client.hold() for client in quiet]
        assert min(connections(pid) for pid in workers(stopping).values()) > 1
        await calls(jane, BEFORE)

        moving: list[BayeuxClient | SocketClient | SseFollower] = [*pollers, *sockets, *followers]
        for client in moving:
            client.base = other.url  # where it goes on by itself once it is told to leave
        assert not any(reply.done() for reply in held)
        hints = [len(follower.retries) for follower in followers]
        stopping.signal(signal.SIGTERM)
        await calls(jane, BEFORE)
        async with asyncio.timeout(DRAIN):
            assert all(reply["successful"] for reply in await asyncio.gather(*held))
            assert await stopping.ended() == 0

        history = await V3(http, other.url, ADMIN).history()
        once = [*(client.told for client in pollers), *(client.told for client in sockets)]
        await eventually(lambda: _released(undisturbed.told) == 2 * BEFORE)
        await eventually(
            lambda: all(told == undisturbed.told for told in once),
            what=f"{len(undisturbed.told)} events once: {[len(told) for told in once]}",
        )
        await eventually(lambda: all(follower.told == history for follower in followers))
    assert [socket.closed for socket in sockets] == [[1001]] * CLIENTS
    assert [follower.ended for follower in followers] == [1] * CLIENTS
    for follower, before in zip(followers, hints, strict=True):
        assert 1_000 <= follower.retries[before] <= 10_000
    _stopped_in_good_order(stopping)


def _released(told: list[Message]) -> int:
    return sum(data.get("call", {}).get("state") == "Released" for data in told)


def _stopped_in_good_order(relay: RelayProcess) -> None:
    ends = [line["event"] for line in relay.log if "stopped" in line["event"]]
    assert ends == ["stopped", "stopped", "all stopped"]
    assert not any(line["level"] in ("warning", "error") for line in relay.log)
