"""A member's place in its account's events, and the groups that members with equal selections share."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Generic, Protocol

from relay.journal.ids import StreamId
from relay.journal.record import TOLD, Entry
from relay.streaming.members import Member, P, Selection, client_of
from relay.streaming.ring import Held
from relay.telemetry import log

NO_MORE: Final = sys.maxsize
"""A round that never comes: who needs nothing of it is given nothing any more."""

_log: Final = log.get("streaming")


@contextmanager
def faults_kept(member: Member[Any]) -> Iterator[None]:
    """Log what a member raises: its fault must not keep events from the others."""
    try:
        yield
    except Exception:  # noqa: BLE001 - whatever it is
        _log.exception("member failed", member=repr(member))


class Group(Generic[P]):
    """Members of one selection that are served from the live end."""

    __slots__ = ("links", "pending", "selection")

    def __init__(self, selection: Selection[P]) -> None:
        self.selection = selection
        self.links: dict[Link[P], None] = {}
        self.pending = False
        """Whether the present round has something for them that not all have been given."""

    def __repr__(self) -> str:
        return f"Group({self.selection!r}, {len(self.links)} members)"


class Source(Protocol):
    """What links are served from."""

    def position_of(self, link: Link[Any]) -> StreamId:
        """Return how far a link at the live end is served."""
        ...

    def remove(self, link: Link[Any]) -> None:
        """Let nothing come to a link any more."""
        ...


class Link(Generic[P]):
    """A member's place in its account's events: joining, then live, then ended."""

    __slots__ = (
        "_at",
        "_source",
        "gap_owed",
        "group",
        "interrupt",
        "left",
        "live",
        "member",
        "paged",
        "round",
        "selection",
    )

    def __init__(
        self, source: Source, member: Member[P], selection: Selection[P], at: StreamId, interrupt: str | None
    ) -> None:
        self._source = source
        self._at = at
        self.member = member
        self.selection = selection
        self.interrupt = interrupt
        """Client whose session records end the link."""
        self.group: Group[P] | None = None
        """Its group while it is at the live end, else None."""
        self.round = 0
        """The last round that it needs nothing of any more."""
        self.gap_owed = False
        """Whether events are lost and the member has not been told yet."""
        self.live = True
        """Whether anything may still come: not once it left, was interrupted, dropped, or had enough."""
        self.left = False
        """Whether the member itself ended it."""
        self.paged = False
        """Whether part of the way was history, which has no records that interrupt."""

    def __repr__(self) -> str:
        state = "ended" if not self.live else "joining" if self.group is None else "live"
        return f"Link({state} at {self.position})"

    @property
    def at(self) -> StreamId:
        """How far it is served: every selected event up to here was handed to the member, and none after."""
        return self._at if self.group is None or self.gap_owed else self._source.position_of(self)

    @property
    def position(self) -> str:
        """The stream id it is served up to; right inside `Member.deliver` too."""
        return str(self.at)

    def leave(self) -> None:
        """End the link: nothing comes from this moment on. May be called again."""
        self.left = True
        self.end(self.at)

    def end(self, at: StreamId) -> None:
        """End the link at a position."""
        if self.live:
            self._at = at
            self.live = False
            self.round = NO_MORE
            self._source.remove(self)

    def move(self, at: StreamId) -> None:
        """Note how far a link that is not at the live end is served."""
        self._at = at

    def serve(self, found: Sequence[Held], to: StreamId) -> None:
        """Hand this member alone the entries up to a position, or up to the record that interrupts it."""
        calls: list[Entry] = []
        for held in found:
            if held.entry.kind in TOLD:
                calls.append(held.entry)
            elif self.interrupt is not None and client_of(held.entry) == self.interrupt:
                self.interrupt_at(held, calls)
                return
        self.move(to)
        self._hand(calls)

    def interrupt_at(self, record: Held, before: Sequence[Entry]) -> None:
        """End the link at a record, with the entries before it delivered."""
        self.end(record.key)
        self._hand(before)
        if not self.left:
            self.member.interrupted(record.entry)

    def _hand(self, calls: Sequence[Entry]) -> None:
        payload = self.selection.pick(calls) if calls else None
        if payload is not None:
            self.member.deliver(payload)
