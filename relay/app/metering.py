"""Which counts of which part are shown as which metric."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final

from relay.app.parts import Parts
from relay.journal.ownership import Ownership
from relay.streaming.stream import End
from relay.telemetry.metrics import Metrics
from relay.webhooks.duty import WebhookDuty

_NOW: Final = frozenset({"in_flight", "held", "sockets"})
"""Counts that also fall: of what is, not of what has been."""
_WAITING: Final = {
    "queue_events": ("queued", "events in queues"),
    "behind_events": ("behind", "events that wait behind a failing head of their call"),
    "due_lanes": ("due", "calls that wait for a retry of their head"),
    "oldest_queued_seconds": ("oldest_queued", "age of the oldest event in a queue"),
    "oldest_due_seconds": ("oldest_due", "how long the most overdue retry has been due"),
    "errands": ("errands", "resends, tests and recoveries asked for and not done"),
    "dead_letters_held": ("dead", "dead letters that are kept"),
}
"""Of what waits, by metric: the field of `Survey`, and what it is."""


def register(metrics: Metrics, parts: Parts, ownership: Ownership) -> None:
    """Show what the parts of this process count."""
    store, streams = parts.store, parts.streams
    metrics.gauge("store_available", "1 while every connection to the store works.", lambda: store.available)
    metrics.counter("store_batches", "Pipelines sent to the store.", lambda: store.batches)
    metrics.gauge("partitions_owned", "Partitions this process owns.", lambda: len(ownership.partitions))
    metrics.gauge("tasks", "Tasks of the event loop.", lambda: len(asyncio.all_tasks()))
    metrics.gauge("sse_streams", "Open event streams.", lambda: len(streams))
    metrics.counter(
        "sse_streams_ended",
        "Event streams that ended, by why.",
        lambda: {str(why): streams.ended[why] for why in End},
        label="reason",
    )
    metrics.counter(
        "lease_moves",
        "Leases of partitions, by what became of them here.",
        lambda: dict(ownership.moves),
        label="how",
    )
    _show_webhooks(metrics, parts.webhooks)
    _show(metrics, "bayeux", "CometD", parts.bayeux.stats)
    _show(metrics, "ringcentral", "RingCentral websockets", parts.ringcentral_sockets)


def _show_webhooks(metrics: Metrics, duty: WebhookDuty) -> None:
    """Show what is done, and what waits; the latter as `WebhookDuty.survey` last found it."""
    webhooks = duty.stats
    metrics.counter(
        "webhook_outcomes",
        "Webhooks: requests that ended, by the class of their answer or why there was none.",
        lambda: dict(webhooks.outcomes),
        label="class",
    )
    metrics.counter(
        "webhook_dead_letters",
        "Webhooks: deliveries given up, by why.",
        lambda: dict(webhooks.reasons),
        label="reason",
    )
    metrics.histogram(
        "webhook_request_seconds", "Webhooks: how long requests took that ended.", webhooks.durations
    )
    metrics.gauge("webhook_breakers", "Webhooks: endpoints by breaker.", duty.breakers, label="state")
    metrics.gauge(
        "webhook_unsealed", "Webhooks: subscriptions not sealed under the first secret key.", duty.unsealed
    )
    for name, (field, about) in _WAITING.items():
        metrics.gauge(f"webhook_{name}", f"Webhooks: {about}.", _surveyed(duty, field))
    _show(metrics, "webhook", "Webhooks", webhooks)


def _surveyed(duty: WebhookDuty, field: str) -> Callable[[], float]:
    return lambda: float(getattr(duty.surveyed, field))


def _show(metrics: Metrics, prefix: str, about: str, stats: Any) -> None:
    """Show every count of a stats object under its own name."""
    for field in fields(stats):
        if not isinstance(getattr(stats, field.name), int | float):
            continue
        show = metrics.gauge if field.name in _NOW else metrics.counter
        words = field.name.replace("_", " ")
        show(f"{prefix}_{field.name}", f"{about}: {words}.", _reader(stats, field.name))


def _reader(stats: Any, name: str) -> Callable[[], float]:
    return lambda: float(getattr(stats, name))
