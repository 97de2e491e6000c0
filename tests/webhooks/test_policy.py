"""When a failed delivery is tried again, and when it is given up."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.webhooks.policy import (
    DEADLINE,
    LONGEST_HINT,
    GiveUp,
    Reason,
    Retry,
    Verdict,
    decide,
    judge,
    retry_after,
)

SCHEDULE = (5.0, 30.0, 300.0)
NOW = 1_763_717_404.0

chances = st.floats(0, 1)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.SUCCESS),
        (204, Verdict.SUCCESS),
        (299, Verdict.SUCCESS),
        (301, Verdict.FAILURE),
        (304, Verdict.FAILURE),
        (400, Verdict.FAILURE),
        (410, Verdict.GONE),
        (429, Verdict.FAILURE),
        (500, Verdict.FAILURE),
        (199, Verdict.FAILURE),
        (None, Verdict.FAILURE),
    ],
)
def test_only_2xx_is_success_and_410_is_the_end(status: int | None, verdict: Verdict) -> None:
    """Every other answer, and none at all, is a failure."""
    assert judge(status) is verdict


@given(chance=chances, made=st.integers(1, 3))
def test_the_schedule_is_kept_within_a_fifth(chance: float, made: int) -> None:
    """Without a hint, each pause is its place in the schedule, 20 % more or less."""
    decision = decide(SCHEDULE, made, hint=None, age=0, chance=chance)

    assert isinstance(decision, Retry)
    assert 0.8 * SCHEDULE[made - 1] <= decision.pause <= 1.2 * SCHEDULE[made - 1] + 1e-9


@given(chance=chances)
def test_a_schedule_ends(chance: float) -> None:
    """After as many retries as the schedule has, and at once without any, the delivery is dead."""
    for schedule in (SCHEDULE, ()):
        made = len(schedule) + 1
        assert decide(schedule, made, hint=60, age=0, chance=chance) == GiveUp(Reason.EXHAUSTED)


@given(hint=st.floats(0.1, 10**7), chance=chances)
def test_a_hint_is_never_undercut(hint: float, chance: float) -> None:
    """Retry-After makes a pause longer, up to a day, and never shorter than planned."""
    plain = decide(SCHEDULE, 1, hint=None, age=0, chance=chance)
    hinted = decide(SCHEDULE, 1, hint=hint, age=0, chance=chance)

    assert isinstance(plain, Retry)
    assert isinstance(hinted, Retry)
    assert hinted.pause == max(plain.pause, min(hint, LONGEST_HINT))


@given(age=st.floats(0, 2 * DEADLINE), hint=st.none() | st.floats(1, LONGEST_HINT), chance=chances)
def test_no_attempt_comes_after_the_deadline(age: float, hint: float | None, chance: float) -> None:
    """72 hours after its event a delivery is over, whatever schedule and hints say."""
    decision = decide((36_000.0,), 1, hint=hint, age=age, chance=chance)

    if isinstance(decision, Retry):
        assert age + decision.pause <= DEADLINE
    else:
        assert decision == GiveUp(Reason.DEADLINE)


def test_gone_is_the_end_at_once() -> None:
    """After 410 nothing is tried again."""
    assert decide(SCHEDULE, 1, hint=None, age=0, chance=0, gone=True) == GiveUp(Reason.GONE)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("0", None),
        ("-5", None),
        ("", None),
        ("soon", None),
        ("1e999", None),
        ("nan", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        (formatdate(NOW + 90, usegmt=True), 90.0),
        (formatdate(NOW + 90, localtime=False), 90.0),
        ("Fri, 99 Foo 2099 00:00:00 GMT", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str | None, seconds: float | None) -> None:
    """Seconds and HTTP dates count from now; the past and what cannot be read count for nothing."""
    assert retry_after(value, NOW) == seconds


@given(st.text(max_size=40))
def test_no_header_breaks_it(value: str) -> None:
    """Whatever an endpoint sends, there is an answer, and it is positive and finite."""
    seconds = retry_after(value, NOW)

    assert seconds is None or 0 < seconds < float("inf")
