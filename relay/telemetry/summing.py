"""The metrics of several processes as one: what each shows, added up. Pure.

A counter must never fall, or whoever computes rates from it takes the fall for a restart and counts the rest
twice: what an ended process had counted stays in the sum.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

LEAST: Final = frozenset(
    {"relay_store_available", "process_start_time_seconds", "process_max_fds", "python_info"}
)
"""Metrics of which a sum says nothing: the least of all is shown."""
GREATEST: Final = frozenset({"relay_webhook_oldest_queued_seconds", "relay_webhook_oldest_due_seconds"})
"""Metrics of which the greatest of all is shown."""

_GROWING: Final = frozenset({"counter", "histogram", "summary"})

_Labels = tuple[tuple[str, str], ...]
_Samples = dict[tuple[str, _Labels], float]


class Sums(Collector):
    """Adds up metrics in Prometheus' text format by name and labels; sources come and go."""

    def __init__(self) -> None:
        self._shown: dict[str, dict[str, Metric]] = {}
        self._gone: dict[str, Metric] = {}

    def __repr__(self) -> str:
        return f"Sums(of {', '.join(self._shown) or 'nothing'})"

    def show(self, source: str, text: bytes) -> None:
        """Take what a source shows now; it stands until the next, or until the source has ended."""
        self._shown[source] = {
            metric.name: metric for metric in text_string_to_metric_families(text.decode())
        }

    def ended(self, source: str) -> None:
        """Keep of a source only what it had counted."""
        for name, metric in self._shown.pop(source, {}).items():
            if metric.type in _GROWING:
                self._gone[name] = _sum([self._gone[name], metric] if name in self._gone else [metric])

    def collect(self) -> Iterable[Metric]:
        """Return every metric that any source shows, or showed and counted."""
        sources = [self._gone, *self._shown.values()]
        for name in sorted({name for metrics in sources for name in metrics}):
            yield _sum([metrics[name] for metrics in sources if name in metrics])

    def text(self) -> bytes:
        """Return the sums in Prometheus' text format."""
        return generate_latest(self)


def _sum(metrics: list[Metric]) -> Metric:
    sums: _Samples = {}
    for metric in metrics:
        for sample in metric.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            if key not in sums:
                sums[key] = sample.value
            elif metric.name in LEAST:
                sums[key] = min(sums[key], sample.value)
            elif metric.name in GREATEST:
                sums[key] = max(sums[key], sample.value)
            else:
                sums[key] += sample.value
    first = metrics[0]
    total = Metric(first.name, first.documentation, first.type)
    for (name, labels), value in sums.items():
        total.add_sample(name, dict(labels), value)
    return total
