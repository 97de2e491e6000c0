"""Which event goes to an endpoint next. Pure: it moves nothing and knows no time.

A subscription's queue is seen through a *window*: its first references, loaded. References of one call form a
*lane*: they go one after another, each only once the outcome before it is stored. Lanes go in parallel up to
the endpoint's limit. A lane whose head failed leaves the window with all it holds there, so that however many
lanes fail, the others go on; it comes back once its head is settled. A lane has a share of the window: what
is beyond is *passed over*, so that others behind it are found, and read again when the lane has room.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from operator import attrgetter
from typing import Final, Generic, Protocol, TypeVar, final

from relay.webhooks.pages import Page, Passed, Short

WINDOW: Final = 64
"""References of one subscription that are loaded at a time, unless its limit in flight asks for more."""
WINDOW_PER_REQUEST: Final = 4
"""References loaded per request in flight: a call's events come in runs, and each run is one lane."""
LANE_SHARE: Final = 4
"""Lanes that fill a window: however long the run of one call, others go on beside it."""
PASSED_PER_PLACE: Final = 16
"""References passed over for each place in the window, at most: each is read twice."""
MAX_FAILING: Final = 10_000
"""Failing lanes of one subscription that are remembered; while there are as many, it gets retries only."""


class Queued(Protocol):
    """What lanes need to know of a reference to an event."""

    @property
    def event(self) -> str:
        """Its identity."""
        ...

    @property
    def lane(self) -> str:
        """Its call."""
        ...

    @property
    def score(self) -> int:
        """Its place in the queue."""
        ...

    @property
    def attempts(self) -> int:
        """Attempts made; not 0 for the head of a failing lane."""
        ...


Q = TypeVar("Q", bound=Queued)

_place: Final = attrgetter("score")


