"""Sessions and parties: what a call is, as one immutable value per version.

A session is one conversation; a party is one leg of it. All times are milliseconds since the epoch.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec


class PartyState(StrEnum):
    """Where a leg is in its life; the last two are final."""

    SETUP = "setup"
    PROCEEDING = "proceeding"
    ANSWERED = "answered"
    HELD = "held"
    """Answered, and put on hold by its own user."""
    PARKED = "parked"
    """Nobody's phone is at it now: whoever picks it up takes its place."""
    VOICEMAIL = "voicemail"
    """A mailbox takes a message."""
    DISCONNECTED = "disconnected"
    GONE = "gone"
    """It goes on in another session: see the party's peer."""

    @property
    def final(self) -> bool:
        """Whether no event may follow for a leg in this state."""
        return self in _FINAL


# Named once: to look a member up in its enumeration costs more than to compare it.
_FINAL: Final = (PartyState.DISCONNECTED, PartyState.GONE)
_PRESENT: Final = (PartyState.ANSWERED, PartyState.HELD)
_PICKED_UP: Final = (*_PRESENT, PartyState.PARKED, PartyState.VOICEMAIL)
_UNANSWERED: Final = (PartyState.SETUP, PartyState.PROCEEDING)


class Cause(StrEnum):
    """Why a leg ended; both ends of a call carry the same cause."""

    NORMAL = "normal"
    """Ended after the far end had answered."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    CANCELED = "canceled"
    """Ended by the caller before the far end answered."""
    FAILED = "failed"
    TRANSFERRED = "transferred"
    """The leg left and the call goes on without it, here or in another session."""


class Reason(StrEnum):
    """What made a leg leave, or come, where the cause does not tell."""

    FLIP = "flip"
    """Its user went on at another phone: told of it and of that phone's leg, also while it rings."""
    PICKUP = "pickup"
    """A parked leg was picked up: told of it and of the leg that took its place."""
    MAILBOX = "mailbox"
    """Its user left the caller to the user's own mailbox: told of the phone's leg, whose place that takes."""


class RecordingState(StrEnum):
    """What a recording of a leg does; a stopped one is not started again."""

    RECORDING = "recording"
    PAUSED = "paused"
    STOPPED = "stopped"


class MonitorMode(StrEnum):
    """How a supervisor takes part in another's call."""

    LISTEN = "listen-in"
    """Heard by nobody."""
    COACH = "coach"
    """Heard by the monitored one alone."""
    BARGE = "barge-in"
    """Heard, and seen, by everybody."""


class Role(StrEnum):
    """Which end of the call a leg is: the caller's (outbound) or the callee's (inbound)."""

    CALLER = "caller"
    CALLEE = "callee"


class CallType(StrEnum):
    """How a session crosses the edge of its account."""

    INTERNAL = "internal"
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Address(msgspec.Struct, frozen=True, omit_defaults=True):
    """A number that can be called and, where it is one of ours, whose it is.

    ``number`` is a directory number or E.164 with its plus sign; a place where calls are parked has its own,
    and a conference's is its name.
    """

    number: str
    name: str | None = None
    extension: str | None = None
    user_id: str | None = None
    device_id: str | None = None

    @property
    def ours(self) -> bool:
        """Whether the number is a device of the account."""
        return self.device_id is not None

    @property
    def outside(self) -> bool:
        """Whether it is in the public network, and no phone, mailbox or parking place of the account."""
        return self.device_id is None and self.user_id is None and self.number.startswith("+")


def call_type(caller: Address, callee: Address) -> CallType:
    """Tell how a call between the two crosses the edge of the account that it belongs to."""
    if not caller.ours:
        return CallType.INBOUND
    return CallType.INTERNAL if callee.ours else CallType.OUTBOUND


class Recording(msgspec.Struct, frozen=True):
    """One recording of a leg, from its start to its stop."""

    id: str
    state: RecordingState


class Peer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The leg of another session that a leg was joined with, or goes on as."""

    session: str
    leg: str
    place: int = 0
    """Its place among that session's legs, from 1; 0 where nobody needs it."""
    conference: bool = False
    """That session was placed as a conference."""


