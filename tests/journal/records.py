"""Accounts and records for tests of the journal's readers and owners."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from relay.journal.journal import Journal
from relay.journal.keys import partition_of
from relay.journal.record import Entry, Record, RecordKind


def account_in(partition: int, partitions: int = 16, *, number: int = 0) -> str:
    """Return an account that lives in a partition; another one for every number."""
    names = (f"account-{index}" for index in itertools.count())
    found = (name for name in names if partition_of(name, partitions) == partition)
    return next(itertools.islice(found, number, None))


async def append(journal: Journal, account: str, count: int = 1, *, size: int = 2) -> list[str]:
    """Write records of so many bytes and return their ids."""
    record = Record(RecordKind.SUBSCRIPTION, account, b"{" + b" " * (size - 2) + b"}")
    ids: list[str] = []
    while len(ids) < count:
        ids += await journal.append(account, [record] * min(1000, count - len(ids)))
    return ids


class Collecting:
    """A listener that keeps the ids of what it gets, and the resets."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.resets: list[str] = []

    def entries(self, partition: int, batch: Sequence[Entry]) -> None:
        """Keep the ids."""
        self.ids += [entry.id.stream_id for entry in batch]

    def reset(self, partition: int, position: str) -> None:
        """Keep the position."""
        self.resets.append(position)
