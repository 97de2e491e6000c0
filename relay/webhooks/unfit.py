"""Keys of one subscription, or one event, that hold another type than they must: set aside once met.

Something else than relay has written them. What was in them is lost, and nothing of anybody else. No lease is
needed to set them aside: neither the owner nor anybody else can use them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar

from relay.journal.keys import Keys
from relay.journal.link import StoreCommandError
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.telemetry import log
from relay.webhooks.mending import KEPT

_SCRIPT: Final = Script("unfit_aside")
_log: Final = log.get("webhooks")
T = TypeVar("T")


def of_subscription(keys: Keys, subscription: str) -> dict[str, str]:
    """Return the type that each of a subscription's keys must have."""
    return {
        keys.queue(subscription): "zset",
        keys.lanes(subscription): "hash",
        keys.attempts(subscription): "zset",
        keys.dead(subscription): "zset",
    }


async def set_unfit_aside(store: Store, keys: Keys, types: Mapping[str, str]) -> int:
    """Set those keys aside that hold another type; return how many. Raises StoreUnavailableError."""
    named = [one for key in types for one in (key, keys.aside(key))]
    found = await store.run(_SCRIPT, named, [KEPT * 1000, *types.values()])
    for number, held in zip(found[::2], found[1::2], strict=True):
        _log.error(
            "unfit key set aside", partition=keys.partition, key=named[2 * number - 2], held=held.decode()
        )
    return len(found) // 2


async def reading(store: Store, keys: Keys, types: Mapping[str, str], read: Callable[[], Awaitable[T]]) -> T:
    """Return what is read, without the keys that had to be set aside for it.

    Raises:
        StoreCommandError: the store refuses it all the same.
        StoreUnavailableError: no answer.

    """
    try:
        return await read()
    except StoreCommandError:
        await set_unfit_aside(store, keys, types)
    return await read()
