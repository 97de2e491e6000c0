"""Carrying out recoveries: page by page, each queued and noted in one step, so that any owner can go on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, final

import msgspec

from relay.errors import UnavailableError
from relay.journal.ids import StreamId, parse
from relay.journal.leases import Lease, run_owned
from relay.journal.link import Argument, StoreCommandError
from relay.journal.record import MATCHED
from relay.journal.scripts import Script
from relay.subscriptions.index import Index
from relay.subscriptions.model import Subscription
from relay.subscriptions.rendering import rendered
from relay.telemetry import log
from relay.webhooks.courier import Courier
from relay.webhooks.parts import Parts
from relay.webhooks.records import readable
from relay.webhooks.recoveries import Recovery, RecoveryStatus, decode, encode
from relay.webhooks.references import Reference, place

PAGE: Final = 200
"""Records read at a time: rendering them takes some 5 ms, in which nothing else runs."""

_LATEST: Final = 2**64 - 1
_SCRIPT: Final = Script("recover")
_log: Final = log.get("webhooks")


class _Page(NamedTuple):
    """What was read of the journal."""

    wanted: Sequence[Reference]
    at: str
    """Stream id of the last record."""
    last: bool
    """Nothing follows it."""


@final
class Recovering:
    """Queues past events of one partition's subscriptions again, under one lease.

    Everything of a range is queued as fast as it is read, so that nothing is trimmed before its turn comes;
    what is newer waits behind it, in the journal's order.
    """

    def __init__(self, parts: Parts, lease: Lease, index: Index, courier: Courier) -> None:
        self._parts = parts
        self._lease = lease
        self._index = index
        self._courier = courier
        self._keys = parts.store.keys_at(lease.partition)

    def __repr__(self) -> str:
        return f"Recovering({self._lease!r})"

    async def recover(self, subscription_id: str, recovery_id: str) -> bool:
        """Go on with a recovery until it is over; False if it cannot go on now.

        Raises:
            LeaseLostError: it is the next owner's to go on.

        """
        key = self._keys.recovery(subscription_id, recovery_id)
        try:
            while (kept := await self._parts.store.call("GET", key)) is not None:
                if not await self._step(subscription_id, key, kept):
                    break
        except UnavailableError:
            return False
        except (StoreCommandError, msgspec.DecodeError) as error:
            _log.error("recovery dropped", subscription=subscription_id, error=str(error))
            await self._parts.store.call("DEL", key)
        return True

    async def _step(self, subscription_id: str, key: str, kept: bytes) -> bool:
        """Queue one page; False if there is nothing more to do."""
        recovery = decode(kept)
        if recovery.over:
            return False
        subscription = self._index.get(subscription_id)
        if subscription is None:
            canceled = msgspec.structs.replace(recovery, status=RecoveryStatus.CANCELED)
            return await self._write(subscription_id, key, kept, canceled, ()) is not None
        page = await self._read(subscription, recovery)
        further = msgspec.structs.replace(
            recovery,
            status=RecoveryStatus.DONE if page.last else RecoveryStatus.RUNNING,
            at=page.at,
            scanned=recovery.scanned + len(page.wanted),
        )
        written = await self._write(subscription.id, key, kept, further, page.wanted)
        if written is None:
            return subscription_id in self._index
        if page.wanted:
            outbox = self._courier.outbox(subscription)
            outbox.lanes.rewind(page.wanted[0].score - 1)
            self._courier.serve(outbox)
        self._parts.stats.recovered += written.queued - recovery.queued
        await asyncio.sleep(0)
        return True

    async def _read(self, subscription: Subscription, recovery: Recovery) -> _Page:
        after = max(parse(recovery.at), StreamId(max(0, recovery.begins - 1), _LATEST))
        end = StreamId(recovery.until, _LATEST)
        command = ("XRANGE", self._keys.events, f"({after}", str(end), "COUNT", PAGE)
        [found] = await self._parts.store.fetch([command])
        wanted = [one for item in found if (one := self._wanted(subscription, item)) is not None]
        at = found[-1][0].decode() if found else str(after)
        return _Page(wanted, at, last=len(found) < PAGE)

    def _wanted(self, subscription: Subscription, item: Any) -> Reference | None:
        stream_id, fields = item[0].decode(), item[1]
        pairs = dict(zip(fields[::2], fields[1::2], strict=True))
        if pairs.get(b"a") != subscription.account.encode():
            return None
        entry = readable(self._lease.partition, stream_id, pairs)
        if entry is None or entry.kind not in MATCHED:
            return None
        event = rendered(entry, subscription.format, self._parts.renderers)
        at = parse(stream_id)
        if event is None or not self._index.wants(subscription.id, event, at):
            return None
        return Reference(entry, place(at))

    async def _write(
        self, subscription_id: str, key: str, kept: bytes, further: Recovery, wanted: Sequence[Reference]
    ) -> Recovery | None:
        """Queue references and note how far this is, in one step; None if it was not as it was read."""
        keys = self._keys
        retention = round(self._parts.retention.attempts * 1000)
        named = [
            *(keys.events, keys.subs, key, keys.ready, keys.queue(subscription_id)),
            *(keys.lanes(subscription_id), keys.attempts(subscription_id), keys.dead(subscription_id)),
            *(keys.parked(one.event) for one in wanted),
        ]
        arguments: list[Argument] = [subscription_id, kept, encode(further), retention, retention]
        arguments.append(int(further.undelivered))
        for one in wanted:
            arguments += (one.event, one.score, one.lane)
        done, *written = await run_owned(self._parts.store, _SCRIPT, self._lease, named, arguments)
        return decode(written[0]) if done else None
