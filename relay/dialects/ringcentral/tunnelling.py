"""Method tunnelling: a POST that says it means another method, for clients that can send no other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

from aiohttp import web

from relay.dialects.ringcentral.access import Handler

METHOD_HEADER: Final = "X-HTTP-Method-Override"
METHOD_PARAMETER: Final = "_method"
"""Where a request names the method it means, looked for in this order."""


def with_tunnelling(routes: Iterable[web.RouteDef]) -> list[web.RouteDef]:
    """Return the routes, with a POST at each path that leads to any method there."""
    by_path: dict[str, dict[str, web.RouteDef]] = {}
    for route in routes:
        by_path.setdefault(route.path, {})[route.method] = route
    for path, served in by_path.items():
        handlers = {method: cast("Handler", route.handler) for method, route in served.items()}
        served["POST"] = web.post(path, _posted(handlers))
    return [route for served in by_path.values() for route in served.values()]


def _posted(handlers: dict[str, Handler]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        named = request.headers.get(METHOD_HEADER) or request.query.get(METHOD_PARAMETER)
        handler = handlers.get(named.upper() if named else "POST")
        if handler is None:
            raise web.HTTPMethodNotAllowed(named or "POST", sorted(handlers))
        return await handler(request)

    return handle
