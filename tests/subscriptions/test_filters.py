"""Filters, against the plainest way to say what they mean."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import InvalidFieldError
from relay.subscriptions.filters import MOST_PATTERNS, compile_filter
from relay.subscriptions.rendering import Rendered

TYPES = ("call.leg.ringing", "call.leg.answered", "call.leg.hungup", "subscription.disabled", "/v2/me/calls")
PATTERNS = (*TYPES, "call.*", "call.leg.*", "call.leg.h*", "*", "/v2/*", "other")


def event(event_type: str, extension: str | None = "210") -> Rendered:
    """Return an event of a type about a leg."""
    return Rendered(event_type, b"{}", extension, "jane")


@given(st.lists(st.sampled_from(PATTERNS), max_size=4), st.sampled_from(TYPES))
def test_types_match_by_name_or_beginning(patterns: list[str], event_type: str) -> None:
    """A type matches a pattern as a shell would match it; without patterns every type does."""
    expected = not patterns or any(fnmatchcase(event_type, pattern) for pattern in patterns)

    assert compile_filter(patterns).matches(event(event_type)) == expected


@given(st.sets(st.sampled_from(("200", "210", "220"))), st.sampled_from(("200", "210", None)))
def test_extensions_restrict(extensions: set[str], extension: str | None) -> None:
    """With extensions, only events about their legs match; without, all do, those of no extension too."""
    expected = not extensions or extension in extensions

    assert compile_filter((), extensions).matches(event(TYPES[0], extension)) == expected


def test_both_parts_must_match() -> None:
    """Type and extension are both asked."""
    wanted = compile_filter(["call.leg.*"], ["210"])

    assert wanted.matches(event("call.leg.hungup", "210"))
    assert not wanted.matches(event("call.leg.hungup", "200"))
    assert not wanted.matches(event("subscription.disabled", "210"))


def test_equal_types_are_compiled_once() -> None:
    """Filters with the same types share what is known of them."""
    assert compile_filter(["a", "b*"], ["1"]).types is compile_filter(["a", "b*"], ["2"]).types


@pytest.mark.parametrize(
    ("types", "extensions", "field"),
    [
        (["call.*.ringing"], [], "types"),
        (["**"], [], "types"),
        ([""], [], "types"),
        (["call leg"], [], "types"),
        (["x" * 200], [], "types"),
        ([f"t{number}" for number in range(MOST_PATTERNS + 1)], [], "types"),
        ([], [""], "extensions"),
        ([], ["21*"], "extensions"),
        ([], ["two"], "extensions"),
        ([], ["٢١٠"], "extensions"),
        ([], [str(number) for number in range(MOST_PATTERNS + 1)], "extensions"),
    ],
)
def test_what_cannot_be_used_is_refused(types: list[str], extensions: list[str], field: str) -> None:
    """A pattern with a star in the middle, or an extension that is no number, is named as the fault."""
    with pytest.raises(InvalidFieldError) as refused:
        compile_filter(types, extensions)
    assert refused.value.field == field


LABELS = ("telephony", "direction=inbound", "missed")


@given(
    st.lists(st.sets(st.sampled_from(LABELS)), max_size=3),
    st.sets(st.sampled_from(LABELS)),
)
def test_labels_are_alternatives(alternatives: list[set[str]], labels: set[str]) -> None:
    """With sets of labels, an event must have one of them in full; without, its labels do not matter."""
    labelled = event(TYPES[0])._replace(labels=frozenset(labels))
    expected = not alternatives or any(wanted <= labels for wanted in alternatives)

    assert compile_filter((), (), alternatives).matches(labelled) == expected


def test_labels_restrict_beside_types_and_extensions() -> None:
    """All three parts are asked."""
    wanted = compile_filter(["call.leg.*"], ["210"], [["missed"]])
    missed = event("call.leg.hungup", "210")._replace(labels=frozenset(LABELS))

    assert wanted.matches(missed)
    assert not wanted.matches(missed._replace(labels=frozenset()))
    assert not wanted.matches(missed._replace(extension="200"))
    assert not wanted.matches(missed._replace(type="other"))
