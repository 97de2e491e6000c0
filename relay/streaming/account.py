"""One account's live events: the ring, who listens, and the rounds in which they are served.

A *round* takes what the ring has after the last one and hands it to every group it concerns. Rounds of an
account never overlap, so order is kept although a round lets the loop run between deliveries. Whoever joins
during a round is given its entries on joining and is left out of the rest of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

from relay.journal.ids import StreamId
from relay.journal.record import TOLD, Entry
from relay.streaming.links import Group, Link, faults_kept
from relay.streaming.members import Selection, client_of, routes_of
from relay.streaming.ring import Held, Ring
from relay.telemetry import log

WRITES_PER_TURN: Final = 200
"""Deliveries after which the loop may run: about 2 ms, so that commands in this process are not held up."""
ROUND_BYTES: Final = 256 * 1024
"""Bytes of records a round takes at most: bounds what one delivery adds to a connection's buffer."""

CROWD: Final = 2 * WRITES_PER_TURN
"""Members of an account from which a round is worth waiting for."""
GATHER_SECONDS: Final = 0.002
"""How long a crowd's first round waits for what was committed together but is read apart: half of what the
round itself takes, and it spares a second one."""

_log: Final = log.get("streaming")


class Frontier:
    """How far the reader of a partition has come; shared by all accounts there."""

    __slots__ = ("at",)

    def __init__(self, at: StreamId) -> None:
        self.at = at


