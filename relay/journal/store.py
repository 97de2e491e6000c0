"""The store: the connections relay has to Redis or Valkey, and what a store must be for relay to use it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any, Final

from relay.errors import ConfigurationError, RelayError, StoreUnavailableError
from relay.journal.checks import first_contact
from relay.journal.keys import META, Keys, partition_of
from relay.journal.link import Argument, Link
from relay.journal.outage import Outage
from relay.journal.pipe import MAX_BATCH, Pipe
from relay.journal.scripts import Script
from relay.telemetry import log

SCHEMA: Final = 1
"""Version of the keys and records; raised by a change that older versions of relay cannot read."""
TIMEOUT: Final = 3.0
"""Seconds for one pipeline: a paused store is noticed before clients give up on their requests."""
READ_MARGIN: Final = 3.0
"""Seconds that a blocking read may take beyond its BLOCK."""
CHECK_INTERVAL: Final = 5.0
"""Seconds between two looks at whether the store was flushed."""

_log: Final = log.get("journal")
_META: Final = Script("meta")


class Store:
    """Everything relay asks of the store goes through here.

    Writes and single reads share one connection whose commands leave in batches; pages of history have a
    second one, so that a long page holds up no commit; each blocking read has a connection to itself.
    Nothing is repeated by the store itself. Create it with `open`.
    """

    def __init__(self, url: str, partitions: int, *, timeout: float, check_interval: float) -> None:
        self.partitions = partitions
        self._url = url
        self._timeout = timeout
        self._check_interval = check_interval
        self._outage = Outage()
        self._keys: list[Keys] = []
        self._id = ""
        self._unusable = ""
        self._closed = False
        self._idle: list[Link] = []
        self._reading: Pipe
        self._writing: Pipe
        self._checker: asyncio.Task[None]

    @classmethod
    async def open(
        cls, url: str, *, partitions: int, timeout: float = TIMEOUT, check_interval: float = CHECK_INTERVAL
    ) -> Store:
        """Connect, and set the store up if it is new.

        ``partitions`` counts only then; a used store keeps its number. Times are seconds.

        Raises:
            ConfigurationError: the URL, or the store behind it, cannot be used.
            StoreUnavailableError: the store is away.

        """
        store = cls(url, partitions, timeout=timeout, check_interval=check_interval)
        link = store._link("start")
        try:
            await first_contact(link)
            await store._settle_on_partitions(link, partitions)
        finally:
            await link.drop()
        store._start()
        return store

    def __repr__(self) -> str:
        return f"Store({self.partitions} partitions, {self._outage!r}, {self._writing!r}, {self._reading!r})"

    def keys(self, account: str) -> Keys:
        """Return the keys of the account's partition."""
        return self._keys[partition_of(account, self.partitions)]

    def keys_at(self, partition: int) -> Keys:
        """Return the keys of a partition."""
        return self._keys[partition]

    @property
    def available(self) -> bool:
        """Whether every connection works, as far as is known."""
        return not self._outage and not self._unusable

    async def rest(self, seconds: float) -> None:
        """Wait before trying again what failed: so long, or only until another connection works again."""
        await self._outage.rest(seconds)

    @property
    def batches(self) -> int:
        """Pipelines sent by the writing side so far."""
        return self._writing.batches

    def submit(self, *command: Argument) -> asyncio.Future[Any]:
        """Queue a plain command on the writing side and return its future reply; for many at once."""
        return self._pipe(self._writing).submit(command)

    async def call(self, *command: Argument) -> Any:
        """Return the reply of a plain command, sent in a batch with others.

        Replies are as RESP3 has them: bytes, int, float, None, list (sets too), dict.

        Raises:
            StoreUnavailableError: no answer; whether it took effect is not known.
            StoreCommandError: the store refused the command.

        """
        return await self.submit(*command)

    async def ask(self, commands: Sequence[Sequence[Argument]]) -> Sequence[Any]:
        """Return the replies of a few plain commands, sent as `call` sends one; raises as it does."""
        if len(commands) == 1:
            return (await self.call(*commands[0]),)
        return await asyncio.gather(*self._pipe(self._writing).submit_all(commands))

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Return the reply of a script, sent in a batch with others; raises as `call` does."""
        command = ("EVALSHA", script.sha, len(keys), *keys, *args)
        return await self._pipe(self._writing).submit(command, script)

    async def fetch(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Return the replies of many reads, pipelined on the reading side; raises as `call` does.

        A long list is asked for in parts, so that other readers get their turn in between.
        """
        replies: list[Any] = []
        for first in range(0, len(commands), MAX_BATCH):
            some = commands[first : first + MAX_BATCH]
            replies += await asyncio.gather(*self._pipe(self._reading).submit_all(some))
        return replies

    async def read_stream(
        self, partition: int, after: str, *, count: int, block_ms: int
    ) -> list[tuple[str, dict[bytes, bytes]]]:
        """Return up to ``count`` entries of the partition's events after an id, waiting for the first.

        ``block_ms`` of 0 does not wait. The read has a connection to itself.

        Raises:
            StoreUnavailableError: no answer.

        """
        stream = self.keys_at(partition).events
        block: tuple[Argument, ...] = ("BLOCK", block_ms) if block_ms > 0 else ()
        command: tuple[Argument, ...] = ("XREAD", "COUNT", count, *block, "STREAMS", stream, after)
        reply = await self._read(f"reader-{partition}", command, block_ms / 1000 + READ_MARGIN)
        entries = reply[stream.encode()] if reply else ()
        return [(stream_id.decode(), _pairs(fields)) for stream_id, fields in entries]

    async def epoch(self, partition: int) -> str:
        """Return the random id of this history of the partition; it is made when first asked for."""
        fresh = secrets.token_hex(8)
        found = await self.call("SET", self.keys_at(partition).epoch, fresh, "NX", "GET")
        return fresh if found is None else str(found, "ascii")

    async def time_ms(self) -> int:
        """Return the store's clock, in milliseconds since the epoch."""
        seconds, micros = await self.call("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    async def close(self) -> None:
        """Let what waits be answered, then disconnect; a read of a stream does so once it has its answer."""
        self._closed = True
        self._checker.cancel()
        await asyncio.gather(self._checker, return_exceptions=True)
        await self._writing.close()
        await self._reading.close()
        while self._idle:
            await self._idle.pop().drop()

    def _start(self) -> None:
        self._writing = Pipe("writing", lambda: self._link("writing"), self._outage, greet=self._look)
        self._reading = Pipe("reading", lambda: self._link("reading"), self._outage)
        self._checker = asyncio.create_task(self._check(), name="journal-flush-check")

    def _link(self, name: str) -> Link:
        return Link(self._url, name, timeout=self._timeout)

    def _reader(self) -> Link:
        if self._closed:
            raise StoreUnavailableError("the connection to the store is closed")
        return self._idle.pop() if self._idle else self._link("reader")

    def _pipe(self, side: Pipe) -> Pipe:
        """Choose the connection of that side for a command: with one node, the same for every partition."""
        if self._unusable:
            raise StoreUnavailableError(self._unusable)
        return side

    async def _read(self, name: str, command: Sequence[Argument], timeout: float) -> Any:
        link = self._reader()
        try:
            if link.stale:
                await link.drop()
            await link.connect()
            reply = await link.ask(*command, timeout=timeout)
        except BaseException as error:
            await link.drop()
            if isinstance(error, StoreUnavailableError):
                self._outage.failed(name, str(error))
            raise
        self._outage.worked(name)
        if self._closed:
            await link.drop()
        else:
            self._idle.append(link)
        return reply

    async def _settle_on_partitions(self, link: Link, wanted: int) -> None:
        schema, stored, self._id = await self._meta(link)
        if schema != SCHEMA:
            raise ConfigurationError(
                f"the store was written by another version of relay (schema {schema}; this one has {SCHEMA})"
            )
        if stored != wanted:
            _log.warning("the store keeps its number of partitions", partitions=stored, asked=wanted)
        self.partitions = stored
        self._keys = [Keys(partition) for partition in range(stored)]

    async def _meta(self, link: Link) -> tuple[int, int, str]:
        reply = await link.ask("EVAL", _META.source, 1, META, SCHEMA, self.partitions, secrets.token_hex(8))
        return int(reply[0]), int(reply[1]), str(reply[2], "ascii")

    async def _look(self, link: Link) -> None:
        """Find out on a new connection whether the store is still the one that was opened."""
        self._compare(*await self._meta(link))

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(self._check_interval)
            try:
                args = (SCHEMA, self.partitions, secrets.token_hex(8))
                schema, partitions, store_id = await self._writing.submit(
                    ("EVALSHA", _META.sha, 1, META, *args), _META
                )
            except RelayError:
                continue  # the outage is logged where it was found
            self._compare(int(schema), int(partitions), str(store_id, "ascii"))

    def _compare(self, schema: int, partitions: int, store_id: str) -> None:
        if (schema, partitions) != (SCHEMA, self.partitions):
            if not self._unusable:
                self._unusable = f"the store was set up anew with {partitions} partitions; restart relay"
                _log.error(
                    "store set up anew", schema=schema, partitions=partitions, expected=self.partitions
                )
            return
        self._unusable = ""
        if store_id == self._id:
            return
        self._id = store_id
        _log.warning("store was flushed; starting over")


def _pairs(fields: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(fields[::2], fields[1::2], strict=True))
