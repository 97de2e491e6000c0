"""What is kept of how endpoints are doing: for the next owner, and for whoever asks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import msgspec

from relay.journal.store import Store
from relay.webhooks.condition import Breaker, Condition, Failing


class Health(msgspec.Struct, frozen=True):
    """An endpoint that fails; of one that does not, nothing is kept."""

    failing_since: int
    """Milliseconds since the epoch."""
    complaint: str
    """What its attempts came to when this was written."""
    open: bool = False
    """Its breaker is open: it gets probes only."""


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Health)


def health_of(condition: Condition, now: float) -> bytes:
    """Return what is kept of a condition ``now`` (seconds since the epoch); nothing of one that is well."""
    failing = condition.failing
    if failing is None:
        return b""
    since = round((now - (time.monotonic() - failing.since)) * 1000)
    return _encoder.encode(Health(since, failing.complaint, condition.breaker is not Breaker.CLOSED))


def restore(condition: Condition, kept: bytes, at: float) -> None:
    """Have a condition go on ``at`` a time (seconds since the epoch) from what is kept, if it can be read."""
    health = _read(kept)
    if health is None:
        return
    now = time.monotonic()
    age = max(0.0, at - health.failing_since / 1000)
    condition.restore(Failing(now - age, health.complaint), opened=health.open, now=now)


async def healths(store: Store, account: str, subscriptions: Sequence[str]) -> dict[str, Health]:
    """Return how those of an account's subscriptions are doing that fail; raises StoreUnavailableError."""
    if not subscriptions:
        return {}
    kept = await store.call("HMGET", store.keys(account).health, *subscriptions)
    read = {one: _read(found) for one, found in zip(subscriptions, kept, strict=True) if found}
    return {one: health for one, health in read.items() if health is not None}


def _read(kept: bytes) -> Health | None:
    """Read what is kept, None if it is something else."""
    try:
        return _decoder.decode(kept)
    except msgspec.DecodeError:
        return None
