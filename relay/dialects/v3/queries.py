"""Query parameters that several endpoints take."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from relay.dialects.v3.problems import InvalidParameterError
from relay.journal.ids import InvalidIdError, bare

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 1000
"""Items of a page."""


def page_limit(request: web.Request) -> int:
    """Return ``limit``.

    Raises:
        InvalidParameterError: it is no number of items a page can have.

    """
    given = request.query.get("limit", str(DEFAULT_LIMIT))
    if not (given.isascii() and given.isdigit() and len(given) < 10 and 1 <= int(given) <= MAX_LIMIT):
        raise InvalidParameterError(f"must be a whole number from 1 to {MAX_LIMIT}", parameter="limit")
    return int(given)


def event_id(request: web.Request, parameter: str) -> str | None:
    """Return a stream id or event id, None where it is not given.

    Raises:
        InvalidParameterError: it is neither.

    """
    given = request.query.get(parameter)
    if not given:
        return None
    try:
        bare(given)
    except InvalidIdError as error:
        raise InvalidParameterError(str(error), parameter=parameter) from error
    return given
