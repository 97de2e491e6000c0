from __future__ import annotations

import re
import uuid
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.calls.events import EventId
from relay.dialects.ringcentral import identifiers
from tests.dialects.ringcentral.calls import HEX, SESSION, Story


@given(st.uuids())
def test_every_session_is_found_again_by_its_telephony_session_id(session: uuid.UUID) -> None:
    """A telephonySessionId has the published form and leads back to the session it was made from."""
    named = identifiers.telephony_session_id(str(session))
    assert re.fullmatch("s-[0-9a-f]{32}", named)
    assert identifiers.session_id(named) == str(session)


@given(st.text())
def test_no_text_makes_reading_an_id_fail(text: str) -> None:
    """Whatever stands in a path is an id that reads back to itself, or nothing."""
    found = identifiers.session_id(text)
    assert found is None or identifiers.telephony_session_id(found) == text
    assert identifiers.leg(Story().session, text) is None


def test_parties_are_numbered_from_the_one_that_began_the_call() -> None:
    """A party's id ends with its place in the session, and leads back to its leg."""
    story = Story()
    session = story.then(story.called).session
    ids = [identifiers.party_id(session, party) for party in session.parties]
    assert ids == [f"p-{HEX}-1", f"p-{HEX}-2"]
    assert [identifiers.leg(session, one) for one in ids] == list(session.parties)


@pytest.mark.parametrize(
    "text", ["p-", f"p-{HEX}-0", f"p-{HEX}-3", f"p-{HEX}-01", f"p-{'0' * 32}-1", f"s-{HEX}"]
)
def test_a_party_that_is_not_in_the_session_is_not_found(text: str) -> None:
    """Another session's party, a place nobody has and another form name no leg."""
    story = Story()
    assert identifiers.leg(story.then(story.called).session, text) is None


@given(st.uuids(), st.uuids())
def test_no_two_legacy_ids_look_like_halves_of_a_ringout(one: uuid.UUID, other: uuid.UUID) -> None:
    """Decimal session ids have 12 digits, and are never 1000, 2000, 3000 or 4000 apart."""
    first, second = (
        identifiers.legacy_session_id(str(session), conference=False) for session in (one, other)
    )
    assert re.fullmatch("[0-9]{12}", first)
    assert abs(int(first) - int(second)) not in (1000, 2000, 3000, 4000)


def test_notification_uuids_are_decimal_and_rise_with_the_journal() -> None:
    """Every event of every partition has a uuid of its own; in a partition later events have greater ones."""
    ids = [EventId(3, "1763717404218-0"), EventId(3, "1763717404218-1"), EventId(3, "1763717404219-0")]
    uuids = [identifiers.notification_uuid(one) for one in (*ids, ids[0]._replace(partition=4))]
    assert all(re.fullmatch("[0-9]{19}", one) for one in uuids)
    assert len(set(uuids)) == 4
    assert all(int(before) < int(after) for before, after in pairwise(uuids[:3]))


def test_an_id_is_read_in_lower_case_only() -> None:
    """A session has one telephonySessionId, not one per spelling."""
    assert identifiers.session_id(f"s-{HEX}") == SESSION
    assert identifiers.session_id(f"s-{HEX.upper()}") is None
