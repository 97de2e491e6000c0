"""Times as the dialects write them: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


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
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
