"""Lists in pages, as RingCentral answers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from relay.dialects.ringcentral.failures import invalid, json_response

DEFAULT_PER_PAGE: Final = 100
MOST_PER_PAGE: Final = 1000


def paged(request: web.Request, uri: str, records: Sequence[Any]) -> web.Response:
    """Answer the page of the records that the query asks for; ``uri`` is the whole list's.

    Raises:
        ApiError: ``page`` or ``perPage`` is no number that can be used.

    """
    page, per_page = _number(request, "page", 1, 10**9), _number(request, "perPage", *_PER_PAGE)
    pages = max(1, -(-len(records) // per_page))
    start = (page - 1) * per_page
    shown = records[start : start + per_page]
    paging = {"page": page, "perPage": per_page, "totalPages": pages, "totalElements": len(records)}
    if shown:
        paging |= {"pageStart": start, "pageEnd": start + len(shown) - 1}
    links = {"firstPage": 1, "lastPage": pages}
    links |= {"previousPage": page - 1} if 1 < page <= pages + 1 else {}
    links |= {"nextPage": page + 1} if page < pages else {}
    navigation = {name: {"uri": f"{uri}?page={number}&perPage={per_page}"} for name, number in links.items()}
    return json_response({"uri": uri, "records": shown, "paging": paging, "navigation": navigation})


_PER_PAGE: Final = (DEFAULT_PER_PAGE, MOST_PER_PAGE)


def _number(request: web.Request, name: str, default: int, most: int) -> int:
    given = request.query.get(name, str(default))
    if not (given.isascii() and given.isdigit() and len(given) < 12 and 1 <= int(given) <= most):
        raise invalid(name, f"must be a whole number from 1 to {most}")
    return int(given)
