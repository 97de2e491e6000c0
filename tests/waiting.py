"""Waiting for a condition with a bound: what tests use where they would otherwise sleep."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(
    condition: Callable[[], Awaitable[T | None]], *, within: float = ..., every: float = ..., what: str = ...
) -> T: ...
@overload
async def eventually(
    condition: Callable[[], T | None], *, within: float = ..., every: float = ..., what: str = ...
) -> T: ...
async def eventually(
    condition: Callable[[], Any], *, within: float = 10.0, every: float = 0.02, what: str = ""
) -> Any:
    """Return the first truthy value `condition` gives.

    `condition` is a plain or an async callable, asked at once and then every so many seconds; an exception it
    raises counts as "not yet". Raises AssertionError after `within` seconds, naming `what` was waited for and
    what was last seen; an answer that is still awaited then is cancelled.
    """
    deadline = time.monotonic() + within
    while True:
        cause: Exception | None = None
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), every)):
                value = condition()
                if inspect.isawaitable(value):
                    value = await value
        except Exception as error:  # noqa: BLE001 - whatever it is, the condition does not hold yet
            seen, cause = f"last raised {error!r}", error
        else:
            if value:
                return value
            seen = f"last value {value!r}"
        if time.monotonic() + every >= deadline:
            name = what or getattr(condition, "__qualname__", repr(condition))
            message = f"not within {within:g} s: {name} ({seen})"
            raise AssertionError(message) from cause
        await asyncio.sleep(every)
