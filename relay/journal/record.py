"""Journal records: what is written to a partition's stream, and what is read back."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from relay.calls.agents import AgentEvent
from relay.calls.devices import DeviceEvent
from relay.calls.events import CallEvent, EventId
from relay.calls.model import Address
from relay.calls.presence import PresenceEvent
from relay.errors import RelayError
from relay.journal.operational import OperationalEvent
from relay.telemetry import log


class RecordKind(StrEnum):
    """What a journal record tells of."""

    CALL = "call"
    SUBSCRIPTION = "subscription"
    BAYEUX = "bayeux"
    DEVICE = "device"
    """A device's settings changed, or its user's state; the data is a DeviceEvent."""
    AGENT = "agent"
    """A user's state changed; the data is an AgentEvent."""
    PRESENCE = "presence"
    """What a user does on the telephone changed; the data is a PresenceEvent."""
    REMINDER = "reminder"
    """A subscription will end; the data is a ReminderEvent."""
    OPERATIONAL = "operational"
    """A subscription or delivery ended badly; the data is an OperationalEvent."""
    TEST = "test"
    """An event for one subscription alone, made to try it; the data is an OperationalEvent."""
    LOGIN = "login"
    """A login has ended, which the data names: what was opened by it is to be closed."""


TOLD: Final = frozenset(
    {
        RecordKind.CALL,
        RecordKind.DEVICE,
        RecordKind.AGENT,
        RecordKind.PRESENCE,
        RecordKind.REMINDER,
        RecordKind.OPERATIONAL,
        RecordKind.TEST,
    }
)
"""Kinds that subscribers may be told of: renderers decide."""

MATCHED: Final = TOLD - {RecordKind.TEST}
"""Those that fan-out matches with subscriptions."""

LOGGED: Final = frozenset({RecordKind.CALL, RecordKind.DEVICE, RecordKind.AGENT, RecordKind.OPERATIONAL})
"""Kinds whose ids are in their account's log: history repeats them, so streams that resume tell of them."""


class ReminderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Tells a subscription's owner that it will end."""

    account: str
    subscription: str
    source: str
    """The filter that asked for it."""
    expires_at: int
    time: int
    """Both in milliseconds since the epoch."""


Event = CallEvent | DeviceEvent | AgentEvent | PresenceEvent | ReminderEvent | OperationalEvent
"""What a record of a told kind holds."""


class Record(NamedTuple):
    """A record to be written; a call record's data is a CallEvent."""

    kind: RecordKind
    account: str
    data: bytes
    """UTF-8 JSON."""


class MalformedEntryError(RelayError):
    """An entry of the journal cannot be read; the message names its id."""


_log: Final = log.get("journal")
_KINDS: Final = {kind.value.encode(): kind for kind in RecordKind}
_DECODERS: Final[Mapping[RecordKind, msgspec.json.Decoder[Any]]] = {
    RecordKind.CALL: msgspec.json.Decoder(CallEvent),
    RecordKind.DEVICE: msgspec.json.Decoder(DeviceEvent),
    RecordKind.AGENT: msgspec.json.Decoder(AgentEvent),
    RecordKind.PRESENCE: msgspec.json.Decoder(PresenceEvent),
    RecordKind.REMINDER: msgspec.json.Decoder(ReminderEvent),
    RecordKind.OPERATIONAL: msgspec.json.Decoder(OperationalEvent),
    RecordKind.TEST: msgspec.json.Decoder(OperationalEvent),
}


class Entry:
    """A journal record with its id. Its event is decoded once, however many consumers there are."""

    __slots__ = ("_event", "account", "data", "id", "kind", "rendered")

    def __init__(self, event_id: EventId, kind: RecordKind, account: str, data: bytes) -> None:
        self.id = event_id
        self.kind = kind
        self.account = account
        self.data = data
        #: What renderers made of the event, by format; filled by whoever renders.
        self.rendered: dict[str, Any] = {}
        self._event: Event | None = None

    @classmethod
    def of(cls, partition: int, stream_id: str, fields: Mapping[bytes, bytes]) -> Entry:
        """Make the entry of what the store returned.

        Raises:
            MalformedEntryError: fields are missing, or of a kind this version does not know.

        """
        event_id = EventId(partition, stream_id)
        try:
            return cls(event_id, _KINDS[fields[b"k"]], fields[b"a"].decode(), fields[b"d"])
        except (KeyError, UnicodeDecodeError) as error:
            raise MalformedEntryError(f"journal entry {event_id} cannot be read: {error!r}") from error

    @property
    def event(self) -> CallEvent:
        """The event of a call record.

        Raises:
            MalformedEntryError: the record is of another kind, or its data is no CallEvent.

        """
        event = self.told
        if not isinstance(event, CallEvent):
            raise MalformedEntryError(f"journal entry {self.id} is of kind {self.kind}, not a call event")
        return event

    @property
    def told(self) -> Event:
        """The event of a record of a told kind.

        Raises:
            MalformedEntryError: the record is of another kind, or its data is no such event.

        """
        if self._event is None:
            decoder = _DECODERS.get(self.kind)
            if decoder is None:
                raise MalformedEntryError(f"journal entry {self.id} is of kind {self.kind}, not an event")
            try:
                self._event = decoder.decode(self.data)
            except msgspec.DecodeError as error:
                raise MalformedEntryError(f"journal entry {self.id} holds no {self.kind}: {error}") from error
        return self._event

    @property
    def readable(self) -> bool:
        """Whether the data of a record of a told kind is such an event; if not, that is logged."""
        try:
            _ = self.told
        except MalformedEntryError as error:
            _log.error("entry skipped", partition=self.id.partition, id=self.id.stream_id, error=str(error))
            return False
        return True

    @property
    def address(self) -> Address | None:
        """Whose phone the event is about, or None where it is about nobody's; raises as `told` does."""
        match self.told:
            case CallEvent() as event:
                return event.party.address
            case DeviceEvent(device=address) | AgentEvent(user=address) | PresenceEvent(user=address):
                return address
            case ReminderEvent() | OperationalEvent():
                return None

    @property
    def lane(self) -> str:
        """What the event belongs to: events of one lane are kept in order. Raises as `told` does."""
        match self.told:
            case CallEvent() as event:
                return event.session.id
            case DeviceEvent(device=address) | AgentEvent(user=address) | PresenceEvent(user=address):
                return f"{self.kind}:{address.user_id}"
            case ReminderEvent(subscription=subscription) | OperationalEvent(subscription=subscription):
                return f"{self.kind}:{subscription}"

    def __repr__(self) -> str:
        return f"Entry({self.id} {self.kind} of {self.account}, {len(self.data)} bytes)"
