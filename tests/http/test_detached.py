"""Commands outlive the clients that drop, and end before the process does."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from relay.errors import DrainingError, NotFoundError
from relay.http.detached import Detached
from tests.waiting import eventually


async def test_a_command_outlives_its_waiter() -> None:
    """Cancelling who waits does not cancel the command."""
    detached, go, done = Detached(), asyncio.Event(), asyncio.Event()

    async def command() -> None:
        await go.wait()
        done.set()

    waiter = asyncio.ensure_future(detached.finish(command()))
    await eventually(lambda: "running=1" in repr(detached))
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    go.set()
    await asyncio.wait_for(done.wait(), 5)
    await eventually(lambda: "running=0" in repr(detached))


async def test_results_and_refusals_reach_the_waiter() -> None:
    """With nobody gone, it is as if the command were awaited itself."""
    detached = Detached()

    async def command(*, fail: bool) -> int:
        if fail:
            raise NotFoundError("gone")
        return 7

    assert await detached.finish(command(fail=False)) == 7
    with pytest.raises(NotFoundError):
        await detached.finish(command(fail=True))


async def test_stopping_waits_for_what_runs_and_takes_no_more() -> None:
    """A stopping process finishes what it accepted."""
    detached, go = Detached(), asyncio.Event()

    async def command() -> str:
        await go.wait()
        return "done"

    running = asyncio.ensure_future(detached.finish(command()))
    await eventually(lambda: "running=1" in repr(detached))
    stopping = asyncio.ensure_future(detached.stop(5))
    await eventually(lambda: "stopping" in repr(detached))
    with pytest.raises(DrainingError):
        await detached.finish(command())
    go.set()
    await stopping
    assert await running == "done"


async def test_stopping_has_an_end() -> None:
    """What does not finish in time is cut off, and that is logged."""
    detached = Detached()

    async def command() -> None:
        await asyncio.Event().wait()

    running = asyncio.ensure_future(detached.finish(command()))
    await eventually(lambda: "running=1" in repr(detached))
    with structlog.testing.capture_logs() as logs:
        await detached.stop(0.01)
    assert [line["event"] for line in logs] == ["commands were cut off"]
    with pytest.raises(asyncio.CancelledError):
        await running
    assert repr(detached) == "<Detached running=0 stopping>"


@pytest.mark.parametrize(("error", "logged"), [(ZeroDivisionError(), 1), (NotFoundError("gone"), 0)])
async def test_a_failure_nobody_waits_for_is_logged(error: Exception, logged: int) -> None:
    """Unless it is a refusal, which only its client would have cared for."""
    detached, go = Detached(), asyncio.Event()

    async def command() -> None:
        await go.wait()
        raise error

    waiter = asyncio.ensure_future(detached.finish(command()))
    await eventually(lambda: "running=1" in repr(detached))
    waiter.cancel()
    await asyncio.wait([waiter])
    with structlog.testing.capture_logs() as logs:
        go.set()
        await eventually(lambda: "running=0" in repr(detached))
        await asyncio.sleep(0)  # the callbacks of one task run in one turn
    assert len(logs) == logged
