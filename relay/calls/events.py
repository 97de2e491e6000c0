"""What is told of a call: one event about one party, with all a dialect needs to render it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from relay.calls.lines import Line
from relay.calls.model import Party, Session


class EventKind(StrEnum):
    """What changed for the party."""

    DIALING = "dialing"
    """The caller's leg is made (for click-to-dial: the caller's own phone rings)."""
    SETUP = "setup"
    """The callee's leg is made at one of our devices; it does not ring yet."""
    CONNECTED = "connected"
    """The switch took the caller's leg while the callee is being alerted."""
    RINGING = "ringing"
    PROCEEDING = "proceeding"
    """The far end is alerted, of a caller whose leg the switch has not taken: the callee is outside."""
    ANSWERED = "answered"
    ESTABLISHED = "established"
    """The far end answered a caller whose leg was already connected."""
    DTMF = "dtmf"
    USER_DATA = "user_data"
    HELD = "held"
    RETRIEVED = "retrieved"
    MUTED = "muted"
    UNMUTED = "unmuted"
    PARKED = "parked"
    """The leg's phone left the call, where somebody else may take its place."""
    VOICEMAIL = "voicemail"
    """A mailbox answered."""
    REPLIED = "replied"
    """A message is read to the caller in place of an answer; the leg's phone rings no longer."""
    RECORDING = "recording"
    """The leg's recording was started, stopped, paused or resumed."""
    PARTICIPANTS = "participants"
    """Someone was added to the leg's call, or left it."""
    SILENCED = "silenced"
    """A supervisor lets the others no longer hear the monitored leg: told of both."""
    UNSILENCED = "unsilenced"
    FAILED = "failed"
    """Whom the leg wanted to add did not come; ``details`` name the ``participant`` and the ``cause``."""
    TRANSFERRED = "transferred"
    """The leg stays in its call and now has somebody else at the other end."""
    JOINED = "joined"
    """The leg came into this session from the one it was in, in the state it had there."""
    MOVED = "moved"
    """The leg left this session for the one that it joins next."""
    CAPABILITIES = "capabilities"
    """The leg stays as it is and allows something else now, because of another leg."""
    GONE = "gone"
    """Told right before the end or move of a leg whose call was joined with its peer's."""
    RELEASED = "released"
    """The leg ended where its user's mailbox takes its place: no end to who counts the two as one party."""
    ENDED = "ended"


class Numbering(NamedTuple):
    """Which of the two counts a kind raises."""

    leg: bool
    """The leg's own sequence, for legs at our devices (v3 shows these kinds)."""
    session: bool
    """The session-wide sequence (RingCentral shows these kinds)."""

    def tells_of(self, party: Party) -> bool:
        """Whether anyone can see it: of a leg that is not ours, only who watches the session."""
        return self.session or party.ours


NUMBERING: dict[EventKind, Numbering] = {
    EventKind.DIALING: Numbering(leg=True, session=True),
    EventKind.SETUP: Numbering(leg=False, session=True),
    EventKind.CONNECTED: Numbering(leg=False, session=True),
    EventKind.RINGING: Numbering(leg=True, session=True),
    EventKind.PROCEEDING: Numbering(leg=False, session=True),
    EventKind.ANSWERED: Numbering(leg=True, session=True),
    EventKind.ESTABLISHED: Numbering(leg=True, session=False),
    EventKind.DTMF: Numbering(leg=True, session=False),
    EventKind.USER_DATA: Numbering(leg=True, session=False),
    EventKind.HELD: Numbering(leg=True, session=True),
    EventKind.RETRIEVED: Numbering(leg=True, session=True),
    EventKind.MUTED: Numbering(leg=True, session=True),
    EventKind.UNMUTED: Numbering(leg=True, session=True),
    EventKind.PARKED: Numbering(leg=True, session=True),
    EventKind.VOICEMAIL: Numbering(leg=False, session=True),
    EventKind.REPLIED: Numbering(leg=False, session=True),
    EventKind.RECORDING: Numbering(leg=True, session=True),
    EventKind.PARTICIPANTS: Numbering(leg=True, session=False),
    EventKind.SILENCED: Numbering(leg=True, session=False),
    EventKind.UNSILENCED: Numbering(leg=True, session=False),
    EventKind.FAILED: Numbering(leg=True, session=False),
    EventKind.TRANSFERRED: Numbering(leg=True, session=False),
    EventKind.JOINED: Numbering(leg=True, session=True),
    EventKind.CAPABILITIES: Numbering(leg=False, session=False),
    EventKind.MOVED: Numbering(leg=False, session=True),
    EventKind.GONE: Numbering(leg=False, session=True),
    EventKind.RELEASED: Numbering(leg=True, session=False),
    EventKind.ENDED: Numbering(leg=True, session=True),
}
"""The one table both counts come from: a dialect that shows a count renders exactly the kinds that raise it.

Who shows none but lists what a leg allows renders the kinds that count for the leg, and `CAPABILITIES`.
"""


class CallEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A change of one party, with the whole session as it stood right after it."""

    kind: EventKind
    session: Session
    party_id: str
    time: int
    """When the change happened, in milliseconds since the epoch."""
    leg_sequence: int
    session_sequence: int
    command_id: str | None = None
    traceparent: str | None = None
    details: dict[str, Any] = {}
    """What only this kind has: ``digits`` of a dtmf event."""
    beside: tuple[Line, ...] = ()
    """Of the device's other legs those that decide what the leg allows, as the whole change left them."""

    @property
    def account(self) -> str:
        """The account whose event this is."""
        return self.session.account

    @property
    def party(self) -> Party:
        """The leg the event is about."""
        found = self.session.party(self.party_id)
        assert found is not None, f"event about party {self.party_id}, which its session lacks"  # noqa: S101
        return found


class EventId(NamedTuple):
    """A journal id: partition and stream id. It is the event's id everywhere."""

    partition: int
    stream_id: str

    def __str__(self) -> str:
        """Return the form users see, ``evt_07_1763717404218-0``."""
        return f"evt_{self.partition:02d}_{self.stream_id}"
