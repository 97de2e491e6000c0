"""One place turns exceptions into answers: each face says how, by the path that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from relay.errors import RefusedError, UnavailableError
from relay.telemetry import log

RenderError = Callable[[web.Request, Exception], web.Response]
"""How a face answers for an exception: one of relay's, one of aiohttp's (404, 405, 413 …), or an unknown one,
for which it says no more than that something went wrong. Must not fail."""

ANSWER_HEADERS: Final = web.RequestKey("answer_headers", dict[str, str])
"""Headers the answer gets whatever becomes of the request, such as those of a rate limit."""

CLIENT_LEFT: Final = 499
"""Status where there is nobody left to answer; were the error raised further, it would be logged as ours."""

_log: Final = log.get("http")


def errors_middleware(faces: Mapping[str, RenderError], otherwise: RenderError) -> Middleware:
    """Make the middleware that answers for exceptions; it must be the outermost but for cross-origin rules.

    ``faces`` maps path prefixes, such as ``/api/v2``, to their renderer; the longest that fits is used, and
    ``otherwise`` where none does. An exception nobody meant to raise is logged with its trace.
    """
    by_prefix = sorted(faces.items(), key=lambda face: len(face[0]), reverse=True)

    def renderer(path: str) -> RenderError:
        for prefix, render_error in by_prefix:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                return render_error
        return otherwise

    @web.middleware
    async def answer_for_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - every answer is made here
            if isinstance(error, ConnectionResetError) and _left(request):
                return web.Response(status=CLIENT_LEFT)
            response = _answer(request, error, renderer(request.path))
        if not response.prepared:
            response.headers.update(request.get(ANSWER_HEADERS, {}))
        return response

    return answer_for_errors


def _answer(request: web.Request, error: Exception, render_error: RenderError) -> web.Response:
    if isinstance(error, web.HTTPException):
        if error.status < 400:
            raise error
    elif not isinstance(error, RefusedError | UnavailableError):
        _log.exception("a request failed", method=request.method, route=_route(request))
    if request.writer.output_size > 0:
        raise error  # the answer has begun: all that is left is to break it off
    response = render_error(request, error)
    if isinstance(error, web.HTTPException) and "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    if isinstance(error, UnavailableError):
        response.headers.setdefault("Retry-After", str(error.retry_after))
    return response


def _left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _route(request: web.Request) -> Any:
    resource = request.match_info.route.resource
    return resource.canonical if resource else "none"
