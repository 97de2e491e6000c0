"""References to events: what queues hold, how they are ordered, and the ids deliveries have."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from relay.errors import NotFoundError
from relay.journal.ids import StreamId, parse
from relay.journal.record import Entry
from relay.subscriptions.store import PREFIX
from relay.webhooks.attempts import Attempt

_SEQUENCES: Final = 4096
_EVENT: Final = re.compile(r"[0-9]{1,20}-[0-9]{1,20}", re.ASCII)
_DELIVERY: Final = re.compile(r"dlv_([0-9]{2,4})_([0-9a-f]{32})_([0-9]{1,20}-[0-9]{1,20})", re.ASCII)


def place(at: StreamId) -> int:
    """Return an event's place in every ZSET of events: ms x 4096 + sequence, exact as a double until 2039.

    A store whose clock was set back counts sequences until it has caught up, perhaps beyond 4096. Their
    places then run into those of the next milliseconds: order may suffer, and only around that moment.
    """
    return at.ms * _SEQUENCES + at.seq


def event_at(score: int) -> StreamId:
    """Return the id of the event at a place."""
    return StreamId(*divmod(score, _SEQUENCES))


def time_of(score: int) -> float:
    """Return the time of the event at a place, in seconds since the epoch."""
    return score // _SEQUENCES / 1000


class Reference:
    """One event on its way to subscriptions, its record loaded."""

    __slots__ = ("attempts", "entry", "event", "history", "lane", "score")

    def __init__(
        self, entry: Entry, score: int, *, attempts: int = 0, history: tuple[Attempt, ...] = ()
    ) -> None:
        self.entry = entry
        self.event = entry.id.stream_id
        self.score = score
        self.lane = entry.lane
        #: Attempts made so far; none while it has never failed.
        self.attempts = attempts
        #: Those of them that are still kept.
        self.history = history

    def __repr__(self) -> str:
        return f"Reference({self.event} of call {self.lane}, {self.attempts} attempts)"


class Missing(NamedTuple):
    """A reference whose event is kept nowhere any more."""

    event: str
    score: int
    lane: str = ""
    """Its call, where it heads a failing lane."""
    attempts: int = 0


class Waiting(NamedTuple):
    """A failing lane as it is kept."""

    attempts: int
    """Made at the first of its events."""
    events: tuple[str, ...]
    """Stream ids: the event that failed, then those that wait behind it."""


def read_lane(state: bytes) -> Waiting | None:
    """Read ``<attempts> <event> <event>...``, None if it is something else."""
    attempts, *events = state.decode(errors="replace").split(" ")
    if not (attempts.isdigit() and events and all(map(is_event, events))):
        return None
    return Waiting(int(attempts), tuple(events))


def is_event(text: str) -> bool:
    """Tell whether a text is the stream id of an event."""
    return _EVENT.fullmatch(text) is not None


class DeliveryId(NamedTuple):
    """A delivery's id, made of where it is, so that it is found without an index."""

    partition: int
    subscription: str
    event: str

    def __str__(self) -> str:
        return f"dlv_{self.partition:02d}_{self.subscription.removeprefix(PREFIX)}_{self.event}"

    @property
    def place(self) -> int:
        """The event's place."""
        return place(parse(self.event))

    @classmethod
    def parse(cls, text: str) -> DeliveryId:
        """Read a delivery's id.

        Raises:
            NotFoundError: it is none, so there is no such delivery.

        """
        matched = _DELIVERY.fullmatch(text)
        if matched is None:
            raise NotFoundError("there is no such delivery")
        return cls(int(matched[1]), PREFIX + matched[2], matched[3])
