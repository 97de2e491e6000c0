"""The laws of lanes, whatever the interleaving of arrivals, requests, failures, stores and page reads."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.webhooks.lanes import LANE_SHARE, PASSED_PER_PLACE, WINDOW, WINDOW_PER_REQUEST, Lanes
from relay.webhooks.pages import Short

LIMIT = 3
SMALL = 2
"""Limit in flight of the walks: windows so small that pages, retries and arrivals get in each other's way."""


class Ref(NamedTuple):
    """A reference, as small as lanes need it."""

    event: str
    score: int
    lane: str
    attempts: int = 0


class World:
    """A store, a ledger that is applied in order and late, and an endpoint: what lanes live among."""

    def __init__(self, *, max_failing: int = 10_000) -> None:
        self.lanes: Lanes[Ref] = Lanes(SMALL, window=1, max_failing=max_failing)
        self.queue: dict[str, Ref] = {}
        self.failing: dict[str, list[Ref]] = {}
        self.attempts: dict[str, int] = defaultdict(int)
        self.ledger: list[tuple[str, Ref, list[Ref]]] = []
        self.in_flight: list[Ref] = []
        self.due: list[str] = []
        self.page: list[Ref] | None = None
        self.page_ends = False
        self.short: Short | None = None
        self.delivered: list[Ref] = []
        self.published = 0

    # What may happen

    def publish(self, number: int) -> None:
        """An event is queued, and heard of at once."""
        self.published += 1
        reference = Ref(f"e{self.published}", self.published, f"call-{number % 5}")
        self.queue[reference.event] = reference
        if not self.lanes.arrive(reference):
            self.ledger.append(("behind", reference, []))

    def send(self, number: int) -> None:
        """Requests begin."""
        reference = self.lanes.take()
        if reference is None:
            return
        assert reference.lane not in {one.lane for one in self.in_flight}, "one call's events overlap"
        self.in_flight.append(reference)
        assert len(self.in_flight) <= SMALL

    def succeed(self, number: int) -> None:
        """A request ends well."""
        if self.in_flight:
            reference = self.in_flight.pop(number % len(self.in_flight))
            self.delivered.append(reference)
            self.lanes.answered()
            self.ledger.append(("settled", reference, []))

    def fail(self, number: int) -> None:
        """A request fails."""
        if self.in_flight:
            reference = self.in_flight.pop(number % len(self.in_flight))
            self.lanes.answered()
            self.ledger.append(("failed", reference, self.lanes.fail(reference)))

    def give_back(self, number: int) -> None:
        """A request is not made."""
        if self.in_flight:
            self.lanes.put_back(self.in_flight.pop(number % len(self.in_flight)))

    def store(self, number: int) -> None:
        """The ledger writes some operations, and tells of each."""
        batch = [self.ledger.pop(0) for _ in range(min(1 + number % 4, len(self.ledger)))]
        for operation in batch:
            self._apply(*operation)
        for kind, reference, _ in batch:
            if kind == "settled":
                self.lanes.done(reference)
            elif kind == "failed":
                self.due.append(reference.lane)

    def read(self, number: int) -> None:
        """A page of the queue is read, or of what was passed over; what it shows is used later."""
        after, self.short = self.lanes.unread, self.lanes.short if self.page is None else self.short
        if self.page is None and self.short is not None:
            self.open(self.short.after, self.short.up_to)
        elif self.page is None and after is not None:
            self.open(after, 10**6)

    def open(self, after: int, up_to: int) -> None:
        """Read as much as there is room for."""
        self.lanes.open_page()
        room = self.lanes.room
        found = sorted(
            (one for one in self.queue.values() if after < one.score <= up_to), key=lambda one: one.score
        )
        self.page, self.page_ends = found[:room], len(found) < room

    def use(self, number: int) -> None:
        """The page is used, or could not be read after all."""
        if self.page is None:
            return
        page, self.page = self.page, None
        failed = number % 5 == 0
        if self.short is not None:
            read_to = self.short.up_to if self.page_ends else page[-1].score
            self.lanes.refill(self.short, page, read_to=None if failed else read_to)
        elif failed:
            assert self.lanes.close_page([], read_to=None, end=False) == []
        else:
            read_to = page[-1].score if page else self.lanes._position
            for behind in self.lanes.close_page(page, read_to=read_to, end=self.page_ends):
                self.ledger.append(("behind", behind, []))

    def retry(self, number: int) -> None:
        """Failing lanes become due, and their heads are loaded."""
        if self.due:
            self.lanes.overdue(self.due.pop(number % len(self.due)))
        claimed = self.lanes.claim()
        if number % 5 == 0:
            self.lanes.unclaim(claimed)
            return
        heads = [self.failing[lane][0] for lane in claimed]
        self.lanes.claimed(claimed, [one._replace(attempts=self.attempts[one.event]) for one in heads])

    def _apply(self, kind: str, reference: Ref, behind: list[Ref]) -> None:
        waiting = self.failing.get(reference.lane)
        if kind == "settled" and waiting and waiting[0].event == reference.event:
            del self.failing[reference.lane]
            self.queue.update((one.event, one) for one in waiting[1:])
        elif kind == "settled":
            self.queue.pop(reference.event, None)
        elif kind == "failed":
            self.attempts[reference.event] += 1
            if waiting is None:
                self.queue.pop(reference.event)
                moved = [one for one in behind if one.event in self.queue]
                for one in moved:
                    del self.queue[one.event]
                self.failing[reference.lane] = [reference, *moved]
        elif waiting is not None and reference.event in self.queue:
            del self.queue[reference.event]
            waiting.append(reference)

    # What must hold

    def check(self) -> None:
        """The window is bounded, and so is what is on its way."""
        assert len(self.lanes._loaded) <= WINDOW_PER_REQUEST * SMALL
        assert len(self.lanes._retries) <= 2 * SMALL

    def drain(self) -> None:
        """Everything succeeds from here on."""
        for round_ in range(20 * (self.published + 10)):
            for step in (self.send, self.succeed, self.store, self.read, self.use, self.retry):
                step(1 + 5 * round_)
            if not (self.queue or self.failing or self.ledger or self.in_flight or self.page):
                return
        raise AssertionError(f"stuck: {self.lanes!r}, {len(self.queue)} queued, {len(self.failing)} failing")


