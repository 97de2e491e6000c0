from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.box import Used
from bench.figures import Figures, line, medians, percentile
from bench.publishing import stamp
from bench.sink import Account
from bench.sse import Audience

ROOT = Path(__file__).parents[2]


def bench(*arguments: str, module: str = "bench") -> subprocess.CompletedProcess[str]:
    """Run the benchmarks as `make bench` does, or one that has a module of its own."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )


def figures(case: str, relay_seconds: float, *, faults: tuple[str, ...] = ()) -> Figures:
    """Make the figures of 1,000 operations in 2 seconds."""
    used = Used(2.0, {"relay": relay_seconds, "store": 0.1}, 0.25)
    return Figures.of(case, 1000, used, [3.0, 1.0, 2.0], faults)


@pytest.mark.parametrize(
    ("program", "cases"), [("commands", 2), ("sse", 2), ("webhooks", 5), ("scale", 4), ("backlog", 3)]
)
def test_every_operation_of_a_program_is_accounted_for(program: str, cases: int) -> None:
    """Each program runs, shows a line for each case, and finds every event where it belongs."""
    done = bench(program, "--seconds", "1", "--runs", "1", "--share", "0.01")
    assert done.returncode == 0, done.stdout + done.stderr
    machine, _, heading, *lines = done.stdout.splitlines()
    assert "cores" in machine
    assert heading.startswith(program)
    assert len(lines) == cases


def test_every_event_of_the_live_sessions_is_accounted_for() -> None:
    """Each session, by websocket or polling, is told every event of its user once."""
    done = bench("--sessions", "300", "--polling", "100", "--seconds", "2", module="bench.sessions")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "300 sessions, 100 of them polling" in done.stdout
    assert "event to the last session of its user" in done.stdout


def test_an_unknown_program_is_refused() -> None:
    """A program that is not there is named, and nothing runs."""
    done = bench("nothing-like-it")
    assert done.returncode == 2
    assert "no such program: nothing-like-it" in done.stderr


def test_figures_are_per_operation() -> None:
    """Rate, CPU and latencies follow from what was measured."""
    made = figures("x", 0.3)
    assert made.rate == 500
    assert made.relay_us == pytest.approx(300)
    assert (made.p50_ms, made.p99_ms) == (2.0, 3.0)


def test_medians_are_taken_over_runs_and_keep_every_fault() -> None:
    """The median of each figure stands for the runs; one run's fault is not outvoted."""
    found = medians([figures("x", 0.1), figures("x", 0.9, faults=("one is missing",)), figures("x", 0.2)])
    assert found.relay_us == pytest.approx(200)
    assert "DOES NOT ADD UP: one is missing" in line(found)


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (100, 100), (0.5, 1)])
def test_percentiles_are_values_that_occurred(percent: float, expected: int) -> None:
    """A percentile is the smallest value that so many percent of the values do not exceed."""
    assert percentile(range(1, 101), percent) == expected


def test_an_audience_notices_events_that_are_missing_or_out_of_order() -> None:
    """Another order at another subscriber, and an event nobody got, are faults."""
    audience = Audience()
    first, second = stamp(0, 0).encode(), stamp(1, 0).encode()
    for place, stamped in enumerate((first, second)):
        audience.take(stamped, place, 0)
    assert audience.faults(2) == []
    audience.take(second, 0, 0)
    assert audience.faults(3) == [
        "3 published, 2 different ones received",
        "1 events out of the common order",
    ]


def test_a_sink_notices_repeats_and_lanes_out_of_order() -> None:
    """A delivery that comes again counts, but is no other event; one after a later one of its call shows."""
    account = Account()
    bodies = [
        json.dumps({"call_id": "c" * 36, "digits": stamp(number, 0)}, separators=(",", ":")).encode()
        for number in (0, 1, 0)
    ]
    for body in bodies:
        account.take(b"/0", body, 0)
    report = account.report()
    assert (report.deliveries, report.distinct, report.misordered) == (3, {"/0": 2}, 1)


def test_cores_are_kept_awake_only_while_a_benchmark_runs() -> None:
    """The exit code is the benchmark's own, and nothing spins on when it is over."""
    missing = bench("bench.nothing", module="bench.awake")  # returns when all have closed its output
    assert missing.returncode == 1
    assert "No module named bench.nothing" in missing.stderr
