"""The parts behind the faces, each made once per process and handed what it needs."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass

from relay.control import Control
from relay.dialects.gws import render as gws_render
from relay.dialects.operational import with_tests
from relay.dialects.ringcentral import notifications as ringcentral_notifications
from relay.dialects.ringcentral.handshake import Handshakes
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.manner import RingCentralManner
from relay.dialects.ringcentral.sockets.stats import SocketStats
from relay.dialects.ringcentral.subscriptions import MANNER
from relay.dialects.ringcentral.upkeep import Upkeep
from relay.dialects.v3 import render as v3_render
from relay.directory.directory import Directory
from relay.http.detached import Detached
from relay.http.rate_limits import RateLimits
from relay.journal.duties import Duty
from relay.journal.journal import Journal
from relay.journal.store import Store
from relay.journal.tail import Tail
from relay.journal.timers import Timers
from relay.journal.trim import Trimming
from relay.settings import Settings
from relay.streaming.bayeux.endpoint import Endpoint
from relay.streaming.hub import Hub
from relay.streaming.sse import EventStreams
from relay.subscriptions.rendering import Renderers
from relay.subscriptions.sealing import SecretKeys
from relay.subscriptions.store import Subscriptions
from relay.switch.simulator import Simulator
from relay.webhooks.deliveries import Deliveries
from relay.webhooks.duty import WebhookDuty
from relay.webhooks.guard import Guard
from relay.webhooks.manners import STANDARD_MANNERS
from relay.webhooks.repair import Repair
from relay.webhooks.sender import Sender
from relay.webhooks.sending.client import HttpSender


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What a process is made of, behind its faces."""

    store: Store
    journal: Journal
    control: Control
    renderers: Renderers
    identities: Identities
    guard: Guard
    sender: Sender
    subscriptions: Subscriptions
    deliveries: Deliveries
    repair: Repair
    webhooks: WebhookDuty
    hub: Hub
    ringcentral_sockets: SocketStats
    streams: EventStreams
    bayeux: Endpoint
    detached: Detached
    limits: RateLimits
    duties: tuple[Duty, ...]
    """What is done once per partition, by whichever process owns it."""


def assemble(starting: AsyncExitStack, settings: Settings, directory: Directory, store: Store) -> Parts:
    """Make every part; what must be stopped is pushed onto ``starting``, to be stopped in reverse."""
    journal = Journal(store)
    tail = Tail(store)
    starting.push_async_callback(tail.stop)
    hub = Hub(tail, journal)
    starting.push_async_callback(hub.stop)
    identities = Identities(directory)
    renderers = {
        "v3": v3_render.render,
        "gws": with_tests(gws_render.renderer(settings.base_url)),
        ringcentral_notifications.FORMAT: with_tests(ringcentral_notifications.renderer(identities)),
    }
    control = Control(journal, directory, Simulator(directory.device, ring_timeout=settings.ring_timeout))
    bayeux = Endpoint(store, hub, renderers, settings, event_format="gws")
    starting.push_async_callback(bayeux.stop)
    guard = Guard(settings.webhook_allow or ())
    subscriptions = Subscriptions(
        store,
        formats=tuple(renderers),
        limit=settings.max_subscriptions,
        secret_keys=SecretKeys(settings.secret_key),
    )
    deliveries = Deliveries(store, subscriptions, renderers)
    sender = HttpSender(guard)
    starting.push_async_callback(sender.close)
    webhooks = WebhookDuty(
        store,
        tail,
        subscriptions,
        renderers,
        sender,
        retries=settings.webhook_retries,
        timeout=settings.webhook_timeout,
        delivery_retention=settings.delivery_retention,
        drain_timeout=settings.drain_timeout,
        manners={**STANDARD_MANNERS, MANNER: RingCentralManner(identities)},
    )
    upkeep = Upkeep(journal, tail, subscriptions, Handshakes(sender, guard))
    trimming = Trimming(
        store,
        retention=settings.event_retention,
        max_bytes=settings.event_max_bytes,
        before_cut=webhooks.before_cut,
    )
    return Parts(
        store=store,
        journal=journal,
        control=control,
        renderers=renderers,
        identities=identities,
        guard=guard,
        sender=sender,
        subscriptions=subscriptions,
        deliveries=deliveries,
        repair=Repair(store, subscriptions, deliveries, retention=settings.delivery_retention),
        webhooks=webhooks,
        hub=hub,
        ringcentral_sockets=SocketStats(),
        streams=EventStreams(hub, renderers),
        bayeux=bayeux,
        detached=Detached(),
        limits=RateLimits(store, enabled=settings.rate_limits),
        duties=(webhooks, upkeep, Timers(store, tail, control.elapse), bayeux.expiry, trimming),
    )
