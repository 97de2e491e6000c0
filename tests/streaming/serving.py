"""A server of event streams, and clients that read them from a socket."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from aiohttp import web

from relay.dialects.v3.render import render
from relay.errors import RefusedError, UnavailableError
from relay.streaming.hub import Hub
from relay.streaming.sse import EventStreams
from tests.calls.calling import ACCOUNT
from tests.streaming.eventstream import Dechunker, Reader
from tests.waiting import eventually

RENDERERS = {"v3": render}


class Office:
    """A running server; `url` parameters are those of `EventStreams.serve`."""

    def __init__(self, hub: Hub, **options: Any) -> None:
        self.streams = EventStreams(hub, options.pop("renderers", RENDERERS), **options)
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> Office:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_get("/stream", self._stream)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def stop(self) -> None:
        """End every stream and stop listening."""
        await self.streams.drain(within=1)
        assert self._runner is not None
        await self._runner.cleanup()

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        try:
            return await self.streams.serve(
                request,
                account=query.get("account", ACCOUNT),
                event_format=query.get("format", "v3"),
                types=query.getall("type", []),
                extensions=query.getall("extension", []),
                user_id=query.get("user"),
                after=query.get("last_event_id"),
            )
        except RefusedError as error:
            return web.Response(status=400, text=f"{type(error).__name__}: {error}")
        except UnavailableError as error:
            return web.Response(status=503, headers={"Retry-After": str(error.retry_after)})


class Client:
    """Reads one stream after another like a browser's EventSource, which resumes by its last event id."""

    def __init__(self, port: int, query: str = "", *, version: str = "1.1", receive_bytes: int = 0) -> None:
        self.reader = Reader()
        self.status = 0
        self.headers: dict[str, str] = {}
        self.ended = False
        """The body of the last stream came to its proper end."""
        self.closed = False
        """The server has closed the last stream's connection."""
        self._target = f"/stream?{query}"
        self.port = port
        self._version = version
        self._receive_bytes = receive_bytes
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._reading: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Client({len(self.digits)} events, last {self.reader.last_id})"

    @property
    def digits(self) -> list[int]:
        """The numbers of all tones so far."""
        return [event.digits for event in self.reader.events if event.type == "call.leg.dtmf"]

    async def open(self, *, header: str | None = None, read: bool = True) -> Client:
        """Connect, resume after the last event if there was one, and read until closed."""
        await self.kill()
        self.ended = self.closed = False
        connection = socket.socket()
        if self._receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_bytes)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=connection, limit=2**16)
        self._connection = reader, writer
        last_id = header if header is not None else self.reader.last_id
        resume = f"Last-Event-ID: {last_id}\r\n" if last_id else ""
        writer.write(f"GET {self._target} HTTP/{self._version}\r\nHost: relay\r\n{resume}\r\n".encode())
        status, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        self.status = int(status.split()[1])
        self.headers = dict(field.split(": ", 1) for field in fields)
        if read:
            self.read()
        return self

    def read(self) -> None:
        """Begin to read the body."""
        self._reading = asyncio.create_task(self._read())

    async def kill(self) -> None:
        """Drop the connection, whatever is on its way."""
        if self._connection is not None:
            self._connection[1].transport.abort()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,))
            self._reading = None
        self.reader.drop_rest()

    async def has(self, count: int, within: float = 20) -> list[int]:
        """Wait for so many tones in all, and return all there are."""
        await eventually(lambda: len(self.digits) >= count, within=within, what=f"{count} tones at {self!r}")
        return self.digits

    async def _read(self) -> None:
        assert self._connection is not None
        reader, _ = self._connection
        dechunker = Dechunker() if self.headers.get("Transfer-Encoding") == "chunked" else None
        try:
            while data := await reader.read(2**16):
                self.reader.feed(data if dechunker is None else dechunker.feed(data))
                if dechunker is not None and dechunker.ended:
                    self.ended = True
        except ConnectionError:
            pass
        self.closed = True
