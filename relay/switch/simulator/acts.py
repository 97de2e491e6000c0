"""What follows when a leg's user asks something of the simulated switch. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from relay.calls import commands
from relay.calls.happenings import (
    CallCleared,
    CallPlaced,
    CallsJoined,
    DtmfSent,
    Happening,
    LegEnded,
    LegHeld,
    LegMuted,
    LegReplied,
    LegRetrieved,
    LegSilenced,
    MonitorChanged,
    RecordingChanged,
    Step,
)
from relay.calls.identifiers import leg_id, recording_id
from relay.calls.model import Cause, MonitorMode, Party, PartyState, Peer, RecordingState, Session, call_type
from relay.switch.protocol import Request, Route
from relay.switch.simulator import leading
from relay.switch.simulator.leading import Steps, at, destination
from relay.switch.simulator.moves import alerted, made, moved
from relay.switch.simulator.phones import Move


def acted(request: Request) -> Steps:
    """Return what happens when the leg's user asks this of the switch."""
    return _ACTS[type(request.action)](request)


def _moves(move: Move) -> Callable[[Request], Steps]:
    def act(request: Request) -> Steps:
        session, party, *_ = request
        return at(session, *moved(session, party, move, Route(party.far)))

    return act


def _changes(happening: Callable[..., Happening], **options: Any) -> Callable[[Request], Steps]:
    def act(request: Request) -> Steps:
        return at(request.session, happening(leg=request.party.id, **options))

    return act


def _send_dtmf(request: Request) -> Steps:
    assert isinstance(request.action, commands.SendDtmf)  # noqa: S101 - the table says so
    return at(request.session, DtmfSent(leg=request.party.id, digits=request.action.digits))


def _conference(request: Request) -> Steps:
    session, party = request.session, request.party
    to, user_data = destination(request)
    added = made(
        session.id, len(session.parties) + 1, to, party.address, added_by=party.id, user_data=user_data
    )
    return at(session, *alerted(added, to))


def _consult(request: Request) -> Steps:
    session, party = request.session, request.party
    to, user_data = destination(request)
    call = CallPlaced(
        session_id=request.consult,
        account=session.account,
        type=call_type(party.address, to.address),
        caller_leg=leg_id(request.consult, 1),
        caller=party.address,
        destination=to.address,
        user_data=user_data,
        parent=session.id,
        consults=party.id,
    )
    held = at(session, LegHeld(leg=party.id)) if party.state is PartyState.ANSWERED else ()
    rings = alerted(made(request.consult, 2, to, party.address), to)
    return (*held, *(Step(request.consult, happening) for happening in (call, *rings)))


def _both(request: Request) -> tuple[tuple[Session, Party], tuple[Session, Party]]:
    assert request.other is not None, "control names the other call"  # noqa: S101
    return (request.session, request.party), request.other


def _completes(*, leaves: bool) -> Callable[[Request], Steps]:
    def act(request: Request) -> Steps:
        one, other = _both(request)
        parent, consult = (other, one) if one[1].consults == other[1].id else (one, other)
        return _joined(parent, consult, leaves=leaves)

    return act


def _merge(request: Request) -> Steps:
    one, other = _both(request)
    one_goes_on = one[1].state is PartyState.HELD and other[1].state is not PartyState.HELD
    kept, donor = (one, other) if one_goes_on else (other, one)
    return _joined(kept, donor, leaves=False)


def _bring_in(request: Request) -> Steps:
    return _joined(*_both(request), leaves=False)


def _joined(kept: tuple[Session, Party], donor: tuple[Session, Party], *, leaves: bool) -> Steps:
    session, party = kept
    other = Peer(donor[0].id, donor[1].id)
    return at(session, CallsJoined(leg=party.id, other=other, leaves=leaves))


def _swap(request: Request) -> Steps:
    one, other = _both(request)
    active, held = (other, one) if one[1].state is PartyState.HELD else (one, other)
    return (*at(active[0], LegHeld(leg=active[1].id)), *at(held[0], LegRetrieved(leg=held[1].id)))


def _remove_participant(request: Request) -> Steps:
    target = request.target
    assert target is not None, "control finds the participant"  # noqa: S101
    cause = Cause.NORMAL if target.picked_up else Cause.CANCELED
    by = request.party.address.extension
    return at(request.session, LegEnded(leg=target.id, cause=cause, by=by))


def _records(state: RecordingState) -> Callable[[Request], Steps]:
    def act(request: Request) -> Steps:
        party = request.party
        if isinstance(request.action, commands.StartRecording):
            recording = recording_id(party.id, len(party.recordings) + 1)
        else:
            recording = party.recordings[-1].id
        return at(request.session, RecordingChanged(leg=party.id, recording=recording, state=state))

    return act


_ACTS: Final[dict[type[commands.LegAction], Callable[[Request], Steps]]] = {
    commands.Answer: _moves(Move.ANSWER),
    commands.Reject: _moves(Move.REJECT),
    commands.Hangup: _moves(Move.HANG_UP),
    commands.Hold: _changes(LegHeld),
    commands.Retrieve: _changes(LegRetrieved),
    commands.Mute: _changes(LegMuted, muted=True),
    commands.Unmute: _changes(LegMuted, muted=False),
    commands.SendDtmf: _send_dtmf,
    commands.Transfer: leading.transfer,
    commands.TransferToVoicemail: leading.to_voicemail,
    commands.TransferToOrbit: leading.to_orbit,
    commands.Forward: leading.transfer,
    commands.ForwardToVoicemail: leading.to_voicemail,
    commands.Flip: leading.flip,
    commands.Park: leading.park,
    commands.PickUp: leading.pick_up,
    commands.Reply: _changes(LegReplied),
    commands.Conference: _conference,
    commands.Consult: _consult,
    commands.CompleteTransfer: _completes(leaves=True),
    commands.CompleteConference: _completes(leaves=False),
    commands.Swap: _swap,
    commands.Merge: _merge,
    commands.Bridge: _completes(leaves=True),
    commands.BringIn: _bring_in,
    commands.RemoveParticipant: _remove_participant,
    commands.Clear: _changes(CallCleared),
    commands.StartRecording: _records(RecordingState.RECORDING),
    commands.StopRecording: _records(RecordingState.STOPPED),
    commands.PauseRecording: _records(RecordingState.PAUSED),
    commands.ResumeRecording: _records(RecordingState.RECORDING),
    commands.BargeIn: _changes(MonitorChanged, mode=MonitorMode.BARGE),
    commands.ListenIn: _changes(MonitorChanged, mode=MonitorMode.LISTEN),
    commands.MuteMonitored: _changes(LegSilenced, silenced=True),
    commands.UnmuteMonitored: _changes(LegSilenced, silenced=False),
}
"""What comes of each action."""
