from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.dialects.gws.identifiers import call_id, connection_id, session_id


@given(st.uuids())
def test_every_session_is_found_again_by_its_call_id(session: uuid.UUID) -> None:
    """A call id leads back to the session it was made from."""
    assert session_id(call_id(str(session))) == str(session)


@given(st.uuids())
def test_ids_have_the_published_form(session: uuid.UUID) -> None:
    """A call id is 24 characters of base32hex and eight digits; a connId is 16 lower-case hex digits."""
    assert re.fullmatch(r"[0-9A-V]{24}[0-9]{8}", call_id(str(session)))
    assert re.fullmatch(r"[0-9a-f]{16}", connection_id(str(session)))


@given(st.text())
def test_no_text_makes_reading_a_call_id_fail(text: str) -> None:
    """Whatever stands in a path is either a call id that reads back to itself, or nothing."""
    found = session_id(text)
    assert found is None or call_id(found) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 31,
        "0" * 33,
        "0" * 24 + "00000256",
        "0" * 24 + "99999999",
        "w" * 24 + "00000001",
        "W" * 24 + "00000001",
        "a" * 24 + "00000001",
        "0" * 24 + "0000000x",
        "0" * 24 + "0000000\N{ARABIC-INDIC DIGIT ONE}",
        " " + "0" * 31,
        "0" * 32 + "\n",
        str(uuid.UUID(int=0)),
    ],
)
def test_a_malformed_call_id_names_no_session(text: str) -> None:
    """Wrong length, alphabet, case, digits or counter: no session has such a name."""
    assert session_id(text) is None
