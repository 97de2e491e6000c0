"""One connection that many tasks share: what they ask within one turn of the loop leaves together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from relay.errors import RelayError, StoreUnavailableError
from relay.journal.link import Argument, Link, NotPrimaryError, ScriptMissingError, pack
from relay.journal.outage import REFUSED, Outage
from relay.journal.scripts import Script
from relay.telemetry import log

MAX_BATCH: Final = 256
"""Commands that leave in one pipeline: enough to share the cost, few enough not to keep the next waiting."""
MAX_WAITING: Final = 20_000
"""Commands that may wait for their turn; more are refused at once, they would be answered too late."""

_log: Final = log.get("journal")


class _Command:
    __slots__ = ("arguments", "future", "packed", "script")

    def __init__(
        self, arguments: Sequence[Argument], script: Script | None, future: asyncio.Future[Any]
    ) -> None:
        self.arguments = arguments
        self.script = script
        self.future = future
        self.packed = pack(arguments)

    def settle(self, reply: Any) -> None:
        if self.future.done():  # the caller went away
            return
        if isinstance(reply, RelayError):
            self.future.set_exception(reply)
        else:
            self.future.set_result(reply)


class Pipe:
    """Batches commands onto one connection, in the order they came; reconnects by itself, repeats nothing.

    While one batch is on its way the next collects. A command whose caller went away before it left is
    dropped; one that left is answered to nobody. When the connection fails, every command of the batch that
    has no answer yet fails, its effect unknown, and the next batch connects anew.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Link],
        outage: Outage,
        *,
        greet: Callable[[Link], Awaitable[None]] | None = None,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        """Start the task that serves the pipe; `close` ends it.

        ``greet`` is awaited on every new connection before any command leaves.
        """
        self._name = name
        self._make = connect
        self._outage = outage
        self._greet = greet
        self._max_waiting = max_waiting
        self._waiting: deque[_Command] = deque()
        self._wake = asyncio.Event()
        self._link: Link | None = None
        self._closed = False
        #: Pipelines sent so far.
        self.batches = 0
        self._loop = asyncio.get_running_loop()
        self._runner = asyncio.create_task(self._run(), name=f"journal-pipe-{name}")

    def __repr__(self) -> str:
        state = "closed" if self._closed else "connected" if self._link else "not connected"
        return f"Pipe({self._name}, {state}, {len(self._waiting)} waiting, {self.batches} batches)"

    def submit(self, arguments: Sequence[Argument], script: Script | None = None) -> asyncio.Future[Any]:
        """Queue a command and return its future reply.

        With a script, the arguments are those of EVALSHA; if the server lacks it, its source is sent.

        Raises:
            StoreUnavailableError: too many commands wait, or the pipe is closed.

        """
        if self._closed:
            raise StoreUnavailableError("the connection to the store is closed")
        if len(self._waiting) >= self._max_waiting:
            raise StoreUnavailableError(f"{self._max_waiting} commands wait for the store already")
        future = self._loop.create_future()
        self._waiting.append(_Command(arguments, script, future))
        self._wake.set()
        return future

    def submit_all(self, commands: Sequence[Sequence[Argument]]) -> list[asyncio.Future[Any]]:
        """Queue plain commands, all or none; raises as `submit` does."""
        if len(self._waiting) + len(commands) > self._max_waiting:
            raise StoreUnavailableError(f"{len(self._waiting)} commands wait for the store already")
        return [self.submit(command) for command in commands]

    async def close(self) -> None:
        """Serve what waits, then disconnect."""
        if not self._closed:
            self._closed = True
            self._wake.set()
        await self._runner

    async def _run(self) -> None:
        try:
            while await self._wake.wait():
                batch = self._take()
                if batch:
                    await self._serve(batch)
                    if self._waiting:  # those just answered may ask again at once: they share the next batch
                        await asyncio.sleep(0)
                elif self._closed:
                    return
                else:
                    self._wake.clear()
        finally:
            self._closed = True
            self._fail(self._waiting, StoreUnavailableError("the connection to the store is closed"))
            await self._drop()

    def _take(self) -> list[_Command]:
        batch: list[_Command] = []
        while self._waiting and len(batch) < MAX_BATCH:
            command = self._waiting.popleft()
            if not command.future.done():
                batch.append(command)
        return batch

    async def _serve(self, batch: list[_Command]) -> None:
        link: Link | None = None
        try:
            link = await self._connected()
            await self._send(link, batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, the pipe must go on with the next batch
            if not isinstance(error, RelayError):
                _log.exception("a batch failed", connection=self._name)
            self._outage.failed(self._name, str(error))
            self._fail(batch, error)
            if link is None:  # nobody could be reached: those who wait need not wait for their own try
                self._fail(self._waiting, error)
            await self._drop()
        else:
            self._outage.worked(self._name)
        finally:
            self._fail(batch, StoreUnavailableError("the connection to the store is closed"))

    async def _connected(self) -> Link:
        if self._link is not None and self._link.stale:
            await self._drop()
        if self._link is None:
            self._link = self._make()
            await self._link.connect()
            if self._greet is not None:
                await self._greet(self._link)
        return self._link

    async def _send(self, link: Link, batch: list[_Command]) -> None:
        self.batches += 1
        replies: list[Any] = []
        try:
            await link.exchange([command.packed for command in batch], replies)
        finally:
            unknown = [
                command
                for command, reply in zip(batch, replies, strict=False)
                if not _settled(command, reply)
            ]
        if unknown:
            await self._send(link, [_in_full(command) for command in unknown])
        refused = next((reply for reply in replies if isinstance(reply, StoreUnavailableError)), None)
        if refused is not None:
            self._outage.failed("refused commands", str(refused), stale=REFUSED)
            if isinstance(refused, NotPrimaryError):
                await self._drop()

    def _fail(self, commands: Iterable[_Command], error: Exception) -> None:
        for command in commands:
            if not command.future.done():
                command.settle(StoreUnavailableError(str(error)))

    async def _drop(self) -> None:
        if self._link is not None:
            link, self._link = self._link, None
            await link.drop()


def _settled(command: _Command, reply: Any) -> bool:
    if isinstance(reply, ScriptMissingError) and command.script is not None:
        return False
    command.settle(reply)
    return True


def _in_full(command: _Command) -> _Command:
    """Return the command with its script's source in place of the digest."""
    assert command.script is not None, "only scripts are sent in full"  # noqa: S101
    return _Command(("EVAL", command.script.source, *command.arguments[2:]), None, command.future)
