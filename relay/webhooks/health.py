"""What is kept of how endpoints are doing: for the next owner, and for whoever asks."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import msgspec

from relay.journal.store import Store
from relay.webhooks.condition import Breaker, Condition, Failing
from relay.webhooks.policy import LONGEST_HINT


class Health(msgspec.Struct, frozen=True):
    """An endpoint that fails; of one that does not, nothing is kept."""

    failing_since: int
    """Milliseconds since the epoch."""
    complaint: str
    """What its attempts came to when this was written."""
    open: bool = False
    """Its breaker is open: it gets probes only."""
    asked_until: int = 0
    """Until when it asked to be left alone, in milliseconds since the epoch; perhaps past."""


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Health)


def health_of(condition: Condition, now: float) -> bytes:
    """Return what is kept of a condition ``now`` (seconds since the epoch); nothing of one that is well."""
    failing = condition.failing
    if failing is None:
        return b""
    ahead = now - time.monotonic()
    health = Health(
        failing_since=round((ahead + failing.since) * 1000),
        complaint=failing.complaint,
        open=condition.breaker is not Breaker.CLOSED,
        asked_until=round((ahead + condition.asked_until) * 1000) if condition.asked_until else 0,
    )
    return _encoder.encode(health)


def restore(condition: Condition, kept: bytes, at: float) -> None:
    """Have a condition go on ``at`` a time (seconds since the epoch) from what is kept, if it can be read."""
    health = _read(kept)
    if health is None:
        return
    now = time.monotonic()
    age = max(0.0, at - health.failing_since / 1000)
    # A store's clock may have been set back since: nobody asks for longer than is heeded.
    asked = min(max(0.0, health.asked_until / 1000 - at), LONGEST_HINT)
    condition.restore(
        Failing(now - age, health.complaint), opened=health.open, now=now, asked_until=now + asked
    )


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
