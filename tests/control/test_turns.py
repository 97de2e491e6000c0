"""Turns: one queue per session, fair, bounded, and gone when nobody needs it."""

from __future__ import annotations

import asyncio

import pytest

from relay.control.turns import Turns
from relay.errors import ContendedError


async def test_turns_come_in_the_order_they_were_asked_for() -> None:
    """One holds the turn at a time; whoever waited is told that what it read is stale."""
    turns, log = Turns(), []

    async def take(name: int) -> None:
        async with turns.turns(["call"]) as waited:
            log.append((name, waited))
            await asyncio.sleep(0)  # let the others try
            log.append((name, waited))

    await asyncio.gather(*(take(name) for name in range(4)))
    assert log == [(name, name > 0) for name in range(4) for _ in range(2)]
    assert repr(turns) == "<Turns sessions=0 commands=0>"


async def test_sessions_do_not_wait_for_one_another() -> None:
    """Another session's turn is free."""
    turns = Turns(seconds=0.01)
    async with turns.turns(["one"]) as one, turns.turns(["other"]) as other:
        assert not one
        assert not other
        assert repr(turns) == "<Turns sessions=2 commands=2>"


async def test_several_turns_are_taken_in_one_order() -> None:
    """Two commands on the same two calls do not wait for one another for ever, however they name them."""
    turns, log = Turns(), []

    async def take(name: str, *sessions: str) -> None:
        async with turns.turns(sessions) as waited:
            await asyncio.sleep(0)  # let the other try
            log.append((name, waited))

    await asyncio.gather(take("first", "one", "other"), take("second", "other", "one"))
    assert log == [("first", False), ("second", True)]
    assert repr(turns) == "<Turns sessions=0 commands=0>"


async def test_turns_already_held_are_given_back_when_one_does_not_come() -> None:
    """A command that gives up on its second call no longer holds the first."""
    turns = Turns(seconds=0.01)
    async with turns.turns(["other"]):
        with pytest.raises(ContendedError):
            async with turns.turns(["one", "other"]):
                pass
        assert repr(turns) == "<Turns sessions=1 commands=1>"


async def test_a_full_queue_refuses_at_once() -> None:
    """More than may wait are told to try again; those that wait are served."""
    turns, served = Turns(waiting=2), 0

    async def take() -> None:
        nonlocal served
        async with turns.turns(["call"]):
            served += 1

    async with turns.turns(["call"]):
        waiting = [asyncio.create_task(take()) for _ in range(2)]
        await asyncio.sleep(0)  # let them queue up
        with pytest.raises(ContendedError):
            await take()
    await asyncio.gather(*waiting)
    assert served == 2


async def test_a_slow_turn_is_given_up() -> None:
    """A command does not wait for ever, and leaves the queue as it was."""
    turns = Turns(seconds=0.01)
    async with turns.turns(["call"]):
        with pytest.raises(ContendedError):
            async with turns.turns(["call"]):
                pass
        assert repr(turns) == "<Turns sessions=1 commands=1>"
    async with turns.turns(["call"]) as waited:
        assert not waited


async def test_a_cancelled_command_leaves_the_queue() -> None:
    """Cancelling one that waits, or the holder, passes the turn on."""
    turns, served = Turns(), []
    entered = asyncio.Event()

    async def take(name: str, *, stay: bool = False) -> None:
        async with turns.turns(["call"]):
            served.append(name)
            if stay:
                entered.set()
                await asyncio.Event().wait()

    holder = asyncio.create_task(take("holder", stay=True))
    await entered.wait()
    gone, last = asyncio.create_task(take("gone")), asyncio.create_task(take("last"))
    await asyncio.sleep(0)  # let them queue up
    gone.cancel()
    await asyncio.sleep(0)  # let it leave
    holder.cancel()
    await last
    assert served == ["holder", "last"]
    assert repr(turns) == "<Turns sessions=0 commands=0>"
