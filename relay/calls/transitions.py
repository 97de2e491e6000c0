"""The law of the call: (sessions, what happens, now) -> (sessions', events). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from relay.calls.events import CallEvent, EventKind
from relay.calls.happenings import CallPlaced, CallsJoined, Happening, LegMade, Step, UserDataReplaced
from relay.calls.joining import join
from relay.calls.legs import LEG_CHANGES, leg_made
from relay.calls.lines import Lines
from relay.calls.model import Party, Role, Session
from relay.calls.telling import Story, Telling

_NO_LINES: Final[Lines] = {}


class ImpossibleHappeningError(ValueError):
    """The switch told of something that cannot happen to this session: an unknown leg, say."""


def apply_steps(
    sessions: Iterable[Session],
    steps: Sequence[Step],
    now: int,
    *,
    lines: Lines = _NO_LINES,
    command_id: str | None = None,
    traceparent: str | None = None,
) -> tuple[dict[str, Session], tuple[CallEvent, ...]]:
    """Return the sessions after what happened to them step by step, and the events that tell of it.

    A leg's change of state that it is already past returns its session as it is and no events, so that a
    switch may repeat itself; tones and user data are told each time. A session is among those given unless
    its step is a `CallPlaced`. ``lines`` are the live legs at devices of the sessions, in whatever calls.
    A leg that allows something else afterwards is told of, also in a session that has no step.
    The versions are raised by the journal's commit, not here.

    What happens before a leg answers and has no command of its own is the outcome of the command that placed
    the call, or added the leg, and told with its id.

    Raises:
        ImpossibleHappeningError: a step names a leg or session that is not there, or one placed already.

    """
    story = Story(sessions, lines, now, traceparent)
    for session_id, happening in steps:
        session = story.sessions.get(session_id)
        if isinstance(happening, CallPlaced):
            if session is not None:
                raise ImpossibleHappeningError(f"call {session_id} is placed already")
            session = story.sessions[session_id] = _placed(happening, now, command_id)
            story.command_id = command_id
            story.call(session_id).tell(EventKind.DIALING, session.parties[0])
            continue
        if session is None:
            raise ImpossibleHappeningError(f"{type(happening).__name__} without a session")
        story.command_id = command_id or _command_behind(session, happening)
        _advance(story.call(session_id), happening)
    return story.sessions, story.finish()


def _placed(happening: CallPlaced, now: int, command_id: str | None) -> Session:
    caller = Party(
        id=happening.caller_leg,
        role=Role.CALLER,
        address=happening.caller,
        far=happening.destination,
        created_at=now,
        consults=happening.consults,
        owner=happening.conference,
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
        parent=happening.parent,
        conference=happening.conference,
        changed_at=now,
    )


def _command_behind(session: Session, happening: Happening) -> str | None:
    party = session.party(getattr(happening, "leg", ""))
    if party is not None and party.live and not party.present and party.command_id is not None:
        return party.command_id
    return None if session.answered else session.command_id


def _advance(call: Telling, happening: Happening) -> None:
    match happening:
        case UserDataReplaced():
            call.put_user_data(happening.user_data)
            call.tell_each(EventKind.USER_DATA, [party.id for party in call.session.parties])
        case LegMade():
            leg_made(call, happening)
        case CallsJoined(other=other):
            donor = call.story.sessions.get(other.session)
            if donor is None:
                raise ImpossibleHappeningError("CallsJoined without its other session")
            own, away = _leg(call.session, happening.leg), _leg(donor, other.leg)
            join(call, own, call.story.call(donor.id), away, leaves=happening.leaves)
        case _:
            party = _leg(call.session, getattr(happening, "leg", ""))
            if party.live:
                LEG_CHANGES[type(happening)](call, party, happening)


def _leg(session: Session, leg: str) -> Party:
    party = session.party(leg)
    if party is None:
        raise ImpossibleHappeningError(f"call {session.id} has no leg {leg}")
    return party
