"""An endpoint for webhooks in a process of its own: it answers 204 and accounts for what it was sent.

``python -m bench.sink <port> [certificate]`` prints the port (0: any), and with a certificate that for TLS.
``GET /-/count`` answers how many deliveries have come,
``GET /-/report`` a `Report`, and ``POST /-/begin`` forgets them.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, cast

import msgspec
import uvloop

from bench.publishing import MARK, STAMP_DIGITS, age_ms

_CALL: Final = b'"call_id":"'
_ID_LENGTH: Final = 36
_NO_CONTENT: Final = b"HTTP/1.1 204 No Content\r\n\r\n"


class Report(msgspec.Struct):
    """What came."""

    deliveries: int
    distinct: dict[str, int]
    """Different events by path."""
    misordered: int
    """Deliveries that came after a later one of their call, at the same path."""
    latencies_ms: list[float]


class Account:
    """What has come so far."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Count from here."""
        self.deliveries = 0
        self._stamps: dict[bytes, set[bytes]] = {}
        self._latest: dict[tuple[bytes, bytes], bytes] = {}
        self._misordered = 0
        self._latencies_ms: list[float] = []

    def take(self, path: bytes, body: bytes, now: int) -> None:
        """Take a delivery."""
        at = body.index(MARK) + len(MARK)
        stamped = body[at : at + STAMP_DIGITS]
        at = body.index(_CALL) + len(_CALL)
        lane = path, body[at : at + _ID_LENGTH]
        self.deliveries += 1
        self._stamps.setdefault(path, set()).add(stamped)
        self._misordered += stamped < self._latest.get(lane, b"")
        self._latest[lane] = stamped
        self._latencies_ms.append(age_ms(stamped, now))

    def report(self) -> Report:
        """Return what has come."""
        distinct = {path.decode(): len(stamps) for path, stamps in self._stamps.items()}
        return Report(self.deliveries, distinct, self._misordered, self._latencies_ms)


class Endpoint(asyncio.Protocol):
    """One connection, with requests that have a Content-Length."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport. Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request. Called by the loop."""
        self._received += data
        while True:
            head, blank, rest = self._received.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or b"0")
            if not blank or len(rest) < length:
                return
            self._received = rest[length:]
            self._answer(head.split(b" ", 2)[1], rest[:length])

    def _answer(self, path: bytes, body: bytes) -> None:
        if path == b"/-/count":
            self._say(b"%d" % self._account.deliveries)
        elif path == b"/-/report":
            self._say(msgspec.json.encode(self._account.report()))
        elif path == b"/-/begin":
            self._account.begin()
            self._say(b"0")
        else:
            self._account.take(path, body, time.monotonic_ns())
            self._transport.write(_NO_CONTENT)

    def _say(self, body: bytes) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


class Sink(NamedTuple):
    """A running sink."""

    pid: int
    port: int
    tls_port: int
    """0 without a certificate."""


@contextmanager
def sink(certificate: Path | None = None, *, port: int = 0) -> Iterator[Sink]:
    """Run a sink; it ends with the block."""
    given = [str(port)] if certificate is None else [str(port), str(certificate)]
    with subprocess.Popen([sys.executable, "-m", "bench.sink", *given], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            plain, secure = map(int, process.stdout.readline().split())
            yield Sink(process.pid, plain, secure)
        finally:
            process.terminate()


async def _serve(port: str, certificate: str | None = None) -> None:
    account, loop = Account(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Endpoint(account), "127.0.0.1", int(port))
    ports = [server.sockets[0].getsockname()[1], 0]
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        secure = await loop.create_server(lambda: Endpoint(account), "127.0.0.1", 0, ssl=tls)
        ports[1] = secure.sockets[0].getsockname()[1]
    print(*ports, flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(*sys.argv[1:]))
