from __future__ import annotations

import asyncio

import pytest

from tests.waiting import eventually


async def test_gives_the_first_truthy_value() -> None:
    """The value that ends the wait is handed to the caller."""
    values = iter([0, "", 7, 8])
    assert await eventually(lambda: next(values), every=0.001) == 7


async def test_awaits_an_async_condition() -> None:
    """An async condition is awaited each time it is asked."""
    answers = iter([None, "here"])

    async def condition() -> str | None:
        return next(answers)

    assert await eventually(condition, every=0.001) == "here"


async def test_an_exception_counts_as_not_yet() -> None:
    """A condition may fail until what it looks at exists."""
    found: dict[str, int] = {}
    asyncio.get_running_loop().call_later(0.01, found.update, {"call": 1})
    assert await eventually(lambda: found["call"], every=0.001) == 1


async def test_a_timeout_names_what_was_awaited_and_the_last_value() -> None:
    """The failure says what was waited for and what was seen instead."""
    with pytest.raises(AssertionError, match=r"not within 0\.01 s: two events \(last value \[\]\)"):
        await eventually(list, within=0.01, every=0.002, what="two events")


async def test_a_timeout_names_and_chains_the_last_exception() -> None:
    """The exception of the last try is shown and kept as the cause."""
    calls: dict[str, int] = {}
    with pytest.raises(AssertionError, match=r"last raised KeyError\('call'\)") as caught:
        await eventually(lambda: calls["call"], within=0.01, every=0.002)
    assert isinstance(caught.value.__cause__, KeyError)


async def test_an_answer_that_never_comes_is_cancelled() -> None:
    """A hanging async condition cannot hold the wait beyond its bound."""
    cancelled = asyncio.Event()

    async def hangs() -> bool:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return True

    with pytest.raises(AssertionError, match="TimeoutError"):
        await eventually(hangs, within=0.02, every=0.005)
    assert cancelled.is_set()
