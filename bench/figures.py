"""What a run gives, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from statistics import median
from typing import NamedTuple

from bench.box import Used


class Figures(NamedTuple):
    """One run of one case."""

    case: str
    operations: int
    rate: float
    """Operations a second."""
    relay_us: float
    """CPU microseconds of relay alone, user and system, for each operation."""
    store_us: float
    """The same of its store."""
    p50_ms: float
    p99_ms: float
    other: float
    """Cores busy with anything else."""
    faults: Sequence[str]
    """What does not add up; empty in a good run."""

    @classmethod
    def of(
        cls, case: str, operations: int, used: Used, latencies_ms: Iterable[float], faults: Sequence[str]
    ) -> Figures:
        """Make the figures of what was measured."""
        ordered = sorted(latencies_ms)
        each = 1e6 / max(operations, 1)
        return cls(
            case=case,
            operations=operations,
            rate=operations / used.seconds,
            relay_us=used.by["relay"] * each,
            store_us=used.by["store"] * each,
            p50_ms=percentile(ordered, 50),
            p99_ms=percentile(ordered, 99),
            other=used.other,
            faults=faults,
        )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent of the ordered values do not exceed; 0 without any."""
    if not ordered:
        return 0.0
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def medians(runs: Sequence[Figures]) -> Figures:
    """Return each figure's median over the runs of one case, with every run's faults."""
    return Figures(
        case=runs[0].case,
        operations=round(median(run.operations for run in runs)),
        rate=median(run.rate for run in runs),
        relay_us=median(run.relay_us for run in runs),
        store_us=median(run.store_us for run in runs),
        p50_ms=median(run.p50_ms for run in runs),
        p99_ms=median(run.p99_ms for run in runs),
        other=median(run.other for run in runs),
        faults=[fault for run in runs for fault in run.faults],
    )


def heading(name: str) -> str:
    """Return what stands above lines; ``other`` is in cores."""
    return (
        f"{name:<34}{'operations':>11}{'rate/s':>10}{'relay µs':>10}{'store µs':>10}"
        f"{'p50 ms':>9}{'p99 ms':>9}{'other':>7}"
    )


def line(figures: Figures) -> str:
    """Return the figures as a line under `heading`, with faults below it."""
    shown = (
        f"{figures.case:<34}{figures.operations:>11,}{figures.rate:>10,.0f}{figures.relay_us:>10.1f}"
        f"{figures.store_us:>10.1f}{_ms(figures.p50_ms)}{_ms(figures.p99_ms)}{figures.other:>7.2f}"
    )
    return "\n".join([shown, *(f"    DOES NOT ADD UP: {fault}" for fault in figures.faults)])


def _ms(latency: float) -> str:
    return f"{latency:>9.1f}" if latency else f"{'-':>9}"
