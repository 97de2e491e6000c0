"""What a switch says happened: the only input, besides the session, that transitions take."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from relay.calls.model import Address, CallType, Cause, MonitorMode, Peer, Reason, RecordingState


class CallPlaced(msgspec.Struct, frozen=True, kw_only=True):
    """A call begins: the caller's leg is made."""

    session_id: str
    account: str
    type: CallType
    caller_leg: str
    caller: Address
    destination: Address
    two_step: bool = False
    user_data: dict[str, Any] = {}
    parent: str | None = None
    """The session it asks advice for."""
    consults: str | None = None
    """The caller's leg in the parent."""
    conference: bool = False
    """Nobody is called: the caller's leg owns a conference."""


class LegMade(msgspec.Struct, frozen=True, kw_only=True):
    """The callee's leg is made, or one that is added to the call; it does not ring yet."""

    leg: str
    address: Address
    far: Address
    added_by: str | None = None
    """The leg that makes the call a conference by it, or is flipped to it."""
    user_data: dict[str, Any] = {}
    """Joins the session's, where the leg is added."""
    flips: bool = False
    """The leg that adds it leaves once it is answered."""


class LegRinging(msgspec.Struct, frozen=True, kw_only=True):
    """The callee is alerted."""

    leg: str


class LegAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """The leg's phone is picked up."""

    leg: str


class LegEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The leg is released. Without a cause, transitions find it from who ended what and when."""

    leg: str
    cause: Cause | None = None
    by: str | None = None
    """Extension of the user who had it released; None: its own, unless the cause says otherwise."""


class LegHeld(msgspec.Struct, frozen=True, kw_only=True):
    """The leg's user put the call on hold."""

    leg: str


class LegRetrieved(msgspec.Struct, frozen=True, kw_only=True):
    """The leg's user took the call back from hold."""

    leg: str


class LegMuted(msgspec.Struct, frozen=True, kw_only=True):
    """The leg is no longer heard, or is heard again."""

    leg: str
    muted: bool


class RecordingChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A recording of the leg is now in that state; an unknown one begins by it."""

    leg: str
    recording: str
    state: RecordingState


class LegTransferred(msgspec.Struct, frozen=True, kw_only=True):
    """The leg left, perhaps before it was answered, and another that is made now takes its place."""

    leg: str
    target: LegMade
    reason: Reason | None = None


class LegParked(msgspec.Struct, frozen=True, kw_only=True):
    """The leg's call waits in a parking place; one that was just made there has no phone at all."""

    leg: str
    orbit: str


class LegPickedUp(msgspec.Struct, frozen=True, kw_only=True):
    """A phone took the place of the parked leg."""

    leg: str
    picked_up: str
    """The leg of that phone, which is made by this."""
    address: Address


class VoicemailReached(msgspec.Struct, frozen=True, kw_only=True):
    """The leg, which was just made, is a mailbox's and answers."""

    leg: str


class LegReplied(msgspec.Struct, frozen=True, kw_only=True):
    """The leg's user has a message read to the caller in place of answering."""

    leg: str


class CallsJoined(msgspec.Struct, frozen=True, kw_only=True):
    """The legs of another session came into this one, where it ended; the device's leg there left it."""

    leg: str
    """The device's leg in this session."""
    other: Peer
    """Its leg in the other."""
    leaves: bool
    """It left this session too: a transfer. If not, it holds a conference now."""


class CallCleared(msgspec.Struct, frozen=True, kw_only=True):
    """The leg's user had every leg released."""

    leg: str


class MonitorJoined(msgspec.Struct, frozen=True, kw_only=True):
    """A supervisor takes part in the leg's call."""

    leg: str
    """The monitored one."""
    monitor: str
    """The supervisor's leg, which is made by this."""
    address: Address
    mode: MonitorMode


class MonitorChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The supervisor's leg takes part in another way."""

    leg: str
    mode: MonitorMode


class LegSilenced(msgspec.Struct, frozen=True, kw_only=True):
    """The supervisor's leg had the monitored one be heard no longer, or again."""

    leg: str
    silenced: bool


class DtmfSent(msgspec.Struct, frozen=True, kw_only=True):
    """Tones were sent from the leg."""

    leg: str
    digits: str


class UserDataReplaced(msgspec.Struct, frozen=True, kw_only=True):
    """The session's user data is now this."""

    user_data: dict[str, Any]


Happening = (
    CallPlaced
    | LegMade
    | LegRinging
    | LegAnswered
    | LegEnded
    | LegHeld
    | LegRetrieved
    | LegMuted
    | RecordingChanged
    | LegTransferred
    | LegParked
    | LegPickedUp
    | VoicemailReached
    | LegReplied
    | CallsJoined
    | CallCleared
    | MonitorJoined
    | MonitorChanged
    | LegSilenced
    | DtmfSent
    | UserDataReplaced
)


class Step(NamedTuple):
    """A happening and the session it happens to."""

    session: str
    happening: Happening
