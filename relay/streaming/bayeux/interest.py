"""What a session wants of its account's events: its user's own, on the channels it is subscribed to. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from relay.journal.ids import StreamId, parse
from relay.journal.record import Entry
from relay.streaming.bayeux.channels import lookups
from relay.streaming.bayeux.messages import payload
from relay.streaming.bayeux.wire import text_frame
from relay.streaming.members import user_route
from relay.subscriptions.rendering import Renderers, rendered


@dataclass(frozen=True, slots=True)
class Events:
    """Event messages as they go out, in the journal's order: one object for everybody who is given them."""

    messages: tuple[bytes, ...]
    size: int
    """Bytes of all messages."""
    last: str
    """Stream id of the last event."""
    frame: bytes = field(repr=False)
    """One websocket frame with all of them."""

    @classmethod
    def of(cls, messages: Sequence[bytes], last: str) -> Events:
        """Return them with what follows from them."""
        return cls(tuple(messages), sum(map(len, messages)), last, text_frame(payload(messages)))


@dataclass(frozen=True)
class Interest:
    """A selection whose payload is event messages. Sessions of a user with the same patterns share it."""

    user_id: str
    format: str
    patterns: tuple[tuple[str, StreamId | None], ...]
    """Sorted patterns; an entry matches one only after the id that stands with it."""
    renderers: Renderers = field(compare=False, repr=False, kw_only=True)
    _since: dict[str, StreamId | None] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_since", dict(self.patterns))

    @property
    def routes(self) -> tuple[str, ...]:
        """Return the routes of events that can match."""
        return (user_route(self.user_id),)

    def pick(self, entries: Sequence[Entry]) -> Events | None:
        """Return the messages of the entries that match, each once however many patterns match it."""
        found, last = [], ""
        for entry in entries:
            shown = rendered(entry, self.format, self.renderers)
            if shown is not None and shown.user_id == self.user_id and self._matches(shown.type, entry):
                found.append(shown.body)
                last = entry.id.stream_id
        return Events.of(found, last) if found else None

    def _matches(self, channel: str, entry: Entry) -> bool:
        for pattern in lookups(channel):
            if pattern in self._since:
                since = self._since[pattern]
                if since is None or parse(entry.id.stream_id) > since:
                    return True
        return False


def patterns_after(
    position: str, subscriptions: Mapping[str, str]
) -> tuple[tuple[str, StreamId | None], ...]:
    """Return the patterns, with the ids they begin at where those lie ahead of the position."""
    at = parse(position)
    found = []
    for pattern, since in sorted(subscriptions.items()):
        begins = parse(since)
        found.append((pattern, begins if begins > at else None))
    return tuple(found)


def first_of_interest(position: str, subscriptions: Mapping[str, str]) -> str:
    """Return after which id something can match: the position, or where the first subscription begins."""
    begins = [parse(since) for since in subscriptions.values()]
    return str(max(parse(position), min(begins))) if begins else position
