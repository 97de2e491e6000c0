"""What each happening makes of its leg. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from relay.calls.endings import end_all, end_leg
from relay.calls.events import EventKind
from relay.calls.happenings import (
    CallCleared,
    DtmfSent,
    Happening,
    LegAnswered,
    LegEnded,
    LegHeld,
    LegMade,
    LegMuted,
    LegParked,
    LegPickedUp,
    LegReplied,
    LegRetrieved,
    LegRinging,
    LegSilenced,
    LegTransferred,
    MonitorChanged,
    MonitorJoined,
    RecordingChanged,
    VoicemailReached,
)
from relay.calls.joining import add_leg, finish_flip, transfer
from relay.calls.model import Party, PartyState, Reason, Recording, RecordingState, Role
from relay.calls.monitoring import change_mode, join_monitor, silence
from relay.calls.parking import park, pick_up, reach_voicemail, reply
from relay.calls.telling import Telling


def leg_made(call: Telling, made: LegMade) -> None:
    """Make a leg once: the callee's, or one that an answered leg adds."""
    session = call.session
    if session.party(made.leg) is not None or not session.live:
        return
    if made.added_by is not None:
        inviter = session.party(made.added_by)
        if inviter is not None and inviter.present:
            add_leg(call, inviter, made)
        return
    party = Party(id=made.leg, role=Role.CALLEE, address=made.address, far=made.far, created_at=call.now)
    if not party.ours:
        call.put(party)
        return
    call.tell(EventKind.SETUP, party)
    caller = call.session.parties[0]
    if caller.state is PartyState.SETUP and not caller.connected:
        call.tell(EventKind.CONNECTED, replace(caller, connected=True))


def _leg_ringing(call: Telling, party: Party, _: LegRinging) -> None:
    if not party.alerted or party.state is not PartyState.SETUP:
        return
    call.tell(EventKind.RINGING, replace(party, state=PartyState.PROCEEDING))
    for other in call.session.others(party):
        if other.role is Role.CALLER and other.state is PartyState.SETUP and not other.connected:
            call.tell(EventKind.PROCEEDING, replace(other, state=PartyState.PROCEEDING))


def _leg_answered(call: Telling, party: Party, _: LegAnswered) -> None:
    """Pick up a leg, and with the callee's the caller's."""
    if party.picked_up or party.replied_at is not None:
        return
    picked_up = [party]
    if party.role is Role.CALLEE:
        picked_up += call.session.waiting_callers
    call.answer(picked_up)
    flipped = call.session.party(party.added_by) if party.flipping and party.added_by else None
    if flipped is not None and flipped.present:
        finish_flip(call, flipped, party)


def _leg_ended(call: Telling, party: Party, ended: LegEnded) -> None:
    end_leg(call, party, ended.cause, ended.by)


def _call_cleared(call: Telling, party: Party, _: CallCleared) -> None:
    end_all(call, party)


def _leg_held(call: Telling, party: Party, _: LegHeld) -> None:
    if party.state is PartyState.ANSWERED:
        call.tell(EventKind.HELD, replace(party, state=PartyState.HELD))


def _leg_retrieved(call: Telling, party: Party, _: LegRetrieved) -> None:
    if party.state is PartyState.HELD:
        call.tell(EventKind.RETRIEVED, replace(party, state=PartyState.ANSWERED))


def _leg_muted(call: Telling, party: Party, changed: LegMuted) -> None:
    if party.present and party.muted is not changed.muted:
        kind = EventKind.MUTED if changed.muted else EventKind.UNMUTED
        call.tell(kind, replace(party, muted=changed.muted))


def _recording_changed(call: Telling, party: Party, changed: RecordingChanged) -> None:
    """Begin a recording where none runs, or give the one that runs another state."""
    earlier, now = party.recordings, Recording(changed.recording, changed.state)
    if party.recording in (None, RecordingState.STOPPED):
        known = any(one.id == now.id for one in earlier)
        possible = now.state is RecordingState.RECORDING and not known
    else:
        possible = now.id == earlier[-1].id and now.state is not earlier[-1].state
        earlier = earlier[:-1]
    if party.present and possible:
        call.tell(EventKind.RECORDING, replace(party, recordings=(*earlier, now)))


def _leg_transferred(call: Telling, party: Party, happening: LegTransferred) -> None:
    possible = party.alerted or (party.present and happening.reason is not Reason.MAILBOX)
    if possible and call.session.party(happening.target.leg) is None:
        transfer(call, party, happening.target, happening.reason)


def _dtmf_sent(call: Telling, party: Party, sent: DtmfSent) -> None:
    if party.ours:  # tones from outside are nobody's event
        call.tell(EventKind.DTMF, party, {"digits": sent.digits})


LEG_CHANGES: Final[dict[type[Happening], Callable[[Telling, Party, Any], None]]] = {
    LegRinging: _leg_ringing,
    LegAnswered: _leg_answered,
    LegEnded: _leg_ended,
    LegHeld: _leg_held,
    LegRetrieved: _leg_retrieved,
    LegMuted: _leg_muted,
    RecordingChanged: _recording_changed,
    LegTransferred: _leg_transferred,
    LegParked: park,
    LegPickedUp: pick_up,
    VoicemailReached: reach_voicemail,
    LegReplied: reply,
    CallCleared: _call_cleared,
    MonitorJoined: join_monitor,
    MonitorChanged: change_mode,
    LegSilenced: silence,
    DtmfSent: _dtmf_sent,
}
"""What each happening makes of its leg; a leg that has ended is past them all."""
