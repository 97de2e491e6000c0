"""Journal records: what is written to a partition's stream, and what is read back."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from relay.calls.events import CallEvent, EventId
from relay.errors import RelayError


class RecordKind(StrEnum):
    """What a journal record tells of."""

    CALL = "call"
    SUBSCRIPTION = "subscription"
    BAYEUX = "bayeux"
    DEVICE = "device"
    """A device's settings changed; the data is a DeviceEvent."""


class Record(NamedTuple):
    """A record to be written; a call record's data is a CallEvent."""

    kind: RecordKind
    account: str
    data: bytes
    """UTF-8 JSON."""


class MalformedEntryError(RelayError):
    """An entry of the journal cannot be read; the message names its id."""


_KINDS: Final = {kind.value.encode(): kind for kind in RecordKind}
_call_event: Final = msgspec.json.Decoder(CallEvent)


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
        self._event: CallEvent | None = None

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
        if self._event is None:
            if self.kind is not RecordKind.CALL:
                raise MalformedEntryError(f"journal entry {self.id} is of kind {self.kind}, not a call event")
            try:
                self._event = _call_event.decode(self.data)
            except msgspec.DecodeError as error:
                raise MalformedEntryError(f"journal entry {self.id} holds no call event: {error}") from error
        return self._event

    def __repr__(self) -> str:
        return f"Entry({self.id} {self.kind} of {self.account}, {len(self.data)} bytes)"
