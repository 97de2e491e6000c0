"""Server-sent events over HTTP: opening a stream, keeping it, and ending it. The hub does the rest."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache, partial
from typing import Final

from aiohttp import web

from relay.errors import DrainingError, RefusedError, UnavailableError
from relay.journal.ids import InvalidIdError, parse
from relay.streaming.eventstream import EventStream
from relay.streaming.frames import OPENING, position
from relay.streaming.heartbeats import HEARTBEAT_SECONDS, Heartbeats
from relay.streaming.hub import Hub
from relay.streaming.links import Link
from relay.streaming.opening import framing_for, open_response
from relay.streaming.selection import Framed
from relay.streaming.stream import End, Limits
from relay.subscriptions.rendering import Renderers
from relay.telemetry import log

RETRY_SPREAD_MS: Final = (1_000, 10_000)
"""What clients of a stopping process are asked to wait, drawn for each: not all must come back at once."""
POSITION_WITHIN: Final = 1.0
"""Seconds after which a fresh stream's head may come without the live end, and again, if the store is away:
nothing can be committed then. Otherwise it waits, however long, so that nothing is missed from it on."""
SELECTIONS: Final = 1024
"""Selections that are kept, since most streams want what others want: a few hundred bytes each."""
RETRY_WHEN_FULL: Final = 10
"""Seconds a client is asked to wait when this process has all the streams it takes."""

_log: Final = log.get("streaming")


class InvalidLastEventIdError(RefusedError):
    """What the client resumes from is no event id; the message says what one looks like."""


class TooManyStreamsError(UnavailableError):
    """This process has all the streams it takes; another one may have room."""


class EventStreams:
    """All event streams of this process."""

    def __init__(
        self,
        hub: Hub,
        renderers: Renderers,
        *,
        limits: Limits | None = None,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._hub = hub
        self._selection = lru_cache(SELECTIONS)(partial(Framed.of, renderers=renderers))
        self._limits = limits or Limits()
        self._heartbeats = Heartbeats(heartbeat_seconds)
        self._streams: set[EventStream] = set()
        self._taken = 0
        self._emptied = asyncio.Event()
        self._draining = False
        self.ended: Counter[End] = Counter()
        """How many streams have ended, by why."""

    def __repr__(self) -> str:
        ended = ", ".join(f"{count} {why}" for why, count in self.ended.items())
        return f"EventStreams({len(self)} open{'; ' + ended if ended else ''}{'; draining' * self._draining})"

    def __len__(self) -> int:
        return len(self._streams)

    async def serve(
        self,
        request: web.Request,
        *,
        account: str,
        event_format: str,
        types: Collection[str] = (),
        extensions: Collection[str] = (),
        user_id: str | None = None,
        after: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request with the account's events, and return when the stream has ended.

        ``types`` (``*`` allowed at the end of each) and ``extensions`` select, empty ones select everything;
        ``user_id`` restricts to that user's legs. It resumes after the ``Last-Event-ID`` header's event, else
        after ``after``. While the store is away the stream stays open and goes on once it is back, since a
        browser would give up for good on a 503. The server must cancel handlers whose client left
        (``handler_cancellation=True``).

        Raises:
            InvalidLastEventIdError: before anything is sent, as are all of these.
            InvalidFieldError: ``format``, ``types`` or ``extensions``.
            TooManyStreamsError, DrainingError: not taken by this process now.

        """
        asked = self._asked(request, after)
        framing = framing_for(request)
        selection = self._selection(
            event_format, framing, types=tuple(types), extensions=tuple(extensions), user_id=user_id
        )
        self._take_place()
        try:
            since = asked or await self._live_end(account)
            first = OPENING if asked or since is None else OPENING + position(since)
            response, writer, transport = await open_response(request, first)
            stream = EventStream(transport, writer, framing, self._limits, asked=asked)
            self._begin(stream)
            try:
                await self._follow(stream, account, selection, since)
                if stream.done.result() is End.DRAINED:
                    with suppress(ConnectionError):  # it left while it was told to
                        await response.write_eof()
            finally:
                self._forget(stream)
        finally:
            self._free_place()
        return response

    async def drain(self, within: float = 5.0) -> None:
        """Take no new streams; end each with a hint when to reconnect, and cut those that do not take it."""
        self._draining = True
        for count, stream in enumerate(tuple(self._streams)):
            stream.finish(_retry_hint())
            if count % 200 == 199:
                await asyncio.sleep(0)
        if self._taken:
            self._emptied.clear()
            try:
                async with asyncio.timeout(within):
                    await self._emptied.wait()
            except TimeoutError:
                _log.warning("streams did not end", open=len(self._streams))
                for stream in tuple(self._streams):
                    stream.cut(End.DRAINED)

    def _asked(self, request: web.Request, after: str | None) -> str | None:
        asked = request.headers.get("Last-Event-ID") or after or None
        if asked is not None:
            try:
                parse(asked)
            except InvalidIdError as error:
                raise InvalidLastEventIdError(str(error)) from None
        return asked

    async def _live_end(self, account: str) -> str | None:
        known = self._hub.known_position(account)
        if known is not None:
            return known
        finding = asyncio.ensure_future(self._hub.position(account))
        try:
            while not (await asyncio.wait((finding,), timeout=POSITION_WITHIN))[0]:
                if self._draining:
                    raise DrainingError("this process is stopping")
                if self._hub.store_away:
                    return None
            return finding.result()
        finally:
            finding.cancel()

    def _take_place(self) -> None:
        """Take one of the places this process has."""
        if self._draining:
            raise DrainingError("this process is stopping")
        if self._taken >= self._limits.streams:
            raise TooManyStreamsError("too many event streams", retry_after=RETRY_WHEN_FULL)
        self._taken += 1

    def _free_place(self) -> None:
        self._taken -= 1
        if not self._taken:
            self._emptied.set()

    def _begin(self, stream: EventStream) -> None:
        """Give a stream its heartbeats, and see that it is drained."""
        self._streams.add(stream)
        self._heartbeats.add(stream)
        if self._draining:  # since it took its place
            stream.finish(_retry_hint())

    def _forget(self, stream: EventStream) -> None:
        """Count a stream that has ended."""
        self._heartbeats.remove(stream)
        self._streams.remove(stream)
        left = not stream.done.done() or stream.done.cancelled()
        self.ended[End.CLOSED if left else stream.done.result()] += 1

    async def _follow(self, stream: EventStream, account: str, selection: Framed, since: str | None) -> None:
        """Have the hub serve the stream until it ends; a join that still replays then is given up."""
        link: Link[bytes] | BaseException | None
        link = self._hub.join_at_once(account, stream, selection, after=since)
        try:
            if link is None:
                joining = asyncio.create_task(self._join(stream, account, selection, since))
                try:
                    await asyncio.wait((joining, stream.done), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    joining.cancel()
                    [link] = await asyncio.gather(joining, return_exceptions=True)
                del joining  # a stream waits here for hours: what it need not keep is not kept
            if isinstance(link, Exception):
                raise link
            stream.joined()
            await stream.done
        finally:
            if isinstance(link, Link):
                link.leave()

    async def _join(
        self, stream: EventStream, account: str, selection: Framed, since: str | None
    ) -> Link[bytes]:
        link = await self._hub.join(account, stream, selection, after=since)
        stream.joined()
        return link


def _retry_hint() -> int:
    return random.randint(*RETRY_SPREAD_MS)  # noqa: S311 - spreads, hides nothing
