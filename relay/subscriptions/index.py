"""Which subscriptions an event matches: one partition's, in memory.

Load it after the position from which the journal will be read is known; then give it every record of kind
subscription that comes after that position. A record only says that something changed: the hash is asked what
the subscription is now, so that neither the order of loading and reading nor a repeated record matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from relay.errors import InvalidFieldError
from relay.journal.ids import StreamId, parse
from relay.journal.keys import Keys
from relay.journal.record import Entry
from relay.journal.store import Store
from relay.subscriptions.filters import Filter, compile_filter
from relay.subscriptions.model import Status, Subscription, SubscriptionChanged
from relay.subscriptions.rendering import Rendered
from relay.subscriptions.sealing import PLAIN, SealedError, SecretKeys
from relay.subscriptions.stored import decode, opened
from relay.telemetry import log

SCAN: Final = 500
"""Subscriptions asked for at a time while loading: a round trip each, and nobody else waits long."""

_log: Final = log.get("subscriptions")
_changed: Final = msgspec.json.Decoder(SubscriptionChanged)


class Indexed:
    """A subscription ready to be matched."""

    __slots__ = ("filter", "from_id", "subscription")

    def __init__(self, subscription: Subscription, wanted: Filter, from_id: StreamId) -> None:
        self.subscription = subscription
        self.filter = wanted
        self.from_id = from_id

    def __repr__(self) -> str:
        return f"Indexed({self.subscription!r} from {self.from_id})"

    def wants(self, event: Rendered, event_id: StreamId) -> bool:
        """Tell whether an event is wanted that came after the subscription; of operational ones, by name."""
        if not self.from_id < event_id:
            return False
        if event.notice is None:
            return self.filter.matches(event)
        may = not self.filter.extensions or self.subscription.user_id == event.notice.user_id
        types = self.filter.types
        named = bool(types.patterns) and types.matches(event.type)
        return may and named and self.subscription.id != event.notice.never


class _Account:
    """The active subscriptions of one account, by format and by what they can be looked up by."""

    __slots__ = ("anywhere", "at_extension", "formats")

    def __init__(self) -> None:
        self.formats: dict[str, int] = {}
        self.anywhere: dict[str, dict[str, Indexed]] = {}  # format -> id -> those of every extension
        self.at_extension: dict[tuple[str, str], dict[str, Indexed]] = {}  # (format, extension) -> id -> ...

    def add(self, indexed: Indexed) -> None:
        one = indexed.subscription
        self.formats[one.format] = self.formats.get(one.format, 0) + 1
        if not indexed.filter.extensions:
            self.anywhere.setdefault(one.format, {})[one.id] = indexed
        for extension in indexed.filter.extensions:
            self.at_extension.setdefault((one.format, extension), {})[one.id] = indexed

    def remove(self, indexed: Indexed) -> None:
        one = indexed.subscription
        self.formats[one.format] -= 1
        if not self.formats[one.format]:
            del self.formats[one.format]
        if not indexed.filter.extensions:
            self.anywhere[one.format].pop(one.id)
        for extension in indexed.filter.extensions:
            at = self.at_extension[one.format, extension]
            del at[one.id]
            if not at:
                del self.at_extension[one.format, extension]

    def candidates(self, event_format: str, extension: str | None) -> Iterator[Indexed]:
        yield from self.anywhere.get(event_format, {}).values()
        if extension is not None:
            yield from self.at_extension.get((event_format, extension), {}).values()

    def all(self, event_format: str) -> Iterator[Indexed]:
        found = dict(self.anywhere.get(event_format, {}))
        for (at_format, _), those in self.at_extension.items():
            if at_format == event_format:
                found |= those
        yield from found.values()


class Index:
    """One partition's active subscriptions. Matching costs by those that may match, however many exist."""

    def __init__(self, store: Store, keys: Keys, secret_keys: SecretKeys = PLAIN) -> None:
        #: Account of each subscription whose secrets are not sealed as they would be now.
        self.stale: dict[str, str] = {}
        #: How often a subscription was met that cannot be read.
        self.unreadable = 0
        self._secret_keys = secret_keys
        self._store = store
        self._keys = keys
        self._known: dict[str, Indexed] = {}
        self._accounts: dict[str, _Account] = {}

    def __repr__(self) -> str:
        return f"Index({len(self._known)} active of {len(self._accounts)} accounts)"

    async def load(self) -> None:
        """Read every subscription of the partition; raises StoreUnavailableError."""
        cursor: bytes | int = 0
        while True:
            cursor, found = await self._store.call("HSCAN", self._keys.subs, cursor, "COUNT", SCAN)
            for subscription_id, stored in zip(found[::2], found[1::2], strict=True):
                self._apply(subscription_id.decode(), stored)
            if int(cursor) == 0:
                return

    async def learn(self, entry: Entry) -> SubscriptionChanged | None:
        """Take in a record of kind subscription; return what it says, None if it cannot be read.

        Raises StoreUnavailableError, having changed nothing.
        """
        try:
            changed = _changed.decode(entry.data)
        except msgspec.DecodeError as error:
            _log.error("subscription record skipped", id=str(entry.id), error=str(error))
            return None
        subscription_id = changed.subscription
        self._apply(subscription_id, await self._store.call("HGET", self._keys.subs, subscription_id))
        return changed

    def get(self, subscription_id: str) -> Subscription | None:
        """Return a subscription if it is active."""
        found = self._known.get(subscription_id)
        return None if found is None else found.subscription

    def formats(self, account: str) -> tuple[str, ...]:
        """Return the formats that an account's active subscriptions want; empty if it has none."""
        found = self._accounts.get(account)
        return () if found is None else tuple(found.formats)

    def matching(
        self, account: str, event_format: str, event: Rendered, event_id: StreamId
    ) -> list[Subscription]:
        """Return the active subscriptions that want the event and were there before it."""
        found = self._accounts.get(account)
        if found is None:
            return []
        if event.notice is not None:
            return [one.subscription for one in found.all(event_format) if one.wants(event, event_id)]
        wanted: dict[Filter, bool] = {}  # equal filters are the same one: each is asked once
        matching = []
        for one in found.candidates(event_format, event.extension):
            if one.filter not in wanted:
                wanted[one.filter] = one.filter.matches(event)
            if wanted[one.filter] and one.from_id < event_id:
                matching.append(one.subscription)
        return matching

    def wants(self, subscription_id: str, event: Rendered, event_id: StreamId) -> bool:
        """Tell whether an active subscription wants an event of its account, in its format."""
        found = self._known.get(subscription_id)
        return found is not None and found.wants(event, event_id)

    def __contains__(self, subscription_id: str) -> bool:
        """Tell whether a subscription is active."""
        return subscription_id in self._known

    def _apply(self, subscription_id: str, stored: bytes | None) -> None:
        known = self._known.pop(subscription_id, None)
        if known is not None:
            account = self._accounts[known.subscription.account]
            account.remove(known)
            if not account.formats:
                del self._accounts[known.subscription.account]
        self.stale.pop(subscription_id, None)
        indexed = None if stored is None else self._indexed(subscription_id, stored)
        if indexed is not None:
            self._known[subscription_id] = indexed
            self._accounts.setdefault(indexed.subscription.account, _Account()).add(indexed)

    def _indexed(self, subscription_id: str, stored: bytes) -> Indexed | None:
        """Return what is to be matched, None for a subscription that is disabled or cannot be read."""
        try:
            found = decode(stored)
            if not self._secret_keys.current(found):
                self.stale[subscription_id] = found.account
            if found.status is not Status.ACTIVE:
                return None
            return _compiled(opened(self._secret_keys, subscription_id, found))
        except (ValueError, InvalidFieldError, SealedError) as error:
            self.unreadable += 1
            _log.error("subscription cannot be read", id=subscription_id, error=str(error))
            return None


def _compiled(subscription: Subscription) -> Indexed:
    """Return what is to be matched; raises ValueError and InvalidFieldError where it cannot be."""
    wanted = compile_filter(
        subscription.types, subscription.extensions, [one.labels for one in subscription.filters]
    )
    return Indexed(subscription, wanted, parse(subscription.from_id))
