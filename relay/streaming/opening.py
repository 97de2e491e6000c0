"""The head of an event stream's response, and a socket that is fit for it."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, NamedTuple

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp_sse import EventSourceResponse

from relay.streaming.frames import Framing
from relay.streaming.stream import Limits


class Opened(NamedTuple):
    """A response whose head is sent, and what its body is written to."""

    response: EventSourceResponse
    writer: AbstractStreamWriter
    transport: asyncio.Transport


def framing_for(request: web.Request) -> Framing:
    """Return how the body must travel for this client."""
    return Framing.CHUNKED if request.version >= HttpVersion11 else Framing.PLAIN


async def open_response(request: web.Request, limits: Limits) -> Opened:
    """Send the head.

    Raises:
        ConnectionError: the client left.
        HTTPMethodNotAllowed: the method is not GET.

    """
    if request.transport is None:
        raise ConnectionResetError("the client left")
    response = EventSourceResponse(send_timeout=limits.slow_seconds)
    response.headers["Cache-Control"] = "no-cache, no-transform"  # compressing holds events back
    response.headers["X-Accel-Buffering"] = "no"
    if framing_for(request) is Framing.PLAIN:
        response.headers["Connection"] = "close"
    response.force_close()  # a connection that was a stream is not used again
    writer = await response.prepare(request)
    response.stop_streaming()  # ends the response's own ping task: one timer serves all streams
    await response.wait()
    transport = request.transport
    if writer is None or transport is None:
        raise ConnectionResetError("the client left")
    connection: Any = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.socket_bytes)
    return Opened(response, writer, transport)
