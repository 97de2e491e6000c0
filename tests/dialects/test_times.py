"""Times as the dialects read and write them."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from relay.dialects.times import milliseconds, timestamp, whole_seconds

FIRST, LAST = -62_135_596_800_000, 253_402_300_799_999
"""The years 1 and 9999, which RFC 3339 can write."""


@given(st.integers(FIRST, LAST))
@example(FIRST)
@example(LAST)
@example(-1)
def test_what_is_written_can_be_read(ms: int) -> None:
    """To the millisecond, with a year of four digits."""
    written = timestamp(ms)
    assert milliseconds(written) == ms
    assert len(written) == len("2026-11-21T09:30:04.218Z")
    assert whole_seconds(ms) == written[:19] + "Z"