ACTIONS = ("publish", "send", "succeed", "fail", "give_back", "store", "read", "use", "retry")


def walk(world: World, seed: int, steps: int = 300) -> None:
    """Take random steps, some kinds more often than others in each walk, then let everything succeed."""
    chance = Random(seed)
    weights = [chance.choice((1, 1, 3, 8)) for _ in ACTIONS]
    for action in chance.choices(ACTIONS, weights, k=steps):
        getattr(world, action)(chance.randrange(20))
        world.check()
    world.drain()


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32))
def test_each_call_is_delivered_once_and_in_order(seed: int) -> None:
    """Nothing is lost, doubled or overtaken within a call, and nothing is left at the end."""
    world = World()
    walk(world, seed)

    assert len(world.delivered) == len({one.event for one in world.delivered}) == world.published
    by_call: dict[str, list[int]] = defaultdict(list)
    for one in world.delivered:
        by_call[one.lane].append(one.score)
    assert all(scores == sorted(scores) for scores in by_call.values())
    assert not world.lanes._failing
    assert not world.lanes._loaded


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_lanes_beyond_the_remembered_ones_still_drain(seed: int) -> None:
    """With more failing lanes than may be remembered new calls wait, and go on once there are fewer."""
    world = World(max_failing=2)
    walk(world, seed)

    assert len(world.delivered) == len({one.event for one in world.delivered}) == world.published


def arrived(*lanes: str) -> Lanes[Ref]:
    """Return lanes in which an event of each of these calls has arrived, in this order."""
    window: Lanes[Ref] = Lanes(LIMIT)
    for number, lane in enumerate(lanes, 1):
        assert window.arrive(Ref(f"e{number}", number, lane))
    return window


def taken(window: Lanes[Ref]) -> list[str]:
    """Return the events that may go now."""
    found = []
    while (reference := window.take()) is not None:
        found.append(reference.event)
    return found


def test_different_calls_go_in_parallel_up_to_the_limit() -> None:
    """Of calls a to d, three go at once; the second event of a waits."""
    window = arrived("a", "a", "b", "c", "d")

    assert taken(window) == ["e1", "e3", "e4"]


def test_the_next_event_waits_until_the_outcome_is_stored() -> None:
    """An answer frees the endpoint for another call; only the stored outcome lets the same call go on."""
    window = arrived("a", "a", "b")
    first = window.take()
    assert first is not None

    window.answered()
    assert taken(window) == ["e3"]
    window.done(first)
    assert taken(window) == ["e2"]


def test_a_failing_lane_leaves_the_window_with_all_it_holds() -> None:
    """What is loaded behind a failed head is given out to be moved, and later events are turned away."""
    window = arrived("a", "a", "b", "a")
    head = window.take()
    assert head is not None
    window.answered()

    assert [one.event for one in window.fail(head)] == ["e2", "e4"]
    assert not window.arrive(Ref("e5", 5, "a"))
    assert window.arrive(Ref("e6", 6, "b"))
    assert taken(window) == ["e3"]


