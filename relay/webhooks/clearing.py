"""Clearing away what is queued for a subscription that gets nothing more, page by page."""

from __future__ import annotations

from typing import Any, Final

from relay.journal.ids import parse
from relay.journal.keys import Keys
from relay.journal.store import Store
from relay.webhooks.ledger import Ledger
from relay.webhooks.operations import Operations
from relay.webhooks.references import place, read_lane

PAGE: Final = 200
"""References cleared at a time, each an operation of a script that others wait for."""


async def clear(
    store: Store, keys: Keys, ledger: Ledger, operations: Operations, subscription: str, up_to: int
) -> None:
    """Clear what was queued for a disabled or deleted subscription up to a place.

    Its deliveries become canceled; of a deleted subscription nothing is kept. Raises StoreUnavailableError;
    it may be called again, and nothing is lost by calling it twice.
    """
    while events := await _queued(store, keys.queue(subscription), up_to):
        await ledger.written([operations.cancel(subscription, event) for event in events])
    await _clear_lanes(store, keys, ledger, operations, subscription, up_to)
    if not await store.call("HEXISTS", keys.subs, subscription):
        await _erase(store, keys, ledger, operations, subscription)


async def _queued(store: Store, queue: str, up_to: int) -> list[str]:
    found = await store.call("ZRANGE", queue, "-inf", up_to, "BYSCORE", "LIMIT", 0, PAGE)
    return [event.decode() for event in found]


async def _clear_lanes(
    store: Store, keys: Keys, ledger: Ledger, operations: Operations, subscription: str, up_to: int
) -> None:
    cursor: bytes | int = 0
    while True:
        cursor, found = await store.call("HSCAN", keys.lanes(subscription), cursor, "COUNT", PAGE)
        for lane, state in zip(found[::2], found[1::2], strict=True):
            waiting = read_lane(state)
            if waiting is None:
                await ledger.written([operations.abandon(subscription, lane.decode(), ())])
            elif place(parse(waiting.events[0])) <= up_to:
                await ledger.written([operations.abandon(subscription, lane.decode(), waiting.events)])
        if int(cursor) == 0:
            return


async def _erase(store: Store, keys: Keys, ledger: Ledger, operations: Operations, subscription: str) -> None:
    first = 0
    while found := await _dead(store, keys.dead(subscription), first):
        await ledger.written([operations.forget(subscription, event) for event in found])
        first += len(found)
    await ledger.written([operations.erase(subscription)])


async def _dead(store: Store, dead: str, first: int) -> list[str]:
    found: list[Any] = await store.call("ZRANGE", dead, first, first + PAGE - 1)
    return [member.partition(b" ")[0].decode(errors="replace") for member in found]
