"""Times as v3 takes them."""

from __future__ import annotations

from relay.dialects.times import milliseconds
from relay.dialects.v3.problems import InvalidParameterError


def moment(given: str, parameter: str) -> int:
    """Read a time, and return it in milliseconds since the epoch.

    Raises:
        InvalidParameterError: it is none as RFC 3339 writes them.

    """
    found = milliseconds(given)
    if found is None:
        raise InvalidParameterError(
            "must be a time with its offset: 2026-11-21T09:30:00Z", parameter=parameter
        )
    return found