class Party(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One leg of a session; its id is v3's ``call_leg_id``.

    A leg keeps its id when it moves to another session: there it lives on, here it stays behind as gone.
    """

    id: str
    role: Role
    address: Address
    far: Address
    """The other end: who is called, or who calls; after a transfer, who took that one's place."""
    created_at: int
    state: PartyState = PartyState.SETUP
    connected: bool = False
    """The switch has taken the caller's leg while the callee is still being alerted."""
    muted: bool = False
    answered_at: int | None = None
    ended_at: int | None = None
    cause: Cause | None = None
    ended_by: str | None = None
    """Extension of the user who ended the call; None for an external end or the system."""
    sequence: int = 0
    """Events of this leg so far, counted by the kinds that number a leg."""
    consults: str | None = None
    """The same device's leg that this one asks advice for, in the session's parent."""
    added_by: str | None = None
    """The leg that brought this one into a call in progress, by conference or transfer."""
    command_id: str | None = None
    """The command that added it; None for the legs the call was placed with."""
    owner: bool = False
    """It made the call a conference, and may remove others from it."""
    monitors: str | None = None
    """The leg of the same session that this one supervises; it ends with it."""
    mode: MonitorMode | None = None
    """How it does so."""
    silenced: bool = False
    """A supervisor lets the others no longer hear the leg."""
    recordings: tuple[Recording, ...] = ()
    """Every recording of the leg, the last one last."""
    peer: Peer | None = None
    """Where a leg that left by being joined with another call has its counterpart."""
    park: str | None = None
    """Where it is parked, or last was."""
    reason: Reason | None = None
    replied_at: int | None = None
    """When its user had a message read to the caller in place of answering: its phone rings no longer."""

    @property
    def live(self) -> bool:
        """Whether the leg has not ended."""
        return self.state not in _FINAL

    @property
    def present(self) -> bool:
        """Whether the leg was picked up and has not ended: it is in the conversation, held or not."""
        return self.state in _PRESENT

    @property
    def picked_up(self) -> bool:
        """Whether it was answered, if only by a mailbox, and has not ended."""
        return self.state in _PICKED_UP

    @property
    def alerted(self) -> bool:
        """Whether it is a callee's leg that waits to be answered."""
        waits = self.state in _UNANSWERED and self.replied_at is None
        return waits and self.role is Role.CALLEE

    @property
    def hidden(self) -> bool:
        """Whether the others in the call do not know of the leg."""
        return self.mode not in (None, MonitorMode.BARGE)

    @property
    def flipping(self) -> bool:
        """Whether its user may go on at it, and has not answered it yet."""
        return self.reason is Reason.FLIP and self.live and not self.picked_up

    @property
    def left_to_mailbox(self) -> bool:
        """Whether its user's mailbox has its place."""
        return self.reason is Reason.MAILBOX

    @property
    def recording(self) -> RecordingState | None:
        """What the leg's last recording does; None before the first."""
        return self.recordings[-1].state if self.recordings else None

    @property
    def ours(self) -> bool:
        """Whether the leg is at a device of the account."""
        return self.address.device_id is not None

    @property
    def caller(self) -> Address:
        """Who calls, seen from this leg."""
        return self.address if self.role is Role.CALLER else self.far

    @property
    def callee(self) -> Address:
        """Who is called, seen from this leg."""
        return self.far if self.role is Role.CALLER else self.address


class Session(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One conversation at one version of its life."""

    id: str
    account: str
    type: CallType
    """How it crosses the edge of its account; once it is over, how it last did."""
    created_at: int
    parties: tuple[Party, ...] = ()
    two_step: bool = False
    """Click-to-dial: the caller's own phone rings first; the destination is dialled once it is picked up."""
    user_data: dict[str, Any] = {}
    command_id: str | None = None
    """The command that placed the call; None for one that came in."""
    parent: str | None = None
    """The session that a consult call asks advice for."""
    conference: bool = False
    """It was placed as a conference: its owner may be alone in it, and brings others in."""
    changed_at: int = 0
    """When it was last told of: no later change can be told with an earlier time."""
    version: int = 0
    """Raised by every committed change; 0 is a session that is not in the journal yet."""
    sequence: int = 1
    """Session-wide event number; the first event carries 2 (RingCentral's count)."""

    @property
    def live(self) -> bool:
        """Whether any leg has not ended."""
        return any(party.state not in _FINAL for party in self.parties)

    @property
    def crossing(self) -> CallType:
        """How the live legs make it cross the edge: one outside called in, or was called."""
        outside = {party.role for party in self.parties if party.live and party.address.outside}
        if not outside:
            return CallType.INTERNAL
        return CallType.INBOUND if Role.CALLER in outside else CallType.OUTBOUND

    @property
    def waiting_callers(self) -> list[Party]:
        """Callers' live legs whose call nobody answered yet."""
        callers = (party for party in self.parties if party.role is Role.CALLER)
        return [party for party in callers if party.live and not party.picked_up]

    @property
    def answered(self) -> bool:
        """Whether a callee has answered, whatever became of the call after that."""
        return any(party.role is Role.CALLEE and party.answered_at is not None for party in self.parties)

    @property
    def ended_at(self) -> int | None:
        """When the last leg ended, or None while one is live."""
        return None if self.live else max((party.ended_at or 0 for party in self.parties), default=None)

    def party(self, party_id: str) -> Party | None:
        """Return the leg with that id, or None."""
        for party in self.parties:
            if party.id == party_id:
                return party
        return None

    def place(self, party_id: str) -> int:
        """Return a leg's place among the session's, from 1, which it keeps; 0 where it has none.

        A mailbox has that of the phone it answers for, where both are one user's.
        """
        for place, party in enumerate(self.parties, 1):
            if party.id == party_id:
                before = self.party(party.added_by) if party.added_by is not None else None
                return self.place(before.id) if before is not None and before.left_to_mailbox else place
        return 0

    def at_place(self, place: int) -> Party | None:
        """Return the leg that has a place now, or had it last; None for a place that is no leg's."""
        found = (party for party in reversed(self.parties) if self.place(party.id) == place)
        return next(found, None)

    def party_at(self, device_id: str) -> Party | None:
        """Return the device's leg, the live one if there are several, or None."""
        at_device = [party for party in self.parties if party.address.device_id == device_id]
        return next((party for party in at_device if party.live), at_device[-1] if at_device else None)

    def others(self, party: Party) -> tuple[Party, ...]:
        """Return every leg but that one."""
        return tuple(other for other in self.parties if other.id != party.id)

    def live_others(self, party: Party) -> tuple[Party, ...]:
        """Return every live leg but that one."""
        return tuple(other for other in self.parties if other.live and other.id != party.id)

    def participants(self, party: Party) -> tuple[Party, ...]:
        """Return the live legs that a leg knows to be in the call: all others but those who listen in."""
        return tuple(other for other in self.live_others(party) if not other.hidden)

    def with_party(self, changed: Party) -> Session:
        """Return the session with one leg replaced, or added where it is new."""
        parties = self.parties
        for index, party in enumerate(parties):
            if party.id == changed.id:
                parties = (*parties[:index], changed, *parties[index + 1 :])
                break
        else:
            parties = (*parties, changed)
        return msgspec.structs.replace(self, parties=parties)