@final
class Lanes(Generic[Q]):
    """One subscription's lanes. Whoever takes a reference says how it ended."""

    def __init__(self, limit: int, *, window: int = WINDOW, max_failing: int = MAX_FAILING) -> None:
        self._window = window
        self._max_failing = max_failing
        self.limit(limit)
        self._lanes: dict[str, deque[Q]] = {}  # loaded, the head of each perhaps on its way
        self._loaded: set[str] = set()
        self._passed: dict[str, Passed] = {}  # lanes of which only the beginning is loaded
        self._idle: deque[str] = deque()  # lanes whose head may go
        self._failing: set[str] = set()
        self._trying: set[str] = set()  # failing lanes whose head is overdue, loaded or on its way
        self._withdrawn: dict[str, bool] = {}  # of them those not to be tried for now: are they overdue?
        self._overdue: deque[str] = deque()  # failing lanes whose head may be tried again, not loaded
        self._retries: deque[Q] = deque()  # heads of failing lanes, loaded
        self._claimed = 0  # overdue lanes that are being loaded
        self._in_flight = 0
        self._retried_last = False
        self._position = 0
        self._more = False
        self._page: Page | None = None

    def __repr__(self) -> str:
        return (
            f"Lanes({len(self._loaded)} loaded in {len(self._lanes)} lanes, {self._in_flight} in flight, "
            f"{len(self._passed)} with some passed over, {len(self._failing)} failing"
            f"{', more queued' if self._more else ''})"
        )

    def limit(self, limit: int) -> None:
        """Have at most so many requests on their way at a time; what already is stays so."""
        self._limit = limit
        self._width = max(self._window, WINDOW_PER_REQUEST * limit)
        self._share = max(1, self._width // LANE_SHARE)

    # What is to be sent

    @property
    def in_flight(self) -> int:
        """How many requests are on their way."""
        return self._in_flight

    @property
    def ready(self) -> bool:
        """Whether `take` has something to give."""
        return self._in_flight < self._limit and (self._fresh or bool(self._retries))

    @property
    def _fresh(self) -> bool:
        return bool(self._idle) and len(self._failing) < self._max_failing

    def take(self) -> Q | None:
        """Return the next reference to send now, or None. Retries and others alternate where both wait."""
        if not self.ready:
            return None
        self._in_flight += 1
        if self._retries and not (self._retried_last and self._fresh):
            self._retried_last = True
            return self._retries.popleft()
        self._retried_last = False
        return self._lanes[self._idle.popleft()][0]

    def answered(self) -> None:
        """Note that a request is over: the endpoint may get the next one before the outcome is stored."""
        self._in_flight -= 1

    def put_back(self, reference: Q) -> None:
        """Give back what was taken and not sent."""
        self._in_flight -= 1
        self.again(reference)

    def again(self, reference: Q) -> None:
        """Have a reference taken anew whose answer does not count."""
        if reference.attempts:
            self._retries.appendleft(reference)
        else:
            self._idle.appendleft(reference.lane)

    def done(self, reference: Queued) -> None:
        """Note that a head is settled and its outcome stored: its lane goes on."""
        if reference.attempts:
            self._resume(reference.lane, reference.score)
            return
        lane = self._lanes[reference.lane]
        lane.popleft()
        self._unload(reference)
        if lane:
            self._idle.append(reference.lane)
        else:
            del self._lanes[reference.lane]

    def fail(self, reference: Q) -> list[Q]:
        """Note that a head failed: its lane leaves the window. Returns what was loaded behind the head."""
        if reference.attempts:
            self._trying.discard(reference.lane)
            return []
        lane = self._lanes.pop(reference.lane)
        for one in lane:
            self._unload(one)
        self._failing.add(reference.lane)
        passed = self._passed.pop(reference.lane, None)
        if passed is not None:
            self.rewind(passed.first - 1)
        lane.popleft()
        return list(lane)

    # Failing lanes

    def failing(self, lane: str) -> None:
        """Learn of a lane that was failing already."""
        self._failing.add(lane)

    def overdue(self, lane: str) -> None:
        """Note that a failing lane's head may be tried again."""
        if lane in self._withdrawn:
            self._withdrawn[lane] = True
        elif lane in self._failing and lane not in self._trying:
            self._trying.add(lane)
            self._overdue.append(lane)

    def withdraw(self, lane: str) -> bool:
        """Keep a failing lane's head from being tried; False if that is under way, or it is not failing.

        It is so until `done` or `restore`.
        """
        if lane not in self._failing or lane in self._trying:
            return False
        self._trying.add(lane)
        self._withdrawn[lane] = False
        return True

    def restore(self, lane: str) -> None:
        """Let a withdrawn lane's head be tried again when it is overdue, or has become so."""
        self._trying.discard(lane)
        if self._withdrawn.pop(lane, False):
            self.overdue(lane)

    def claim(self) -> list[str]:
        """Return overdue lanes whose heads are to be loaded: no more than the endpoint takes at a time."""
        room = self._limit - len(self._retries) - self._claimed
        claimed = [self._overdue.popleft() for _ in range(min(room, len(self._overdue)))]
        self._claimed += len(claimed)
        return claimed

    def claimed(self, lanes: Sequence[str], retries: Sequence[Q]) -> None:
        """Take the heads loaded for claimed lanes; whoever claimed them speaks for the missing ones."""
        self._claimed -= len(lanes)
        self._retries.extend(retries)

    def unclaim(self, lanes: Sequence[str]) -> None:
        """Give claimed lanes back whose heads could not be loaded now."""
        self._claimed -= len(lanes)
        self._overdue.extendleft(reversed(lanes))

    def forget(self, lane: str) -> None:
        """Note that a lane is not failing any more, with nothing left of it."""
        self._failing.discard(lane)
        self._trying.discard(lane)
        self._withdrawn.pop(lane, None)

    def rewind(self, place: int = 0) -> None:
        """Note that something was queued after a place which may have been read already."""
        self._position = min(self._position, place)
        self._more = True
        if self._page is not None:
            back_to = self._page.back_to
            self._page.back_to = place if back_to is None else min(back_to, place)

    def _resume(self, lane: str, place: int) -> None:
        """Take a failing lane back: what waited behind its head is in the queue again, after that place."""
        self.forget(lane)
        self.rewind(place)
        if self._page is not None:
            self._page.resumed.add(lane)

    # What is loaded

    @property
    def unread(self) -> int | None:
        """The place after which the queue is to be read on and the window has room, or None."""
        if not self._more or self._page is not None or self.room < self._width // 4:
            return None
        stuck = len(self._failing) >= self._max_failing or self._passed_enough
        return None if stuck else self._position

    @property
    def _passed_enough(self) -> bool:
        passed = sum(one.count for one in self._passed.values())
        return passed >= PASSED_PER_PLACE * self._width

    @property
    def hungry(self) -> bool:
        """Whether something is to be loaded: overdue heads, or more of the queue."""
        if (self._passed and self.short is not None) or (self._more and self.unread is not None):
            return True
        return bool(self._overdue) and len(self._retries) + self._claimed < self._limit

    @property
    def room(self) -> int:
        """How many references may be loaded."""
        return self._width - len(self._loaded)

    @property
    def empty(self) -> bool:
        """Whether nothing is known of that waits."""
        waiting = self._loaded or self._passed or self._failing or self._more
        return not (waiting or self._in_flight or self._page)

    def expect_more(self) -> None:
        """Note that the queue may hold what is not loaded."""
        self._more = True
        if self._page is not None:
            self._page.arrived = True

    def arrive(self, reference: Q) -> bool:
        """Take a reference that was just queued. False: it must be moved behind the failing head of its lane.

        Where the window has no room, or older references are not loaded, it is left in the queue.
        """
        if self._more or self.room <= 0 or (self._passed and self._passed_enough):
            self.expect_more()
            return True
        self._position = max(self._position, reference.score)
        return self._load(reference)

    @property
    def short(self) -> Short | None:
        """A lane of which references were passed over and that has room for them, or None."""
        if self._page is None and self.room > 0:
            for lane, passed in self._passed.items():
                if len(self._lanes.get(lane, ())) <= self._share // 2:
                    return Short(lane, passed.first - 1, passed.last)
        return None

    def open_page(self) -> None:
        """Begin to read the queue; `close_page` or `refill` must follow."""
        self._page = Page()

    def overtaken(self, event: str) -> bool:
        """Tell whether an event the open page shows is loaded already, or was settled while it was read.

        Its record may be gone then, as nobody needs it any more.
        """
        return event in self._loaded or (self._page is not None and event in self._page.settled)

    def close_page(self, references: Sequence[Q], *, read_to: int | None, end: bool) -> list[Q]:
        """Load what was read, in the queue's order. Returns those that must be moved behind a failing head.

        ``read_to`` is the place of the last reference read, None if the page could not be read; ``end`` says
        that the queue held no more.
        """
        page, self._page = self._page, None
        assert page is not None, "a page is closed once"  # noqa: S101
        if read_to is None:
            return []
        self._position = read_to if page.back_to is None else min(read_to, page.back_to)
        self._more = not end or page.arrived or page.back_to is not None
        return [
            reference
            for reference in references
            if reference.event not in page.settled
            and reference.lane not in page.resumed
            and not self._load(reference)
        ]

    def refill(self, short: Short, references: Sequence[Q], *, read_to: int | None) -> None:
        """Load what was read for a lane that was short, in the queue's order; others' references are ignored.

        ``read_to`` is the place up to which all was read, None if nothing could be.
        """
        page, self._page = self._page, None
        assert page is not None, "a page is closed once"  # noqa: S101
        passed = self._passed.get(short.lane)
        if read_to is None or passed is None or passed.first != short.after + 1 or short.lane in page.resumed:
            return
        del self._passed[short.lane]
        for reference in references:
            if reference.lane == short.lane and reference.event not in page.settled:
                if self.room <= 0 or len(self._lanes.get(short.lane, ())) >= self._share:
                    read_to = reference.score - 1
                    break
                passed.count -= reference.event not in self._loaded
                self._load(reference)
        if read_to < passed.last:
            passed.first, passed.count = read_to + 1, max(1, passed.count)
            self._passed[short.lane] = passed

    def _load(self, reference: Q) -> bool:
        if reference.lane in self._failing:
            return False
        lane = self._lanes.get(reference.lane)
        if reference.event not in self._loaded and not self._pass(reference, lane):
            self._loaded.add(reference.event)
            if lane is None:
                self._lanes[reference.lane] = deque((reference,))
                self._idle.append(reference.lane)
            elif reference.score > lane[-1].score:
                lane.append(reference)
            else:  # it was queued again; the head is perhaps on its way
                lane.insert(bisect_left(lane, reference.score, 1, key=_place), reference)
        return True

    def _pass(self, reference: Q, lane: deque[Q] | None) -> bool:
        """Pass over a reference whose lane has its share, or has others passed over before it."""
        passed, place = self._passed.get(reference.lane), reference.score
        if passed is not None and place >= passed.first:
            passed.count += place > passed.last
            passed.last = max(passed.last, place)
            return True
        if lane is None or len(lane) < self._share or place < lane[-1].score:
            return False
        if passed is None:
            self._passed[reference.lane] = Passed(place)
        else:
            passed.first, passed.count = place, passed.count + 1
        return True

    def _unload(self, reference: Queued) -> None:
        self._loaded.discard(reference.event)
        if self._page is not None:
            self._page.settled.add(reference.event)
