"""Ids of commands, calls and legs."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from relay.calls.identifiers import leg_id, new_command_id, session_id


def test_a_repeated_command_addresses_the_same_call() -> None:
    """The same command of the same user has the same call and legs, always."""
    assert session_id("a", "jane", "c") == session_id("a", "jane", "c")
    assert leg_id("s", 1) == leg_id("s", 1)


def test_nobody_meets_another_ones_call() -> None:
    """Account, user, command and ordinal all tell ids apart, also where their texts run together."""
    calls = [
        session_id(*names)
        for names in [
            ("a", "jane", "c"),
            ("b", "jane", "c"),
            ("a", "john", "c"),
            ("a", "jane", "d"),
            ("a", "janec", ""),
        ]
    ]
    legs = [leg_id(call, ordinal) for call in calls for ordinal in (1, 2)]
    assert len({*calls, *legs}) == len(calls) + len(legs)


def test_ids_are_uuids() -> None:
    """Every id has the form that clients expect of one, with its version and variant."""
    for made, version in ((new_command_id(), 4), (session_id("a", "u", "c"), 5), (leg_id("s", 1), 5)):
        assert str(uuid.UUID(made)) == made
        assert uuid.UUID(made).version == version


@given(st.text(), st.integers(min_value=1))
def test_ids_that_follow_from_names_are_those_of_the_standard(session: str, ordinal: int) -> None:
    """They are UUIDs of version 5 in relay's own namespace: calls that were placed before keep their legs."""
    namespace = uuid.UUID("3f0d7a56-9f0c-5d0e-8a4e-6c1f3f1f8f52")
    assert leg_id(session, ordinal) == str(uuid.uuid5(namespace, f"{session}\n{ordinal}"))
