"""Which events a WebSocket's subscription is told of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from relay.dialects.ringcentral.notifications import FORMAT
from relay.journal.record import Entry
from relay.streaming.members import user_route
from relay.subscriptions.filters import Filter, compile_filter
from relay.subscriptions.model import EventFilter
from relay.subscriptions.rendering import Rendered, Renderers, rendered


class Notice(NamedTuple):
    """An event that is to be told."""

    entry: Entry
    event: Rendered


@dataclass(frozen=True, slots=True)
class Wanted:
    """A selection of the hub: what filters choose; subscribers of equal filters share it."""

    filters: tuple[EventFilter, ...]
    users: tuple[str, ...]
    """The only users whose events can match; none: anybody's."""
    wanted: Filter = field(compare=False, repr=False)
    renderers: Renderers = field(compare=False, repr=False)

    @classmethod
    def of(cls, filters: tuple[EventFilter, ...], users: tuple[str, ...], renderers: Renderers) -> Wanted:
        """Make the selection."""
        wanted = compile_filter(labels=[one.labels for one in filters])
        return cls(filters, users, wanted, renderers)

    @property
    def routes(self) -> tuple[str, ...]:
        """Return the routes of events that can match."""
        return tuple(map(user_route, self.users))

    def pick(self, entries: Sequence[Entry]) -> list[Notice] | None:
        """Return what is to be told of these records."""
        found = [Notice(entry, event) for entry in entries if (event := self._event(entry)) is not None]
        return found or None

    def _event(self, entry: Entry) -> Rendered | None:
        event = rendered(entry, FORMAT, self.renderers)
        return event if event is not None and self.wanted.matches(event) else None
