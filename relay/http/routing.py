"""Routes that may be asked for with or without a trailing slash."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web


def with_either_slash(routes: Iterable[web.RouteDef]) -> list[web.RouteDef]:
    """Return each route in both spellings: a redirect would lose the body of a POST in many clients."""
    both = []
    for route in routes:
        bare = route.path.rstrip("/")
        both += [web.RouteDef(route.method, path, route.handler, route.kwargs) for path in (bare, bare + "/")]
    return both
