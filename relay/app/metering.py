"""Which counts of which part are shown as which metric."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final

from relay.app.parts import Parts
from relay.journal.ownership import Ownership
from relay.telemetry.metrics import Metrics

_NOW: Final = frozenset({"in_flight", "held", "sockets"})
"""Counts that also fall: of what is, not of what has been."""


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
        lambda: {str(why): count for why, count in streams.ended.items()},
        label="reason",
    )
    webhooks = parts.webhooks.stats
    metrics.counter(
        "webhook_outcomes",
        "Webhooks: requests that ended, by the class of their answer or why there was none.",
        lambda: dict(webhooks.outcomes),
        label="class",
    )
    _show(metrics, "webhook", "Webhooks", webhooks)
    _show(metrics, "bayeux", "CometD", parts.bayeux.stats)


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
