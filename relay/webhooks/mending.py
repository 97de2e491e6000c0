"""Keys of a whole partition that the store holds in a form nobody can use: set aside, and made anew.

Something else than relay has written them. What `ready`, `due` and `cursor` tell stands in queues and lanes,
too; the others are lost with what was in them, and the partition goes on without.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from relay.errors import StoreUnavailableError, UnavailableError
from relay.journal.ids import START, InvalidIdError, parse
from relay.journal.keys import Keys
from relay.journal.leases import Lease, run_owned
from relay.journal.link import StoreCommandError
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.telemetry import log
from relay.webhooks.references import event_at
from relay.webhooks.stats import Stats

KEPT: Final = 7 * 86_400
"""Seconds that what was set aside can be looked at."""
MADE_WITHIN: Final = 600
"""Seconds after which what was made anew is forgotten that nobody has put in place."""
LOOK_EVERY: Final = 10.0
"""Seconds between two looks at keys that only the API asks for: it cannot set them aside."""
PAGE: Final = 500
"""Subscriptions looked at in a round trip, and members written in one."""

_SCRIPT: Final = Script("set_aside")
_LAST: Final = Script("last_queued")
_log: Final = log.get("webhooks")


class SetAsideError(UnavailableError):
    """Keys of the partition were set aside: what was read from them holds no more, its owner begins anew."""


@asynccontextmanager
async def mending(store: Store, lease: Lease, stats: Stats) -> AsyncIterator[None]:
    """Where something fails over what a key of the whole partition holds, have that key set aside.

    Raises:
        SetAsideError: it was.
        LeaseLostError: the partition has another owner.
        StoreUnavailableError: no answer; whatever was to be done may be tried again.

    """
    try:
        yield
    except (StoreCommandError, InvalidIdError) as error:
        if await _mend(store, lease, stats):
            raise SetAsideError("keys were set aside") from error
        raise


async def watch(store: Store, lease: Lease, stats: Stats) -> None:
    """Have unfit keys set aside that nothing else has met; raises SetAsideError once there was one."""
    while True:
        await asyncio.sleep(LOOK_EVERY)
        try:
            mended = await _mend(store, lease, stats)
        except StoreUnavailableError:
            continue
        if mended:
            raise SetAsideError("keys were set aside")


async def _mend(store: Store, lease: Lease, stats: Stats) -> bool:
    """Set aside what is of no use; tell whether there was any, though others may have set it aside by now."""
    keys = store.keys_at(lease.partition)
    found = await store.fetch([("TYPE", getattr(keys, name)) for name in _TYPES])
    mended = False
    for (name, wanted), held in zip(_TYPES.items(), (one.decode() for one in found), strict=True):
        useless = await _useless(store, keys) if name == "cursor" and held == wanted else b""
        if held not in (wanted, "none") or useless:
            key = getattr(keys, name)
            anew = keys.anew(key, secrets.token_hex(8))  # several of the owner's tasks may find it at once
            if name in _MAKING:
                await _MAKING[name](store, keys, anew)
                await store.call("EXPIRE", anew, MADE_WITHIN)
            named = [key, anew, keys.aside(key)]
            if await run_owned(store, _SCRIPT, lease, named, [wanted, KEPT * 1000, useless]):
                stats.unreadable += 1
                _log.error("unfit key set aside", partition=lease.partition, key=name, held=held)
            mended = True
    return mended


async def _ready(store: Store, keys: Keys, anew: str) -> None:
    """Find out which subscriptions have work."""
    async for page in _subscriptions(store, keys):
        there = await store.fetch([("EXISTS", keys.queue(one), keys.lanes(one)) for one in page])
        ready = [one for one, count in zip(page, there, strict=True) if count]
        if ready:
            await store.call("SADD", anew, *ready)


async def _due(store: Store, keys: Keys, anew: str) -> None:
    """Find out which calls wait for a retry, and have them tried now."""
    now = await store.time_ms()
    async for page in _subscriptions(store, keys):
        for subscription in page:
            try:
                lanes = await store.call("HKEYS", keys.lanes(subscription))
            except StoreCommandError:
                continue  # that one's alone; it is told of when its lanes are read
            for first in range(0, len(lanes), PAGE):
                waiting = (f"{subscription} {lane.decode()}" for lane in lanes[first : first + PAGE])
                await store.call("ZADD", anew, *(part for member in waiting for part in (now, member)))


async def _cursor(store: Store, keys: Keys, anew: str) -> None:
    """Find out how far events were fanned out: the last one that is known of is fanned out once more.

    Whoever has got it already may get it twice; what came after it reached nobody.
    """
    last = 0
    async for page in _subscriptions(store, keys):
        named = [
            key
            for one in page
            for key in (keys.queue(one), keys.lanes(one), keys.attempts(one), keys.dead(one))
        ]
        last = max(last, int(await store.run(_LAST, named, []) or 0))
    if last:
        await store.call("SET", anew, str(event_at(last - 1)))


async def _useless(store: Store, keys: Keys) -> bytes:
    """Return what the cursor holds if that leads nowhere."""
    held: bytes = await store.call("GET", keys.cursor) or b""
    try:
        parse(held.decode(errors="replace").partition(":")[0] or START)
    except InvalidIdError:
        return held
    return b""


async def _subscriptions(store: Store, keys: Keys) -> AsyncIterator[list[str]]:
    cursor: bytes | int = 0
    while True:
        cursor, found = await store.call("HSCAN", keys.subs, cursor, "COUNT", PAGE)
        yield [one.decode() for one in found[::2]]
        if int(cursor) == 0:
            return


_TYPES: Final = {
    "subs": "hash",
    "ready": "set",
    "due": "zset",
    "health": "hash",
    "errands": "hash",
    "with_dead": "set",
    "cursor": "string",
}
"""What each key must be; the subscriptions come first, as the others are found out from them."""
_MAKING: Final[dict[str, Callable[[Store, Keys, str], Awaitable[None]]]] = {
    "ready": _ready,
    "due": _due,
    "cursor": _cursor,
}
