"""Recoveries: past events of a time range, queued for a subscription again; what is kept of one."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from relay.errors import NotFoundError
from relay.journal.ids import START, parse
from relay.journal.store import Store
from relay.subscriptions.model import Subscription


class RecoveryStatus(StrEnum):
    """Where a recovery stands."""

    PENDING = "pending"
    """Its owner has not begun."""
    RUNNING = "running"
    DONE = "done"
    """All that there was is queued, or delivered already."""
    CANCELED = "canceled"
    """The subscription was disabled meanwhile."""


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """One recovery. Times are milliseconds since the epoch."""

    since: int
    until: int
    """Both as asked, the end included."""
    begins: int
    """Where it really begins: no earlier than the subscription and the oldest event left."""
    complete: bool
    """No event from ``since`` on, or from the subscription's creation, was trimmed before."""
    undelivered: bool = False
    """Events that were delivered are left out."""
    status: RecoveryStatus = RecoveryStatus.PENDING
    at: str = START
    """Stream id of the last record that was looked at."""
    scanned: int = 0
    """Events looked at that the subscription wants."""
    queued: int = 0
    """Those of them that were queued; the others wait already, or were delivered."""

    @property
    def over(self) -> bool:
        """Whether nothing more is queued."""
        return self.status in (RecoveryStatus.DONE, RecoveryStatus.CANCELED)


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Recovery)


def encode(recovery: Recovery) -> bytes:
    """Return the form in which a recovery is kept."""
    return _encoder.encode(recovery)


def decode(kept: bytes) -> Recovery:
    """Read what is kept of a recovery; raises msgspec.DecodeError."""
    return _decoder.decode(kept)


async def trimmed_to(store: Store, account: str) -> int:
    """Return when the oldest record of an account's partition is from, 0 where none was trimmed.

    In milliseconds since the epoch; raises StoreUnavailableError.
    """
    info = await store.call("XINFO", "STREAM", store.keys(account).events)
    if info[b"entries-added"] <= info[b"length"]:
        return 0
    oldest = info[b"first-entry"]
    return parse((oldest[0] if oldest else info[b"last-generated-id"]).decode()).ms


async def begin(
    store: Store, subscription: Subscription, recovery_id: str, recovery: Recovery, retention_ms: int
) -> None:
    """Keep a recovery for its owner and whoever asks how far it is; raises StoreUnavailableError."""
    key = store.keys(subscription.account).recovery(subscription.id, recovery_id)
    await store.call("SET", key, encode(recovery), "PX", retention_ms)


async def find(store: Store, subscription: Subscription, recovery_id: str) -> Recovery:
    """Return a subscription's recovery as it stands.

    Raises:
        NotFoundError: there is none of this id, or it is over for so long that nothing is kept of it.
        StoreUnavailableError: no answer.

    """
    kept = await store.call("GET", store.keys(subscription.account).recovery(subscription.id, recovery_id))
    if kept is None:
        raise NotFoundError("there is no such recovery")
    return decode(kept)
