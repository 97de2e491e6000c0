"""Reading what became of deliveries."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from relay.calls.events import EventId
from relay.errors import InvalidFieldError, NotFoundError
from relay.journal.ids import parse
from relay.journal.link import Argument
from relay.journal.store import Store
from relay.subscriptions.filters import TypeFilter, compile_filter
from relay.subscriptions.model import Subscription
from relay.subscriptions.rendering import Rendered, Renderers, rendered
from relay.subscriptions.store import MAX_PAGE, Subscriptions
from relay.webhooks.attempts import Delivery, Status, readable
from relay.webhooks.records import Records
from relay.webhooks.references import DeliveryId, is_event, place, read_lane
from relay.webhooks.unfit import of_subscription, reading

MOST_SCANNED: Final = 2000
"""Deliveries looked through for one answer, and then some; what is left is behind its cursor."""
SUBSCRIPTION: Final = 20
"""How many deliveries it counts for to look at a subscription: two round trips."""
STEP: Final = 200
"""Deliveries looked at in a page, at least, to find those of a status or type; untried ones are rendered."""
_CURSOR: Final = re.compile(r"([0-9]{1,19})\.([0-9]{0,19})", re.ASCII)
_PENDING: Final = Delivery(status=Status.PENDING, type="")


class Found(NamedTuple):
    """A delivery and where it stands."""

    id: DeliveryId
    delivery: Delivery

    @property
    def event_id(self) -> str:
        """The event's id, which is the delivery's ``webhook-id``."""
        return str(EventId(self.id.partition, self.id.event))

    def attempt_id(self, number: int) -> str:
        """Return the id of an attempt, counted from 0."""
        return f"att{str(self.id).removeprefix('dlv')}_{number + 1}"


class DeliveryPage(NamedTuple):
    """Deliveries by subscription, the oldest subscription first, and each one's newest event first."""

    deliveries: list[Found]
    next: str | None
    """Cursor of the page after it, None after the last."""


class _Wanted(NamedTuple):
    """What a list is restricted to."""

    status: Status | None
    types: TypeFilter | None
    since: int

    @property
    def step(self) -> int:
        """How many deliveries are looked at for one page at least."""
        return 0 if self.status is None and self.types is None else STEP


