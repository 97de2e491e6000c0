"""What lanes note of a queue that is read in pages. Pure."""

from __future__ import annotations

from typing import NamedTuple, final


class Short(NamedTuple):
    """A lane that has room for references which were passed over."""

    lane: str
    after: int
    """They lie after this place,"""
    up_to: int
    """and up to this one."""


@final
class Passed:
    """Where references of one lane lie that were passed over."""

    __slots__ = ("count", "first", "last")

    def __init__(self, place: int) -> None:
        self.first = self.last = place
        self.count = 1

    def __repr__(self) -> str:
        return f"Passed({self.count} from {self.first} to {self.last})"


@final
class Page:
    """What happened while a page was being read, so that what it shows may be out of date."""

    __slots__ = ("arrived", "back_to", "resumed", "settled")

    def __init__(self) -> None:
        self.arrived = False
        self.back_to: int | None = None
        self.resumed: set[str] = set()
        self.settled: set[str] = set()

    def __repr__(self) -> str:
        return f"Page({len(self.settled)} settled, {len(self.resumed)} lanes resumed since)"
