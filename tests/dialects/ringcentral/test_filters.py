from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.calls.events import EventId
from relay.calls.model import Cause
from relay.dialects.ringcentral.filters import (
    LONGEST_FILTER,
    FilterRefusedError,
    Reminder,
    check_reminders,
    detail,
    read_filter,
    reminder,
)
from relay.dialects.ringcentral.notifications import renderer
from relay.directory.model import Principal
from relay.subscriptions.filters import compile_filter
from relay.subscriptions.model import EventFilter
from tests.dialects.ringcentral.calls import (
    ACCOUNT,
    ANSWERS,
    DIRECTORY,
    IDENTITIES,
    JANE,
    ONE,
    OUTSIDE,
    RINGS,
    TWO,
    Story,
    hangs_up,
)

API = "/restapi/v1.0"
ACCOUNT_LEVEL = f"{API}/account/400100000001/telephony/sessions"
JANES = f"{API}/account/400100000001/extension/400100000210"
USERS = {user.login: Principal(ACCOUNT, user) for user in DIRECTORY.users(ACCOUNT)}


def read(text: str, user: str = "admin") -> EventFilter:
    """Read a filter as a user's subscription ``sub``."""
    return read_filter(text, USERS[user], IDENTITIES, "sub")


@pytest.mark.parametrize(
    ("text", "user", "resolved"),
    [
        (f"{API}/account/~/telephony/sessions", "admin", ACCOUNT_LEVEL),
        (f"{API}/account/400100000001/telephony/sessions", "admin", ACCOUNT_LEVEL),
        (f"{API}/account/telephony/sessions", "admin", ACCOUNT_LEVEL),
        (f"{API}/account/~/telephony/sessions/", "admin", ACCOUNT_LEVEL),
        (f"{API}/account/~/extension/~/telephony/sessions", "jane", f"{JANES}/telephony/sessions"),
        (f"{JANES}/telephony/sessions", "jane", f"{JANES}/telephony/sessions"),
        (
            f"{API}/account/~/extension/400100000210/telephony/sessions",
            "admin",
            f"{JANES}/telephony/sessions",
        ),
        (f"{API}/account/~/extension/~/presence", "jane", f"{JANES}/presence"),
        (f"{API}/account/~/presence", "admin", f"{API}/account/400100000001/presence"),
    ],
)
def test_paths_are_resolved(text: str, user: str, resolved: str) -> None:
    """``~`` becomes the id it stands for; the source document's own spelling is the account's."""
    assert read(text, user).source == resolved


@pytest.mark.parametrize(
    "query", ["direction=Inbound&missedCall=true", "phoneNumber=+16285550123", "sipData=true"]
)
def test_the_query_is_kept_as_it_was_written(query: str) -> None:
    """A filter is shown with its own query behind the resolved path."""
    assert read(f"{API}/account/~/telephony/sessions?{query}").source == f"{ACCOUNT_LEVEL}?{query}"


@pytest.mark.parametrize(
    ("text", "user", "code"),
    [
        ("", "admin", "SUB-508"),
        ("nonsense", "admin", "SUB-508"),
        (f"{API}/account/~/telephony", "admin", "SUB-508"),
        (f"{API}/account/~/telephony/sessions/x", "admin", "SUB-508"),
        (f"{API}/account/~/telephony/sessions?unknown=1", "admin", "SUB-508"),
        (f"{API}/account/~/telephony/sessions?direction=Up", "admin", "SUB-508"),
        (f"{API}/account/~/telephony/sessions?statusCode=Nonsense", "admin", "SUB-508"),
        (f"{API}/account/~/telephony/sessions?missedCall=maybe", "admin", "SUB-508"),
        (f"{API}/account/~/telephony/sessions?phoneNumber=+", "admin", "SUB-508"),
        (f"{API}/account/~/telephony/sessions?statusCode=", "admin", "SUB-508"),
        (f"{API}/account/~/extension/~/presence?direction=Inbound", "admin", "SUB-508"),
        (f"{API}/account/~/extension/~/message-store", "admin", "SUB-508"),
        (f"{API}/account/~/telephony/sessions\n", "admin", "SUB-508"),
        (f"{API}/account/~/telephony/sessions?direction=Inbound" + "&" * LONGEST_FILTER, "admin", "SUB-508"),
        (f"{API}/account/400200000001/telephony/sessions", "admin", "SUB-406"),
        (f"{API}/account/~/extension/400200000210/telephony/sessions", "admin", "SUB-406"),
        (f"{API}/account/~/telephony/sessions", "jane", "SUB-406"),
        (f"{API}/account/~/presence", "jane", "SUB-406"),
        (f"{API}/account/~/extension/400100000200/telephony/sessions", "jane", "SUB-406"),
        (f"{API}/account/~/extension/400100000200/presence", "jane", "SUB-406"),
        (f"{API}/subscription/~", "jane", "SUB-516"),
        (f"{API}/subscription/~?threshold=60", "jane", "SUB-516"),
        (f"{API}/subscription/~?threshold=60&interval=x", "jane", "SUB-516"),
        (f"{API}/subscription/~?threshold=60&interval=0", "jane", "SUB-516"),
        (f"{API}/subscription/~?threshold=60&interval=31", "jane", "SUB-516"),
        (f"{API}/subscription/~?threshold=60&interval=15&x=1", "jane", "SUB-516"),
    ],
)
def test_filters_that_are_refused(text: str, user: str, code: str) -> None:
    """What is no filter, not the user's to follow, or no possible reminder has its code."""
    with pytest.raises(FilterRefusedError) as refused:
        read(text, user)
    assert refused.value.code == code


