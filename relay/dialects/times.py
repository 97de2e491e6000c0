"""Times as the dialects read and write them: RFC 3339, written in UTC."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def milliseconds(given: str) -> int | None:
    """Return a time that is written as RFC 3339 in milliseconds since the epoch, or None where it is none."""
    if _TIME.fullmatch(given):
        with suppress(ValueError, OverflowError):
            return round(datetime.fromisoformat(given.upper()).astimezone(UTC).timestamp() * 1000)
    return None


def rfc3339(ms: int | None) -> str | None:
    """Return a time as RFC 3339 UTC with milliseconds, or None where it is unset."""
    return None if ms is None else timestamp(ms)


def timestamp(ms: int) -> str:
    """Return a time in milliseconds since the epoch as ``2024-05-01T10:00:01.656Z``."""
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


def whole_seconds(ms: int) -> str:
    """Return a time in milliseconds since the epoch as ``2024-05-01T10:00:01Z``."""
    return _second(ms // 1000) + "Z"


@lru_cache(maxsize=1024)  # the times of an event, and of events that follow one another, share their seconds
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
