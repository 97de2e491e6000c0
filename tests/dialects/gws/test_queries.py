from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from relay.dialects.gws.queries import Query

ONE: dict[str, Any] = {"id": "1", "state": "Dialing", "mute": "Off", "monitoring": False}
TWO: dict[str, Any] = {
    "id": "2",
    "state": "Ringing",
    "ani": "+12025550123",
    "mute": "Off",
    "monitoring": False,
}
FOUND = [("uri:1", ONE), ("uri:2", TWO)]
MEMBERS = ("id", "state", "ani", "mute", "monitoring")


def listing(*query: tuple[str, str]) -> dict[str, Any]:
    """Return what a list answers to a query."""
    return Query.of(MultiDict(query)).listing("calls", FOUND, MEMBERS)


@pytest.mark.parametrize("query", [[], [("fields", "")], [("nonsense", "1")], [("subresources", "x")]])
def test_a_list_without_fields_is_of_uris(query: list[tuple[str, str]]) -> None:
    """Only who names fields gets objects; what does not exist is passed over."""
    assert listing(*query) == {"uris": ["uri:1", "uri:2"]}


@pytest.mark.parametrize("query", [("fields", "*"), ("fields", "id,*"), ("subresources", "*")])
def test_all_fields_are_the_whole_objects(query: tuple[str, str]) -> None:
    """A star stands for every member; the children of a list are its objects."""
    assert listing(query) == {"calls": [ONE, TWO]}


def test_named_fields_keep_the_objects_own_order() -> None:
    """Members come in the object's order, whichever order names them, and unknown names are passed over."""
    chosen = listing(("fields", "state, id"), ("fields", "nope"))["calls"]
    assert [list(one.items()) for one in chosen] == [
        [("id", "1"), ("state", "Dialing")],
        [("id", "2"), ("state", "Ringing")],
    ]


@pytest.mark.parametrize(
    ("filters", "uris"),
    [
        ([("state", "Ringing")], ["uri:2"]),
        ([("state", "Ringing"), ("id", "1")], []),
        ([("mute", "Off"), ("monitoring", "false")], ["uri:1", "uri:2"]),
        ([("ani", "+12025550123")], ["uri:2"]),
        ([("channel", "voice")], ["uri:1", "uri:2"]),
    ],
)
def test_filters_are_members_values_and_all_must_hold(
    filters: list[tuple[str, str]], uris: list[str]
) -> None:
    """A parameter named like a member filters by its value; several are combined; others change nothing."""
    assert listing(*filters) == {"uris": uris}


@given(st.lists(st.tuples(st.text(), st.text())))
def test_no_query_fails(query: list[tuple[str, str]]) -> None:
    """Whatever a query says, a list is answered."""
    assert len(listing(*query)) == 1
