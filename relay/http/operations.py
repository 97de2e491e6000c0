"""The operations face, on the admin port: is it alive, is it ready, what does it count."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from relay.telemetry.metrics import CONTENT_TYPE


def operations_app(
    unready: Callable[[], Awaitable[str]], metrics: Callable[[], Awaitable[bytes]]
) -> web.Application:
    """Make the application of the admin port.

    ``unready`` returns why the process should get no requests, or an empty string; ``metrics`` returns
    Prometheus' text format. ``/healthz`` asks nothing of the store: one that is away must not have every pod
    restarted.
    """

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_request: web.Request) -> web.Response:
        reason = await unready()
        if reason:
            return web.json_response({"status": "unready", "reason": reason}, status=503)
        return web.json_response({"status": "ready"})

    async def show_metrics(_request: web.Request) -> web.Response:
        return web.Response(body=await metrics(), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", show_metrics)
    return app
