"""Ids of commands, calls and legs."""

from __future__ import annotations

import uuid

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
    """Every id has the form that clients expect of one."""
    for made in (new_command_id(), session_id("a", "u", "c"), leg_id("s", 1)):
        assert str(uuid.UUID(made)) == made
