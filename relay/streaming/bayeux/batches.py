"""One script for many sessions: what is asked of it while it runs leaves together in one command."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from relay.errors import StoreUnavailableError
from relay.journal.keys import Keys
from relay.journal.link import Argument
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.telemetry import log

LARGEST: Final = 100
"""Sessions of one command: about a millisecond of the store's time."""
MAX_WAITING: Final = 20_000
"""Questions that may wait in a partition; more are refused, they would be answered too late."""


_log: Final = log.get("bayeux")


class Reply(Protocol):
    """Who is told what the script says; a future is one, which takes another turn of the loop."""

    def done(self) -> bool:
        """Tell whether nobody waits for it any more."""
        ...

    def set_result(self, result: Any, /) -> None:
        """Take the reply about a session."""
        ...

    def set_exception(self, exception: Exception, /) -> None:
        """Learn what `Store.run` raised."""
        ...


class _Question(NamedTuple):
    key: str
    arguments: Sequence[Argument]
    reply: Reply


class Batches:
    """Runs a script whose keys are the shared ones and then one for each session, partition by partition."""

    def __init__(self, store: Store, script: Script, shared: Callable[[Keys], Sequence[str]]) -> None:
        self._store = store
        self._script = script
        self._shared = shared
        self._waiting: dict[int, deque[_Question]] = {}
        self._running: dict[int, asyncio.Task[None]] = {}

    def __repr__(self) -> str:
        return f"Batches({self._script!r}, {sum(map(len, self._waiting.values()))} waiting)"

    def ask(self, keys: Keys, client: str, *arguments: Argument) -> asyncio.Future[Any]:
        """Return the future reply about a session. If nobody waits for it any more it may not be asked.

        Raises:
            StoreUnavailableError: too many wait. Otherwise the future raises what `Store.run` does.

        """
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.tell(reply, keys, client, *arguments)
        return reply

    def tell(self, reply: Reply, keys: Keys, client: str, *arguments: Argument) -> None:
        """Do as `ask`, and tell somebody the reply."""
        partition = keys.partition
        waiting = self._waiting.setdefault(partition, deque())
        if len(waiting) >= MAX_WAITING:
            raise StoreUnavailableError(f"{len(waiting)} sessions wait for the store already")
        waiting.append(_Question(keys.bayeux(client), (client, *arguments), reply))
        if partition not in self._running:
            name = f"bayeux-{self._script.name}-{partition:02d}"
            self._running[partition] = asyncio.create_task(self._run(keys, waiting), name=name)

    async def close(self) -> None:
        """Wait for what has been asked."""
        while self._running:
            await asyncio.wait(self._running.values())

    async def _run(self, keys: Keys, waiting: deque[_Question]) -> None:
        try:
            while waiting:
                batch: list[_Question] = []
                while waiting and len(batch) < LARGEST:
                    question = waiting.popleft()
                    if not question.reply.done():
                        batch.append(question)
                if batch:
                    await self._ask(keys, batch)
        finally:
            del self._running[keys.partition]

    async def _ask(self, keys: Keys, batch: Sequence[_Question]) -> None:
        wanted = [*self._shared(keys), *(question.key for question in batch)]
        arguments = [argument for question in batch for argument in question.arguments]
        try:
            replies = await self._store.run(self._script, wanted, arguments)
        except Exception as error:  # noqa: BLE001 - whoever asked is told, whatever it is
            for question in batch:
                if not question.reply.done():
                    question.reply.set_exception(error)
            return
        for question, reply in zip(batch, replies, strict=True):
            if not question.reply.done():
                try:
                    question.reply.set_result(reply)
                except Exception:  # noqa: BLE001 - the others must learn of theirs
                    _log.exception("a reply was not taken", script=self._script.name)
