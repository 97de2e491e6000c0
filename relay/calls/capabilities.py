"""Which operations a leg allows now: the whole law. Dialects list these; control refuses everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache, partial
from typing import Final, NamedTuple

from relay.calls.lines import Line, line_of
from relay.calls.model import MonitorMode, Party, PartyState, RecordingState, Role, Session


class Operation(StrEnum):
    """What can be asked of a leg."""

    ANSWER = "answer"
    REJECT = "reject"
    HANGUP = "hangup"
    HOLD = "hold"
    RETRIEVE = "retrieve"
    MUTE = "mute"
    UNMUTE = "unmute"
    SEND_DTMF = "send-dtmf"
    SET_USER_DATA = "set-user-data"
    FORWARD = "forward"
    REPLY = "reply"
    TRANSFER = "transfer"
    FLIP = "flip"
    PARK = "park"
    PICK_UP = "pick-up"
    """Of a parked leg: the one operation that any user of the account may ask."""
    CONFERENCE = "conference"
    CONSULT = "consult"
    COMPLETE_TRANSFER = "complete-transfer"
    COMPLETE_CONFERENCE = "complete-conference"
    SWAP = "swap"
    MERGE = "merge"
    BRIDGE = "bridge"
    BRING_IN = "bring-in"
    REMOVE_PARTICIPANT = "remove-participant"
    CLEAR = "clear"
    START_RECORDING = "start-recording"
    STOP_RECORDING = "stop-recording"
    PAUSE_RECORDING = "pause-recording"
    RESUME_RECORDING = "resume-recording"
    BARGE_IN = "barge-in"
    LISTEN_IN = "listen-in"
    MUTE_MONITORED = "mute-monitored"
    UNMUTE_MONITORED = "unmute-monitored"
    SET_DISPOSITION = "set-disposition"
    """The one that is never listed: accepted of an own leg whatever its state, also once it has ended."""


_BEFORE_ANSWER: Final = (PartyState.SETUP, PartyState.PROCEEDING)


class Standing(NamedTuple):
    """All that the law looks at, of one leg at one moment."""

    state: PartyState
    calls: bool
    """It is the caller's leg."""
    muted: bool
    recording: RecordingState | None
    crowd: bool
    """It shares the call with two others or more, or a conference that was placed as one with anybody."""
    owner: bool
    """It made the call a conference."""
    talking: bool
    """Somebody else in the call was picked up."""
    elsewhere: bool
    """Another call at its device is answered and not held."""
    pairs: frozenset[Operation]
    """Operations on two calls for which its device has a second one."""
    mode: MonitorMode | None
    """How it takes part, if it is a supervisor's."""
    silences: bool
    """It is a supervisor's, whose monitored leg is silenced."""
    replied: bool
    """A message is read to its caller."""
    conference: bool
    """The call was placed as a conference."""

    @property
    def alerted(self) -> bool:
        """Whether it can be answered."""
        return not (self.calls or self.replied) and self.state in _BEFORE_ANSWER

    @property
    def answered(self) -> bool:
        """Whether it was picked up and is not held."""
        return self.state is PartyState.ANSWERED

    @property
    def present(self) -> bool:
        """Whether it was picked up, held or not."""
        return self.state in (PartyState.ANSWERED, PartyState.HELD)

    @property
    def sounds(self) -> bool:
        """Whether tones sent from it can be heard."""
        return self.answered or (self.calls and self.state in _BEFORE_ANSWER)

    @property
    def talks(self) -> bool:
        """Whether it was picked up, and somebody else with it: it can be led onwards."""
        return self.present and self.talking

    def can_pair(self, operation: Operation) -> bool:
        """Whether its device has a second call for the operation."""
        return operation in self.pairs


_RUNNING: Final = (RecordingState.RECORDING, RecordingState.PAUSED)


def _related(one: Line, other: Line) -> bool:
    return one.consults == other.leg or other.consults == one.leg


def _both_present(one: Line, other: Line) -> bool:
    return one.present and other.present


def _transfers(one: Line, other: Line) -> bool:
    """Tell whether a consult completes, also while it is dialled: somebody must be there to transfer."""
    parent = other if one.consults == other.leg else one
    somebody = (one.talking or other.talking) and not (one.alone or other.alone)
    return _related(one, other) and parent.present and somebody


def _bridges(one: Line, other: Line) -> bool:
    """Tell whether two calls can be left to each other: a consult and its parent, or any with people in."""
    return _transfers(one, other) or (_both_present(one, other) and one.talking and other.talking)


PAIRS: Final[Mapping[Operation, Callable[[Line, Line], bool]]] = {
    Operation.COMPLETE_TRANSFER: _transfers,
    Operation.COMPLETE_CONFERENCE: lambda one, other: _related(one, other) and _both_present(one, other),
    Operation.SWAP: lambda one, other: _both_present(one, other) and one.state is not other.state,
    Operation.MERGE: _both_present,
    Operation.BRIDGE: _bridges,
    Operation.BRING_IN: lambda one, other: one.hosts and _both_present(one, other),
}
"""For each operation on two calls of a device, whether it can be done with these two.

Either may be named first, but what brings into a conference is asked of the conference.
"""

