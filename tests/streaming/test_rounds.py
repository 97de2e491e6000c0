from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.calls.events import EventId
from relay.journal.ids import StreamId
from relay.journal.record import Entry, RecordKind
from relay.streaming import account as accounts
from relay.streaming.account import AccountStream, Frontier, Pace
from relay.streaming.links import Link
from relay.streaming.members import Gap, Member
from tests.waiting import eventually

PER_TURN = 2
"""Deliveries a turn, small enough that every round is interrupted."""


class Multiples(NamedTuple):
    """Selects the entries whose number is a multiple."""

    of: int
    routes: tuple[str, ...] = ()

    def pick(self, entries: Sequence[Entry]) -> list[int] | None:
        """Return the numbers."""
        return [
            number for entry in entries if (number := int(entry.id.stream_id[:-2])) % self.of == 0
        ] or None


class Following(Member[list[int]]):
    """Keeps what it is told, and where it stood."""

    def __init__(self, since: int, multiples: Multiples) -> None:
        self.since = since
        self.of = multiples.of
        self.told: list[int] = []
        self.deliveries = 0
        self.gaps: list[Gap] = []
        self.drops = 0
        self.link: Link[list[int]] | None = None

    def deliver(self, payload: list[int]) -> None:
        """Keep the numbers; whatever is told is covered by the position."""
        self.told += payload
        self.deliveries += 1
        if self.link is not None:
            assert self.link.at.ms >= payload[-1]

    def gap(self, gap: Gap) -> None:
        """Keep the gap."""
        self.gaps.append(gap)

    def dropped(self) -> None:
        """Count."""
        self.drops += 1

    def check(self, reached: int) -> None:
        """Hold what was told against what came between the id it joined with and the one it was served to."""
        assert self.told == [number for number in range(self.since + 1, reached + 1) if number % self.of == 0]


class Account:
    """An account's stream, with a reader that appends numbers and a pump like the feed's."""

    def __init__(self) -> None:
        self.frontier = Frontier(StreamId(0, 0))
        pace = Pace()
        self.stream = AccountStream("account", self.frontier, pace)
        self.number = 0
        self.pump: asyncio.Task[None] | None = None

    def append(self, count: int, size: int = 1) -> None:
        """Take the next numbers in one batch, and see that they are served."""
        for _ in range(count):
            self.number += 1
            entry = Entry(EventId(0, f"{self.number}-0"), RecordKind.CALL, "account", b"x" * size)
            self.stream.ring.append(entry, now=0)
        self.frontier.at = StreamId(self.number, 0)
        if self.pump is None or self.pump.done():
            self.pump = asyncio.create_task(self._serve())

    def join(self, since: int, of: int) -> Following:
        """Let a member resume after a number, that may be still to come."""
        selection = Multiples(of)
        member = Following(since, selection)
        link = Link(self.stream, member, selection, StreamId(since, 0), None)
        self.stream.links.add(link)
        self.stream.enter(link, link.at)
        member.link = link
        return member

    def restart(self) -> None:
        """Let the journal go on from where it is, with what is not served lost."""
        self.stream.owe_gaps()
        self.stream.restart()

    async def settled(self) -> None:
        """Wait until everything is served."""
        if self.pump is not None:
            await self.pump

    async def _serve(self) -> None:
        while self.stream.behind or any(link.at <= self.frontier.at for link in self.stream.late):
            await self.stream.catch_up(0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 5), st.just(1)),
        st.tuples(st.just("join"), st.integers(-8, 4), st.integers(1, 3)),
        st.tuples(st.just("leave"), st.integers(0, 20), st.just(1)),
        st.tuples(st.just("turn"), st.integers(1, 4), st.just(1)),
    ),
    max_size=60,
)


@pytest.fixture(autouse=True, scope="module")
def _few_per_turn() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "WRITES_PER_TURN", PER_TURN)
        patch.setattr(accounts, "ROUND_BYTES", 4)
        patch.setattr(accounts, "CROWD", 3)
        patch.setattr(accounts, "GATHER_SECONDS", 0)
        yield


@settings(max_examples=400, deadline=None)
@given(STEPS)
def test_everyone_gets_everything_once_and_in_order_whenever_it_joins_or_leaves(
    steps: list[tuple[str, int, int]],
) -> None:
    """In the midst of rounds, behind or ahead of the reader: told is what lies between both positions."""
    asyncio.run(_play(steps))


async def _play(steps: list[tuple[str, int, int]]) -> None:
    account = Account()
    members: list[Following] = []
    for step, value, of in steps:
        match step:
            case "append":
                account.append(value)
            case "join":
                members.append(account.join(max(0, account.number + value), of))
            case "leave" if members:
                member = members.pop(value % len(members))
                assert member.link is not None
                member.link.leave()
                member.check(member.link.at.ms)
                before = list(member.told)
                account.append(1)
                await asyncio.sleep(0)
                assert member.told == before
            case "turn":
                for _ in range(value):
                    await asyncio.sleep(0)
        for member in members:
            assert member.link is not None
            member.check(member.link.at.ms)
    account.append(5)
    await account.settled()
    for member in members:
        assert member.link is not None
        assert member.link.at.ms == account.number
        member.check(account.number)


async def test_a_restart_in_the_midst_of_a_round_leaves_each_with_its_own_gap() -> None:
    """Those who were served and those who waited are owed a gap from where each stood; newcomers are not."""
    account = Account()
    members = [account.join(0, 1) for _ in range(6)]
    account.append(3)
    await eventually(lambda: any(member.told for member in members), every=0)
    served = [bool(member.told) for member in members]
    assert any(served)
    assert not all(served)
    account.restart()
    newcomer = account.join(account.number, 1)
    assert [(link.at.ms, link.gap_owed) for link, _ in account.stream.gapped] == [
        (at.ms, True) for _, at in account.stream.gapped
    ]
    owed = {id(link.member): at.ms for link, at in account.stream.gapped}
    assert [owed[id(member)] for member in members] == [3 if had else 0 for had in served]
    assert id(newcomer) not in owed
    await account.settled()
    account.append(2)
    await account.settled()
    assert [member.told[-2:] for member in [*members, newcomer]] == [[4, 5]] * 7
    assert newcomer.told == [4, 5]


@pytest.mark.parametrize(("members", "deliveries"), [(3, 1), (2, 2)])
async def test_a_crowd_is_given_at_once_what_was_read_apart(
    members: int, deliveries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round for many waits a little for the rest of a burst; one for few is quick, and begins at once."""
    monkeypatch.setattr(accounts, "GATHER_SECONDS", 0.02)
    account = Account()
    crowd = [account.join(0, 1) for _ in range(members)]
    account.append(1)
    for _ in range(5):
        await asyncio.sleep(0)
    account.append(2)
    await account.settled()
    assert [member.told for member in crowd] == [[1, 2, 3]] * members
    assert {member.deliveries for member in crowd} == {deliveries}


async def test_whoever_cannot_be_served_without_a_gap_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the ring's hard limit members come again from where they were, and the process lives on."""
    monkeypatch.setattr("relay.streaming.ring.RING_HARD_BYTES", 100)
    account = Account()
    member = account.join(0, 1)
    account.append(20, size=10)
    await account.settled()
    assert member.link is not None
    assert (member.told, member.drops, member.link.live, member.link.at.ms) == ([], 1, False, 0)
    again = account.join(account.number, 1)
    account.append(1)
    await account.settled()
    assert again.told == [21]
