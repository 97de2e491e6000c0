"""Which web pages may open a websocket (RFC 6455, section 10.2): browsers send cookies with any. Pure."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


def is_allowed(origin: str | None, *, host: str | None, base_url: str, listed: Collection[str]) -> bool:
    """Tell whether a page of an origin may open a websocket here.

    Allowed are clients that are no browser (they send no origin), relay's own pages, by its public URL or the
    Host header, and listed origins.
    """
    if origin is None:
        return True
    given = _normal(origin)
    if given is None:
        return False
    own = {f"{scheme}://{host}" for scheme in _PORTS} if host else set()
    return given in {_normal(one) for one in (base_url, *own, *listed)}


def _normal(url: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or host is None:
        return None
    return parts.scheme, host, port or _PORTS[parts.scheme]
