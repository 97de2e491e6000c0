"""Walks on a real journal, from two processes: an operation is accepted exactly when the leg lists it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from msgspec.structs import replace

from relay.calls import commands
from relay.calls.capabilities import PAIRS, UNLISTED, Operation, capabilities, pairs
from relay.calls.events import NUMBERING, EventKind
from relay.calls.lines import beside, lines_of
from relay.calls.model import MonitorMode, Party, PartyState, Session
from relay.calls.parking import ORBITS
from relay.directory.model import Principal
from relay.errors import NotAllowedNowError
from relay.journal.journal import Journal
from relay.journal.store import Store
from relay.switch.simulator import PhoneAction
from tests.control.office import ACCOUNT, ACTIONS, Office
from tests.harness.walking import Walking, walked_on

__all__ = ["walked_on"]

USERS = ("jane", "john", "alex")
OUTSIDE = ("+12025550123", "+12025550101", "+12025550102", "+12025550103", "+12025550104")
EXTENSIONS = {"jane": "210", "john": "200", "alex": "220"}
MOST_LEGS = 8

who = st.sampled_from(USERS)
anyone = st.sampled_from([*EXTENSIONS.values(), *OUTSIDE])
LEADING: dict[Operation, type[commands.Adding]] = {
    Operation.TRANSFER: commands.Transfer,
    Operation.FORWARD: commands.Forward,
    Operation.CONFERENCE: commands.Conference,
    Operation.CONSULT: commands.Consult,
}
PAIRING: dict[Operation, type[commands.Pairing]] = {
    Operation.COMPLETE_TRANSFER: commands.CompleteTransfer,
    Operation.COMPLETE_CONFERENCE: commands.CompleteConference,
    Operation.SWAP: commands.Swap,
    Operation.MERGE: commands.Merge,
    Operation.BRIDGE: commands.Bridge,
    Operation.BRING_IN: commands.BringIn,
}
NOBODY = (Operation.FORWARD, Operation.TRANSFER)
"""Those that may lead to a mailbox or a parking place."""
ONE_OF_TWO = (Operation.SWAP, Operation.MERGE, Operation.BRING_IN)
"""Those for which the other call must be named."""
AT_PHONE: dict[Operation, type[commands.AtDevice]] = {
    Operation.FLIP: commands.Flip,
    Operation.PICK_UP: commands.PickUp,
}


class Walk(Walking):
    """Three users' phones and the outside, on two processes that share a store."""

    @initialize()
    def opened(self) -> None:
        """Open the store anew, in two processes."""
        self.begin()
        self.stores = [self.run(Store.open(self.server.url, partitions=2)) for _ in range(2)]
        self.offices = [Office(Journal(store)) for store in self.stores]
        self.turn = self.heard = 0
        self.counts: dict[str, int] = {}
        self.listed: dict[str, frozenset[Operation]] = {}

    @property
    def office(self) -> Office:
        """One of the processes, in turns."""
        self.turn += 1
        office = self.offices[self.turn % 2]
        for each in self.offices:
            each.now = max(one.now for one in self.offices)
        return office

    def read(self) -> None:
        """Read the live calls."""
        self.found(self.run(self.offices[0].journal.live_sessions(ACCOUNT)))

    def owner(self, office: Office, party: Party) -> Principal:
        """Return whose leg it is."""
        login = next(user for user, extension in EXTENSIONS.items() if extension == party.address.extension)
        principal: Principal = getattr(office, login)
        return principal

    @precondition(lambda self: len(self.legs()) < MOST_LEGS)
    @rule(user=who, to=anyone, two_step=st.booleans())
    def dial(self, user: str, to: str, two_step: bool) -> None:
        """Place a call."""
        if to != EXTENSIONS[user]:
            office = self.office
            self.run(office.dial(getattr(office, user), to, two_step=two_step))
            self.read()

    @precondition(lambda self: len(self.legs()) < MOST_LEGS)
    @rule(user=who)
    def confer(self, user: str) -> None:
        """Place a conference."""
        office = self.office
        boss = getattr(office, user)
        self.run(office.control.confer(boss, device_id=boss.user.devices[0].id))
        self.read()

    @precondition(lambda self: len(self.legs()) < MOST_LEGS)
    @rule(user=who, caller=st.sampled_from(OUTSIDE))
    def come_in(self, user: str, caller: str) -> None:
        """Let somebody call from outside."""
        self.run(self.office.control.simulate_inbound(ACCOUNT, caller, EXTENSIONS[user]))
        self.read()

    @precondition(lambda self: self.sessions)
    @rule(data=st.data())
    def press(self, data: st.DataObject) -> None:
        """Do something at a phone, mostly answering it."""
        office = self.office
        possible = [
            (party, action)
            for session in self.sessions
            for party in session.parties
            for action in sorted(office.simulator.possible(session, party) - {PhoneAction.HANGUP})
        ]
        answering = [(party, action) for party, action in possible if action is PhoneAction.ANSWER]
        if possible:
            party, action = data.draw(st.sampled_from(answering or possible))
            self.run(office.control.simulate_phone(office.admin, party.id, action, "1"))
            self.read()

    @rule()
    def wait(self) -> None:
        """Let the next timer fall due."""
        office = self.office
        timers = [timer for session in self.sessions for timer in office.simulator.timers(session)]
        first = min(timers, key=lambda timer: timer.due, default=None)
        if first is not None and first.due < office.now + 1000:
            self.run(office.elapse(first))
            self.read()

    @precondition(lambda self: self.legs())
    @rule(data=st.data(), user=who, mode=st.sampled_from(MonitorMode))
    def supervise(self, data: st.DataObject, user: str, mode: MonitorMode) -> None:
        """Have one of the three take part in a call as a supervisor."""
        session, party = data.draw(st.sampled_from(self.legs()), "leg")
        office = self.office
        agent = getattr(office, user)
        boss = Principal(ACCOUNT, replace(agent.user, roles=frozenset({"agent", "admin"})))
        inside = any(p.live and p.address.extension == EXTENSIONS[user] for p in session.parties)
        asking = office.control.supervise(boss, device_id=agent.user.devices[0].id, leg=party.id, mode=mode)
        if inside or not party.present or party.monitors:
            with pytest.raises(NotAllowedNowError):
                self.run(asking)
        else:
            assert self.run(asking).party.monitors == party.id
            self.read()

    @precondition(lambda self: self.legs())
    @rule(data=st.data(), operation=st.sampled_from(sorted(set(Operation) - UNLISTED)), to=anyone)
    def ask(self, data: st.DataObject, operation: Operation, to: str) -> None:
        """Ask anything of any leg: it is accepted if, and only if, the leg lists it."""
        session, party = data.draw(st.sampled_from(self.legs()), "leg")
        self.carry_out(data, session, party, Operation(operation), to)

    @precondition(lambda self: self.legs())
    @rule(data=st.data(), to=anyone)
    def ask_what_is_listed(self, data: st.DataObject, to: str) -> None:
        """Ask what a leg lists, endings least."""
        session, party = data.draw(st.sampled_from(self.legs()), "leg")
        listed = self.allowed(session, party)
        some = sorted(listed - {"hangup", "reject", "clear"} or listed)
        self.carry_out(data, session, party, Operation(data.draw(st.sampled_from(some), "operation")), to)

    def allowed(self, session: Session, party: Party) -> frozenset[Operation]:
        """Return what a leg lists."""
        return capabilities(session, party, beside(party, lines_of(self.sessions)))

    def to_nobody(self, operation: Operation) -> list[commands.LegAction]:
        """Return the actions that lead to no phone: to a mailbox, or a parking place that is free."""
        if operation is Operation.FORWARD:
            return [commands.ForwardToVoicemail(self.offices[0].john.user.id)]
        places = (party.park for session in self.sessions for party in session.parties if party.live)
        taken = set(places)
        free = next(orbit for orbit in reversed(ORBITS) if orbit not in taken)
        return [commands.TransferToVoicemail(self.offices[0].john.user.id), commands.TransferToOrbit(free)]

    def carry_out(
        self, data: st.DataObject, session: Session, party: Party, operation: Operation, to: str
    ) -> None:
        """Ask, and compare what comes of it with what was listed."""
        accepted = operation in self.allowed(session, party)
        action = ACTIONS[operation]
        if operation in NOBODY and data.draw(st.booleans(), "to nobody"):
            action = data.draw(st.sampled_from(self.to_nobody(operation)), "action")
        elif operation in LEADING:
            inside = any(to in (one.address.extension, one.address.number) for one in session.parties)
            if inside or len(self.legs()) >= MOST_LEGS:
                return
            action = LEADING[operation](to)
        elif operation in PAIRS:
            lines = beside(party, lines_of(self.sessions))
            if lines:
                line = data.draw(st.sampled_from(lines), "other")
                action = PAIRING[operation](line.leg)
                accepted = accepted and pairs(operation, session, party, line)
            elif operation in ONE_OF_TWO:
                return
        elif operation in AT_PHONE:
            phone = self.owner(self.offices[0], party).user.devices[0].id
            action = AT_PHONE[operation](phone)
        elif operation is Operation.REMOVE_PARTICIPANT and accepted:
            target = data.draw(st.sampled_from(session.participants(party)), "participant")
            action = commands.RemoveParticipant(target.id)
        office, told = self.office, len(self.run(self.offices[0].events()))
        asking = office.control.act(self.owner(office, party), leg=party.id, action=action)
        if accepted:
            self.run(asking)
            self.read()
            assert len(self.run(self.offices[0].events())) > told
        else:
            with pytest.raises(NotAllowedNowError):
                self.run(asking)
            before = self.sessions
            self.read()
            assert self.sessions == before
            assert len(self.run(self.offices[0].events())) == told

    @invariant()
    def the_store_agrees_with_the_calls(self) -> None:
        """Lines at devices and timers are exactly those of the live calls."""
        journal = self.offices[0].journal
        devices = [getattr(self.offices[0], user).user.devices[0].id for user in USERS]
        states = self.run(journal.device_states(ACCOUNT, devices))
        lines = lines_of(self.sessions)
        for device, state in states.items():
            assert sorted(state.lines, key=lambda line: line.leg) == sorted(
                lines.get(device, []), key=lambda line: line.leg
            )
        timers = {timer for session in self.sessions for timer in self.offices[0].simulator.timers(session)}
        assert set(self.run(self.offices[0].timers())) == timers
        self.run(self.legs_lead_to_their_calls())

    async def legs_lead_to_their_calls(self) -> None:
        """Each leg of a live call leads to it, also once it has ended, and neither key expires."""
        store = self.stores[0]
        keys = store.keys(ACCOUNT)
        for session in self.sessions:
            assert await store.call("PTTL", keys.call(session.id)) == -1
            for party in session.parties:
                if party.state is not PartyState.GONE:
                    assert await store.call("GET", keys.leg(party.id)) == session.id.encode()
                    assert await store.call("PTTL", keys.leg(party.id)) == -1

    @invariant()
    def sequences_have_no_gaps(self) -> None:
        """Each leg counts from 1 wherever it goes, each session from 2."""
        events = self.run(self.offices[0].events())
        for event in events[self.heard :]:
            numbering = NUMBERING[event.kind]
            if numbering.leg and event.party.ours:
                self.counts[event.party_id] = self.counts.get(event.party_id, 0) + 1
                assert event.leg_sequence == self.counts[event.party_id]
            if numbering.session:
                self.counts[event.session.id] = self.counts.get(event.session.id, 1) + 1
                assert event.session_sequence == self.counts[event.session.id]
            if numbering.leg or event.kind is EventKind.CAPABILITIES:
                self.listed[event.party_id] = capabilities(event.session, event.party, event.beside)
        self.heard = len(events)

    @invariant()
    def what_legs_allow_is_told(self) -> None:
        """Whoever keeps what was last told of a leg knows what it allows."""
        for session, party in self.legs():
            if party.sequence:
                assert self.listed[party.id] == self.allowed(session, party)

    def teardown(self) -> None:
        """Once all have hung up, nothing is left."""
        if not hasattr(self, "loop"):
            return
        while legs := self.legs():
            _, party = legs[0]
            asking = self.offices[0].control.act(
                self.owner(self.offices[0], party), leg=party.id, action=commands.Hangup()
            )
            self.run(asking)
            self.read()
        self.run(self.offices[0].run_timers())
        self.read()
        assert self.sessions == []
        assert self.run(self.offices[0].timers()) == []
        for store in self.stores:
            self.run(store.close())
        self.loop.close()


TestWalk = Walk.TestCase
TestWalk.settings = settings(
    max_examples=15,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
