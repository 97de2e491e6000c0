"""What is kept of a request and its answer."""

from __future__ import annotations

import pytest

from relay.webhooks.outcomes import attempt_of
from relay.webhooks.sender import Answer


@pytest.mark.parametrize(
    ("body", "truncated", "shown"),
    [
        ("zażółć".encode(), False, "zażółć"),
        ("zażółć".encode()[:-1], True, "zażół"),
        ("zażółć".encode()[:-1], False, "zażół\N{REPLACEMENT CHARACTER}"),
        (b"a\xff\xfeb", True, "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b"),
        (b"", False, ""),
    ],
)
def test_an_excerpt_does_not_end_within_a_character(body: bytes, truncated: bool, shown: str) -> None:
    """Where it was cut; what is no text is shown as far as it is."""
    attempt = attempt_of(Answer(500, body, truncated), 1.0, 0.5, failed=True)
    assert (attempt.response, attempt.truncated) == (shown, truncated)
