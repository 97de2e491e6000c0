"""How a supervisor takes part in another's call. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from relay.calls.endings import ids
from relay.calls.events import EventKind
from relay.calls.happenings import LegSilenced, MonitorChanged, MonitorJoined
from relay.calls.model import MonitorMode, Party, PartyState, Role
from relay.calls.telling import Telling


def join_monitor(call: Telling, monitored: Party, joined: MonitorJoined) -> None:
    """Let a supervisor's leg into the call of a leg that was picked up; barging in, it is told to all."""
    if not monitored.present or call.session.party(joined.monitor) is not None:
        return
    others = ids(call.session.live_others(monitored))
    monitor = Party(
        id=joined.monitor,
        role=Role.CALLER,
        address=joined.address,
        far=monitored.address,
        created_at=call.now,
        state=PartyState.ANSWERED,
        connected=True,
        answered_at=call.now,
        muted=joined.mode is not MonitorMode.BARGE,
        monitors=monitored.id,
        mode=joined.mode,
        command_id=call.story.command_id,
    )
    call.tell(EventKind.ANSWERED, monitor)
    if not monitor.hidden:
        call.tell_each(EventKind.PARTICIPANTS, [monitored.id, *others])


def change_mode(call: Telling, monitor: Party, changed: MonitorChanged) -> None:
    """Let a supervisor be heard by all, or by nobody again; who comes in sight or goes is told to all."""
    if monitor.monitors is None or monitor.mode is changed.mode:
        return
    was_hidden, muted = monitor.hidden, changed.mode is not MonitorMode.BARGE
    monitor = replace(monitor, mode=changed.mode, muted=muted)
    call.tell(EventKind.MUTED if muted else EventKind.UNMUTED, monitor)
    if monitor.hidden is not was_hidden:
        call.tell_each(EventKind.PARTICIPANTS, ids(call.session.live_others(monitor)))


def silence(call: Telling, monitor: Party, changed: LegSilenced) -> None:
    """Let the monitored leg be heard no longer, or again; told of it and of who had it done."""
    monitored = call.session.party(monitor.monitors) if monitor.monitors else None
    if monitored is None or monitored.silenced is changed.silenced:
        return
    call.put(replace(monitored, silenced=changed.silenced))
    kind = EventKind.SILENCED if changed.silenced else EventKind.UNSILENCED
    call.tell_each(kind, [monitor.id, monitored.id])
