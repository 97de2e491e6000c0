"""Addresses, and the story that a call's events tell, as short words."""

from __future__ import annotations

from collections.abc import Iterable

from relay.calls.events import NUMBERING, CallEvent, EventKind
from relay.calls.happenings import Happening
from relay.calls.model import Address, PartyState, Role, Session
from tests.harness.happening import apply

ACCOUNT = "b11d749b-8eb7-4236-a068-3d94ba3860d6"

JANE = Address(number="15000", name="Jane Doe", extension="210", user_id="jane", device_id="phone-of-jane")
JOHN = Address(number="15002", name="John Doe", extension="200", user_id="john", device_id="phone-of-john")
ALEX = Address(number="15003", name="Alex Roe", extension="220", user_id="alex", device_id="phone-of-alex")
OUTSIDE = Address(number="+12025550123")

_V3_WORDS = {
    EventKind.DIALING: "ringing",
    EventKind.RINGING: "ringing",
    EventKind.ANSWERED: "answered",
    EventKind.ESTABLISHED: "answered",
    EventKind.DTMF: "dtmf",
    EventKind.USER_DATA: "user_data",
    EventKind.HELD: "held",
    EventKind.RETRIEVED: "retrieved",
    EventKind.PARKED: "held",
    EventKind.MUTED: "muted",
    EventKind.UNMUTED: "unmuted",
    EventKind.RECORDING: "recording",
    EventKind.PARTICIPANTS: "participants",
    EventKind.FAILED: "participants",
    EventKind.SILENCED: "participants",
    EventKind.UNSILENCED: "participants",
    EventKind.TRANSFERRED: "transferred",
    EventKind.JOINED: "transferred",
    EventKind.RELEASED: "hungup",
    EventKind.ENDED: "hungup",
}

_RINGCENTRAL_WORDS = {
    EventKind.DIALING: "Setup",
    EventKind.SETUP: "Setup",
    EventKind.CONNECTED: "Answered",
    EventKind.RINGING: "Proceeding",
    EventKind.PROCEEDING: "Proceeding",
    EventKind.ANSWERED: "Answered",
    EventKind.HELD: "Hold",
    EventKind.RETRIEVED: "Answered",
    EventKind.PARKED: "Parked",
    EventKind.VOICEMAIL: "VoiceMail",
    EventKind.REPLIED: "replied",
    EventKind.MUTED: "muted",
    EventKind.UNMUTED: "unmuted",
    EventKind.RECORDING: "recording",
    EventKind.JOINED: "joined",
    EventKind.MOVED: "Disconnected",
    EventKind.GONE: "Gone",
    EventKind.ENDED: "Disconnected",
}

_GWS_STATES = {
    PartyState.ANSWERED: "Established",
    PartyState.HELD: "Held",
    PartyState.PARKED: "Held",
    PartyState.DISCONNECTED: "Released",
    PartyState.GONE: "Released",
}

_GWS_WORDS = {
    EventKind.DTMF: "DtmfSent",
    EventKind.USER_DATA: "AttachedDataChanged",
    EventKind.RECORDING: "CallRecordingStateChange",
    EventKind.PARTICIPANTS: "ParticipantsUpdated",
    EventKind.CAPABILITIES: "ParticipantsUpdated",
    EventKind.TRANSFERRED: "ParticipantsUpdated",
    EventKind.FAILED: "Error",
    EventKind.SILENCED: "MonitoredUserMutedStateChange",
    EventKind.UNSILENCED: "MonitoredUserMutedStateChange",
}

_NO_GWS_MOMENTS = {
    EventKind.SETUP,
    EventKind.CONNECTED,
    EventKind.PROCEEDING,
    EventKind.VOICEMAIL,
    EventKind.REPLIED,
    EventKind.GONE,
}


def device_story(events: Iterable[CallEvent], at: Address) -> list[str]:
    """Return what subscribers of a device see: ``call Held``, or ``call ParticipantsUpdated 200 220``."""
    told = []
    for event in events:
        party = event.party
        if party.address != at or event.kind in _NO_GWS_MOMENTS:
            continue
        word = _GWS_WORDS.get(event.kind)
        if word is None:
            alerted = "Dialing" if party.role is Role.CALLER else "Ringing"
            word = _GWS_STATES.get(party.state, alerted)
            word += " muted" if party.muted and party.live else ""
        if word == "ParticipantsUpdated":
            others = event.session.participants(party)
            word += "".join(f" {other.address.extension or other.address.number}" for other in others)
        told.append(f"{event.session.id} {word}")
    return told


def leg_story(events: Iterable[CallEvent]) -> list[str]:
    """Return what subscribers of legs see: ``ringing(210,1)``, at the end ``hungup(210,3) normal by 210``."""
    told = []
    for event in events:
        party = event.party
        if NUMBERING[event.kind].leg and party.ours:
            word = f"{_V3_WORDS[event.kind]}({party.address.extension},{event.leg_sequence})"
            ended = event.kind in (EventKind.RELEASED, EventKind.ENDED)
            told.append(f"{word} {party.cause} by {party.ended_by}" if ended else word)
    return told


def session_story(events: Iterable[CallEvent]) -> list[str]:
    """Return what subscribers of sessions see: ``2 p-1 Setup``."""
    return [
        f"{event.session_sequence} p-{event.session.place(event.party_id)} {_RINGCENTRAL_WORDS[event.kind]}"
        for event in events
        if NUMBERING[event.kind].session
    ]


def kinds(events: Iterable[CallEvent]) -> list[str]:
    """Return each event's kind and whose leg it is about: ``dialing 210``."""
    return [f"{event.kind} {event.party.address.extension or event.party.address.number}" for event in events]


def extensions(session: Session) -> list[str | None]:
    """Return the extensions of the session's legs, the caller's first."""
    return [party.address.extension for party in session.parties]


def apply_all(
    session: Session | None, happenings: Iterable[Happening], now: int, **options: str
) -> tuple[Session | None, tuple[CallEvent, ...]]:
    """Apply happenings to one session, one after another."""
    events: list[CallEvent] = []
    for happening in happenings:
        session, told = apply(session, happening, now, **options)
        events += told
    return session, tuple(events)
