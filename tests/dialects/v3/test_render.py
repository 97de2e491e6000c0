"""Rendering: what an event looks like, and which kinds are shown."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.calls.events import NUMBERING, CallEvent, EventId, EventKind
from relay.calls.happenings import CallPlaced, Happening, LegAnswered, LegEnded, LegMade, LegRinging
from relay.calls.model import Address, CallType, Cause, PartyState, Session
from relay.dialects.leg_types import TYPES
from relay.dialects.times import rfc3339
from relay.dialects.v3.render import STATES, render
from tests.harness.happening import apply

TENANT = "b11d749b-8eb7-4236-a068-3d94ba3860d6"
NOW = 1_763_717_404_218
ID = EventId(7, "1763717404218-0")

JANE = Address(number="15000", name="Jane Doe", extension="210", user_id="u1", device_id="d1")
JOHN = Address(number="15002", name="John Doe", extension="200", user_id="u2", device_id="d2")
OUTSIDE = Address(number="+12025550123")

PLACED = CallPlaced(
    session_id="call", account=TENANT, type=CallType.INTERNAL, caller_leg="l1", caller=JANE, destination=JOHN
)
UP_TO_RINGING: tuple[Happening, ...] = (
    PLACED,
    LegMade(leg="l2", address=JOHN, far=JANE),
    LegRinging(leg="l2"),
)


def told(*happenings: Happening) -> list[CallEvent]:
    """Return the events of a call, each happening a second after the one before."""
    session: Session | None = None
    events: list[CallEvent] = []
    for count, happening in enumerate(happenings):
        session, more = apply(session, happening, NOW + 1000 * count, command_id="c1")
        events += more
    return events


def shown(*happenings: Happening) -> list[dict[str, Any]]:
    """Return the events of a call as v3 shows them."""
    return [
        msgspec.json.decode(rendered.body) for event in told(*happenings) if (rendered := render(ID, event))
    ]


def test_an_event_has_exactly_the_published_members_in_their_order() -> None:
    """Unset times are null; nothing is left out."""
    event = shown(PLACED)[0]
    assert list(event.items()) == [
        ("type", "call.leg.ringing"),
        ("timestamp", "2025-11-21T09:30:04.218Z"),
        ("event_id", "evt_07_1763717404218-0"),
        ("schema", 1),
        ("sequence", 1),
        ("id", "l1"),
        ("call_id", "call"),
        ("tenant_id", TENANT),
        ("user_extension", "210"),
        ("direction", "outbound"),
        ("internal", True),
        ("state", "ringing"),
        ("muted", False),
        ("from", {"number": "210", "name": "Jane Doe"}),
        ("to", {"number": "200", "name": "John Doe"}),
        ("started_at", "2025-11-21T09:30:04.218Z"),
        ("answered_at", None),
        ("ended_at", None),
        ("hangup", None),
        ("user_data", {}),
        ("command_id", "c1"),
    ]


def test_an_answered_call_that_ends_is_told_leg_by_leg() -> None:
    """Sequences count per leg, and the end carries its cause and who ended it."""
    events = shown(*UP_TO_RINGING, LegAnswered(leg="l2"), LegEnded(leg="l1"))
    told_of = [
        (event["type"].rpartition(".")[2], event["user_extension"], event["sequence"]) for event in events
    ]
    assert told_of == [
        ("ringing", "210", 1),
        ("ringing", "200", 1),
        ("answered", "200", 2),
        ("answered", "210", 2),
        ("hungup", "210", 3),
        ("hungup", "200", 3),
    ]
    assert [event["hangup"] for event in events[-2:]] == [{"cause": "normal", "by": "210"}] * 2
    assert [event["direction"] for event in events[-2:]] == ["outbound", "inbound"]
    assert events[-1]["answered_at"] < events[-1]["ended_at"]


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_a_word(cause: Cause) -> None:
    """They are published, so they never change."""
    event = shown(*UP_TO_RINGING, LegEnded(leg="l2", cause=cause))[-1]
    published = ("normal", "busy", "no_answer", "rejected", "canceled", "failed", "transferred")
    assert event["hangup"]["cause"] in published


def test_outside_ends_show_as_numbers_and_have_no_events() -> None:
    """v3 tells of the tenant's own legs."""
    placed = msgspec.structs.replace(PLACED, type=CallType.INBOUND, caller=OUTSIDE, destination=JANE)
    made = LegMade(leg="l2", address=JANE, far=OUTSIDE)
    [event] = shown(placed, made, LegRinging(leg="l2"))
    assert event["from"] == {"number": "+12025550123", "name": None}
    assert (event["internal"], event["direction"]) == (False, "inbound")


def test_an_event_is_shown_exactly_when_it_raises_the_legs_count() -> None:
    """Or sequences would have gaps, or events without a number of their own."""
    assert {kind for kind in EventKind if NUMBERING[kind].leg} == set(TYPES)
    for event in told(*UP_TO_RINGING, LegAnswered(leg="l2"), LegEnded(leg="l2")):
        rendered = render(ID, event)
        assert (rendered is not None) == (event.kind in TYPES and event.party.ours)


def test_what_selects_an_event_is_what_it_shows() -> None:
    """Filters and permissions go by the same type, extension and user."""
    [event] = told(PLACED)
    rendered = render(ID, event)
    assert rendered is not None
    assert (rendered.type, rendered.extension, rendered.user_id) == ("call.leg.ringing", "210", "u1")
    assert b"\n" not in rendered.body


def test_every_state_has_a_word() -> None:
    """A leg in any state can be shown."""
    assert set(STATES) == set(PartyState)


@given(st.integers(min_value=0, max_value=253_402_300_799_999))
def test_times_are_rfc_3339_with_milliseconds(ms: int) -> None:
    """In UTC, always with three digits."""
    text = rfc3339(ms)
    assert text is not None
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert round(datetime.fromisoformat(text).timestamp() * 1000) == ms


@given(
    user_data=st.dictionaries(
        st.text(max_size=5), st.text(max_size=5) | st.integers() | st.none(), max_size=5
    )
)
def test_user_data_survives(user_data: dict[str, Any]) -> None:
    """Whatever is in it, line breaks and quotes included, in one line."""
    placed = msgspec.structs.replace(PLACED, user_data=user_data)
    [event] = told(placed)
    rendered = render(ID, event)
    assert rendered is not None
    assert b"\n" not in rendered.body
    assert b"\r" not in rendered.body
    assert msgspec.json.decode(rendered.body)["user_data"] == user_data
