"""A webhook receiver that accounts for every request, and answers as it is told."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer


class Received(NamedTuple):
    """One request."""

    path: str
    id: str
    body: bytes
    headers: dict[str, str]

    @property
    def event(self) -> dict[str, Any]:
        """The body, decoded."""
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded

    @property
    def call(self) -> str:
        """The call it tells of, or the subscription."""
        return str(self.event.get("call_id") or self.event["subscription"])

    @property
    def sequence(self) -> int:
        """Its number within its leg."""
        return int(self.event["sequence"])


Answering = Callable[[Received], Awaitable[web.Response]]


async def accept(received: Received) -> web.Response:
    """Answer that all is well."""
    return web.Response(status=204)


def always(status: int, **headers: str) -> Answering:
    """Answer with a status."""

    async def answer(received: Received) -> web.Response:
        return web.Response(
            status=status, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )

    return answer


class Receiver:
    """Endpoints under any path, each with an answer of its own; the default is 204."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.answers: dict[str, Answering] = {}
        self.in_flight: defaultdict[str, int] = defaultdict(int)
        self.most_in_flight: defaultdict[str, int] = defaultdict(int)
        self.overlaps = 0
        self._calls_in_flight: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.server: TestServer

    def url(self, path: str = "/hook") -> str:
        """Return the URL of an endpoint."""
        return str(self.server.make_url(path))

    def at(self, path: str = "/hook") -> list[Received]:
        """Return the requests an endpoint got, in order."""
        return [one for one in self.requests if one.path == path]

    def ids(self, path: str = "/hook") -> list[str]:
        """Return the ids of an endpoint's requests, repeats and all."""
        return [one.id for one in self.at(path)]

    def by_call(self, path: str = "/hook") -> dict[str, list[int]]:
        """Return each call's sequences in the order they first came."""
        found: dict[str, list[int]] = defaultdict(list)
        for one in self.at(path):
            if one.sequence not in found[one.call]:
                found[one.call].append(one.sequence)
        return dict(found)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Take a request."""
        received = Received(
            request.path, request.headers["webhook-id"], await request.read(), dict(request.headers)
        )
        self.requests.append(received)
        lane = received.path, received.call
        self.in_flight[received.path] += 1
        self.most_in_flight[received.path] = max(
            self.most_in_flight[received.path], self.in_flight[received.path]
        )
        self._calls_in_flight[lane] += 1
        self.overlaps += self._calls_in_flight[lane] > 1
        try:
            return await self.answers.get(received.path, accept)(received)
        finally:
            self.in_flight[received.path] -= 1
            self._calls_in_flight[lane] -= 1


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Run a receiver on 127.0.0.1."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{path:.*}", receiver.handle)
    receiver.server = TestServer(app)
    await receiver.server.start_server(shutdown_timeout=0.1)
    try:
        yield receiver
    finally:
        await receiver.server.close()


class Gate:
    """Answers that wait until the gate is opened."""

    def __init__(self, status: int = 204) -> None:
        self._open = asyncio.Event()
        self._status = status

    def open(self) -> None:
        """Let all answers go, now and later."""
        self._open.set()

    async def __call__(self, received: Received) -> web.Response:
        """Answer once the gate is open."""
        await self._open.wait()
        return web.Response(status=self._status)


def failing(times: int, *, call: str | None = None, status: int = 500) -> Answering:
    """Answer each event, or each of one call, so many times with a failure before all is well."""
    failures: Counter[str] = Counter()

    async def answer(received: Received) -> web.Response:
        if call in (None, received.call) and failures[received.id] < times:
            failures[received.id] += 1
            return web.Response(status=status, text="not now")
        return web.Response(status=204)

    return answer
