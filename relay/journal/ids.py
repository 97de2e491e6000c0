"""Stream ids: ``<milliseconds>-<sequence>``, ordered by both numbers."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_ID: Final = re.compile(r"(?:evt_[0-9]{2,4}_)?([0-9]{1,20})-([0-9]{1,20})", re.ASCII)
_MOST: Final = 2**64 - 1


class InvalidIdError(ValueError):
    """The text is no stream id and no event id."""


class StreamId(NamedTuple):
    """A stream id as two numbers, so that ids compare as the store orders them."""

    ms: int
    seq: int

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"


START: Final = "0-0"
"""The id before every event."""


def parse(text: str) -> StreamId:
    """Read ``1763717404218-0`` or ``evt_07_1763717404218-0``.

    Raises:
        InvalidIdError: the text is neither.

    """
    matched = _ID.fullmatch(text)
    if matched is None:
        raise InvalidIdError("must be an event id such as evt_07_1763717404218-0")
    found = StreamId(int(matched[1]), int(matched[2]))
    if found.ms > _MOST or found.seq > _MOST:
        raise InvalidIdError("must be an event id; its numbers are too large")
    return found


def bare(text: str) -> str:
    """Return the stream id in either form of an event id."""
    return str(parse(text))


def is_after(one: str, other: str) -> bool:
    """Tell whether the first id comes after the second."""
    return parse(one) > parse(other)