def test_retries_and_new_calls_take_turns() -> None:
    """However many heads are overdue, calls that do not fail get every other request."""
    window: Lanes[Ref] = Lanes(LIMIT)
    for number in range(3):
        window.failing(f"f{number}")
        window.overdue(f"f{number}")
    claimed = window.claim()
    window.claimed(claimed, [Ref(f"r{lane}", 0, lane, attempts=1) for lane in claimed])
    for number in range(3):
        window.arrive(Ref(f"e{number}", number, f"call-{number}"))

    order = []
    for _ in range(6):
        reference = window.take()
        assert reference is not None
        order.append(reference.attempts > 0)
        window.answered()

    assert order == [True, False, True, False, True, False]


def test_the_window_takes_no_more_than_its_width() -> None:
    """What arrives beyond the window's width is left in the queue, to be read later."""
    window = arrived(*(f"call-{number}" for number in range(WINDOW + 10)))

    assert window.room == 0
    assert window.unread is None
    for _ in range(WINDOW // 2):
        reference = window.take()
        assert reference is not None
        window.answered()
        window.done(reference)
    assert window.unread == WINDOW


def test_what_is_queued_again_goes_before_what_is_newer() -> None:
    """Behind the head of its lane, which may be on its way, but in the call's order."""
    lanes: Lanes[Ref] = Lanes(1)
    for place in (5, 6):
        lanes.arrive(Ref(str(place), place, "a"))
    head = lanes.take()
    lanes.rewind(0)
    lanes.open_page()
    lanes.close_page([Ref(str(place), place, "a") for place in (1, 2, 5, 6)], read_to=6, end=True)
    order = [head]
    while len(order) < 4:
        assert order[-1] is not None
        lanes.answered()
        lanes.done(order[-1])
        order.append(lanes.take())
    assert [one.score for one in order if one] == [5, 1, 2, 6]


def test_what_was_settled_while_a_page_was_read_is_not_missing() -> None:
    """A page may still show what is on its way, or was settled meanwhile, though its record is gone."""
    lanes: Lanes[Ref] = Lanes(1)
    for place in (1, 2):
        lanes.arrive(Ref(str(place), place, "a"))
    head = lanes.take()
    assert head is not None
    lanes.rewind(0)
    lanes.open_page()
    assert [lanes.overtaken(event) for event in ("1", "2", "3")] == [True, True, False]
    lanes.answered()
    lanes.done(head)
    assert [lanes.overtaken(event) for event in ("1", "2", "3")] == [True, True, False]


def paged(run: int, *others: str) -> tuple[Lanes[Ref], list[Ref]]:
    """Return lanes of a queue that begins with a run of call a, and what is queued; read as far as it is."""
    queue = [Ref(f"e{place}", place, lane) for place, lane in enumerate(["a"] * run + list(others), 1)]
    window: Lanes[Ref] = Lanes(LIMIT)
    window.expect_more()
    while (after := window.unread) is not None:
        window.open_page()
        page = [one for one in queue if one.score > after][: window.room]
        ends = len(page) < window.room
        window.close_page(page, read_to=page[-1].score if page else after, end=ends)
    return window, queue


def test_calls_behind_a_long_run_of_another_are_found() -> None:
    """The run has its share of the window; what is behind it goes out beside it."""
    window, _ = paged(WINDOW * 3, "b", "c")

    assert taken(window) == ["e1", f"e{WINDOW * 3 + 1}", f"e{WINDOW * 3 + 2}"]
    assert len(window._loaded) == WINDOW // LANE_SHARE + 2


def test_what_was_passed_over_is_bounded() -> None:
    """However long a run is, no more of it is read than some windows."""
    window, _ = paged(WINDOW * PASSED_PER_PLACE * 3, "b")

    assert sum(one.count for one in window._passed.values()) <= WINDOW * (PASSED_PER_PLACE + 1)
    assert len(window._loaded) == WINDOW // LANE_SHARE


def test_a_run_goes_on_in_order_when_its_share_is_used_up() -> None:
    """What was passed over of it is read again, before anything newer of the call."""
    window, queue = paged(WINDOW, "b")
    assert window.arrive(Ref("new", 1000, "a"))
    queue.append(Ref("new", 1000, "a"))

    went: list[str] = []
    while (reference := window.take()) is not None:
        went.append(reference.event)
        window.answered()
        window.done(reference)
        if (short := window.short) is not None:
            window.open_page()
            found = [one for one in queue if short.after < one.score <= short.up_to][: window.room]
            window.refill(short, found, read_to=found[-1].score)

    assert [event for event in went if event != f"e{WINDOW + 1}"] == [
        *(f"e{place}" for place in range(1, WINDOW + 1)),
        "new",
    ]
    assert window.empty
