"""From where a member was to the live end: pages of history until the ring covers it, then one step."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from relay.errors import StoreUnavailableError
from relay.journal.ids import StreamId, parse
from relay.journal.journal import Journal
from relay.streaming.account import AccountStream
from relay.streaming.links import Link
from relay.streaming.members import Gap
from relay.streaming.ring import Held

PAGE: Final = 100
"""Events a read of history brings: some 150 KB, read in one trip."""
SLICE_BYTES: Final = 128 * 1024
"""Bytes of records handed over before the member is asked whether it can take more."""
RETRY_SECONDS: Final = 1.0
"""Pause while the store is away, used with jitter; a replay outlasts an outage."""

T = TypeVar("T")


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask the store until it answers."""
    while True:
        try:
            return await ask()
        except StoreUnavailableError:
            await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - spreads, hides nothing


def in_one_step(stream: AccountStream, at: StreamId, reached: StreamId) -> bool:
    """Tell whether all that leads from a position to the live end is in the ring, and little enough."""
    if not stream.ring.start <= at <= reached:
        return False
    found = stream.ring.after(at)
    return len(_slice(found)) == len(found)


class Replay:
    """Brings one link from a position to the live end, with no gap, no repeat and bounded memory."""

    def __init__(self, journal: Journal, stream: AccountStream, link: Link[Any]) -> None:
        self._journal = journal
        self._stream = stream
        self._link = link
        self._resets = stream.resets

    def __repr__(self) -> str:
        return f"Replay({self._link!r} of {self._stream!r})"

    async def run(self, *, partition: int, reached: StreamId) -> None:
        """Go on from the link's position; ``reached`` is how far the reader here has come.

        A position beyond the journal's end is one the store has lost: that is a gap, and it goes on from the
        end. Returns with the link at the live end, or ended because its member had enough.
        """
        link, stream = self._link, self._stream
        if link.at > reached and link.at > parse(await patiently(lambda: self._journal.last_id(partition))):
            await self.lost()
        while link.live:
            if stream.resets != self._resets:
                self._resets = stream.resets
                await self.lost()
            elif link.at < stream.ring.start:
                await self._page()
            else:
                found = stream.ring.after(link.at)
                part = _slice(found)
                if len(part) == len(found):
                    stream.enter(link, link.at)
                    return
                await self._hand(part, part[-1].key)

    async def lost(self) -> None:
        """Tell of a gap and go on from the live end."""
        await self._tell_gap()
        self._link.paged = True
        self._link.move(self._stream.served())

    async def _page(self) -> None:
        account, at, start = self._stream.account, self._link.at, self._stream.ring.start
        self._link.paged = True
        page = await patiently(lambda: self._journal.history(account, str(at), limit=PAGE))
        # Asked after the read, so that no trimming before it goes unnoticed.
        trimmed = await patiently(lambda: self._journal.trimmed_after(account, str(at)))
        if self._stream.resets != self._resets:
            return
        if trimmed:
            await self._tell_gap()
        scanned = at if page.scanned_to is None else parse(page.scanned_to)
        to = scanned if page.more else max(scanned, start)
        left = [Held(parse(entry.id.stream_id), entry, 0.0) for entry in page.entries]
        while left and self._link.live:
            part = _slice(left)
            left = left[len(part) :]
            await self._hand(part, part[-1].key)
        if self._link.live:
            self._link.move(to)

    async def _hand(self, part: Sequence[Held], to: StreamId) -> None:
        self._link.serve(part, to)
        if self._link.live and not await self._link.member.ready():
            self._link.end(self._link.at)

    async def _tell_gap(self) -> None:
        asked = self._link.position
        oldest = await patiently(lambda: self._journal.oldest(self._stream.account))
        if self._link.live:
            self._link.member.gap(Gap(asked, oldest))


def _slice(found: Sequence[Held]) -> Sequence[Held]:
    size = 0
    for count, held in enumerate(found):
        size += len(held.entry.data)
        if size > SLICE_BYTES and count:
            return found[:count]
    return found
