"""``GET /v3/events/``: history in pages, and the stream."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

import msgspec
from aiohttp import web

from relay.dialects.v3.access import check_reach
from relay.dialects.v3.problems import InvalidParameterError, StreamsExceededError
from relay.dialects.v3.queries import event_id, page_limit
from relay.directory.model import Principal
from relay.errors import InvalidFieldError
from relay.journal.journal import Journal
from relay.journal.record import LOGGED
from relay.streaming.sse import RETRY_WHEN_FULL, EventStreams, InvalidLastEventIdError
from relay.subscriptions.filters import Filter, compile_filter
from relay.subscriptions.rendering import Rendered, Renderers, rendered

PAGE: Final = 200
"""Events read from the journal at a time: rendering them takes some 5 ms, in which nothing else runs."""

SCANNED: Final = 5000
"""Events looked at for one page: a filter that hardly matches ends a page early, and its cursor goes on."""

_PARAMETERS: Final = {"types": "type", "extensions": "extension"}


class _Wanted(NamedTuple):
    """What a request selects."""

    filter: Filter
    types: tuple[str, ...]
    extensions: tuple[str, ...]
    user_id: str | None
    """Only this user's legs; None for an admin."""

    def matches(self, event: Rendered) -> bool:
        """Tell whether the event is selected."""
        return (self.user_id is None or event.user_id == self.user_id) and self.filter.matches(event)


class Events:
    """History and stream of an account's events."""

    def __init__(self, journal: Journal, streams: EventStreams, renderers: Renderers, *, most: int) -> None:
        """Take what is read and served, and how many streams a user may have open here at ``most``."""
        self._journal = journal
        self._streams = streams
        self._renderers = renderers
        self._most = most
        self._open: Counter[tuple[str, str]] = Counter()

    async def history(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer a page of events, oldest first, with the cursor of the next page where there is one."""
        wanted = _wanted(request, principal)
        after = event_id(request, "after")
        limit = page_limit(request)
        bodies, scanned, more = list[msgspec.Raw](), 0, True
        while more and len(bodies) < limit and scanned < SCANNED:
            page = await self._journal.history(principal.account, after, limit=PAGE)
            after, more = page.scanned_to, page.more
            scanned += PAGE
            for place, entry in enumerate(page.entries, 1):
                shown = rendered(entry, "v3", self._renderers) if entry.kind in LOGGED else None
                if shown is None or not wanted.matches(shown):
                    continue
                bodies.append(msgspec.Raw(shown.body))
                if len(bodies) == limit:
                    after, more = entry.id.stream_id, more or place < len(page.entries)
                    break
        body = msgspec.json.encode({"events": bodies, "next": after if more else None})
        return web.Response(body=body, content_type="application/json")

    async def stream(self, request: web.Request, principal: Principal) -> web.StreamResponse:
        """Answer with the stream, until it ends."""
        wanted = _wanted(request, principal)
        event_format = request.query.get("format", "v3")
        if event_format not in self._renderers:
            known = ", ".join(self._renderers)
            raise InvalidParameterError(f"must be one of {known}", parameter="format")
        owner = (principal.account, principal.user.id)
        if self._open[owner] >= self._most:
            raise StreamsExceededError(
                f"you have {self._most} event streams here already", retry_after=RETRY_WHEN_FULL
            )
        self._open[owner] += 1
        try:
            return await self._streams.serve(
                request,
                account=principal.account,
                event_format=event_format,
                types=wanted.types,
                extensions=wanted.extensions,
                user_id=wanted.user_id,
                after=event_id(request, "last_event_id"),
            )
        except InvalidLastEventIdError as error:
            raise InvalidParameterError(str(error), header="Last-Event-ID") from error
        finally:
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]


def _wanted(request: web.Request, principal: Principal) -> _Wanted:
    types = tuple(request.query.getall("type", ()))
    extensions = tuple(request.query.getall("extension", ()))
    try:
        compiled = compile_filter(types, extensions)
    except InvalidFieldError as error:
        raise InvalidParameterError(str(error), parameter=_PARAMETERS[error.field]) from error
    check_reach(principal, extensions)
    return _Wanted(compiled, types, extensions, None if principal.is_admin else principal.user.id)
