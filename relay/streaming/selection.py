"""What an event stream selects, and the bytes it is sent.

Each event is rendered once per format, and framed once per format and framing, whoever wants it: the results
stay with the entry.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from relay.errors import InvalidFieldError
from relay.journal.record import LOGGED, Entry
from relay.streaming.frames import Framing, event
from relay.streaming.members import extension_route, user_route
from relay.subscriptions.filters import Filter, compile_filter
from relay.subscriptions.rendering import Rendered, Renderers, rendered


@dataclass(frozen=True, slots=True)
class Framed:
    """A selection whose payload is bytes for the socket."""

    format: str
    framing: Framing
    types: frozenset[str]
    """Event types wanted, ``*`` allowed at the end of each; none: all."""
    extensions: frozenset[str]
    """Extensions whose legs are wanted; none: all."""
    user_id: str | None
    """The only user whose legs may be seen; None: everybody's."""
    wanted: Filter = field(compare=False, repr=False)
    renderers: Renderers = field(compare=False, repr=False)

    @classmethod
    def of(
        cls,
        event_format: str,
        framing: Framing,
        renderers: Renderers,
        *,
        types: Collection[str] = (),
        extensions: Collection[str] = (),
        user_id: str | None = None,
    ) -> Framed:
        """Make a selection.

        Raises:
            InvalidFieldError: ``format``, ``types`` or ``extensions`` cannot be used.

        """
        if event_format not in renderers:
            raise InvalidFieldError("format", f"must be one of {', '.join(sorted(renderers))}")
        wanted = compile_filter(types, extensions)
        return cls(event_format, framing, frozenset(types), frozenset(extensions), user_id, wanted, renderers)

    @property
    def routes(self) -> tuple[str, ...]:
        """Return the routes of events that can match."""
        if self.user_id is not None:
            return (user_route(self.user_id),)
        return tuple(extension_route(extension) for extension in sorted(self.extensions))

    def pick(self, entries: Sequence[Entry]) -> bytes | None:
        """Return the frames of the entries that match, joined: they leave in one write."""
        frames = [frame for entry in entries if (frame := self._frame(entry)) is not None]
        return b"".join(frames) if frames else None

    def _frame(self, entry: Entry) -> bytes | None:
        if entry.kind not in LOGGED:
            return None  # what history cannot repeat has no place in a stream that resumes
        shown = rendered(entry, self.format, self.renderers)
        if shown is None or not self._matches(shown):
            return None
        key = f"{self.format} {self.framing}"
        frame: bytes | None = entry.rendered.get(key)
        if frame is None:
            frame = self.framing.apply(
                event(shown.event or shown.type, shown.body, stream_id=entry.id.stream_id)
            )
            entry.rendered[key] = frame
        return frame

    def _matches(self, shown: Rendered) -> bool:
        return (self.user_id is None or shown.user_id == self.user_id) and self.wanted.matches(shown)
