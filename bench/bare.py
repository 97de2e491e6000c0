"""The least that events to many sockets can cost on a machine: a loop, one write a socket, and nothing else.

``python -m bench.bare PORT`` answers ``GET /sub`` with an event stream, and writes what is posted to ``/pub``
to all of them; what is posted to ``/pub/1``, to those of ``/sub/1``.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Final, cast

import uvloop

from bench.client import Connection
from bench.nchan import Peer
from bench.service import free_ports

READY_WITHIN: Final = 10.0
"""Seconds it may take to listen."""
HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
TAKEN: Final = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
EVENT: Final = b"id: 1763717404218-0\nevent: call.leg.dtmf\ndata: %b\n\n"


class Bare(asyncio.Protocol):
    """A connection."""

    def __init__(self, groups: defaultdict[bytes, dict[Bare, None]]) -> None:
        self._groups = groups
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport. Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Write to it no more. Called by the loop."""
        del exc
        for streams in self._groups.values():
            streams.pop(self, None)

    def data_received(self, data: bytes) -> None:
        """Begin a stream, or publish. Called by the loop with a whole request."""
        method, path, _ = data.split(b" ", 2)
        streams = self._groups[path[len("/sub") :]]
        if method == b"GET":
            self._transport.write(HEAD)
            streams[self] = None
            return
        event = EVENT % data.partition(b"\r\n\r\n")[2]
        chunk = b"%x\r\n%b\r\n" % (len(event), event)
        for stream in streams:
            stream._transport.write(chunk)
        self._transport.write(TAKEN)


@contextlib.asynccontextmanager
async def bare() -> AsyncIterator[Peer]:
    """Run it on a free port."""
    [port] = free_ports(1)
    process = _start(port)
    try:
        async with asyncio.timeout(READY_WITHIN):
            while True:
                try:
                    (await Connection.open(port)).close()
                    break
                except OSError:
                    await asyncio.sleep(0.05)
        yield Peer(port, process.pid)
    finally:
        process.terminate()
        process.wait()


def _start(port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "bench.bare", str(port)])


async def _serve(port: int) -> None:
    groups: defaultdict[bytes, dict[Bare, None]] = defaultdict(dict)
    server = await asyncio.get_running_loop().create_server(
        lambda: Bare(groups), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    uvloop.run(_serve(int(sys.argv[1])))