@given(st.text())
def test_no_text_makes_reading_fail(text: str) -> None:
    """Whatever is sent, with or without a right beginning, is a filter or is refused."""
    for candidate in (text, f"{API}/account/~/telephony/sessions?{text}", f"{API}/subscription/~?{text}"):
        with contextlib.suppress(FilterRefusedError):
            assert read(candidate).labels


def test_a_reminder_is_kept_as_it_is_written() -> None:
    """Clients compare its path literally; it concerns its own subscription alone."""
    source = f"{API}/subscription/~?threshold=60&interval=15"
    found = read(source, "jane")
    assert found == EventFilter(source, ("subscription=sub",))
    assert reminder(source) == Reminder(60, 15)
    assert reminder(ACCOUNT_LEVEL) is None


def test_a_reminder_begins_in_the_second_half_of_the_life() -> None:
    """A threshold of more than half of the subscription's life is refused."""
    filters = [read(f"{API}/subscription/~?threshold=60&interval=15"), read(ACCOUNT_LEVEL)]
    check_reminders(filters, 120)
    with pytest.raises(FilterRefusedError) as refused:
        check_reminders(filters, 119)
    assert refused.value.code == "SUB-516"


def test_what_a_filter_asks_for_in_detail() -> None:
    """``sipData`` implies the list of calls."""
    assert detail(f"{JANES}/presence?detailedTelephonyState=true") == (True, False)
    assert detail(f"{JANES}/presence?detailedTelephonyState=true&sipData=true") == (True, True)
    assert detail(f"{JANES}/presence?sipData=TRUE") == (True, True)
    assert detail(f"{JANES}/presence") == detail(f"{JANES}/presence?sipData=false") == (False, False)


EVERY = [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("query", "matched"),
    [
        ("", EVERY),
        ("direction=Inbound", [2, 4, 7]),
        ("direction=outbound", [1, 3, 5, 6]),
        ("statusCode=Disconnected", [6, 7]),
        ("statusCode=proceeding", [2, 3]),
        ("statusCode=Answered&direction=Inbound", [4]),
        ("missedCall=true", []),
        ("missedCall=false", EVERY),
        ("phoneNumber=+12025550123", EVERY),
        ("phoneNumber=%2B12025550123", EVERY),
        ("phoneNumber=12025550123", EVERY),
        ("phoneNumber=210", EVERY),
        ("phoneNumber=15000", EVERY),
        ("phoneNumber=200", []),
        ("sipData=true", EVERY),
    ],
)
def test_conditions_choose_events(query: str, matched: list[int]) -> None:
    """Conditions of one filter hold together; numbers count by their digits, codes in any case."""
    story = Story(JANE, OUTSIDE)
    story.then(story.called, RINGS, ANSWERS, hangs_up(ONE))
    assert _matched(story, f"{API}/account/~/telephony/sessions?{query}") == matched


def _matched(story: Story, text: str, user: str = "admin") -> list[int]:
    """Return which of the call's notifications a filter chooses, counted from 1."""
    render = renderer(IDENTITIES)
    wanted = compile_filter(labels=[read(text, user).labels])
    shown = [one for event in story.events if (one := render(EventId(0, "1-0"), event)) is not None]
    return [place for place, one in enumerate(shown, 1) if wanted.matches(one)]


def test_missed_calls_are_chosen() -> None:
    """Only the event that says a call was missed."""
    story = Story(OUTSIDE, JANE)
    story.then(story.called, RINGS, hangs_up(TWO, Cause.NO_ANSWER))
    assert _matched(story, f"{API}/account/~/telephony/sessions?direction=Inbound&missedCall=true") == [5]


def test_an_extension_sees_its_own_legs_only() -> None:
    """At the extension level neither the far end nor legs outside are told of."""
    story = Story()
    story.then(story.called, RINGS, ANSWERS, hangs_up(TWO))
    extension = f"{API}/account/~/extension/~/telephony/sessions"
    assert _matched(story, extension, "jane") == [1, 3, 7]
    assert _matched(story, extension, "john") == [2, 4, 5, 6]
    assert _matched(story, f"{API}/account/~/telephony/sessions") == EVERY


def test_presence_is_not_told_by_telephony_events() -> None:
    """A presence filter chooses no telephony session notification."""
    story = Story()
    assert _matched(story, f"{API}/account/~/extension/400100000210/presence") == []
