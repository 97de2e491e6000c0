"""An exact account of what reached an endpoint, against the history of what happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import ceil
from typing import Any, Final, NamedTuple

from relay.journal.ids import parse

Report = Callable[[str, object], None]
"""What pytest's `record_property` is."""

FAULT: Final = "fault"
"""Name of the property under which a test reports its rows."""


class Arrival(NamedTuple):
    """One request that reached an endpoint, in order of arrival."""

    id: str
    """The `webhook-id`."""
    call: str
    at_ms: float
    """Since the epoch."""
    taken: bool
    """Whether it was answered 2xx."""

    @property
    def delay_ms(self) -> float:
        """The time since its event was committed; both clocks are this machine's."""
        return self.at_ms - parse(self.id).ms


def now_ms() -> float:
    """Return the time in milliseconds since the epoch."""
    return time.time_ns() / 1e6


class Tally(NamedTuple):
    """What became of events at one endpoint."""

    events: int
    """That it was owed."""
    lost: int
    """Never taken."""
    disordered: int
    """Requests that came after one for a newer event of their call."""
    repeats: int
    """Requests for events that had been taken."""
    unknown: int
    """Requests for what never happened."""

    @classmethod
    def of(cls, history: Sequence[Mapping[str, Any]], arrivals: Iterable[Arrival]) -> Tally:
        """Account for every event of a history, oldest first, by every request."""
        place = {event["event_id"]: number for number, event in enumerate(history)}
        taken: set[str] = set()
        reached: dict[str, int] = {}
        disordered = repeats = unknown = 0
        for arrival in arrivals:
            at = place.get(arrival.id)
            if at is None:
                unknown += 1
                continue
            disordered += at < reached.get(arrival.call, 0)
            reached[arrival.call] = max(at, reached.get(arrival.call, 0))
            repeats += arrival.id in taken
            if arrival.taken:
                taken.add(arrival.id)
        return cls(len(place), len(place) - len(taken), disordered, repeats, unknown)

    def __add__(self, other: tuple[int, ...]) -> Tally:  # type: ignore[override]
        """Return the account of two endpoints together."""
        return Tally(*(one + two for one, two in zip(self, other, strict=True)))


def p99_ms(arrivals: Iterable[Arrival]) -> float:
    """Return the time from commit to receipt that one in a hundred requests exceeded; 0 without any."""
    ordered = sorted(arrival.delay_ms for arrival in arrivals)
    return ordered[ceil(len(ordered) * 0.99) - 1] if ordered else 0.0


def row(fault: str, tally: Tally, others: Iterable[Arrival]) -> tuple[str, ...]:
    """Return a line of the table: the fault, its account, and how the other endpoints fared meanwhile."""
    others = list(others)
    p99 = p99_ms(others)
    shown = f"{p99:,.0f} ms" if p99 < 1000 else f"{p99 / 1000:,.1f} s"
    return (fault, *(f"{count:,}" for count in tally[:4]), shown if others else "-")


HEAD: Final = ("fault", "events", "lost", "out of order", "repeats", "other endpoints' p99")


def table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    return ["| " + " | ".join(cells) + " |" for cells in (HEAD, ("---", *("---:",) * (len(HEAD) - 1)), *rows)]
