"""Receipts: what a command came to, written with its change, for whoever asks for the same command again."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from relay.journal.store import Store

KEPT: Final = 24 * 60 * 60
"""Seconds a receipt is kept: as long as a command may be asked for again."""


class Receipt(NamedTuple):
    """Which leg a command was accepted with."""

    command: str
    """What the command is known by, in its account."""
    session: str
    leg: str | None
    """None: the first of a session that the command made."""


_decode: Final = msgspec.json.Decoder(tuple[str, str, str | None]).decode


class Receipts:
    """The journal's part for receipts; commits write them."""

    _store: Store

    async def receipt(self, account: str, command: str) -> Receipt | None:
        """Return what a command came to, or None where it changed nothing, or long ago.

        Raises:
            StoreUnavailableError: no answer.

        """
        found = await self._store.call("GET", self._store.keys(account).receipt(command))
        return None if found is None else Receipt(*_decode(found))
