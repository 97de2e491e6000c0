"""HTTP by hand: sends what no client library would, and reads the one answer."""

from __future__ import annotations

import contextlib
import http.client
import socket
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

WITHIN: Final = 10.0
"""Seconds an answer may take."""


class Reply(NamedTuple):
    """What was answered; without status if the connection was closed without a word."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


Headers = Sequence[tuple[str, str | bytes]]


def request(
    port: int, method: str, target: str | bytes, headers: Headers = (), body: bytes | None = None
) -> Reply:
    """Send a request to 127.0.0.1, exactly as given but for Host, Connection and Content-Length."""
    lines = [f"{method} ".encode() + _bytes(target) + b" HTTP/1.1", b"Host: relay", b"Connection: close"]
    lines += [name.encode() + b": " + _bytes(value) for name, value in headers]
    given = {name.lower() for name, _ in headers}
    if body is not None and not given & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}".encode())
    return send(port, b"\r\n".join(lines) + b"\r\n\r\n" + (body or b""), method)


def send(port: int, data: bytes, method: str = "POST") -> Reply:
    """Send bytes and read the answer; of an event stream, its head alone."""
    with socket.create_connection(("127.0.0.1", port), WITHIN) as connection:
        with contextlib.suppress(ConnectionError):  # it was answered before all was read
            connection.sendall(data)
        response = http.client.HTTPResponse(connection, method=method)
        try:
            response.begin()
            endless = response.headers.get_content_type() == "text/event-stream"
            body = b"" if endless else response.read()
        except (http.client.HTTPException, ConnectionError):
            return Reply(0, {}, b"")
        finally:
            response.close()
    return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
