"""Types of leg events: v3's names for them, by which subscribers of every format may filter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from relay.calls.events import EventKind

TYPES: Final[Mapping[EventKind, str]] = {
    EventKind.DIALING: "call.leg.ringing",
    EventKind.RINGING: "call.leg.ringing",
    EventKind.ANSWERED: "call.leg.answered",
    EventKind.ESTABLISHED: "call.leg.answered",
    EventKind.DTMF: "call.leg.dtmf",
    EventKind.USER_DATA: "call.leg.user_data",
    EventKind.HELD: "call.leg.held",
    EventKind.RETRIEVED: "call.leg.retrieved",
    EventKind.PARKED: "call.leg.held",
    EventKind.MUTED: "call.leg.muted",
    EventKind.UNMUTED: "call.leg.unmuted",
    EventKind.RECORDING: "call.leg.recording",
    EventKind.PARTICIPANTS: "call.leg.participants",
    EventKind.FAILED: "call.leg.participants",
    EventKind.SILENCED: "call.leg.participants",
    EventKind.UNSILENCED: "call.leg.participants",
    EventKind.TRANSFERRED: "call.leg.transferred",
    EventKind.JOINED: "call.leg.transferred",
    EventKind.RELEASED: "call.leg.hungup",
    EventKind.ENDED: "call.leg.hungup",
}
"""The type of each kind that v3 shows: exactly the kinds that number a leg."""

LEG_TYPES: Final[Mapping[EventKind, str]] = {
    **TYPES,
    EventKind.SETUP: "call.leg.ringing",
    EventKind.PROCEEDING: "call.leg.ringing",
    EventKind.CONNECTED: "call.leg.answered",
    EventKind.VOICEMAIL: "call.leg.answered",
    EventKind.REPLIED: "call.leg.answered",
    EventKind.MOVED: "call.leg.transferred",
    EventKind.CAPABILITIES: "call.leg.participants",
    EventKind.GONE: "call.leg.hungup",
}
"""The type of every kind, for formats that show more of them: what v3 lacks goes by what it is most like."""