LAW: Final[Mapping[Operation, Callable[[Standing], bool]]] = {
    Operation.ANSWER: lambda leg: leg.alerted,
    Operation.REJECT: lambda leg: leg.alerted,
    Operation.HANGUP: lambda _: True,
    Operation.HOLD: lambda leg: leg.answered,
    Operation.RETRIEVE: lambda leg: leg.state is PartyState.HELD and not leg.elsewhere,
    Operation.MUTE: lambda leg: leg.answered and not leg.muted,
    Operation.UNMUTE: lambda leg: leg.answered and leg.muted,
    Operation.SEND_DTMF: lambda leg: leg.sounds,
    Operation.SET_USER_DATA: lambda _: True,
    Operation.FORWARD: lambda leg: leg.alerted,
    Operation.REPLY: lambda leg: leg.alerted,
    Operation.TRANSFER: lambda leg: leg.talks,
    Operation.FLIP: lambda leg: leg.talks,
    Operation.PARK: lambda leg: leg.talks and not (leg.calls or leg.crowd or leg.conference),
    Operation.PICK_UP: lambda leg: leg.state is PartyState.PARKED,
    Operation.CONFERENCE: lambda leg: leg.talks,
    Operation.CONSULT: lambda leg: leg.talks,
    Operation.REMOVE_PARTICIPANT: lambda leg: leg.present and leg.crowd and leg.owner,
    Operation.CLEAR: lambda leg: leg.present and leg.crowd,
    Operation.START_RECORDING: lambda leg: (
        leg.answered and leg.recording not in _RUNNING and not leg.conference
    ),
    Operation.STOP_RECORDING: lambda leg: leg.answered and leg.recording in _RUNNING,
    Operation.PAUSE_RECORDING: lambda leg: leg.answered and leg.recording is RecordingState.RECORDING,
    Operation.RESUME_RECORDING: lambda leg: leg.answered and leg.recording is RecordingState.PAUSED,
    **{operation: partial(Standing.can_pair, operation=operation) for operation in PAIRS},
}
"""For each operation, when a live leg lists it."""

MONITOR_LAW: Final[Mapping[Operation, Callable[[Standing], bool]]] = {
    Operation.HANGUP: lambda _: True,
    Operation.SET_USER_DATA: lambda _: True,
    Operation.REMOVE_PARTICIPANT: lambda leg: leg.crowd,
    Operation.BARGE_IN: lambda leg: leg.mode is not MonitorMode.BARGE,
    Operation.LISTEN_IN: lambda leg: leg.mode is MonitorMode.BARGE,
    Operation.MUTE_MONITORED: lambda leg: not leg.silences,
    Operation.UNMUTE_MONITORED: lambda leg: leg.silences,
}
"""The same for a supervisor's leg."""

UNLISTED: Final = frozenset(Operation) - LAW.keys() - MONITOR_LAW.keys()

_NONE: Final[frozenset[Operation]] = frozenset()


def capabilities(session: Session, party: Party, beside: Sequence[Line] = ()) -> frozenset[Operation]:
    """Return the operations a leg of the session allows now; empty once it has ended.

    ``beside`` are the other live legs at its device, in whatever calls.
    """
    return _allowed(standing(session, party, beside)) if party.live else _NONE


def pairs(operation: Operation, session: Session, party: Party, other: Line) -> bool:
    """Tell whether an operation on two calls can be done with a leg and that other one at its device."""
    return PAIRS[operation](line_of(session, party), other)


def bearing(session: Session, party: Party, beside: Sequence[Line]) -> tuple[Line, ...]:
    """Return those of the other legs at a leg's device that decide what it allows: one for each reason."""
    own = line_of(session, party)
    chosen = [next((other for other in beside if fits(own, other)), None) for fits in PAIRS.values()]
    chosen.append(next((other for other in beside if other.state is PartyState.ANSWERED), None))
    return tuple(dict.fromkeys(other for other in chosen if other is not None))


def swayed(own: Line, beside: Sequence[Line]) -> frozenset[Operation]:
    """Return what a leg allows of that which the other legs at its device decide."""
    pairs = {operation for operation, fits in PAIRS.items() if any(fits(own, other) for other in beside)}
    alone = own.state is PartyState.HELD and all(other.state is not PartyState.ANSWERED for other in beside)
    return frozenset(pairs | {Operation.RETRIEVE} if alone else pairs)


def surroundings(session: Session) -> tuple[object, ...]:
    """Return what the law looks at of a session beside one leg: cheaper to compare than to apply it."""
    live = (party for party in session.parties if party.live)
    return (
        session.conference,
        *((party.id, party.present, party.monitors, party.hidden, party.silenced) for party in live),
    )


def standing(session: Session, party: Party, beside: Sequence[Line]) -> Standing:
    """Return what the law looks at."""
    own = line_of(session, party)
    found = (
        frozenset(operation for operation, fits in PAIRS.items() if any(fits(own, other) for other in beside))
        if beside
        else _NONE
    )
    monitored = session.party(party.monitors) if party.monitors is not None else None
    return Standing(
        state=party.state,
        calls=party.role is Role.CALLER,
        muted=party.muted,
        recording=party.recording,
        crowd=len(session.participants(party)) > (0 if session.conference else 1),
        owner=party.owner,
        talking=own.talking,
        elsewhere=any(other.state is PartyState.ANSWERED for other in beside),
        pairs=found,
        mode=party.mode,
        silences=monitored is not None and monitored.silenced,
        replied=party.replied_at is not None,
        conference=session.conference,
    )


@lru_cache(maxsize=4096)  # every event lists them, and there are few different standings
def _allowed(leg: Standing) -> frozenset[Operation]:
    law = LAW if leg.mode is None else MONITOR_LAW
    return frozenset(operation for operation, allows in law.items() if allows(leg))
