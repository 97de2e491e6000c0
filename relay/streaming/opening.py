"""The head of an event stream's response."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp_sse import EventSourceResponse

from relay.streaming.frames import Framing


class Opened(NamedTuple):
    """A response whose head is sent, and what its body is written to."""

    response: EventSourceResponse
    writer: AbstractStreamWriter
    transport: asyncio.Transport


class _Response(EventSourceResponse):
    """Begins no ping task, as one timer serves all streams; its head leaves with the first frames."""

    _send_headers_immediately = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return await web.StreamResponse.prepare(self, request)


def framing_for(request: web.Request) -> Framing:
    """Return how the body must travel for this client."""
    return Framing.CHUNKED if request.version >= HttpVersion11 else Framing.PLAIN


async def open_response(request: web.Request, first: bytes) -> Opened:
    """Send the head and the first frames.

    Raises:
        ConnectionError: the client left.
        HTTPMethodNotAllowed: the method is not GET.

    """
    if request.method != "GET":
        raise web.HTTPMethodNotAllowed(request.method, ("GET",))
    response = _Response()
    response.headers["Cache-Control"] = "no-cache, no-transform"  # compressing holds events back
    if framing_for(request) is Framing.PLAIN:
        response.headers["Connection"] = "close"
    response.force_close()  # a connection that was a stream is not used again
    writer = await response.prepare(request)
    await response.write(first)
    transport = request.transport
    if writer is None or transport is None:
        raise ConnectionResetError("the client left")
    return Opened(response, writer, transport)
