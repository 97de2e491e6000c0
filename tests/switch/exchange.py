"""A simulated exchange in virtual time: the simulator and transitions, without journal or control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from relay.calls.capabilities import capabilities
from relay.calls.commands import LegAction, RemoveParticipant
from relay.calls.events import CallEvent
from relay.calls.happenings import Step
from relay.calls.lines import beside, lines_of
from relay.calls.model import Address, MonitorMode, Party, PartyState, Session
from relay.calls.transitions import apply_steps
from relay.control import checks
from relay.switch.protocol import Dial, Request, Route
from relay.switch.simulator import PhoneAction, Simulator
from tests.calls.calling import ACCOUNT

START = 1_763_717_400_000


class Set(NamedTuple):
    """How a phone is set: seconds until it answers, and until it picks up its own click-to-dial."""

    answer_after: float | None = None
    pickup_after: float | None = 0.2


class Exchange:
    """Calls of one account: ``call``, then ``call-2`` and on. Times are milliseconds since the start."""

    def __init__(self, phones: dict[str, Set] | None = None, *, ring_timeout: float = 60) -> None:
        settings = phones or {}
        self.simulator = Simulator(lambda device: settings.get(device, Set()), ring_timeout=ring_timeout)
        self.now = 0
        self.sessions: dict[str, Session] = {}
        self.events: list[CallEvent] = []

    async def dial(
        self,
        caller: Address,
        destination: Address,
        *,
        two_step: bool = False,
        user_data: dict[str, Any] | None = None,
        busy: bool = False,
    ) -> Session:
        """Place a call."""
        dial = Dial(
            session_id=self._new_id(),
            account=ACCOUNT,
            caller=caller,
            destination=destination,
            to=Route(destination, refuses=busy),
            two_step=two_step,
            user_data=user_data or {},
        )
        self.happen(await self.simulator.place(dial))
        return self.sessions[dial.session_id]

    async def confer(self, host: Address) -> Session:
        """Place a conference."""
        session_id = self._new_id()
        self.happen(await self.simulator.confer(session_id, ACCOUNT, host))
        return self.sessions[session_id]

    @property
    def call(self) -> Session:
        """The first call as it stands."""
        return self.sessions["call"]

    @property
    def caller(self) -> Party:
        """The first call's caller's leg."""
        return self.call.parties[0]

    @property
    def callee(self) -> Party:
        """The first call's callee's leg."""
        return self.call.parties[1]

    def legs(self, at: Address | None = None) -> list[Party]:
        """Return the live legs, those at one address or all."""
        return [
            party
            for session in self.sessions.values()
            for party in session.parties
            if party.live and at in (None, party.address)
        ]

    def leg(self, at: Address, number: int = 0) -> Party:
        """Return a live leg at an address: the first, or a later one of several."""
        return self.legs(at)[number]

    def session_of(self, leg: Party) -> Session:
        """Return the session where the leg lives, or did last."""
        holding = [session for session in self.sessions.values() if session.party(leg.id)]
        return next((session for session in holding if _living(session, leg)), holding[-1])

    def allowed(self, leg: Party) -> set[str]:
        """Return what the leg lists."""
        session = self.session_of(leg)
        party = session.party(leg.id)
        assert party is not None
        return set(capabilities(session, party, beside(party, lines_of(self.sessions.values()))))

    async def act(
        self,
        leg: Party,
        action: LegAction,
        *,
        other: Party | None = None,
        to: Address | None = None,
        busy: bool = False,
    ) -> tuple[CallEvent, ...]:
        """Ask something of the switch for a leg; return what is told of it."""
        session = self.session_of(leg)
        party = session.party(leg.id)
        assert party is not None
        second = self.session_of(other) if other else None
        request = Request(
            session,
            party,
            action,
            other=(second, second.party(other.id) or other) if other and second else None,
            to=Route(to, refuses=busy) if to else None,
            consult=self._new_id(),
            target=checks.participant(session, party, action.participant)
            if isinstance(action, RemoveParticipant)
            else None,
            mailbox=replace(to, device_id=None) if to else None,
            parked=frozenset(one.park or "" for one in self.legs() if one.state is PartyState.PARKED),
        )
        return self.happen(await self.simulator.act(request))

    async def supervise(self, leg: Party, supervisor: Address, mode: MonitorMode) -> tuple[CallEvent, ...]:
        """Let a supervisor's phone into a leg's call; return what is told of it."""
        session = self.session_of(leg)
        return self.happen(await self.simulator.supervise(session, leg, supervisor, mode))

    def press(self, leg: Party, action: PhoneAction, digits: str = "") -> tuple[CallEvent, ...]:
        """Do something at a leg's phone; return what is told of it."""
        session = self.session_of(leg)
        party = session.party(leg.id)
        assert party is not None
        return self.happen(self.simulator.pressed(session, party, action, digits))

    def happen(self, steps: Sequence[Step]) -> tuple[CallEvent, ...]:
        """Apply what the switch says and keep the events."""
        lines = lines_of(self.sessions.values())
        self.sessions, told = apply_steps(self.sessions.values(), steps, START + self.now, lines=lines)
        self.events += told
        return told

    def fire(self) -> bool:
        """Go on to the next timer and let it elapse; False if none is left."""
        timers = sorted(
            (timer for session in self.sessions.values() for timer in self.simulator.timers(session)),
            key=lambda timer: (timer.due, timer.nonce),
        )
        if not timers:
            return False
        self.now = max(self.now, timers[0].due - START)
        assert self.happen(self.simulator.elapsed(self.sessions[timers[0].session], timers[0]))
        return True

    def run(self, until: int | None = None) -> None:
        """Let timers elapse, all of them or those due by then."""
        while dues := [
            timer.due for session in self.sessions.values() for timer in self.simulator.timers(session)
        ]:
            if until is not None and min(dues) > START + until:
                break
            self.fire()
        if until is not None:
            self.now = until

    def _new_id(self) -> str:
        return f"call-{len(self.sessions) + 1}" if self.sessions else "call"


def _living(session: Session, leg: Party) -> bool:
    found = session.party(leg.id)
    return found is not None and found.live
