"""Where requests go, and what all of them to one endpoint begin with. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple, final
from urllib.parse import urlsplit

_PORTS: Final = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """What a connection leads to."""

    scheme: str
    host: str
    port: int


class Start(NamedTuple):
    """A target's bytes, and the connection they go out on."""

    origin: Origin
    head: bytes
    """Request line, Host field, and the fields of every request; the head's end is still to come."""


@final
class Target:
    """A URL and the header fields that all requests to it have; made once, and read when it is first used."""

    __slots__ = ("_start", "headers", "url")

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self.url = url
        self.headers = headers
        self._start: Start | None = None

    def __repr__(self) -> str:
        return f"Target({'not read yet' if self._start is None else self._start.origin})"

    def start(self) -> Start:
        """Return what requests begin with; raises ValueError where nothing can be sent there."""
        if self._start is None:
            origin, line = _read(self.url)
            self._start = Start(origin, (line + lines(self.headers)).encode())
        return self._start


def lines(headers: Mapping[str, str]) -> str:
    """Return the lines of header fields.

    Raises:
        ValueError: one would make another.

    """
    found = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if not found.count("\n") == found.count("\r") == len(headers):
        raise ValueError("a header of more than one line")
    return found


def _read(url: str) -> tuple[Origin, str]:
    """Return where a URL leads, and a request's first two lines; raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or not url.isascii() or not url.isprintable():
        raise ValueError("no URL to send to")
    if " " in url or "@" in parts.netloc:
        raise ValueError("no URL to send to")
    standard = _PORTS[parts.scheme]
    port = standard if parts.port is None else parts.port
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    named = host if port == standard else f"{host}:{port}"
    wanted = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Origin(parts.scheme, parts.hostname, port), f"POST {wanted} HTTP/1.1\r\nHost: {named}\r\n"
