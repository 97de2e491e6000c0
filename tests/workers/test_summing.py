"""The metrics of several processes as one."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from relay.telemetry.metrics import Metrics
from relay.telemetry.summing import Sums

HELP = "# HELP {0} What it is.\n# TYPE {0} {1}\n"


def shown(**values: float) -> bytes:
    """Return a process's text: ``<name>_total`` is a counter, the rest are gauges."""
    text = ""
    for name, value in values.items():
        text += HELP.format(name, "counter" if name.endswith("_total") else "gauge") + f"{name} {value}\n"
    return text.encode()


def read(sums: Sums) -> dict[str, float]:
    """Return the samples of a text without labels."""
    families = text_string_to_metric_families(sums.text().decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_what_processes_show_is_added_up() -> None:
    """Counters and gauges alike, also of a metric that only one has."""
    sums = Sums()
    sums.show("1", shown(calls_total=3, open=2))
    sums.show("2", shown(calls_total=4, open=5, rare_total=1))
    assert read(sums) == {"calls_total": 7, "open": 7, "rare_total": 1}


def test_the_latest_of_a_source_counts() -> None:
    """A source that is asked again is not counted twice."""
    sums = Sums()
    for count in (3, 5):
        sums.show("1", shown(calls_total=count, open=count))
    assert read(sums) == {"calls_total": 5, "open": 5}


def test_what_an_ended_process_counted_stays() -> None:
    """Its counters stay in the sum, its gauges go with it, and its successor begins at nothing."""
    sums = Sums()
    sums.show("1", shown(calls_total=3, open=2))
    sums.ended("1")
    assert read(sums) == {"calls_total": 3}
    sums.show("1", shown(calls_total=1, open=1))
    assert read(sums) == {"calls_total": 4, "open": 1}
    sums.ended("1")
    sums.ended("1")
    assert read(sums) == {"calls_total": 4}


def test_labels_keep_samples_apart() -> None:
    """Samples of a metric are added up by their labels."""
    head = HELP.format("ended_total", "counter")
    sums = Sums()
    sums.show("1", f'{head}ended_total{{why="closed"}} 1\nended_total{{why="slow"}} 2\n'.encode())
    sums.show("2", f'{head}ended_total{{why="slow"}} 3\n'.encode())
    lines = sums.text().decode().splitlines()
    assert 'ended_total{why="closed"} 1.0' in lines
    assert 'ended_total{why="slow"} 5.0' in lines


def test_histograms_stay_histograms() -> None:
    """Buckets, sum and count are each added up."""
    head = HELP.format("took", "histogram")
    text = head + 'took_bucket{le="1.0"} 1\ntook_bucket{le="+Inf"} 2\ntook_sum 3.5\ntook_count 2\n'
    sums = Sums()
    sums.show("1", text.encode())
    sums.ended("1")
    sums.show("1", text.encode())
    [family] = text_string_to_metric_families(sums.text().decode())
    assert family.type == "histogram"
    assert [sample.value for sample in family.samples] == [2, 4, 7, 4]


def test_a_sum_that_would_say_nothing_is_the_least_of_all() -> None:
    """The store is available if every process says so; the start is that of the first process."""
    sums = Sums()
    sums.show("1", shown(relay_store_available=1, process_start_time_seconds=100))
    sums.show("2", shown(relay_store_available=0, process_start_time_seconds=200))
    assert read(sums) == {"relay_store_available": 0, "process_start_time_seconds": 100}


def test_one_process_alone_is_shown_as_it_shows_itself() -> None:
    """Help, types, names and values are those of the process."""
    metrics = Metrics()
    metrics.counter("calls", "Calls by kind.", lambda: {"in": 1.0, "out": 2.0}, label="kind")
    text = metrics.text()
    sums = Sums()
    sums.show("1", text)
    assert sorted(sums.text().splitlines()) == sorted(text.splitlines())


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("count"), st.sampled_from("abc"), st.integers(1, 9)),
            st.tuples(st.just("end"), st.sampled_from("abc"), st.just(0)),
        )
    )
)
def test_a_counter_never_falls_and_loses_nothing(steps: list[tuple[str, str, int]]) -> None:
    """Whoever counts and whoever ends: the sum is all that was ever counted."""
    sums = Sums()
    counted: defaultdict[str, int] = defaultdict(int)
    total = 0
    for step, source, amount in steps:
        if step == "end":
            sums.ended(source)
            counted[source] = 0
        else:
            counted[source] += amount
            total += amount
            sums.show(source, shown(calls_total=counted[source]))
        assert read(sums).get("calls_total", 0) == total


def test_the_oldest_of_all_is_shown() -> None:
    """Ages are not added up."""
    sums = Sums()
    for source, age in (("1", 3), ("2", 7), ("3", 0)):
        sums.show(source, shown(relay_webhook_oldest_queued_seconds=age))
    assert read(sums) == {"relay_webhook_oldest_queued_seconds": 7}
