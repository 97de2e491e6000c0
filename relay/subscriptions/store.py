"""Subscriptions in the store: each change and the journal record that tells of it are one step."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from relay.errors import ContendedError, InvalidFieldError, LimitReachedError, NotFoundError
from relay.journal.operational import OperationalEvent, OperationalType
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.subscriptions.filters import compile_filter
from relay.subscriptions.model import (
    NewSubscription,
    Retired,
    Status,
    Subscription,
    SubscriptionChanged,
    check,
    check_rotation,
)
from relay.subscriptions.sealing import PLAIN, SecretKeys
from relay.subscriptions.signing_keys import SYMMETRIC, new_secret, signature_of
from relay.subscriptions.stored import UnreadableError, decode, opened
from relay.telemetry import log

PREFIX: Final = "sub_"
"""What every subscription's id begins with."""
GRACE: Final = 86_400.0
"""Seconds for which a replaced secret signs too, unless the owner says otherwise."""
MOST_RETIRED: Final = 4
"""Replaced secrets that sign at a time: each costs a signature and a part of a header per delivery."""
MAX_PAGE: Final = 1000
"""Subscriptions a page holds at most."""
STEP: Final = 200
"""Subscriptions read at a time, at least, to find those of one user."""
MOST_STEPS: Final = 5
"""Times that is done for one page: others wait while what was read is decoded."""
MAX_TRIES: Final = 20
"""Times a change is made anew because another was first."""
PAUSE: Final = 0.05
"""Seconds until the next try at most; each pause is random, so that one of those who lost is first again."""

_PUT: Final = Script("subscription_put")
_DELETE: Final = Script("subscription_delete")
_log: Final = log.get("subscriptions")
_encoder: Final = msgspec.json.Encoder()

_Placed = tuple[tuple[str, Subscription], ...]
"""Subscriptions, each behind the place at which it was made."""


def new_id() -> str:
    """Make the id of a subscription: ``sub_`` and the hex digits of a UUID."""
    return PREFIX + uuid.uuid4().hex


class SubscriptionPage(NamedTuple):
    """A page of an account's subscriptions, oldest first."""

    subscriptions: list[Subscription]
    next: str | None
    """Cursor of the page after it, None after the last."""


