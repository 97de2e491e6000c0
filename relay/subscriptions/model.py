"""What a webhook subscription is, and what may be asked of one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from relay.errors import InvalidFieldError
from relay.subscriptions.signing_keys import SIGNATURES, check_secret, signature_of

MAX_IN_FLIGHT: Final = 10
"""Requests that one endpoint is sent at a time, unless the subscription says otherwise."""
MOST_IN_FLIGHT: Final = 100
"""The most a subscription may ask for: a tenth of what one process sends at a time, or thereabouts."""
MOST_RETRIES: Final = 20
"""Retries a subscription may ask for: each keeps its answer's excerpt in the store."""
LONGEST_PAUSE: Final = 86_400.0
"""Seconds between two attempts at most: what Retry-After is capped at too."""
LONGEST_TIMEOUT: Final = 30.0
"""Seconds an attempt may be given at most (Standard Webhooks 1.0.0: 15 to 30 s)."""
LONGEST_GRACE: Final = 604_800.0
"""Seconds that a replaced secret may go on signing: a week."""
MOST_PER_WINDOW: Final = 10_000
"""Attempts that a subscription's rate limit may allow in its window: the owner remembers when each was."""
LONGEST_WINDOW: Final = 3600.0
"""Seconds of a rate limit's window at most."""
MOST_HEADERS: Final = 20
"""Custom headers a subscription may have."""
RESERVED_HEADERS: Final = frozenset(
    {
        *("host", "content-length", "content-type", "content-encoding", "connection", "transfer-encoding"),
        *("user-agent", "expect", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"),
    }
)
"""Headers relay sets itself, or that say how a request is sent; so are all that begin with ``webhook-``."""

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]{0,2000}[\x21-\x7e])?", re.ASCII)


STANDARD: Final = "standard"
"""The manner of Standard Webhooks."""


class Status(StrEnum):
    """Whether a subscription is delivered to."""

    ACTIVE = "active"
    DISABLED = "disabled"


class EventFilter(msgspec.Struct, frozen=True):
    """One of several wishes of a subscription: events that have all its labels."""

    source: str
    """As it is shown to whoever asked for it."""
    labels: tuple[str, ...]


class RefusedFilter(msgspec.Struct, frozen=True):
    """A wish that is not followed, and why."""

    filter: str
    """As it was asked for."""
    reason: str
    """A code of the dialect's."""
    message: str


class RateLimit(msgspec.Struct, frozen=True):
    """How many attempts an endpoint takes in a time."""

    count: int
    per_seconds: float


class Retired(msgspec.Struct, frozen=True):
    """A secret that was replaced, and signs beside its successor for a while."""

    secret: str
    until: int
    """Milliseconds since the epoch."""

    def __repr__(self) -> str:
        return f"Retired(until {self.until})"


