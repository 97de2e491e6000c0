"""Members of the hub that keep what they are given."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from relay.journal.record import Entry
from relay.streaming.members import Gap, Member, user_route


@dataclass(frozen=True)
class Tones:
    """Selects the numbers of tones, everybody's or one user's."""

    user_id: str | None = None

    @property
    def routes(self) -> tuple[str, ...]:
        """Return the user's route."""
        return (user_route(self.user_id),) if self.user_id else ()

    def pick(self, entries: Sequence[Entry]) -> list[int] | None:
        """Return the numbers."""
        wanted = [
            int(entry.event.details["digits"])
            for entry in entries
            if self.user_id in (None, entry.event.party.address.user_id)
        ]
        return wanted or None


class Keeping(Member[list[int]]):
    """Keeps numbers and gaps in the order they come."""

    def __init__(self, *, enough: int | None = None) -> None:
        self.told: list[int | Gap] = []
        self.deliveries = 0
        self.records: list[Entry] = []
        self.drops = 0
        self._enough = enough

    def deliver(self, payload: list[int]) -> None:
        """Keep numbers."""
        self.deliveries += 1
        self.told += payload

    def gap(self, gap: Gap) -> None:
        """Keep the gap."""
        self.told.append(gap)

    def dropped(self) -> None:
        """Count."""
        self.drops += 1

    def interrupted(self, record: Entry) -> None:
        """Keep the record."""
        self.records.append(record)

    async def ready(self) -> bool:
        """Take more until there is enough."""
        await asyncio.sleep(0)
        return self._enough is None or len(self.told) < self._enough
