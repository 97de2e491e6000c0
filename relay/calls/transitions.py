"""The law of the call: (session, happening, now) -> (session', events). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from relay.calls.events import NUMBERING, CallEvent, EventKind
from relay.calls.happenings import (
    CallPlaced,
    DtmfSent,
    Happening,
    LegAnswered,
    LegEnded,
    LegMade,
    LegRinging,
    UserDataReplaced,
)
from relay.calls.model import Cause, Party, PartyState, Role, Session


class ImpossibleHappeningError(ValueError):
    """The switch told of something that cannot happen to this session: an unknown leg, say."""


class _Telling:
    """A session on its way through one happening, with the events told so far."""

    def __init__(self, session: Session, now: int, command_id: str | None, traceparent: str | None) -> None:
        self.session = session
        self.events: list[CallEvent] = []
        self._now = now
        self._command_id = command_id
        self._traceparent = traceparent

    def tell(self, kind: EventKind, party: Party, details: dict[str, Any] | None = None) -> None:
        """Put the changed party into the session, number the event, and tell of it if anyone can see it."""
        numbering = NUMBERING[kind]
        raises_leg = numbering.leg and party.ours
        if raises_leg:
            party = replace(party, sequence=party.sequence + 1)
        self.session = self.session.with_party(party)
        if numbering.session:
            self.session = replace(self.session, sequence=self.session.sequence + 1)
        if raises_leg or numbering.session:
            self.events.append(
                CallEvent(
                    kind=kind,
                    session=self.session,
                    party_id=party.id,
                    time=self._now,
                    leg_sequence=party.sequence,
                    session_sequence=self.session.sequence,
                    command_id=self._command_id,
                    traceparent=self._traceparent,
                    details=details or {},
                )
            )


def apply(
    session: Session | None,
    happening: Happening,
    now: int,
    *,
    command_id: str | None = None,
    traceparent: str | None = None,
) -> tuple[Session, tuple[CallEvent, ...]]:
    """Return the session after the happening, and the events that tell of it.

    A leg's change of state that it is already past returns the session as it is and no events, so that a
    switch may repeat itself; tones and user data are told each time. ``session`` is None exactly for
    `CallPlaced`. The version is raised by the journal's commit, not here.

    What happens before the callee answers and has no command of its own is the outcome of the command that
    placed the call, and told with its id.

    Raises:
        ImpossibleHappeningError: the happening names a leg the session lacks, or a session that is not there.

    """
    if isinstance(happening, CallPlaced):
        if session is not None:
            raise ImpossibleHappeningError(f"call {session.id} is placed already")
        telling = _Telling(_placed(happening, now, command_id), now, command_id, traceparent)
        telling.tell(EventKind.DIALING, telling.session.parties[0])
    else:
        if session is None:
            raise ImpossibleHappeningError(f"{type(happening).__name__} without a session")
        if command_id is None and not session.answered:
            command_id = session.command_id
        telling = _Telling(session, now, command_id, traceparent)
        _advance(telling, happening, now)
    return telling.session, tuple(telling.events)


def apply_all(
    session: Session | None,
    happenings: Iterable[Happening],
    now: int,
    *,
    command_id: str | None = None,
    traceparent: str | None = None,
) -> tuple[Session | None, tuple[CallEvent, ...]]:
    """Apply happenings that a switch tells of at once, one after another; see `apply`."""
    events: list[CallEvent] = []
    for happening in happenings:
        session, told = apply(session, happening, now, command_id=command_id, traceparent=traceparent)
        events += told
    return session, tuple(events)


def _placed(happening: CallPlaced, now: int, command_id: str | None) -> Session:
    caller = Party(
        id=happening.caller_leg,
        role=Role.CALLER,
        address=happening.caller,
        far=happening.destination,
        created_at=now,
    )
    return Session(
        id=happening.session_id,
        account=happening.account,
        type=happening.type,
        created_at=now,
        parties=(caller,),
        two_step=happening.two_step,
        user_data=happening.user_data,
        command_id=command_id,
    )


def _advance(telling: _Telling, happening: Happening, now: int) -> None:
    match happening:
        case LegMade():
            _leg_made(telling, happening, now)
        case LegRinging():
            _leg_ringing(telling, _leg(telling.session, happening.leg))
        case LegAnswered():
            _leg_answered(telling, _leg(telling.session, happening.leg), now)
        case LegEnded():
            _leg_ended(telling, _leg(telling.session, happening.leg), happening.cause, now)
        case DtmfSent():
            party = _leg(telling.session, happening.leg)
            if party.live:
                telling.tell(EventKind.DTMF, party, {"digits": happening.digits})
        case UserDataReplaced():
            _user_data_replaced(telling, happening.user_data)


def _leg(session: Session, leg: str) -> Party:
    party = session.party(leg)
    if party is None:
        raise ImpossibleHappeningError(f"call {session.id} has no leg {leg}")
    return party


def _leg_made(telling: _Telling, made: LegMade, now: int) -> None:
    session = telling.session
    if session.party(made.leg) is not None or not session.live:
        return
    party = Party(id=made.leg, role=Role.CALLEE, address=made.address, far=made.far, created_at=now)
    if not party.ours:
        telling.session = session.with_party(party)
        return
    telling.tell(EventKind.SETUP, party)
    caller = telling.session.parties[0]
    if caller.state is PartyState.SETUP and not caller.connected:
        telling.tell(EventKind.CONNECTED, replace(caller, connected=True))


def _leg_ringing(telling: _Telling, party: Party) -> None:
    if party.role is not Role.CALLEE or party.state is not PartyState.SETUP:
        return
    telling.tell(EventKind.RINGING, replace(party, state=PartyState.PROCEEDING))
    for other in telling.session.others(party):
        if other.role is Role.CALLER and other.state is PartyState.SETUP and not other.connected:
            telling.tell(EventKind.PROCEEDING, replace(other, state=PartyState.PROCEEDING))


def _leg_answered(telling: _Telling, party: Party, now: int) -> None:
    if party.state not in (PartyState.SETUP, PartyState.PROCEEDING):
        return
    _pick_up(telling, party, now)
    if party.role is Role.CALLEE:
        for other in telling.session.others(party):
            if other.role is Role.CALLER and other.state in (PartyState.SETUP, PartyState.PROCEEDING):
                _pick_up(telling, other, now)


def _pick_up(telling: _Telling, party: Party, now: int) -> None:
    kind = EventKind.ESTABLISHED if party.connected else EventKind.ANSWERED
    telling.tell(kind, replace(party, state=PartyState.ANSWERED, connected=True, answered_at=now))


def _leg_ended(telling: _Telling, party: Party, cause: Cause | None, now: int) -> None:
    if not party.live:
        return
    session = telling.session
    found = cause or _cause(session, party)
    by = party.address.extension if cause in (None, Cause.REJECTED) else None
    for ending in (party, *(other for other in session.others(party) if other.live)):
        ended = replace(ending, state=PartyState.DISCONNECTED, cause=found, ended_by=by, ended_at=now)
        telling.tell(EventKind.ENDED, ended)


def _cause(session: Session, party: Party) -> Cause:
    """Tell why a leg that was simply released ended: it depends on who did it, and on the far end's state."""
    if session.answered:
        return Cause.NORMAL
    return Cause.CANCELED if party.role is Role.CALLER else Cause.REJECTED


def _user_data_replaced(telling: _Telling, user_data: dict[str, Any]) -> None:
    telling.session = replace(telling.session, user_data=user_data)
    for party in telling.session.parties:
        if party.live and party.ours:
            telling.tell(EventKind.USER_DATA, party)