class NewSubscription(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: the part of a subscription that its creator chooses."""

    url: str
    types: tuple[str, ...] = ()
    """Event types, ``*`` only at the end of one; empty: every type."""
    extensions: tuple[str, ...] = ()
    """Extensions whose legs are told of; empty: the whole account."""
    format: str = "v3"
    secret: str | None = None
    """``whsec_`` or ``whsk_``, and base64; None: a new one is made."""
    signature: str | None = None
    """``v1`` or ``v1a``; None: as the secret is, or v1."""
    headers: Mapping[str, str] = {}
    """Sent with every delivery."""
    max_in_flight: int = MAX_IN_FLIGHT
    rate_limit: RateLimit | None = None
    """None: as fast as it answers."""
    retries: tuple[float, ...] | None = None
    """Seconds between attempts, in place of the configured ones; empty: no retry."""
    timeout: float | None = None
    """Seconds for one attempt, in place of the configured ones."""
    description: str | None = None
    id: str | None = None
    """None: a new one is made."""
    filters: tuple[EventFilter, ...] = ()
    """Wishes of which an event must meet one; empty: types and extensions alone decide."""
    manner: str = STANDARD
    client_id: str | None = None
    verification_token: str | None = None
    expires_at: int | None = None
    lifetime: int | None = None
    refused: tuple[RefusedFilter, ...] = ()


class Subscription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A standing wish of an account's user to have events posted to a URL."""

    id: str
    account: str
    user_id: str
    """Who made it."""
    url: str
    secrets: tuple[str, ...]
    """Newest first; every delivery is signed with each."""
    retired: tuple[Retired, ...] = ()
    """Secrets that were rotated out and still sign, newest first."""
    created_at: int
    """Milliseconds since the epoch."""
    types: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    format: str = "v3"
    status: Status = Status.ACTIVE
    reason: str | None = None
    """Why it is disabled: ``gone`` after an answer of 410, ``failing`` after days of failures, ``owner``."""
    headers: Mapping[str, str] = {}
    max_in_flight: int = MAX_IN_FLIGHT
    rate_limit: RateLimit | None = None
    retries: tuple[float, ...] | None = None
    timeout: float | None = None
    description: str | None = None
    filters: tuple[EventFilter, ...] = ()
    manner: str = STANDARD
    """By whose rules requests are made and answers judged; see `relay.webhooks.manners`."""
    client_id: str | None = None
    """The application through which it was made."""
    verification_token: str | None = None
    """Sent with every delivery where the manner says so."""
    expires_at: int | None = None
    """When it ends by itself, in milliseconds since the epoch; None: never."""
    lifetime: int | None = None
    """Seconds until it ends from when it was made or renewed; None: it does not end."""
    refused: tuple[RefusedFilter, ...] = ()
    """What was asked for beside the filters and is not followed."""
    disabled_at: int | None = None
    """When deliveries were stopped, in milliseconds since the epoch."""
    sealed: str | None = None
    """Only as it is stored: what `relay.subscriptions.sealing` seals, whose fields are empty then."""
    from_id: str = ""
    """Stream id of the record of its creation: only later events are delivered."""
    rev: str = ""
    """Stream id of the record of its last change; a greater one is newer."""

    def __repr__(self) -> str:
        return f"Subscription({self.id} of {self.account}, {self.format}, {self.status})"


class SubscriptionChanged(msgspec.Struct, frozen=True):
    """Data of a journal record of kind subscription: what it is now, or that it is gone, is in the hash."""

    subscription: str
    errand: str | None = None
    """Id of an errand that its owner is to run."""
    refilled: bool = False
    """Older events were put into its queue."""
    moved: bool = False
    """It leads to another URL now."""


def check(new: NewSubscription, formats: Sequence[str]) -> None:
    """Check everything but the URL's address and the filters.

    Raises:
        InvalidFieldError: names the first field that cannot be used.

    """
    if new.format not in formats:
        raise InvalidFieldError("format", f"must be one of {', '.join(sorted(formats))}")
    if not 1 <= new.max_in_flight <= MOST_IN_FLIGHT:
        raise InvalidFieldError("max_in_flight", f"must be from 1 to {MOST_IN_FLIGHT}")
    if new.timeout is not None and not 1 <= new.timeout <= LONGEST_TIMEOUT:
        raise InvalidFieldError("timeout", f"must be from 1 to {LONGEST_TIMEOUT:g} seconds")
    _check_retries(new.retries)
    _check_headers(new.headers)
    _check_secret(new.secret, new.signature)
    if new.rate_limit is not None:
        _check_rate_limit(new.rate_limit)


def check_rotation(secret: str | None, signature: str | None, grace: float) -> None:
    """Check what a rotation is asked with.

    Raises:
        InvalidFieldError: names the first field that cannot be used.

    """
    _check_secret(secret, signature)
    if not 0 <= grace <= LONGEST_GRACE:
        raise InvalidFieldError("grace_seconds", f"must be from 0 to {LONGEST_GRACE:g}")


def _check_rate_limit(limit: RateLimit) -> None:
    if not 1 <= limit.count <= MOST_PER_WINDOW:
        raise InvalidFieldError("rate_limit/count", f"must be from 1 to {MOST_PER_WINDOW}")
    if not 0 < limit.per_seconds <= LONGEST_WINDOW:
        raise InvalidFieldError(
            "rate_limit/per_seconds", f"must be more than 0 and at most {LONGEST_WINDOW:g}"
        )


def _check_retries(retries: tuple[float, ...] | None) -> None:
    if retries is None:
        return
    if len(retries) > MOST_RETRIES:
        raise InvalidFieldError("retries", f"must be at most {MOST_RETRIES} pauses")
    if not all(0 < pause <= LONGEST_PAUSE for pause in retries):
        raise InvalidFieldError("retries", f"must be pauses of more than 0 and at most {LONGEST_PAUSE:g} s")


def _check_headers(headers: Mapping[str, str]) -> None:
    if len(headers) > MOST_HEADERS:
        raise InvalidFieldError("headers", f"must be at most {MOST_HEADERS}")
    lowered = [name.lower() for name in headers]
    if len(set(lowered)) != len(lowered):
        raise InvalidFieldError("headers", "must not name a header twice")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise InvalidFieldError("headers", f"{name!r} is no header name")
        if name.lower() in RESERVED_HEADERS or name.lower().startswith("webhook-"):
            raise InvalidFieldError("headers", f"{name} is set by relay and cannot be given")
        if not _HEADER_VALUE.fullmatch(value):
            raise InvalidFieldError("headers", f"the value of {name} must be printable ASCII on one line")


def _check_secret(secret: str | None, signature: str | None) -> None:
    if signature is not None and signature not in SIGNATURES:
        raise InvalidFieldError("signature", f"must be one of {', '.join(SIGNATURES)}")
    if secret is None:
        return
    try:
        check_secret(secret)
    except ValueError as error:
        raise InvalidFieldError("secret", str(error)) from error
    if signature not in (None, signature_of(secret)):
        raise InvalidFieldError("secret", f"must be one for {signature}: whsec_ is for v1, whsk_ for v1a")
