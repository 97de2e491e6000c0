"""One partition's live entries, taken from the tail and handed to the accounts that have listeners here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from relay.errors import StoreUnavailableError
from relay.journal.ids import START, parse
from relay.journal.journal import Journal
from relay.journal.record import TOLD, Entry
from relay.journal.tail import Tail
from relay.streaming.account import AccountStream, Frontier, Pace
from relay.streaming.links import faults_kept
from relay.streaming.members import INTERRUPTING, Gap
from relay.streaming.ring import RING_SECONDS
from relay.telemetry import log

SWEEP_SECONDS: Final = 5.0
"""How often rings are trimmed and accounts without listeners looked for."""
IDLE_SWEEPS: Final = int(RING_SECONDS / SWEEP_SECONDS)
"""Sweeps after which an account without listeners is let go: who reconnects soon resumes from the ring."""

_FOLLOWED: Final = TOLD | INTERRUPTING
_log: Final = log.get("streaming")


class PartitionFeed:
    """A listener on the tail. Entries are put into rings as they come; one task serves whoever listens."""

    def __init__(self, partition: int, tail: Tail, journal: Journal) -> None:
        self.partition = partition
        self._journal = journal
        self._frontier = Frontier(parse(START))
        self._begun = False
        self._pace = Pace()
        self._streams: dict[str, AccountStream] = {}
        self._idle: dict[str, int] = {}
        self._waiting = 0
        self._attention: dict[AccountStream, None] = {}
        self._wake = asyncio.Event()
        self._listening = tail.listen(partition, self)
        self._pump = asyncio.create_task(self._serve(), name=f"feed-{partition:02d}")

    def __repr__(self) -> str:
        return f"PartitionFeed({self.partition}, {len(self._streams)} accounts, at {self._frontier.at})"

    @property
    def unused(self) -> bool:
        """Whether nobody listens, joins or may soon come back."""
        return not self._streams and not self._waiting

    @property
    def frontier(self) -> Frontier:
        """How far entries have come."""
        return self._frontier

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the feed from being let go while somebody joins."""
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def stream(self, account: str) -> AccountStream:
        """Return the account's stream, once the reader knows where it is. Every later entry is in its ring.

        Raises:
            DrainingError: stopped meanwhile.

        """
        position = await self._listening.ready()
        if not self._begun:
            self._begun = True
            self._frontier.at = parse(position)
        self._idle[account] = 0
        found = self._streams.get(account)
        if found is None:
            found = self._streams[account] = AccountStream(account, self._frontier, self._pace)
        return found

    def known(self, account: str) -> AccountStream | None:
        """Return the account's stream if there is one already."""
        found = self._streams.get(account)
        if found is not None:
            self._idle[account] = 0
        return found

    def entries(self, partition: int, batch: Sequence[Entry]) -> None:
        """Take what the reader brought. Called by the tail."""
        del partition
        now = asyncio.get_running_loop().time()
        for entry in batch:
            stream = self._streams.get(entry.account)
            if stream is None or entry.kind not in _FOLLOWED:
                continue
            if entry.kind in INTERRUPTING or entry.readable:
                stream.ring.append(entry, now)
                self._attention[stream] = None
        self._begun = True
        self._frontier.at = parse(batch[-1].id.stream_id)
        if self._attention:
            self._wake.set()

    def reset(self, partition: int, position: str) -> None:
        """Go on from a position although entries may be lost. Called by the tail."""
        self._begun = True
        for stream in self._streams.values():
            stream.owe_gaps()
        self._frontier.at = parse(position)
        for stream in self._streams.values():
            stream.restart()
            self._attention[stream] = None
        self._wake.set()
        _log.warning("feed reset", partition=partition, position=position)

    def attend(self, stream: AccountStream) -> None:
        """Look at a stream when the reader has come further: somebody waits there for it."""
        self._attention[stream] = None

    def sweep(self) -> None:
        """Trim rings, and let go accounts that had no listeners for a while."""
        now = asyncio.get_running_loop().time()
        for account, stream in list(self._streams.items()):
            stream.trim(now)
            self._idle[account] = 0 if stream.links else self._idle[account] + 1
            if self._idle[account] > IDLE_SWEEPS:
                del self._streams[account], self._idle[account]
                self._attention.pop(stream, None)

    async def close(self) -> None:
        """Stop listening, and serve nobody any more."""
        self._listening.close()
        self._pump.cancel()
        await asyncio.wait((self._pump,))

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if not self._wake.is_set():
                await self._wake.wait()
                self._pace.begin()
            self._wake.clear()
            attention, self._attention = self._attention, {}
            for stream in attention:
                try:
                    if stream.gapped:
                        await self._tell_gaps(stream)
                    await stream.catch_up(loop.time())
                except Exception:  # noqa: BLE001 - the other accounts must be served; these come again
                    _log.exception("account not served", partition=self.partition)
                    stream.abandon()
                if stream.late:
                    self._attention[stream] = None

    async def _tell_gaps(self, stream: AccountStream) -> None:
        try:
            oldest = await self._journal.oldest(stream.account)
        except StoreUnavailableError:
            oldest = None
        gapped, stream.gapped = stream.gapped, []
        for link, at in gapped:
            link.gap_owed = False
            if link.live:
                with faults_kept(link.member):
                    link.member.gap(Gap(str(at), oldest))
