"""Walks over HTTP: calls controlled in all three dialects, on two processes; FAULTS=full walks longer."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from relay.calls.capabilities import PAIRS, Operation, capabilities, pairs
from relay.calls.lines import beside, lines_of
from relay.calls.model import Party, Session
from relay.dialects.gws import identifiers as gws
from relay.switch.simulator import PhoneAction, Simulator
from tests.harness.demo import ADMIN, User
from tests.harness.walking import Walking, walked_on
from tests.system import phrases
from tests.system.dialects import AGENTS, BY_EXTENSION, DIRECTORY, Pair, Request, owner
from tests.system.listeners import Listeners
from tests.system.phrases import GWS, HAS, RINGCENTRAL, SAY, V3, Wish, accepted
from tests.system.views import check_views

__all__ = ["walked_on"]

FULL = os.environ.get("FAULTS") == "full"
pytestmark = pytest.mark.timeout(1800 if FULL else 120)
OUTSIDE = ("+12025550123", "+12025550101", "+12025550102", "+12025550103", "+12025550104")
MOST_LEGS = 7
LEADING = (Operation.TRANSFER, Operation.CONFERENCE, Operation.CONSULT, Operation.FORWARD)
DULL = {
    Operation.HANGUP, Operation.REJECT, Operation.CLEAR, Operation.SET_USER_DATA, Operation.SEND_DTMF,
}  # fmt: skip
SOON = 10_000
"""Milliseconds within which a timer falls due that a walk waits for: not those that ring out."""

who = st.sampled_from(AGENTS)
anyone = st.sampled_from([*BY_EXTENSION, *OUTSIDE])
dialects = st.sampled_from(sorted(SAY))
operations = st.sampled_from(sorted({*GWS, *V3, *RINGCENTRAL}))


class Walk(Walking):
    """Jane, John, Alex and the outside; each command in any dialect, at either process."""

    @initialize()
    def opened(self) -> None:
        """Start both processes on an empty store."""
        self.begin()
        self.pair = Pair(self.server.url)
        self.run(self.pair.start())
        self.simulator = Simulator(DIRECTORY.device, ring_timeout=60)
        self.listeners = Listeners()
        self.ended: list[tuple[Session, Party]] = []
        self.number = 0

    def read(self) -> None:
        """Read the live calls, and note who is in none any more."""
        before = self.legs()
        self.found(self.run(self.pair.sessions()))
        live = {party.id for _, party in self.legs()}
        self.ended += [(session, party) for session, party in before if party.id not in live]

    def allowed(self, session: Session, party: Party) -> frozenset[Operation]:
        """Return what a leg lists, by the model."""
        return capabilities(session, party, beside(party, lines_of(self.sessions)))

    @precondition(lambda self: len(self.legs()) < MOST_LEGS)
    @rule(user=who, to=anyone, dialect=dialects)
    def dial(self, user: User, to: str, dialect: str) -> None:
        """Place a call."""
        if to != user.extension:
            assert accepted(dialect, self.run(self.pair.ask(phrases.dial(dialect, user, to))))
            self.read()

    @precondition(lambda self: len(self.legs()) < MOST_LEGS)
    @rule(user=who, caller=st.sampled_from(OUTSIDE))
    def come_in(self, user: User, caller: str) -> None:
        """Let somebody call from outside."""
        body = {"from": caller, "to": user.extension}
        reply = self.run(self.pair.ask(Request(ADMIN, "POST", "/v3/simulator/calls/", body)))
        assert reply.status == 201, reply
        self.read()

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def press(self, data: st.DataObject) -> None:
        """Do something at a phone, mostly answering it."""
        possible = [
            (party, action)
            for session in self.sessions
            for party in session.parties
            for action in sorted(self.simulator.possible(session, party) - {PhoneAction.HANGUP})
        ]
        answering = [(party, action) for party, action in possible if action is PhoneAction.ANSWER]
        if possible:
            party, action = data.draw(st.sampled_from(answering or possible))
            body = {"digits": "1"} if action is PhoneAction.DTMF else None
            path = f"/v3/simulator/parties/{party.id}/{action}"
            reply = self.run(self.pair.ask(Request(ADMIN, "POST", path, body)))
            assert reply.status == 202, reply
            self.read()

    @precondition(lambda self: self.sessions)
    @rule()
    def wait(self) -> None:
        """Let the next timer fall due."""
        timers = self.run(self.pair.timers())
        if timers and timers[0].due < time.time() * 1000 + SOON:
            self.run(self.pair.elapse(timers[0]))
            self.read()

    @precondition(lambda self: self.legs())
    @rule(data=st.data(), operation=operations, dialect=dialects, to=anyone)
    def ask(self, data: st.DataObject, operation: Operation, dialect: str, to: str) -> None:
        """Ask anything of any leg: it is accepted if, and only if, the leg lists it."""
        if operation in HAS[dialect]:
            session, party = data.draw(st.sampled_from(self.legs()), "leg")
            self.carry_out(data, session, party, Operation(operation), dialect, to)

    @precondition(lambda self: self.legs())
    @rule(data=st.data(), dialect=dialects, to=anyone)
    def ask_what_is_listed(self, data: st.DataObject, dialect: str, to: str) -> None:
        """Ask what a leg lists: rather what brings calls on than what leaves them alone or ends them."""
        session, party = data.draw(st.sampled_from(self.legs()), "leg")
        listed = self.allowed(session, party) & HAS[dialect].keys()
        some = sorted(listed - DULL or listed)
        if some:
            operation = Operation(data.draw(st.sampled_from(some), "operation"))
            self.carry_out(data, session, party, operation, dialect, to)

    @precondition(lambda self: self.ended)
    @rule(data=st.data(), operation=operations, dialect=dialects, to=anyone)
    def ask_what_has_ended(self, data: st.DataObject, operation: Operation, dialect: str, to: str) -> None:
        """Ask anything of a leg that has ended: its state is final, and nothing happens."""
        session, party = data.draw(st.sampled_from(self.ended), "leg")
        session = self.run(self.pair.session(session.id))
        beside_it = any(one.address.user_id == party.address.user_id for _, one in self.legs_of(session))
        if operation not in HAS[dialect] or beside_it:
            return
        request = SAY[dialect](operation, Wish(session, party, to, (session, party), party))
        reply = self.run(self.pair.ask(request))
        code = reply.body.get("statusCode", reply.body.get("code", reply.body.get("errorCode")))
        refusals = {"gws": (400, 2), "v3": (403, "not_active_participant"), "ringcentral": (409, "TAS-106")}
        assert (reply.status, code) == refusals[dialect], (request, reply)
        assert self.run(self.pair.session(session.id)) == session

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def set_disposition(self, data: st.DataObject) -> None:
        """Set what is never listed: it is taken of any own leg, live or ended."""
        session, party = data.draw(st.sampled_from([*self.ended, *self.legs()]), "leg")
        call = f"/api/v2/me/calls/{gws.call_id(session.id)}"
        self.number += 1
        body = {"operationName": "SetCallDisposition", "disposition": str(self.number)}
        body |= {"callUri": call, "callUuid": gws.call_id(session.id)}
        reply = self.run(self.pair.ask(Request(owner(party), "POST", call, body)))
        assert (reply.status, reply.body) == (200, {"statusCode": 0})
        self.read()

    def legs_of(self, session: Session) -> list[tuple[Session, Party]]:
        """Return the live legs of ours in one call."""
        return [(one, party) for one, party in self.legs() if one.id == session.id]

    def carry_out(
        self, data: st.DataObject, session: Session, party: Party, operation: Operation, dialect: str, to: str
    ) -> None:
        """Ask, and compare what comes of it with what was listed."""
        accept = operation in self.allowed(session, party)
        self.number += 1
        wish = Wish(session, party, to, number=self.number)
        if operation in LEADING:
            inside = any(to in (one.address.extension, one.address.number) for one in session.parties)
            if inside or len(self.legs()) >= MOST_LEGS:
                return
        elif operation in PAIRS:
            lines = beside(party, lines_of(self.sessions))
            if not lines:
                return
            line = data.draw(st.sampled_from(lines), "other")
            other = next((one, leg) for one, leg in self.legs() if leg.id == line.leg)
            wish, accept = wish._replace(other=other), pairs(operation, session, party, line)
        elif operation is Operation.REMOVE_PARTICIPANT and accept:
            target = data.draw(st.sampled_from(session.participants(party)), "participant")
            wish = wish._replace(target=target)
        if dialect == "ringcentral":
            if phrases.says_what_it_is_already(operation, party):
                accept = True
            elif operation in phrases.OF_RECORDINGS and not party.recordings:
                return  # there is none to name
        reply = self.run(self.pair.ask(SAY[dialect](operation, wish)))
        assert accepted(dialect, reply) is accept, (dialect, operation, party.state, reply)
        if dialect == "v3" and not accept:
            assert set(reply.body["allowed"]) == self.allowed(session, party)
        before = self.sessions
        self.read()
        if not accept:
            assert self.sessions == before

    @invariant()
    def everybody_tells_the_same(self) -> None:
        """What is read in each dialect is what the others read, and what was last told of it."""
        self.run(self.listeners.hear(self.pair))
        self.run(check_views(self.pair, self.listeners, self.sessions))

    def teardown(self) -> None:
        """Once all have hung up, in one dialect or the other, nobody has a call, and all were told."""
        if not hasattr(self, "loop"):
            return
        while legs := self.legs():
            request = SAY["gws" if len(legs) % 2 else "v3"](Operation.HANGUP, Wish(*legs[0]))
            assert accepted(
                "v3" if request.path.startswith("/v3") else "gws", self.run(self.pair.ask(request))
            )
            self.read()
        while timers := self.run(self.pair.timers()):
            self.run(self.pair.elapse(timers[0]))
        self.read()
        assert self.sessions == []
        self.everybody_tells_the_same()
        assert self.listeners.alive() == []
        self.run(self.pair.stop())
        self.loop.close()


TestWalk = Walk.TestCase
TestWalk.settings = settings(
    max_examples=100 if FULL else 8,
    stateful_step_count=60 if FULL else 40,
    deadline=None,
    derandomize=not FULL,
    phases=[Phase.generate],  # a step takes tens of milliseconds: shrinking would take minutes
    suppress_health_check=[HealthCheck.too_slow],
)
