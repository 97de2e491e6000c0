"""The hub: whoever holds a connection joins here and is given its account's events, from its position on."""

from __future__ import annotations

import asyncio
from typing import Final

from relay.errors import DrainingError
from relay.journal.ids import parse
from relay.journal.journal import Journal
from relay.journal.tail import Tail
from relay.streaming.feed import SWEEP_SECONDS, PartitionFeed
from relay.streaming.links import Link
from relay.streaming.members import Member, P, Selection
from relay.streaming.replay import Replay, in_one_step

_EVENT_ID: Final = "evt_"


class Hub:
    """Feeds of the partitions that have local listeners; each is followed once, however many listen."""

    def __init__(self, tail: Tail, journal: Journal) -> None:
        self._tail = tail
        self._journal = journal
        self._feeds: dict[int, PartitionFeed] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._stopped = False

    def __repr__(self) -> str:
        return f"Hub({'stopped' if self._stopped else list(self._feeds.values())})"

    @property
    def store_away(self) -> bool:
        """Whether the store is known to be out of reach, or not to be the one it was."""
        return not self._journal.store.available

    async def join(
        self,
        account: str,
        member: Member[P],
        selection: Selection[P],
        *,
        after: str | None = None,
        interrupt: str | None = None,
    ) -> Link[P]:
        """Give a member the account's events after an id, old ones first, then live ones as they come.

        ``after`` is a stream id or event id; None joins at the live end. History that is lost is told by
        `Member.gap` before what follows it: trimmed events go on from the oldest left; an id beyond the
        journal's end, or of another partition, from the live end. While the store is away it waits.
        With ``interrupt`` (a client id, a login) the link ends at the first record about that Bayeux session
        or login that is still in memory: everything before is delivered, `Link.position` is the record's, and
        `Member.interrupted` is called. What is older is read from the account's history, which has no such
        records: where `Link.paged` says so, whoever joined must look for itself whether it has missed one.
        Returns at the live end, or with a link that is no longer ``live``: interrupted, dropped, or because
        `Member.ready` said that it had enough. The caller owns the link and ends it with `Link.leave`;
        cancelled, the join leaves nothing behind.

        Raises:
            DrainingError: the hub is stopping.
            InvalidIdError: ``after`` is no id.

        """
        link = self.join_at_once(account, member, selection, after=after, interrupt=interrupt)
        if link is not None:
            return link
        asked = None if after is None else parse(after)
        feed = self._feed(self._journal.store.keys(account).partition)
        with feed.held():
            stream = await feed.stream(account)
            link = Link(stream, member, selection, stream.served() if asked is None else asked, interrupt)
            stream.links.add(link)
            try:
                if after is None:
                    stream.enter(link, link.at)
                else:
                    replay = Replay(self._journal, stream, link)
                    if _elsewhere(after, feed):
                        await replay.lost()
                    await replay.run(partition=feed.partition, reached=feed.frontier.at)
            except BaseException:
                link.leave()
                raise
            if stream.late:
                feed.attend(stream)
        return link

    def join_at_once(
        self,
        account: str,
        member: Member[P],
        selection: Selection[P],
        *,
        after: str | None = None,
        interrupt: str | None = None,
    ) -> Link[P] | None:
        """Join as `join` does if nothing need be read or waited for; None if it must be."""
        feed = self._feed(self._journal.store.keys(account).partition)
        stream = feed.known(account)
        if stream is None:
            return None
        at = stream.served() if after is None else parse(after)
        if after is not None and (_elsewhere(after, feed) or not in_one_step(stream, at, feed.frontier.at)):
            return None
        link = Link(stream, member, selection, at, interrupt)
        stream.links.add(link)
        try:
            stream.enter(link, at)
        except BaseException:
            link.leave()
            raise
        if stream.late:
            feed.attend(stream)
        return link

    async def position(self, account: str) -> str:
        """Return the live end: whoever joins after it within seconds misses nothing committed from now on.

        Raises:
            DrainingError: the hub is stopping.

        """
        feed = self._feed(self._journal.store.keys(account).partition)
        with feed.held():
            return str((await feed.stream(account)).served())

    def known_position(self, account: str) -> str | None:
        """Return the live end as `position` does, None where it must be waited for."""
        stream = self._feed(self._journal.store.keys(account).partition).known(account)
        return None if stream is None else str(stream.served())

    async def stop(self) -> None:
        """Serve nobody any more. Those who hold connections end them before."""
        self._stopped = True
        if self._sweep is not None:
            self._sweep.cancel()
        feeds, self._feeds = list(self._feeds.values()), {}
        await asyncio.gather(*(feed.close() for feed in feeds), *self._closing)

    def _feed(self, partition: int) -> PartitionFeed:
        if self._stopped:
            raise DrainingError("the hub has stopped")
        feed = self._feeds.get(partition)
        if feed is None:
            feed = self._feeds[partition] = PartitionFeed(partition, self._tail, self._journal)
            if self._sweep is None:
                self._sweep = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep_feeds)
        return feed

    def _sweep_feeds(self) -> None:
        for partition, feed in list(self._feeds.items()):
            feed.sweep()
            if feed.unused:
                del self._feeds[partition]
                closing = asyncio.create_task(feed.close(), name=f"feed-close-{partition:02d}")
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
        loop = asyncio.get_running_loop()
        self._sweep = loop.call_later(SWEEP_SECONDS, self._sweep_feeds) if self._feeds else None


def _elsewhere(after: str, feed: PartitionFeed) -> bool:
    """Tell whether an event id is of another partition."""
    return after.startswith(_EVENT_ID) and int(after.split("_")[1]) != feed.partition
