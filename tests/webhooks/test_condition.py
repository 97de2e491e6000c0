"""Breaker, run of failures and pace, by a clock set by hand."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.subscriptions.model import RateLimit
from relay.webhooks.condition import (
    FIRST_PROBE,
    OPENS_AFTER,
    SLOWEST_PROBE,
    Breaker,
    Condition,
    Failing,
    Pace,
)
from relay.webhooks.health import health_of, restore
from relay.webhooks.policy import LONGEST_HINT


def opened(now: float = 100.0) -> Condition:
    """Return a condition whose breaker has just opened."""
    condition = Condition()
    for _ in range(OPENS_AFTER):
        condition.begin(now)
        condition.failed(now, "failing", probe=False)
    return condition


def test_ten_failures_in_a_row_open_the_breaker() -> None:
    """Nine do not, nor do any number with a success in between."""
    condition = Condition()
    for _ in range(3):
        for _ in range(OPENS_AFTER - 1):
            condition.failed(1, "failing", probe=False)
            assert condition.wait(1) == 0
        assert condition.succeeded()
    assert not condition.succeeded()
    assert opened().breaker is Breaker.OPEN


def test_an_open_breaker_lets_one_probe_through_at_a_time() -> None:
    """Half a second after it opened, then after longer pauses; a success closes it."""
    condition, now, pauses = opened(), 100.0, []
    for _ in range(6):
        pause = condition.wait(now)
        pauses.append(pause)
        now += pause
        assert condition.wait(now) == 0
        assert condition.begin(now)
        assert condition.breaker is Breaker.HALF_OPEN
        assert condition.wait(now) >= FIRST_PROBE
        condition.failed(now, "failing", probe=True)
    assert pauses == [FIRST_PROBE, 1.0, 2.0, 4.0, SLOWEST_PROBE, SLOWEST_PROBE]
    now += condition.wait(now)
    assert condition.begin(now)
    assert condition.succeeded()
    assert (condition.breaker, condition.failing, condition.wait(now)) == (Breaker.CLOSED, None, 0)


def test_a_probe_that_was_not_made_leaves_the_breaker_open() -> None:
    """The next may be made as soon as the first one."""
    condition = opened()
    condition.begin(101)
    condition.unprobed(101)
    assert condition.breaker is Breaker.OPEN
    assert condition.wait(101) == FIRST_PROBE


def test_what_ends_after_the_breaker_opened_is_no_probe() -> None:
    """Requests that were on their way change neither pauses nor state."""
    condition = opened()
    assert not condition.failed(100.2, "failing", probe=False)
    assert condition.wait(100.2) == pytest.approx(FIRST_PROBE - 0.2)


def test_a_new_owner_goes_on_from_what_was_found() -> None:
    """The run of failures began when it began, and an open breaker is open."""
    condition = Condition()
    condition.restore(Failing(5.0, "failing"), opened=True, now=100)
    assert condition.breaker is Breaker.OPEN
    assert condition.failing == Failing(5.0, "failing")
    assert not condition.failed(101, "gone", probe=False)
    assert condition.failing == Failing(5.0, "gone", 101)


def test_a_new_owner_leaves_an_endpoint_alone_for_as_long_as_it_asked() -> None:
    """What Retry-After asked for in the face of a probe is kept with how the endpoint is doing."""
    asked, now = opened(), time.monotonic()
    asked.begin(now)
    assert asked.failed(now, "failing", probe=True, asked=60)
    kept, fresh = health_of(asked, 1_700_000_000), Condition()
    restore(fresh, kept, 1_700_000_020)
    assert fresh.wait(time.monotonic()) == pytest.approx(40, abs=1)

    restore(fresh, kept, 1_600_000_000)
    assert fresh.wait(time.monotonic()) <= LONGEST_HINT


@given(
    count=st.integers(1, 20),
    window=st.floats(0.1, 10),
    steps=st.lists(st.floats(0, 2), max_size=200),
)
def test_no_window_has_more_requests_than_the_pace(count: int, window: float, steps: list[float]) -> None:
    """However requests come, each that must wait waits as long as it is told."""
    pace, now, made = Pace(RateLimit(count, window)), 0.0, list[float]()
    for step in steps:
        now += step
        now += pace.wait(now)
        pace.begin(now)
        made.append(now)
    for first, beyond in zip(made, made[count:], strict=False):
        assert beyond - first >= window * (1 - 1e-9) - 1e-9
