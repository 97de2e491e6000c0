"""The journal as the rest of relay sees it."""

from __future__ import annotations

from relay.journal.agents import Agents
from relay.journal.commit import Committing
from relay.journal.devices import Devices
from relay.journal.reading import LastKnown, Reading
from relay.journal.receipts import Receipts
from relay.journal.store import Store


class Journal(Committing, Reading, Receipts, Devices, Agents):
    """Commits and reads of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last_known = LastKnown()

    @property
    def store(self) -> Store:
        """The store it is kept in."""
        return self._store

    def __repr__(self) -> str:
        return f"Journal({self._store!r})"
