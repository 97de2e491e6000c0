"""The paths of GWS v2 and who answers at each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from relay.control import Control
from relay.control.control import wall_clock
from relay.dialects.gws.admission import Admission
from relay.dialects.gws.calls import Calls
from relay.dialects.gws.channels import Channels
from relay.dialects.gws.devices import Devices
from relay.dialects.gws.envelope import success
from relay.dialects.gws.me import Me
from relay.dialects.gws.render import API
from relay.dialects.gws.sessions import Sessions
from relay.directory.directory import Directory
from relay.directory.model import Principal
from relay.http.detached import Detached
from relay.http.rate_limits import RateLimits
from relay.http.routing import with_either_slash
from relay.journal.journal import Journal
from relay.settings import Settings

VERSION: Final = "8.5.202.96"
"""The version of the published server whose wire format this is; clients read it before they log in."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the face is made of."""

    control: Control
    journal: Journal
    directory: Directory
    detached: Detached
    settings: Settings
    logged_out: Callable[[Principal], Awaitable[None]]
    """Ends what was begun by a session that its user has ended."""
    now: Callable[[], int] = wall_clock
    """Milliseconds since the epoch."""


def add_routes(app: web.Application, parts: Parts) -> Admission:
    """Add every route of GWS v2 except Bayeux's.

    Errors are raised, for `errors_middleware` with `render_error` under `API` to answer. Returns who tells
    whom a request speaks for: Bayeux takes the same credentials and the same cookie.
    """
    api = parts.settings.base_url + API
    sessions = Sessions(parts.journal.store, parts.directory)
    admission = Admission(
        parts.directory,
        sessions,
        limits=RateLimits(parts.journal.store, enabled=parts.settings.rate_limits),
        secure=api.startswith("https:"),
        logged_out=parts.logged_out,
        cross_site=bool(parts.settings.cors_origins),
        csrf=parts.settings.gws_csrf,
    )
    calls = Calls(parts.control, parts.detached, api, parts.now)
    devices = Devices(parts.control, parts.directory, calls, parts.detached, api)
    channels = Channels(parts.control, parts.detached, api)
    me = Me(calls, devices, channels, admission, api)
    admitting = admission.admitting
    routes = [
        web.get(f"{API}/diagnostics/version", _version),
        web.get(f"{API}/me", admitting(me.read)),
        web.post(f"{API}/me", admitting(me.operate)),
        web.get(f"{API}/settings/agent-states", admitting(me.agent_states)),
        web.get(f"{API}/me/channels", admitting(channels.read_all)),
        web.get(f"{API}/me/channels/{{channel}}", admitting(channels.read)),
        web.post(f"{API}/me/channels/{{channel}}", admitting(channels.operate)),
        web.get(f"{API}/me/devices", admitting(devices.read_all)),
        web.get(f"{API}/me/devices/{{id}}", admitting(devices.read)),
        web.post(f"{API}/me/devices/{{id}}", admitting(devices.operate)),
        web.get(f"{API}/devices/{{id}}", admitting(devices.read)),
        web.post(f"{API}/devices/{{id}}", admitting(devices.operate)),
        web.post(f"{API}/me/devices/{{id}}/calls", admitting(calls.dial)),
        web.post(f"{API}/devices/{{id}}/calls", admitting(calls.dial)),
        web.get(f"{API}/me/calls", admitting(calls.read_all)),
        web.get(f"{API}/me/calls/{{id}}", admitting(calls.read)),
        web.post(f"{API}/me/calls/{{id}}", admitting(calls.operate)),
    ]
    app.router.add_routes(with_either_slash(routes))
    return admission


async def _version(_request: web.Request) -> web.Response:
    return success({"version": VERSION})
