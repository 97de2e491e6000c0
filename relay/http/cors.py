"""Cross-origin requests (Fetch standard, CORS protocol): only from the origins that settings list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from relay.errors import ConfigurationError

METHODS: Final = "GET, POST, PUT, PATCH, DELETE"

REQUEST_HEADERS: Final = (
    "Accept, Authorization, Cache-Control, Client-Id, ContactCenterId, Content-Type, Idempotency-Key, "
    "Last-Event-ID, SSID, SURL, X-CSRF-TOKEN, X-HTTP-Method-Override, X-Requested-With, X-User-Agent, "
    "traceparent"
)
"""What a page may send beyond the safelisted headers; some of them only clients of GWS, for others."""

RESPONSE_HEADERS: Final = (
    "Idempotent-Replayed, Location, RCRequestId, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, "
    "X-CSRF-HEADER, X-CSRF-TOKEN, X-Rate-Limit-Group, X-Rate-Limit-Limit, X-Rate-Limit-Remaining, "
    "X-Rate-Limit-Window"
)
"""What a page may read beyond the safelisted headers."""

MAX_AGE: Final = 600
"""Seconds a browser may remember a preflight's answer: a removed origin is soon out."""


def install_cors(app: web.Application, origins: Sequence[str]) -> None:
    """Let pages of the listed origins call every face, with credentials. Without origins this adds nothing.

    Call it after every other middleware is in place: a preflight has no credentials, so it is answered first.

    Raises:
        ConfigurationError: one of them is no origin. ``*`` is none: with credentials it would open the API
            to every page its users visit.

    """
    allowed = frozenset(_checked(origin) for origin in origins)
    if not allowed:
        return

    async def allow(request: web.Request, response: web.StreamResponse) -> None:
        # Shared caches must not give one origin's answer to another (Fetch, "CORS protocol and HTTP caches").
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin")
        if origin in allowed:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Access-Control-Expose-Headers"] = RESPONSE_HEADERS

    @web.middleware
    async def preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if asked and request.headers.get("Origin") in allowed:
            headers = {
                "Access-Control-Allow-Methods": METHODS,
                "Access-Control-Allow-Headers": REQUEST_HEADERS,
                "Access-Control-Max-Age": str(MAX_AGE),
            }
            return web.Response(status=204, headers=headers)
        return await handler(request)

    app.middlewares.insert(0, preflight)
    app.on_response_prepare.append(allow)


def _checked(origin: str) -> str:
    parts = urlsplit(origin)
    if (
        origin != f"{parts.scheme}://{parts.netloc}"
        or not parts.hostname
        or origin != origin.lower()
        or "*" in origin
    ):
        raise ConfigurationError(
            f"RELAY_CORS_ORIGINS: {origin} is no origin; write them as https://app.example.com, in lower case"
        )
    return origin
