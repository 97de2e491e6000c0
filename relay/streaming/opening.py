"""The head of an event stream's response, and a socket that is fit for it."""

from __future__ import annotations

import asyncio
import socket
from typing import Final, NamedTuple

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp_sse import EventSourceResponse

from relay.streaming.frames import Framing
from relay.streaming.stream import Limits

_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux has it


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


async def open_response(request: web.Request, limits: Limits, first: bytes) -> Opened:
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
    _fit(transport, limits)
    return Opened(response, writer, transport)


def _fit(transport: asyncio.Transport, limits: Limits) -> None:
    """Bound what the kernel holds for a client, and how long it waits for one that takes nothing."""
    known = transport.get_extra_info("socket")
    if known is None:
        return
    # The loop's own makes one like this for each option.
    connection = socket.socket(known.family, known.type, known.proto, fileno=known.fileno())
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.socket_bytes)
        if _USER_TIMEOUT is not None and known.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, int(limits.slow_seconds * 1000))
    finally:
        connection.detach()
