"""A minimal HTTP/1.1 client, so that the load costs little beside what it measures. Loopback only."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final, cast

TIMEOUT: Final = 30.0
"""Seconds an answer may take: longer than any that relay is meant to give."""


class HttpError(Exception):
    """An answer that is not what was asked for."""


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time, answers with Content-Length only."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._received = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    @classmethod
    async def open(cls, port: int) -> Connection:
        """Connect to a port of 127.0.0.1."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    async def request(self, head: bytes, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request whose head was made by `head_of`; return status and body of the answer.

        Raises:
            ConnectionResetError: the server closed the connection.
            TimeoutError: no answer.

        """
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        self._transport.write(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
        limit = loop.call_later(TIMEOUT, self._late)
        try:
            return await self._answer
        finally:
            limit.cancel()

    async def ask(self, head: bytes, body: Any = None, *, expect: int) -> Any:
        """Send a request with a JSON body, and return the JSON of the answer.

        Raises:
            HttpError: the status is another than expected.

        """
        status, answer = await self.request(head, b"" if body is None else json.dumps(body).encode())
        if status != expect:
            raise HttpError(f"{head.split(b' HTTP', 1)[0].decode()}: {status} {answer[:300]!r}")
        return json.loads(answer) if answer else None

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport. Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer. Called by the loop."""
        self._received += data
        head, blank, rest = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(rest) >= int(length or b"0"):
            self._received = b""
            if self._answer is not None and not self._answer.done():
                self._answer.set_result((int(head[9:12]), rest))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits. Called by the loop."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed by the server"))

    def _late(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(TimeoutError("no answer"))
            self._transport.abort()


def head_of(method: str, path: str, token: str = "") -> bytes:
    """Make the head of a request but for its length, once for many requests."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return "".join(f"{line}\r\n" for line in lines).encode()
