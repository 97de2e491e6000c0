"""References to events: what queues hold, how they are ordered, and the ids deliveries have."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from relay.errors import NotFoundError
from relay.journal.ids import parse
from relay.journal.record import Entry
from relay.webhooks.attempts import Attempt

_SEQUENCES: Final = 4096
_DELIVERY: Final = re.compile(r"dlv_([0-9]{2,4})_([0-9a-f]{32})_([0-9]{1,20}-[0-9]{1,20})", re.ASCII)

SUBSCRIPTION_PREFIX: Final = "sub_"


def score(stream_id: str) -> int:
    """Return an event's place in every ZSET of events: ms x 4096 + sequence, exact as a double until 2039.

    A store whose clock was set back counts sequences until it has caught up, perhaps beyond 4096. Their places
    then run into those of the next milliseconds, which harms only order, and only around that moment.
    """
    at = parse(stream_id)
    return at.ms * _SEQUENCES + at.seq


def time_of(place: int) -> float:
    """Return the time of the event at a place, in seconds since the epoch."""
    return place // _SEQUENCES / 1000


class Reference:
    """One event on its way to one subscription, its record loaded."""

    __slots__ = ("attempts", "entry", "event", "history", "lane", "score")

    def __init__(self, entry: Entry, *, attempts: int = 0, history: tuple[Attempt, ...] = ()) -> None:
        self.entry = entry
        self.event = entry.id.stream_id
        self.score = score(self.event)
        self.lane = entry.event.session.id
        #: Attempts made so far; none while it has never failed.
        self.attempts = attempts
        #: Those of them that are still kept.
        self.history = history

    def __repr__(self) -> str:
        return f"Reference({self.event} of call {self.lane}, {self.attempts} attempts)"


class DeliveryId(NamedTuple):
    """A delivery's id, made of where it is, so that it is found without an index."""

    partition: int
    subscription: str
    event: str

    def __str__(self) -> str:
        subscription = self.subscription.removeprefix(SUBSCRIPTION_PREFIX)
        return f"dlv_{self.partition:02d}_{subscription}_{self.event}"

    @classmethod
    def parse(cls, text: str) -> DeliveryId:
        """Read a delivery's id.

        Raises:
            NotFoundError: it is none, so there is no such delivery.

        """
        matched = _DELIVERY.fullmatch(text)
        if matched is None:
            raise NotFoundError("there is no such delivery")
        return cls(int(matched[1]), SUBSCRIPTION_PREFIX + matched[2], matched[3])
