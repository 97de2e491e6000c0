"""Sessions on their way through what happens to them, with the events told so far."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from relay.calls.capabilities import bearing, capabilities, surroundings
from relay.calls.events import NUMBERING, CallEvent, EventKind
from relay.calls.lines import Line, Lines, is_line, line_of
from relay.calls.model import Party, PartyState, Session


class Story:
    """Everything one change does, to however many sessions, told in one order."""

    def __init__(self, sessions: Iterable[Session], lines: Lines, now: int, traceparent: str | None) -> None:
        self._before = {session.id: session for session in sessions}
        self.sessions = dict(self._before)
        self.events: list[CallEvent] = []
        self.now = now
        self.command_id: str | None = None
        self._traceparent = traceparent
        self._lines = lines

    def __repr__(self) -> str:
        return f"<Story of {', '.join(self.sessions)}: {len(self.events)} events>"

    def call(self, session_id: str) -> Telling:
        """Return a hand on one of the sessions."""
        return Telling(self, session_id)

    def finish(self) -> tuple[CallEvent, ...]:
        """Tell of legs that allow something else than was last told of them; return all that is told."""
        told = {(event.session.id, event.party_id): event for event in self.events if _is_seen(event)}
        for session in list(self.sessions.values()):
            for party in session.parties:
                if party.live and party.ours and party.sequence:
                    event = told.get((session.id, party.id))
                    was = self._before.get(session.id) if event is None else event.session
                    if was is not None and self._allows_more_or_less(was, party, seen=event is not None):
                        self.call(session.id).tell(EventKind.CAPABILITIES, party)
        return tuple(map(self._with_beside, self.events))

    def _allows_more_or_less(self, was: Session, party: Party, *, seen: bool) -> bool:
        """Tell whether a leg's capabilities are others now than as it was in a session."""
        now = self.sessions[was.id]
        before = was.party(party.id)
        if before is None or (seen and was is now):
            return False
        beside = self._beside(party, self.sessions)
        then = beside if seen else self._beside(party, self._before)
        if before is party and then == beside and surroundings(was) == surroundings(now):
            return False
        return capabilities(was, before, then) != capabilities(now, party, beside)

    def _with_beside(self, event: CallEvent) -> CallEvent:
        party = event.party
        beside = self._beside(party, self.sessions) if party.live else ()
        return replace(event, beside=bearing(event.session, party, beside)) if beside else event

    def _beside(self, party: Party, sessions: Mapping[str, Session]) -> tuple[Line, ...]:
        """Return the other legs at the leg's device, those of the sessions told of as they stand there."""
        device = party.address.device_id
        if device is None:
            return ()
        elsewhere = [line for line in self._lines.get(device, ()) if line.session not in self.sessions]
        here = [
            line_of(session, other)
            for session in sessions.values()
            for other in session.parties
            if other.address.device_id == device and other.id != party.id and is_line(other)
        ]
        return (*elsewhere, *here)

    def tell(self, session: Session, kind: EventKind, party: Party, details: dict[str, Any]) -> None:
        """Add an event of the session as it now stands."""
        self.events.append(
            CallEvent(
                kind=kind,
                session=session,
                party_id=party.id,
                time=self.now,
                leg_sequence=party.sequence,
                session_sequence=session.sequence,
                command_id=self.command_id,
                traceparent=self._traceparent,
                details=details,
            )
        )


class Telling:
    """One session of a story, changed leg by leg."""

    __slots__ = ("_id", "_story")

    def __init__(self, story: Story, session_id: str) -> None:
        self._story = story
        self._id = session_id

    def __repr__(self) -> str:
        return f"<Telling {self._id} of {self._story!r}>"

    @property
    def session(self) -> Session:
        """The session as it stands."""
        return self._story.sessions[self._id]

    @property
    def story(self) -> Story:
        """What the session is changed in."""
        return self._story

    @property
    def now(self) -> int:
        """When all this happens, in milliseconds since the epoch."""
        return self._story.now

    def put(self, party: Party) -> None:
        """Change or add a leg without a word."""
        self._set(replace(self._with(party), changed_at=self.now))

    def classify(self) -> None:
        """Find anew how the call crosses the edge, after somebody left it."""
        self._set(replace(self.session, type=self.session.crossing))

    def put_user_data(self, user_data: dict[str, Any]) -> None:
        """Change the session's user data without a word."""
        self._set(replace(self.session, user_data=user_data, changed_at=self.now))

    def tell(self, kind: EventKind, party: Party, details: dict[str, Any] | None = None) -> None:
        """Put the changed leg into the session, number the event, and tell of it if anyone can see it."""
        numbering = NUMBERING[kind]
        if numbering.leg and party.ours:
            party = replace(party, sequence=party.sequence + 1)
        session = self._with(party)
        self._set(replace(session, sequence=session.sequence + numbering.session, changed_at=self.now))
        if numbering.tells_of(party):
            self._story.tell(self.session, kind, party, details or {})

    def answer(self, legs: Sequence[Party]) -> None:
        """Tell of legs that are picked up together; what each then allows goes by the others."""
        for one in legs:
            self.put(replace(one, state=PartyState.ANSWERED, connected=True, answered_at=self.now))
        for one in legs:
            self.tell_each(EventKind.ESTABLISHED if one.connected else EventKind.ANSWERED, [one.id])

    def tell_each(self, kind: EventKind, legs: Iterable[str]) -> None:
        """Tell the same of several legs, each as it stands, if it lives."""
        for party in self.living(legs):
            self.tell(kind, party)

    def living(self, legs: Iterable[str]) -> Iterator[Party]:
        """Give the legs one by one as they then stand, those that live."""
        for leg in legs:
            party = self.session.party(leg)
            if party is not None and party.live:
                yield party

    def _with(self, party: Party) -> Session:
        before, session = self.session.party(party.id), self.session.with_party(party)
        arrives = party.live and (before is None or not before.live)
        return replace(session, type=session.crossing) if arrives else session

    def _set(self, session: Session) -> None:
        self._story.sessions[self._id] = session


def _is_seen(event: CallEvent) -> bool:
    """Tell whether those who see what a leg allows see the event."""
    return NUMBERING[event.kind].leg or event.kind is EventKind.CAPABILITIES