class Pace:
    """How many deliveries a turn of the loop has left."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = WRITES_PER_TURN

    async def rest(self) -> None:
        """Let the loop run, and begin another turn."""
        await asyncio.sleep(0)
        self.begin()

    def begin(self) -> None:
        """Begin a turn, as the loop has just run."""
        self.left = WRITES_PER_TURN


class AccountStream:
    """Ring, groups and rounds of one account."""

    def __init__(self, account: str, frontier: Frontier, pace: Pace) -> None:
        self.account = account
        self.ring = Ring(frontier.at)
        self.links: set[Link[Any]] = set()
        self.late: list[Link[Any]] = []
        """Those who have come further than the reader here: another process served them before."""
        self.gapped: list[tuple[Link[Any], StreamId]] = []
        """Those who are owed a gap, with the position they had come to."""
        self.resets = 0
        """How often the journal went on from another place."""
        self._frontier = frontier
        self._pace = pace
        self._served = self._before = frontier.at
        self._round = 0
        self._serving = False
        self._groups: dict[Selection[Any], Group[Any]] = {}
        self._unrouted: dict[Group[Any], None] = {}
        self._routed: dict[str, dict[Group[Any], None]] = {}
        self._interrupts: dict[str, dict[Link[Any], None]] = {}

    def __repr__(self) -> str:
        who = f"{len(self._groups)} groups, {len(self.links)} members, {len(self.late)} late"
        return f"AccountStream({self.account}: {who}, served to {self._served}, {self.ring!r})"

    @property
    def behind(self) -> bool:
        """Whether the ring has something that no round has taken."""
        return self.ring.last > self._served

    def served(self) -> StreamId:
        """Return how far everybody is served, or will be after the present round."""
        if not self._serving and not self.behind:
            self._before = self._served = self._frontier.at
        return self._served

    def position_of(self, link: Link[Any]) -> StreamId:
        """Return how far a link at the live end is served, also in the midst of a round."""
        served = self.served()
        waits = link.group is not None and link.group.pending and link.round != self._round
        return self._before if waits else served

    def enter(self, link: Link[Any], at: StreamId) -> None:
        """Bring a link from a position the ring covers to the live end: in one step, so nothing is lost."""
        served = self.served()
        if at < self.ring.start:
            self._drop(link, at)
            return
        if at > served:
            link.move(at)
            self.late.append(link)
            return
        link.serve(self.ring.after(at, until=served), served)
        if link.live:
            self._attach(link)

    def remove(self, link: Link[Any]) -> None:
        """Let nothing come to a link any more."""
        self.links.discard(link)
        if link in self.late:
            self.late.remove(link)
        if link.interrupt is not None and (those := self._interrupts.get(link.interrupt)):
            those.pop(link, None)
            if not those:
                del self._interrupts[link.interrupt]
        group, link.group = link.group, None
        if group is not None:
            del group.links[link]
            if not group.links:
                self._forget(group)

    def owe_gaps(self) -> None:
        """Note where everybody stands, to be told once the journal goes on from another place."""
        for link in self.links:
            if not link.gap_owed and (link.group is not None or link in self.late):
                at = link.at
                link.move(at)
                link.gap_owed = True
                self.gapped.append((link, at))

    def restart(self) -> None:
        """Go on from the frontier, which was moved; what the present round has not delivered is lost too."""
        for group in self._groups.values():
            group.pending = False
        self._before = self._served = self._frontier.at
        self._round += 1
        self.resets += 1
        self.ring.restart(self._frontier.at)
        late, self.late = self.late, []
        for link in late:
            self._attach(link)

    def abandon(self) -> None:
        """Let everybody go, to come again from where each is."""
        for link in tuple(self.links):
            if link.group is not None or link in self.late:
                self._drop(link, link.at)
        self._before = self._served = self._frontier.at

    async def catch_up(self, now: float) -> None:
        """Serve everybody up to the frontier, in as many rounds as it takes."""
        if not self._groups:
            self._before = self._served = self._frontier.at
        if self.behind and len(self.links) >= CROWD:
            await asyncio.sleep(GATHER_SECONDS)
        while self.behind:
            await self._serve_round()
            self.ring.trim(now, self._served)
        served = self.served()
        for link in [late for late in self.late if late.at <= served]:
            self.late.remove(link)
            with faults_kept(link.member):
                self.enter(link, link.at)

    def trim(self, now: float) -> None:
        """Let go what the ring need not keep any more."""
        self.ring.trim(now, self.served())

    def _attach(self, link: Link[Any]) -> None:
        group = self._groups.get(link.selection)
        if group is None:
            group = self._groups[link.selection] = Group(link.selection)
            for shelf in self._shelves(group):
                shelf[group] = None
        group.links[link] = None
        link.group = group
        link.round = self._round
        if link.interrupt is not None:
            self._interrupts.setdefault(link.interrupt, {})[link] = None

    def _forget(self, group: Group[Any]) -> None:
        del self._groups[group.selection]
        for shelf in self._shelves(group):
            del shelf[group]
        for route in group.selection.routes:
            if not self._routed[route]:
                del self._routed[route]

    def _shelves(self, group: Group[Any]) -> Iterable[dict[Group[Any], None]]:
        routes = group.selection.routes
        return [self._routed.setdefault(route, {}) for route in routes] if routes else [self._unrouted]

    async def _serve_round(self) -> None:
        if self.ring.start > self._served:
            _log.warning("too far behind", members=len(self.links), ring=repr(self.ring))
            self.abandon()
            return
        found = self._next()
        self._before = self._served
        self._served = self._frontier.at if found[-1].key == self.ring.last else found[-1].key
        self._round += 1
        self._serving = True
        try:
            resets = self.resets
            for group, entries in self._route(found).items():
                await self._fan_out(group, entries)
                if self.resets != resets:
                    return
                group.pending = False
        finally:
            self._serving = False

    def _next(self) -> list[Held]:
        found: list[Held] = []
        size = 0
        for held in self.ring.after(self._served):
            size += len(held.entry.data)
            if found and size > ROUND_BYTES:
                break
            found.append(held)
        return found

    def _route(self, found: Sequence[Held]) -> dict[Group[Any], list[Entry]]:
        reached: dict[Group[Any], list[Entry]] = {}
        for held in found:
            if held.entry.kind in TOLD:
                for group in self._reached(held.entry):
                    group.pending = True
                    reached.setdefault(group, []).append(held.entry)
            elif (client := client_of(held.entry)) in self._interrupts:
                for link in tuple(self._interrupts[client]):
                    before = reached.get(link.group, []) if link.group is not None else []
                    with faults_kept(link.member):
                        link.interrupt_at(held, before)
        return reached

    def _reached(self, entry: Entry) -> dict[Group[Any], None]:
        reached = dict(self._unrouted)
        if self._routed:
            for route in routes_of(entry):
                reached.update(self._routed.get(route, {}))
        return reached

    async def _fan_out(self, group: Group[Any], entries: Sequence[Entry]) -> None:
        """Hand one payload to every member; returns early when the journal was reset meanwhile."""
        resets = self.resets
        payload = self._picked(group, entries)
        if payload is None:
            return
        pace, links, done = self._pace, tuple(group.links), 0
        while done < len(links):
            turn = links[done : done + pace.left]
            self._hand(turn, payload)
            done += len(turn)
            pace.left -= len(turn)
            if not pace.left:
                await pace.rest()
                if self.resets != resets:
                    return

    def _hand(self, links: Sequence[Link[Any]], payload: Any) -> None:
        """Deliver to those who have not been given this round's entries."""
        current = self._round
        for link in links:
            if link.round >= current:
                continue
            link.round = current
            try:
                link.member.deliver(payload)
            except Exception:  # noqa: BLE001 - one member's fault must not keep events from the others
                _log.exception("member failed", member=repr(link.member))
                self._drop(link, self._before)

    def _picked(self, group: Group[Any], entries: Sequence[Entry]) -> Any:
        try:
            return group.selection.pick(entries)
        except Exception:  # noqa: BLE001 - as above; its members may come again and be told where they stand
            _log.exception("selection failed", selection=repr(group.selection))
            for link in tuple(group.links):
                self._drop(link, link.at)
            return None

    def _drop(self, link: Link[Any], at: StreamId) -> None:
        link.end(at)
        with faults_kept(link.member):
            link.member.dropped()
