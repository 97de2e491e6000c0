"""The grammar of channels, and which patterns match which channel."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.streaming.bayeux.channels import (
    MAX_LENGTH,
    MAX_SEGMENTS,
    is_channel,
    is_pattern,
    is_subscribable,
    lookups,
)

SEGMENTS = st.text(st.sampled_from("ab1-_!~()$@."), min_size=1, max_size=3)
CHANNELS = st.lists(SEGMENTS, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts))
PATTERNS = st.one_of(
    CHANNELS,
    st.sampled_from(["/*", "/**"]),
    st.tuples(CHANNELS, st.sampled_from(["/*", "/**"])).map("".join),
)


def matches(pattern: str, channel: str) -> bool:
    """Tell whether a pattern matches a channel, segment by segment."""
    wanted, given_ = pattern[1:].split("/"), channel[1:].split("/")
    if wanted[-1] == "**":
        return len(given_) >= len(wanted) and given_[: len(wanted) - 1] == wanted[:-1]
    if wanted[-1] == "*":
        return len(given_) == len(wanted) and given_[:-1] == wanted[:-1]
    return wanted == given_


@given(PATTERNS, CHANNELS)
def test_lookups_are_the_patterns_that_match(pattern: str, channel: str) -> None:
    """A pattern is among a channel's look-ups exactly if it matches it."""
    assert (pattern in lookups(channel)) == matches(pattern, channel)


@given(CHANNELS)
def test_lookups_find_the_patterns_above(channel: str) -> None:
    """Every wildcard above a channel matches it, and there are n + 2 look-ups for n segments."""
    found = lookups(channel)
    assert len(found) == len(set(found)) == channel.count("/") + 2
    assert all(matches(pattern, channel) for pattern in found)


@given(CHANNELS)
def test_channels_are_patterns(channel: str) -> None:
    """What names a channel can be subscribed to as it is; a wildcard names no channel."""
    assert is_channel(channel)
    assert is_pattern(channel)
    for wildcard in ("/*", "/**"):
        assert is_pattern(channel + wildcard)
        assert not is_channel(channel + wildcard)


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "foo", "//", "//foo", "/foo/", "/foo//bar", "/foo bar", "/é", "/foo\n", "/foo?", "/foo*",
        "/*foo", "/***", "/*/foo", "/foo/*/bar", "/foo/**/bar", "/**/*", "/" + "a" * MAX_LENGTH,
        "/a" * (MAX_SEGMENTS + 1),
    ],
)  # fmt: skip
def test_what_is_no_channel_is_no_pattern_either(text: str) -> None:
    """Empty segments, other characters, wildcards that are not a whole last segment, and too long ones."""
    assert not is_channel(text)
    assert not is_pattern(text)


def test_longest_channels_are_taken() -> None:
    """The limits themselves are within."""
    assert is_channel("/a" * MAX_SEGMENTS)
    assert is_channel("/" + "a" * (MAX_LENGTH - 1))


@pytest.mark.parametrize(
    "pattern",
    ["/v2/me/calls", "/v2/*", "/v2/**", "/notifications/services", "/service/x", "/service/**", "/*", "/**"],
)
def test_channels_clients_may_subscribe_to(pattern: str) -> None:
    """The channels of GWS, service channels, and everything."""
    assert is_subscribable(pattern)


@pytest.mark.parametrize(
    "pattern", ["/v2", "/v3/me", "/foo", "/foo/**", "/meta/*", "/meta/**", "/meta/connect", "/v2x/y"]
)
def test_channels_clients_may_not_subscribe_to(pattern: str) -> None:
    """Whatever is outside, the meta channels above all."""
    assert not is_subscribable(pattern)