class Deliveries:
    """Reads deliveries; every call raises StoreUnavailableError without an answer."""

    def __init__(self, store: Store, subscriptions: Subscriptions, renderers: Renderers) -> None:
        self._store = store
        self._subscriptions = subscriptions
        self._renderers = renderers

    async def get(self, account: str, delivery_id: str, *, user_id: str | None = None) -> Found:
        """Return a delivery of the account, of one user's subscriptions if a user is given.

        Raises:
            NotFoundError: there is none of this id, or nothing is kept of it any more.

        """
        wanted = DeliveryId.parse(delivery_id)
        keys = self._store.keys(account)
        subscription = await self._subscriptions.get(account, wanted.subscription)
        if wanted.partition != keys.partition or user_id not in (None, subscription.user_id):
            raise NotFoundError("there is no such delivery")
        score = wanted.place
        (*kept, queued), waiting = await self._read(
            subscription,
            ("ZRANGE", keys.dead(subscription.id), score, score, "BYSCORE"),
            ("ZRANGE", keys.attempts(subscription.id), score, score, "BYSCORE"),
            ("ZSCORE", keys.queue(subscription.id), wanted.event),
        )
        for event, delivery in (one for reply in kept for one in readable(reply)):
            if event == wanted.event:
                return Found(wanted, delivery)
        if queued is None and wanted.event not in waiting:
            raise NotFoundError("there is no such delivery")
        return Found(wanted, _PENDING)

    async def event(self, account: str, found: Found) -> Rendered | None:
        """Return what a delivery's endpoint is sent, None where it is not kept any more.

        Raises:
            NotFoundError: its subscription is gone.

        """
        subscription = await self._subscriptions.get(account, found.id.subscription)
        return (await self._rendered(subscription, [found.id.event])).get(found.id.event)

    async def list(
        self,
        account: str,
        *,
        user_id: str | None = None,
        subscription: str | None = None,
        status: Status | None = None,
        event_type: str | None = None,
        since: int | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> DeliveryPage:
        """Return a page of the account's deliveries, of one user's subscriptions if a user is given.

        ``since`` is a time in milliseconds since the epoch, of events. ``event_type`` may end in ``*``. A
        page may hold fewer than ``limit`` and still not be the last.

        Raises:
            InvalidFieldError: ``cursor`` is none that a page gave, or ``types`` is no type.
            NotFoundError: there is no such subscription.

        """
        wanted = _Wanted(
            status,
            compile_filter([event_type]).types if event_type is not None else None,
            max(0, since or 0) * 4096,
        )
        at, before = _position(cursor)
        found: list[Found] = []
        scanned = 0
        async for one in self._among(account, user_id, subscription, at):
            here = place(parse(one.from_id))
            position: int | None = before if here == at else None
            while True:
                room = limit - len(found)
                if not room or scanned >= MOST_SCANNED:
                    return DeliveryPage(found, f"{here}.{'' if position is None else position}")
                page, position, looked_at = await self._page(one, wanted, position, max(room, wanted.step))
                if len(page) > room:
                    page, position = page[:room], page[room - 1].id.place
                found += page
                scanned += looked_at + SUBSCRIPTION
                if position is None:
                    break
        return DeliveryPage(found, None)

    async def _among(
        self, account: str, user_id: str | None, subscription: str | None, at: int | None
    ) -> AsyncIterator[Subscription]:
        """Give the subscriptions a list goes through, from the place of creation it has come to."""
        if subscription is not None:
            one = await self._subscriptions.get(account, subscription)
            if user_id not in (None, one.user_id):
                raise NotFoundError("there is no such subscription")
            if at not in (None, place(parse(one.from_id))):
                raise _foreign_cursor()
            yield one
            return
        cursor = None if at is None else str(max(0, at - 1))
        while True:
            page = await self._subscriptions.list(account, cursor=cursor, limit=MAX_PAGE, user_id=user_id)
            for one in page.subscriptions:
                yield one
            cursor = page.next
            if cursor is None:
                return

    async def _page(
        self, subscription: Subscription, wanted: _Wanted, before: int | None, limit: int
    ) -> tuple[Sequence[Found], int | None, int]:
        """Return the newest deliveries before a place, where to go on, and how many were looked at.

        To go on is before another place; None after the last.
        """
        keys = self._store.keys(subscription.account)
        top = "+inf" if before is None else f"({before}"
        newest: tuple[Argument, ...] = (top, wanted.since, "BYSCORE", "REV", "LIMIT", 0, limit + 1)
        (dead, attempts, queued), waiting = await self._read(
            subscription,
            ("ZRANGE", keys.dead(subscription.id), *newest),
            ("ZRANGE", keys.attempts(subscription.id), *newest),
            ("ZRANGE", keys.queue(subscription.id), *newest),
        )
        pending = [*(event.decode(errors="replace") for event in queued), *waiting]
        known = dict.fromkeys(pending, _PENDING) | dict(readable(attempts)) | dict(readable(dead))
        placed = ((place(parse(event)), event) for event in known if is_event(event))
        bound = before if before is not None else 2**63
        ordered = sorted((one for one in placed if wanted.since <= one[0] < bound), reverse=True)
        taken = {event: known[event] for _, event in ordered[:limit]}
        kept = await self._filtered(subscription, wanted, taken)
        found = [
            Found(DeliveryId(keys.partition, subscription.id, event), delivery)
            for event, delivery in kept.items()
        ]
        return found, ordered[limit - 1][0] if len(ordered) > limit else None, len(taken)

    async def _filtered(
        self, subscription: Subscription, wanted: _Wanted, taken: dict[str, Delivery]
    ) -> dict[str, Delivery]:
        """Return those that are wanted, with their types as far as these can be told."""
        if wanted.status is not None:
            taken = {event: one for event, one in taken.items() if one.status is wanted.status}
        untyped = [event for event, one in taken.items() if not one.type]
        for event, shown in (await self._rendered(subscription, untyped)).items():
            taken[event] = msgspec.structs.replace(taken[event], type=shown.type)
        types = wanted.types
        if types is None:
            return taken
        return {event: one for event, one in taken.items() if one.type and types.matches(one.type)}

    async def _rendered(self, subscription: Subscription, events: Sequence[str]) -> dict[str, Rendered]:
        """Return events as the subscription's endpoint is told of them, as far as they can be read."""
        partition = self._store.keys(subscription.account).partition
        entries = await Records(self._store, partition).load(events)
        shown = {
            event: rendered(entry, subscription.format, self._renderers) for event, entry in entries.items()
        }
        return {event: one for event, one in shown.items() if one is not None}

    async def _read(
        self, subscription: Subscription, *commands: Sequence[Argument]
    ) -> tuple[Sequence[Any], Sequence[str]]:
        """Return what is kept of a subscription's deliveries, and the events that wait behind failing heads.

        A key that cannot be read is set aside: others' deliveries are listed with these.
        """
        keys = self._store.keys(subscription.account)

        async def read() -> Sequence[Any]:
            return await self._store.fetch([*commands, ("HVALS", keys.lanes(subscription.id))])

        types = of_subscription(keys, subscription.id)
        *found, states = await reading(self._store, keys, types, read)
        lanes = (read_lane(state) for state in states)
        return found, [event for lane in lanes if lane is not None for event in lane.events[1:]]


def _position(cursor: str | None) -> tuple[int | None, int | None]:
    """Return the place of the subscription a list has come to, and of its last delivery that was shown."""
    if cursor is None:
        return None, None
    matched = _CURSOR.fullmatch(cursor)
    if matched is None:
        raise _foreign_cursor()
    return int(matched[1]), int(matched[2]) if matched[2] else None


def _foreign_cursor() -> InvalidFieldError:
    return InvalidFieldError("cursor", "must be what `next` of the page before held")