class Subscriptions:
    """Creates, reads and deletes subscriptions.

    Every call raises StoreUnavailableError without an answer, and those that read a subscription SealedError
    where its secrets are sealed under a key that is not there.
    """

    def __init__(
        self, store: Store, *, formats: Sequence[str], limit: int, secret_keys: SecretKeys = PLAIN
    ) -> None:
        """Serve subscriptions in these formats, at most ``limit`` an account."""
        self.secret_keys = secret_keys
        self._store = store
        self._formats = tuple(formats)
        self._limit = limit

    def __repr__(self) -> str:
        return f"Subscriptions(formats={self._formats}, limit={self._limit})"

    async def create(self, account: str, user_id: str, new: NewSubscription) -> Subscription:
        """Create a subscription for events after this moment. The URL's address is the caller's to check.

        Raises:
            InvalidFieldError: a field cannot be used.
            LimitReachedError: the account has as many as it may have.

        """
        check(new, self._formats)
        compile_filter(new.types, new.extensions)
        subscription = Subscription(
            id=new.id or new_id(),
            account=account,
            user_id=user_id,
            url=new.url,
            secrets=(new.secret or new_secret(new.signature or SYMMETRIC),),
            created_at=time.time_ns() // 1_000_000,
            types=new.types,
            extensions=new.extensions,
            format=new.format,
            headers=dict(new.headers),
            max_in_flight=new.max_in_flight,
            rate_limit=new.rate_limit,
            retries=new.retries,
            timeout=new.timeout,
            description=new.description,
            filters=new.filters,
            manner=new.manner,
            client_id=new.client_id,
            verification_token=new.verification_token,
            expires_at=new.expires_at,
            lifetime=new.lifetime,
            refused=new.refused,
        )
        written = await self._put(subscription)
        if written is None:
            raise LimitReachedError(f"the account has {self._limit} subscriptions, as many as it may have")
        return written

    async def get(self, account: str, subscription_id: str) -> Subscription:
        """Return the account's subscription.

        Raises:
            NotFoundError: the account has none of this id.
            UnreadableError: it has, and all that can be done with it is to delete it.

        """
        keys = self._store.keys(account)
        found = self._read(subscription_id, await self._store.call("HGET", keys.subs, subscription_id))
        if found is not None and found.account == account:
            return found
        if await self._store.call("ZSCORE", keys.subs_of(account), subscription_id) is not None:
            raise UnreadableError("what is stored of the subscription cannot be read; an admin can delete it")
        raise NotFoundError("there is no such subscription")

    async def list(
        self, account: str, *, cursor: str | None = None, limit: int = 100, user_id: str | None = None
    ) -> SubscriptionPage:
        """Return a page of the account's subscriptions, of one user's if a user is given.

        Those that cannot be read are left out, and named in the log.

        A page of one user's may hold fewer than ``limit`` after many of others', and still not be the last.

        Raises:
            InvalidFieldError: ``cursor`` is none that a page gave.

        """
        if cursor is not None and not (cursor.isascii() and cursor.isdigit()):
            raise InvalidFieldError("cursor", "must be what `next` of the page before held")
        limit = min(limit, MAX_PAGE)
        if user_id is None:
            page, cursor = await self._page(account, cursor, limit)
            return SubscriptionPage([one for _, one in page], cursor)
        found: _Placed = ()
        for _ in range(MOST_STEPS):
            page, cursor = await self._page(account, cursor, max(limit, STEP))
            found += tuple((at, one) for at, one in page if one.user_id == user_id)
            if len(found) > limit:
                cursor = found[limit - 1][0]
            if len(found) > limit or cursor is None:
                break
        return SubscriptionPage([one for _, one in found[:limit]], cursor)

    async def _page(self, account: str, after: str | None, limit: int) -> tuple[_Placed, str | None]:
        """Return subscriptions by their places after one, and the last place if there are more."""
        keys = self._store.keys(account)
        found = await self._store.call(
            *("ZRANGE", keys.subs_of(account), "-inf" if after is None else f"({after}", "+inf", "BYSCORE"),
            *("LIMIT", 0, limit + 1, "WITHSCORES"),
        )
        page = [(member.decode(), f"{at:.0f}") for member, at in found[:limit]]
        stored = await self._store.call("HMGET", keys.subs, *(one for one, _ in page)) if page else []
        read = [(at, self._read(one, kept)) for (one, at), kept in zip(page, stored, strict=True)]
        more = page[-1][1] if len(found) > limit else None
        return tuple((at, one) for at, one in read if one is not None and one.account == account), more

    async def delete(self, account: str, subscription_id: str, *, rev: str = "") -> None:
        """Delete a subscription, if given only at that revision; what is queued for it is not sent any more.

        Raises:
            NotFoundError: the account has none of this id, or none at that revision.

        """
        keys = self._store.keys(account)
        record = _encoder.encode(SubscriptionChanged(subscription_id))
        if not await self._store.run(
            _DELETE,
            [keys.events, keys.subs, keys.subs_of(account), keys.ready],
            [account, subscription_id, record, rev],
        ):
            raise NotFoundError("there is no such subscription")

    async def disable(
        self, account: str, subscription_id: str, reason: str, *, url: str | None = None
    ) -> Subscription:
        """Stop a subscription for good or until it is enabled; what is queued for it is canceled.

        If a URL is given, only while it leads there.

        Raises:
            NotFoundError: the account has none of this id.
            ContendedError: others kept changing it.

        """
        now = time.time_ns() // 1_000_000

        def notice(found: Subscription) -> OperationalEvent:
            return OperationalEvent(
                type=OperationalType.DISABLED,
                account=account,
                subscription=found.id,
                user_id=found.user_id,
                time=now,
                reason=reason,
            )

        def disabled(found: Subscription) -> Subscription:
            if found.status is Status.DISABLED or url not in (None, found.url):
                return found
            return msgspec.structs.replace(found, status=Status.DISABLED, reason=reason, disabled_at=now)

        return await self.change(account, subscription_id, disabled, notice)

    async def enable(self, account: str, subscription_id: str) -> Subscription:
        """Have a subscription delivered to again, from now on; what was missed is not made up for.

        Raises:
            NotFoundError: the account has none of this id.
            ContendedError: others kept changing it.

        """

        def enabled(found: Subscription) -> Subscription:
            if found.status is Status.ACTIVE:
                return found
            return msgspec.structs.replace(found, status=Status.ACTIVE, reason=None, disabled_at=None)

        return await self.change(account, subscription_id, enabled)

    async def rotate(
        self,
        account: str,
        subscription_id: str,
        *,
        secret: str | None = None,
        signature: str | None = None,
        grace: float = GRACE,
    ) -> Subscription:
        """Give a subscription another secret; the one it had signs too for ``grace`` seconds.

        Raises:
            InvalidFieldError: a field cannot be used.
            NotFoundError: the account has none of this id.
            ContendedError: others kept changing it.

        """
        check_rotation(secret, signature, grace)

        def rotated(found: Subscription) -> Subscription:
            now = time.time_ns() // 1_000_000
            [former, *_] = found.secrets
            fresh = secret or new_secret(signature or signature_of(former))
            retired = (Retired(former, now + round(grace * 1000)), *found.retired)
            signing = tuple(one for one in retired if one.until > now and one.secret != fresh)
            return msgspec.structs.replace(found, secrets=(fresh,), retired=signing[:MOST_RETIRED])

        return await self.change(account, subscription_id, rotated)

    async def revise(
        self, account: str, subscription_id: str, revised: Callable[[Subscription], NewSubscription]
    ) -> Subscription:
        """Change what a subscription's creator chose, but for its secret. The URL's address is the caller's.

        ``revised`` may be asked again if others were first.

        Raises:
            InvalidFieldError: a field cannot be used.
            NotFoundError: the account has none of this id.
            ContendedError: others kept changing it.

        """

        def changed(found: Subscription) -> Subscription:
            new = revised(found)
            check(new, self._formats)
            compile_filter(new.types, new.extensions)
            return msgspec.structs.replace(
                found,
                url=new.url,
                types=new.types,
                extensions=new.extensions,
                format=new.format,
                headers=dict(new.headers),
                max_in_flight=new.max_in_flight,
                rate_limit=new.rate_limit,
                retries=new.retries,
                timeout=new.timeout,
                description=new.description,
            )

        return await self.change(account, subscription_id, changed)

    async def reseal(self, account: str, subscription_id: str) -> None:
        """Write a subscription as it is, sealed with the first key.

        Raises:
            NotFoundError: the account has none of this id.
            ContendedError: others kept changing it.

        """
        await self.change(account, subscription_id, msgspec.structs.replace)

    async def change(
        self,
        account: str,
        subscription_id: str,
        changed: Callable[[Subscription], Subscription],
        notice: Callable[[Subscription], OperationalEvent] | None = None,
    ) -> Subscription:
        """Write what ``changed`` makes of a subscription, and return it; asked again if others were first.

        ``notice`` makes the operational event that is to tell of it.

        Raises:
            NotFoundError: the account has none of this id.
            ContendedError: others kept changing it.

        """
        for _ in range(MAX_TRIES):
            found = await self.get(account, subscription_id)
            wanted = changed(found)
            if wanted is found:
                return found
            told = None if notice is None else notice(wanted)
            written = await self._put(wanted, told, moved=wanted.url != found.url)
            if written is not None:
                return written
            await asyncio.sleep(PAUSE * random.random())  # noqa: S311 - spreads tries
        raise ContendedError("the subscription is being changed by others")

    def _read(self, subscription_id: str, stored: bytes | None) -> Subscription | None:
        """Return a subscription, None if it is gone or something else is stored; raises SealedError."""
        if stored is None:
            return None
        try:
            return opened(self.secret_keys, subscription_id, decode(stored))
        except ValueError as error:
            _log.error("subscription cannot be read", id=subscription_id, error=str(error))
            return None

    async def _put(
        self, subscription: Subscription, notice: OperationalEvent | None = None, *, moved: bool = False
    ) -> Subscription | None:
        """Write a subscription made from its revision; None if it is at another one, or at the limit.

        If it ``moved`` to another URL, what was known of its endpoint is forgotten.
        """
        keys = self._store.keys(subscription.account)
        bare = self.secret_keys.conceal(msgspec.structs.replace(subscription, from_id="", rev=""))
        record = _encoder.encode(SubscriptionChanged(subscription.id, moved=moved))
        state, *written = await self._store.run(
            _PUT,
            [
                *(keys.events, keys.subs, keys.subs_of(subscription.account)),
                *(keys.log(subscription.account), keys.health, keys.due, keys.lanes(subscription.id)),
            ],
            [
                *(subscription.account, subscription.id, _encoder.encode(bare), record),
                *(subscription.rev, self._limit),
                *(b"" if notice is None else _encoder.encode(notice), int(moved)),
            ],
        )
        if state != 1:
            return None
        from_id, rev = (str(one, "ascii") for one in written)
        return msgspec.structs.replace(subscription, from_id=from_id, rev=rev)
