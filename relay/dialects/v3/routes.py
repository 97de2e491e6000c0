"""The paths of v3 and who answers at each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aiohttp import web

from relay.control import Control
from relay.dialects.v3.access import Handler, PrincipalHandler, authenticated
from relay.dialects.v3.calls import Calls
from relay.dialects.v3.commands import CallControl
from relay.dialects.v3.deliveries import DeliveriesFace
from relay.dialects.v3.events import Events
from relay.dialects.v3.idempotency import Idempotency
from relay.dialects.v3.simulator import SimulatorFace
from relay.dialects.v3.subscriptions import SubscriptionsFace
from relay.dialects.v3.tickets import Tickets
from relay.directory.directory import Directory
from relay.http.detached import Detached
from relay.http.rate_limits import RateLimits
from relay.http.routing import with_either_slash
from relay.journal.journal import Journal
from relay.streaming.sse import EventStreams
from relay.subscriptions.rendering import Renderers
from relay.subscriptions.store import Subscriptions
from relay.switch.simulator import PhoneAction
from relay.webhooks.deliveries import Deliveries
from relay.webhooks.guard import Guard
from relay.webhooks.repair import Repair

PREFIX: Final = "/v3"
"""Under which every path of v3 is, and under which its errors are rendered."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the face is made of."""

    control: Control
    journal: Journal
    directory: Directory
    streams: EventStreams
    streams_per_user: int
    """Streams that a user may have open in this process."""
    renderers: Renderers
    """By format; ``v3`` is among them."""
    limits: RateLimits
    detached: Detached
    subscriptions: Subscriptions
    deliveries: Deliveries
    repair: Repair
    guard: Guard
    base_url: str
    """What absolute URIs begin with."""
    simulated: bool
    """Whether the switch is the simulator."""


def add_routes(app: web.Application, parts: Parts) -> None:
    """Add every route of v3.

    Errors are raised, for `errors_middleware` with `render_error` under `PREFIX` to answer.
    """

    def known(handler: PrincipalHandler) -> Handler:
        return authenticated(parts.directory, handler)

    idempotency = Idempotency(parts.journal.store)
    commands = CallControl(parts.control, parts.limits, idempotency, parts.detached)
    calls = Calls(parts.control)
    events = Events(parts.journal, parts.streams, parts.renderers, most=parts.streams_per_user)
    tickets = Tickets(parts.journal.store, parts.directory)
    routes = [
        web.post(f"{PREFIX}/call_control", known(commands.handle)),
        web.get(f"{PREFIX}/calls", known(calls.list)),
        web.get(f"{PREFIX}/calls/{{id}}", known(calls.get)),
        web.get(f"{PREFIX}/events", known(events.history)),
        # No HEAD: it would hold a stream open that nobody can read.
        web.get(f"{PREFIX}/events/stream", tickets.or_token(events.stream), allow_head=False),
        web.post(f"{PREFIX}/events/tickets", known(tickets.issue)),
    ]
    subscriptions = SubscriptionsFace(
        parts.journal.store,
        parts.subscriptions,
        parts.guard,
        parts.directory,
        parts.detached,
        parts.base_url,
    )
    one = f"{PREFIX}/subscriptions/{{id}}"
    routes += [
        web.post(f"{PREFIX}/subscriptions", known(subscriptions.create)),
        web.get(f"{PREFIX}/subscriptions", known(subscriptions.list)),
        web.get(one, known(subscriptions.get)),
        web.patch(one, known(subscriptions.change)),
        web.delete(one, known(subscriptions.delete)),
        web.post(f"{one}/rotate", known(subscriptions.rotate)),
        web.post(f"{one}/enable", known(subscriptions.enable)),
        web.post(f"{one}/disable", known(subscriptions.disable)),
        web.get(f"{one}/secret", known(subscriptions.secret)),
    ]
    deliveries = DeliveriesFace(parts.deliveries, parts.repair, parts.detached)
    routes += [
        web.post(f"{one}/test", known(deliveries.test)),
        web.post(f"{one}/recover", known(deliveries.recover)),
        web.get(f"{one}/recoveries/{{recovery_id}}", known(deliveries.recovery)),
        web.get(f"{PREFIX}/deliveries", known(deliveries.list)),
        web.get(f"{PREFIX}/deliveries/{{id}}", known(deliveries.get)),
        web.post(f"{PREFIX}/deliveries/{{id}}/resend", known(deliveries.resend)),
        web.post(f"{PREFIX}/dead-letters/redrive", known(deliveries.redrive)),
        web.delete(f"{PREFIX}/dead-letters", known(deliveries.purge)),
    ]
    if parts.simulated:
        face = SimulatorFace(parts.control, parts.detached)
        actions = "|".join(PhoneAction)
        routes += [
            web.post(f"{PREFIX}/simulator/calls", known(face.call)),
            web.post(f"{PREFIX}/simulator/parties/{{id}}/{{action:{actions}}}", known(face.phone)),
        ]
    app.add_routes(with_either_slash(routes))
