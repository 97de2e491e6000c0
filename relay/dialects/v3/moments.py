"""Times as v3 takes them."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from relay.dialects.v3.problems import InvalidParameterError

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def moment(given: str, parameter: str) -> int:
    """Read a time, and return it in milliseconds since the epoch.

    Raises:
        InvalidParameterError: it is none as RFC 3339 writes them.

    """
    if _TIME.fullmatch(given):
        with suppress(ValueError, OverflowError):
            return round(datetime.fromisoformat(given.upper()).astimezone(UTC).timestamp() * 1000)
    raise InvalidParameterError("must be a time with its offset: 2026-11-21T09:30:00Z", parameter=parameter)
