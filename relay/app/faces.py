"""The public application: every dialect's routes, and how all of them end in good order."""

from __future__ import annotations

import asyncio

from aiohttp import web

from relay.app.parts import Parts
from relay.dialects.gws import failures as gws_failures
from relay.dialects.gws import render as gws_render
from relay.dialects.gws import routes as gws_routes
from relay.dialects.ringcentral import failures as ringcentral_failures
from relay.dialects.ringcentral import routes as ringcentral_routes
from relay.dialects.ringcentral.sockets.endpoint import Sockets
from relay.dialects.v3 import problems as v3_problems
from relay.dialects.v3 import routes as v3_routes
from relay.directory.directory import Directory
from relay.http.cors import install_cors
from relay.http.errors import errors_middleware
from relay.settings import Settings


def public_app(parts: Parts, directory: Directory, settings: Settings) -> web.Application:
    """Make the application of the public port.

    Raises:
        ConfigurationError: RELAY_CORS_ORIGINS lists something that is no origin.

    """
    renderers = {
        v3_routes.PREFIX: v3_problems.render_error,
        gws_render.API: gws_failures.render_error,
        ringcentral_routes.PREFIX: ringcentral_failures.render_error,
    }
    app = web.Application(middlewares=[errors_middleware(renderers, v3_problems.render_error)])
    _add_v3(app, parts, directory, settings)
    _add_gws(app, parts, directory, settings)
    sockets = _add_ringcentral(app, parts, directory, settings)
    install_cors(app, settings.cors_origins)

    async def drain(_app: web.Application) -> None:
        parts.control.drain()
        await asyncio.gather(parts.streams.drain(), parts.bayeux.drain(), sockets.drain())
        await parts.detached.stop(settings.drain_timeout)

    app.on_shutdown.append(drain)
    return app


def _add_v3(app: web.Application, parts: Parts, directory: Directory, settings: Settings) -> None:
    v3_parts = v3_routes.Parts(
        control=parts.control,
        journal=parts.journal,
        directory=directory,
        streams=parts.streams,
        streams_per_user=settings.streams_per_user,
        renderers=parts.renderers,
        limits=parts.limits,
        detached=parts.detached,
        subscriptions=parts.subscriptions,
        deliveries=parts.deliveries,
        repair=parts.repair,
        guard=parts.guard,
        base_url=settings.base_url,
        simulated=True,
    )
    v3_routes.add_routes(app, v3_parts)


def _add_gws(app: web.Application, parts: Parts, directory: Directory, settings: Settings) -> None:
    gws_parts = gws_routes.Parts(
        control=parts.control,
        journal=parts.journal,
        directory=directory,
        detached=parts.detached,
        settings=settings,
        logged_out=parts.bayeux.end_login,
    )
    admission = gws_routes.add_routes(app, gws_parts)
    app.router.add_routes(parts.bayeux.routes(f"{gws_render.API}/notifications", admission.principal))


def _add_ringcentral(app: web.Application, parts: Parts, directory: Directory, settings: Settings) -> Sockets:
    ringcentral_parts = ringcentral_routes.Parts(
        control=parts.control,
        journal=parts.journal,
        directory=directory,
        identities=parts.identities,
        detached=parts.detached,
        settings=settings,
        subscriptions=parts.subscriptions,
        sender=parts.sender,
        guard=parts.guard,
        hub=parts.hub,
        socket_stats=parts.ringcentral_sockets,
    )
    return ringcentral_routes.add_routes(app, ringcentral_parts)
