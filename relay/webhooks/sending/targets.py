"""Where a request goes, and its bytes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

REMEMBERED: Final = 4096
"""URLs whose parts are kept."""

_PORTS: Final = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """What a connection leads to."""

    scheme: str
    host: str
    port: int


class Target(NamedTuple):
    """A URL's parts."""

    origin: Origin
    start: str
    """Request line and Host field."""

    def render(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """Return the bytes of a POST.

        Raises:
            ValueError: a header would make another one.

        """
        fields = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        head = f"{self.start}{fields}Content-Length: {len(body)}\r\n\r\n"
        lines = len(headers) + 4
        if head.count("\n") != lines or head.count("\r") != lines:
            raise ValueError("a header of more than one line")
        return head.encode() + body


@lru_cache(REMEMBERED)
def target(url: str) -> Target:
    """Return a URL's parts; raises ValueError."""
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
    return Target(Origin(parts.scheme, parts.hostname, port), f"POST {wanted} HTTP/1.1\r\nHost: {named}\r\n")
