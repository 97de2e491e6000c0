"""The processes that share a store, by heartbeat: how many there are decides how much each may own."""

from __future__ import annotations

import math
from typing import Final, final

from relay.journal.keys import MEMBERS
from relay.journal.scripts import Script
from relay.journal.store import Store

_BEAT: Final = Script("members_beat")


def fair_share(partitions: int, members: int) -> int:
    """Return how many partitions one of so many members may hold: enough that together they hold all."""
    return math.ceil(partitions / max(1, members))


@final
class Members:
    """One member's place among all. Its calls raise StoreUnavailableError."""

    def __init__(self, store: Store, member: str, *, ttl: float) -> None:
        self._store = store
        self._member = member
        self._ttl_ms = round(ttl * 1000)

    async def beat(self) -> int:
        """Show that this member is alive; return how many are."""
        return int(await self._store.run(_BEAT, [MEMBERS], [self._member, self._ttl_ms]))

    async def leave(self) -> None:
        """Leave at once, so that the others share out what this member had."""
        await self._store.call("ZREM", MEMBERS, self._member)
