"""A webhook receiver as RingCentral's applications have it: it shakes hands, and keeps what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

TOKEN = "Validation-Token"


class Received(NamedTuple):
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """The notification."""
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded


Answering = Callable[[web.Request], Awaitable[web.Response]]


async def willing(request: web.Request) -> web.Response:
    """Answer as the published sample does: the token back, nothing else."""
    echoed = {TOKEN: request.headers[TOKEN]} if TOKEN in request.headers else {}
    return web.Response(headers=echoed, content_type="application/json")


class Hooks:
    """Endpoints under any path, each with an answer of its own."""

    def __init__(self) -> None:
        self.handshakes: list[Received] = []
        self.requests: list[Received] = []
        self.answers: dict[str, Answering] = {}
        self.server: TestServer

    def url(self, path: str = "/hook") -> str:
        """Return the address of an endpoint."""
        return str(self.server.make_url(path))

    def events(self, path: str = "/hook") -> list[dict[str, Any]]:
        """Return the notifications an endpoint got."""
        return [one.event for one in self.requests if one.path == path]

    async def handle(self, request: web.Request) -> web.Response:
        """Take a request."""
        received = Received(request.path, request.headers.copy(), await request.read())
        (self.handshakes if TOKEN in request.headers else self.requests).append(received)
        return await self.answers.get(request.path, willing)(request)


@asynccontextmanager
async def listening() -> AsyncIterator[Hooks]:
    """Run a receiver on 127.0.0.1."""
    hooks = Hooks()
    app = web.Application()
    app.router.add_post("/{path:.*}", hooks.handle)
    hooks.server = TestServer(app)
    await hooks.server.start_server(shutdown_timeout=0.1)
    try:
        yield hooks
    finally:
        await hooks.server.close()


async def never(request: web.Request) -> web.Response:
    """Do not answer in time."""
    await asyncio.sleep(30)
    return await willing(request)
