"""One timer for all heartbeats."""

from __future__ import annotations

import asyncio
from collections import Counter

from relay.streaming.heartbeats import FEW, TICKS, Heartbeats
from tests.waiting import eventually


class Member:
    """Counts its beats."""

    def __init__(self, beats: Counter[Member]) -> None:
        self._beats = beats

    def beat(self) -> None:
        """Count one."""
        self._beats[self] += 1


async def test_each_member_beats_once_a_period() -> None:
    """Whenever it was added, by turns with the others; the timer ends with the last."""
    beats: Counter[Member] = Counter()
    hearts = Heartbeats(0.06)
    members = [Member(beats) for _ in range(5)]
    for member in members:
        hearts.add(member)
        await asyncio.sleep(0)
    await eventually(lambda: min(beats[member] for member in members) >= 3)
    assert max(beats.values()) - min(beats.values()) <= 1
    for member in members:
        hearts.remove(member)
    total = beats.total()
    await asyncio.sleep(0.06 * 1.5)
    assert (beats.total(), hearts.period) == (total, 0.06)


async def test_many_members_beat_less_often() -> None:
    """What all beats cost a second is bounded: beyond, the period grows with the members."""
    hearts = Heartbeats(1.0, at_most=2000)
    members = [Member(Counter()) for _ in range(10_000)]
    for member in members[:2000]:
        hearts.add(member)
    assert hearts.period == 1.0
    for member in members[2000:]:
        hearts.add(member)
    assert (hearts.period, repr(hearts)) == (5.0, "Heartbeats(10000 members every 5 s)")
    for member in members:
        hearts.remove(member)
    assert hearts.period == 1.0


async def test_members_that_are_due_at_about_the_same_time_share_a_wake_up() -> None:
    """Added one after another within a moment, they beat in one step of the loop, and many in several."""
    ticks: Counter[int] = Counter()

    class Noting:
        """Counts the beats of each step of the loop."""

        def beat(self) -> None:
            """Count one."""
            ticks[step[0]] += 1
            asyncio.get_running_loop().call_soon(step.__setitem__, 0, step[0] + 1)

    step = [0]
    hearts = Heartbeats(1.0)
    members = [Noting() for _ in range(FEW)]
    for member in members:
        hearts.add(member)
        await asyncio.sleep(0)
    await eventually(lambda: ticks.total() >= FEW)
    assert max(ticks.values()) == FEW
    for member in members:
        hearts.remove(member)


async def test_many_members_that_came_at_once_are_spread() -> None:
    """No wake-up takes more than its share, and all have beaten once after a period and the time it takes."""
    beats: Counter[Member] = Counter()
    hearts = Heartbeats(0.3)
    members = [Member(beats) for _ in range(TICKS * FEW * 2)]
    for member in members:
        hearts.add(member)
    seen = [0]

    def all_beaten() -> bool:
        seen.append(beats.total())
        return len(beats) == len(members)

    await eventually(all_beaten, every=0.001)
    assert any(0 < count < len(members) for count in seen)
    for member in members:
        hearts.remove(member)
