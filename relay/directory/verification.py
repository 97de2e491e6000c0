"""Verify passwords without blocking the loop, and not again for each of a client's requests."""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from relay.directory.credentials import PasswordHash
from relay.errors import UnavailableError

ACCEPTED_FOR: Final = 300.0
"""Seconds a right password is remembered; clients of Basic send it with every request."""

REFUSED_FOR: Final = 5.0
"""Seconds a wrong one is: long enough to blunt a retry loop, short enough that a reset is soon seen."""

REMEMBERED: Final = 4096
"""Verdicts of each sort kept; the least recently used goes first."""

THREADS: Final = 2
"""Verifications at the same time: each takes a core and up to 128 MiB."""

WAITING: Final = 64
"""Verifications begun and not finished, at most; more are turned away."""


class OverloadedError(UnavailableError):
    """Too many passwords are being verified already."""


class Remembered:
    """Keys that were put in lately: bounded, each for a while. The least recently used goes first."""

    def __init__(self, size: int, lifetime: float, clock: Callable[[], float]) -> None:
        self._expires: OrderedDict[bytes, float] = OrderedDict()
        self._size = size
        self._lifetime = lifetime
        self._clock = clock

    def __repr__(self) -> str:
        return f"<Remembered {len(self._expires)}/{self._size}>"

    def __contains__(self, key: bytes) -> bool:
        expires = self._expires.get(key)
        if expires is None:
            return False
        if expires <= self._clock():
            del self._expires[key]
            return False
        self._expires.move_to_end(key)
        return True

    def add(self, key: bytes) -> None:
        """Remember the key from now on."""
        self._expires[key] = self._clock() + self._lifetime
        self._expires.move_to_end(key)
        if len(self._expires) > self._size:
            self._expires.popitem(last=False)


class PasswordVerifier:
    """Verifies passwords against stored hashes in threads of its own, and remembers verdicts.

    Verdicts are kept under an HMAC with a key of this process, so that memory holds no password.
    Requests that ask the same at once share one verification.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._key = secrets.token_bytes(32)
        self._accepted = Remembered(REMEMBERED, ACCEPTED_FOR, clock)
        self._refused = Remembered(REMEMBERED, REFUSED_FOR, clock)
        self._running: dict[bytes, asyncio.Future[bool]] = {}
        self._threads = ThreadPoolExecutor(THREADS, "passwords")

    def __repr__(self) -> str:
        return f"<PasswordVerifier running={len(self._running)} accepted={self._accepted!r}>"

    async def matches(self, password: str, stored: PasswordHash) -> bool:
        """Whether the password has the stored hash.

        Raises:
            OverloadedError: `WAITING` others are being verified.

        """
        key = hmac.digest(
            self._key, stored.salt + stored.digest + password.encode("utf-8", "surrogatepass"), "sha256"
        )
        if key in self._accepted:
            return True
        if key in self._refused:
            return False
        running = self._running.get(key)
        if running is None:
            running = self._begin(key, password, stored)
        # Shielded: others may wait for the same verdict when one caller goes.
        return await asyncio.shield(running)

    def _begin(self, key: bytes, password: str, stored: PasswordHash) -> asyncio.Future[bool]:
        if len(self._running) >= WAITING:
            raise OverloadedError("too many passwords are being verified")
        running = asyncio.get_running_loop().run_in_executor(self._threads, stored.matches, password)
        self._running[key] = running
        running.add_done_callback(lambda done: self._finish(key, done))
        return running

    def _finish(self, key: bytes, done: asyncio.Future[bool]) -> None:
        self._running.pop(key, None)
        if not done.cancelled() and done.exception() is None:
            (self._accepted if done.result() else self._refused).add(key)
