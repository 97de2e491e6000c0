"""Numbers: what can be called, and how people write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.calls.numbers import canonical, is_e164


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("200", "200"),
        ("15-002", "15002"),
        ("+1 (202) 555-0123", "+12025550123"),
        ("+1.202.555.0123", "+12025550123"),
        ("+4930123", "+4930123"),
        ("+123456789012345", "+123456789012345"),
    ],
)
def test_separators_carry_nothing(written: str, number: str) -> None:
    """A number is the same with and without the marks that people group it by."""
    assert canonical(written) == number


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "+", "jane", "+123456", "+1234567890123456", "+0123456789", "1234567890123456", "12+3",
        "+1202555012a", "200;ext=1", "200\n", "٢٠٠", "२००", "sip:200@example.com", "1,2", "2/3",
    ],
)  # fmt: skip
def test_what_cannot_be_dialled_is_no_number(text: str) -> None:
    """Texts that are neither digits nor E.164 have no canonical form; digits of other scripts are none."""
    assert canonical(text) is None


@given(st.text(alphabet="+0123456789 -.()", max_size=20))
def test_a_canonical_number_is_its_own_canonical_form(text: str) -> None:
    """Reading a number twice changes nothing, and only digits after an optional plus sign are left."""
    number = canonical(text)
    if number is not None:
        assert canonical(number) == number
        assert number.removeprefix("+").isdigit()
        assert is_e164(number) == number.startswith("+")
