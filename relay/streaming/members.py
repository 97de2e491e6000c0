"""What the hub serves: members, and the selections that say what each is given.

Members with equal selections share one group: an entry is looked at once for all of them, and all are
handed the same payload.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from relay.journal.operational import OperationalEvent
from relay.journal.record import Entry, MalformedEntryError, RecordKind

INTERRUPTING: Final = frozenset({RecordKind.BAYEUX, RecordKind.LOGIN})
"""Kinds of records that nobody is told of, and that end the links of those whom they concern."""

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)


class Selection(Protocol[P_co]):
    """What a member wants of its account's events, and in which form. Immutable, hashable, pure."""

    @property
    def routes(self) -> tuple[str, ...]:
        """Routes (see `user_route`, `extension_route`) of which an event must have one; none: every event.

        They only spare the hub to look at events in vain; `pick` decides.
        """
        ...

    def pick(self, entries: Sequence[Entry]) -> P_co | None:
        """Return what members get of these call records, in their order; None where it is nothing."""
        ...


class Gap(NamedTuple):
    """Lost history: events after an id can no longer be told."""

    after: str
    """Stream id the member had come to, or had asked for."""
    oldest: str | None
    """Stream id of the account's oldest event that is left; None where there is none or it is not known."""


class Member(ABC, Generic[P]):
    """Who is given events. Calls come in the journal's order, from the loop, and must not block or await.

    Nothing is called once `Link.leave` was.
    """

    __slots__ = ()

    @abstractmethod
    def deliver(self, payload: P, /) -> None:
        """Take what the selection picked of the next entries."""

    @abstractmethod
    def gap(self, gap: Gap) -> None:
        """Learn that events are lost; those that follow come after the loss."""

    @abstractmethod
    def dropped(self) -> None:
        """Learn that the hub is too far behind to serve it and has let it go; it may join again."""

    def interrupted(self, record: Entry) -> None:
        """Take the record that ended the link (``interrupt`` of `Hub.join`); all before it is delivered."""

    async def ready(self) -> bool:
        """Wait until more can be taken, asked between the slices of a replay; False ends the replay there."""
        return True


def user_route(user_id: str) -> str:
    """Return the route of events about legs of a user."""
    return f"user:{user_id}"


def extension_route(extension: str) -> str:
    """Return the route of events about legs at an extension."""
    return f"extension:{extension}"


def routes_of(entry: Entry) -> tuple[str, ...]:
    """Return the routes of a record of a told kind; none where it cannot be read, or is about nobody here."""
    try:
        event, address = entry.told, entry.address
    except MalformedEntryError:  # the reader has said so
        return ()
    routes: list[str] = []
    if isinstance(event, OperationalEvent) and entry.kind is RecordKind.OPERATIONAL:
        return (user_route(event.user_id),)
    if address is None:
        return ()
    if address.user_id is not None:
        routes.append(user_route(address.user_id))
    if address.extension is not None:
        routes.append(extension_route(address.extension))
    return tuple(routes)


class _Addressed(msgspec.Struct):
    client: str


_addressed = msgspec.json.Decoder(_Addressed)


def client_of(entry: Entry) -> str | None:
    """Return the Bayeux client or the login a record is about, its ``client`` member; None for others."""
    if entry.kind not in INTERRUPTING:
        return None
    try:
        return _addressed.decode(entry.data).client
    except msgspec.DecodeError:
        return None
