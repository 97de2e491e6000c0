"""What is kept of a delivery: its attempts and where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import StrEnum
from typing import Final

import msgspec

CAPTURE: Final = 4096
"""Bytes of an answer that are read and kept."""


class Status(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    """Not tried yet."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Tried; another attempt is due."""
    DEAD = "dead"
    """Given up."""
    CANCELED = "canceled"
    """Its subscription was disabled first."""


class ErrorCode(StrEnum):
    """Why an attempt failed."""

    TIMEOUT_CONNECT = "timeout_connect"
    TIMEOUT_READ = "timeout_read"
    DNS_ERROR = "dns_error"
    CONNECTION_REFUSED = "connection_refused"
    CONNECTION_RESET = "connection_reset"
    TLS_ERROR = "tls_error"
    BLOCKED_IP = "blocked_ip"
    HTTP_STATUS = "http_status"


SCHEDULE: Final = "schedule"
"""An attempt's trigger: it was due."""
MANUAL: Final = "manual"
"""An attempt's trigger: somebody asked for it."""


class Attempt(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One request and what came of it."""

    at: int
    """When it was begun, in milliseconds since the epoch."""
    duration_ms: int
    status_code: int | None = None
    error: ErrorCode | None = None
    response: str = ""
    """The beginning of the answer's body."""
    truncated: bool = False
    """There was more of it."""
    trigger: str = SCHEDULE


class Delivery(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """A delivery as it is kept."""

    status: Status
    type: str
    """The event's type."""
    attempts: tuple[Attempt, ...] = ()
    next_attempt_at: int | None = None
    """Milliseconds since the epoch."""
    reason: str | None = None
    """Why it is dead."""


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Delivery)


def encode(delivery: Delivery) -> bytes:
    """Return the form in which a delivery is kept."""
    return _encoder.encode(delivery)


def encode_attempt(attempt: Attempt) -> bytes:
    """Return the form in which an attempt is kept within its delivery."""
    return _encoder.encode(attempt)


def decode(kept: bytes) -> tuple[str, Delivery]:
    """Return event and delivery of a ZSET member: the event's stream id, a space, and the delivery.

    Raises:
        ValueError: it is something else.

    """
    event, _, encoded = kept.partition(b" ")
    return event.decode(), _decoder.decode(encoded)


def readable(members: Iterable[bytes]) -> Iterator[tuple[str, Delivery]]:
    """Give event and delivery of those members that can be read."""
    for member in members:
        with suppress(ValueError):
            yield decode(member)
