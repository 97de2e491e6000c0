"""What is due for a subscription by itself, and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.dialects.ringcentral.lifecycle import Step, What, next_step
from relay.subscriptions.model import EventFilter, Status, Subscription

REMINDER = "/restapi/v1.0/subscription/~?threshold=60&interval=15"
OTHER = "/restapi/v1.0/subscription/~?threshold=40&interval=20"


def subscription(*sources: str, **members: object) -> Subscription:
    """Return a subscription that ends at 1000 s."""
    filters = tuple(EventFilter(source, ()) for source in sources)
    one = Subscription(
        id="sub_1", account="a", user_id="u", url="http://x/", secrets=(), created_at=0, filters=filters
    )
    return replace(one, **{"expires_at": 1_000_000, **members})


def story(one: Subscription, after: int, until: int) -> list[tuple[float, What]]:
    """Return everything that is due in a time, in seconds."""
    found: list[tuple[float, What]] = []
    while (step := next_step(one, after)) is not None and step.at <= until:
        found.append((step.at / 1000, step.what))
        if step.what is What.EXPIRE:
            break
        after = step.at
    return found


def test_reminders_begin_at_the_threshold_and_repeat() -> None:
    """Each interval once, until the end."""
    told = [(at, What.REMIND) for at in (940, 955, 970, 985)]
    assert story(subscription(REMINDER), 0, 2_000_000) == [*told, (1000, What.EXPIRE)]


def test_each_filter_reminds_at_its_own_times() -> None:
    """The first that is due comes first."""
    step = next_step(subscription(OTHER, REMINDER), 955_000)
    assert step == Step(960_000, What.REMIND, OTHER)


def test_a_blacklisted_one_is_asked_again_every_quarter_of_an_hour() -> None:
    """It is not reminded, and ends like any other."""
    one = subscription(REMINDER, status=Status.DISABLED, disabled_at=100_000, expires_at=3_000_000)
    assert story(one, 0, 9_000_000) == [
        (1000, What.RECHECK),
        (1900, What.RECHECK),
        (2800, What.RECHECK),
        (3000, What.EXPIRE),
    ]


def test_what_its_owner_disabled_stays_so() -> None:
    """Nobody is asked."""
    one = subscription(status=Status.DISABLED, disabled_at=100_000, reason="owner")
    assert story(one, 0, 9_000_000) == [(1000, What.EXPIRE)]


def test_nothing_is_due_for_what_never_ends() -> None:
    """A subscription without an end has no reminders either."""
    assert next_step(subscription(REMINDER, expires_at=None), 0) is None


@given(after=st.integers(0, 999_999), threshold=st.integers(2, 500), interval=st.integers(1, 250))
def test_reminders_lie_between_threshold_and_end(after: int, threshold: int, interval: int) -> None:
    """The next one is later than now, in its time, and a whole number of intervals after the first."""
    if interval * 2 > threshold:
        return
    one = subscription(f"/restapi/v1.0/subscription/~?threshold={threshold}&interval={interval}")
    step = next_step(one, after)
    assert step is not None
    if step.what is What.REMIND:
        begins = 1_000_000 - threshold * 1000
        assert max(after + 1, begins) <= step.at < 1_000_000
        assert (step.at - begins) % (interval * 1000) == 0
        assert step.at - interval * 1000 <= max(after, begins - 1)
    else:
        assert after + interval * 1000 >= 1_000_000
