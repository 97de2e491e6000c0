"""Waiting for a condition with a bound: what tests use where they would otherwise sleep."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

T = TypeVar("T")


async def eventually(
    condition: Callable[[], T] | Callable[[], Awaitable[T]],
    *,
    within: float = 10.0,
    every: float = 0.02,
    what: str = "",
) -> T:
    """Return the first truthy value `condition` gives.

    `condition` is a plain or an async callable, asked at once and then `every` so many seconds; an exception it
    raises counts as "not yet". Raises AssertionError after `within` seconds, naming `what` was waited for and
    what was last seen; an answer that is still awaited then is cancelled.
    """
    deadline = time.monotonic() + within
    seen = "no answer yet"
    cause: Exception | None = None
    while True:
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), every)):
                value = condition()
                if inspect.isawaitable(value):
                    value = await value
        except Exception as error:  # noqa: BLE001 - whatever it is, the condition does not hold yet
            seen, cause = f"last raised {error!r}", error
        else:
            if value:
                return cast("T", value)
            seen, cause = f"last value {value!r}", None
        if time.monotonic() + every >= deadline:
            name = what or getattr(condition, "__qualname__", repr(condition))
            message = f"not within {within:g} s: {name} ({seen})"
            raise AssertionError(message) from cause
        await asyncio.sleep(every)
