"""Metrics in Prometheus' text format, read from the parts when they are asked for.

Parts keep plain counts; nothing is counted twice and no hot path knows Prometheus. Numbers and names of
persons are never labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from relay.telemetry.histogram import Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Reading = float | Mapping[str, float]
"""One value, or values by the value of the metric's label."""


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def __repr__(self) -> str:
        return f"<Metrics {self._registry!r}>"

    def gauge(self, name: str, about: str, read: Callable[[], Reading], *, label: str | None = None) -> None:
        """Show what ``read`` returns as ``relay_<name>``."""
        self._registry.register(_Read(GaugeMetricFamily, name, about, read, label))

    def counter(
        self, name: str, about: str, read: Callable[[], Reading], *, label: str | None = None
    ) -> None:
        """Show what ``read`` returns, which only grows, as ``relay_<name>_total``."""
        self._registry.register(_Read(CounterMetricFamily, name, about, read, label))

    def histogram(self, name: str, about: str, times: Histogram) -> None:
        """Show times as ``relay_<name>``."""
        self._registry.register(_Times(name, about, times))

    def text(self) -> bytes:
        """Return every metric as it stands."""
        return generate_latest(self._registry)


class _Read(Collector):
    def __init__(
        self,
        family: type[GaugeMetricFamily | CounterMetricFamily],
        name: str,
        about: str,
        read: Callable[[], Reading],
        label: str | None,
    ) -> None:
        self._family = family
        self._name = f"relay_{name}"
        self._about = about
        self._read = read
        self._label = label

    def describe(self) -> Iterable[Metric]:
        """Name the metric without reading it."""
        return (self._family(self._name, self._about),)

    def collect(self) -> Iterable[Metric]:
        """Read the metric."""
        family = self._family(self._name, self._about, labels=[self._label] if self._label else None)
        reading = self._read()
        for value, amount in reading.items() if isinstance(reading, Mapping) else (("", reading),):
            family.add_metric([value] if self._label else [], amount)
        yield family


class _Times(Collector):
    def __init__(self, name: str, about: str, times: Histogram) -> None:
        self._name = f"relay_{name}"
        self._about = about
        self._times = times

    def describe(self) -> Iterable[Metric]:
        """Name the metric without reading it."""
        return (HistogramMetricFamily(self._name, self._about),)

    def collect(self) -> Iterable[Metric]:
        """Read the metric."""
        yield HistogramMetricFamily(
            self._name, self._about, buckets=self._times.buckets, sum_value=self._times.total
        )
