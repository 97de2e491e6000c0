"""The laws of calls on the simulated switch: walks through everything that can be done, in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from relay.calls import commands
from relay.calls.capabilities import PAIRS, Operation
from relay.calls.endings import goes_on
from relay.calls.events import NUMBERING, EventKind
from relay.calls.happenings import Step, UserDataReplaced
from relay.calls.lines import line_of
from relay.calls.model import Address, MonitorMode, Party, PartyState, Role, Session
from relay.switch.simulator import PhoneAction
from relay.switch.simulator.phones import rings
from tests.calls.calling import ALEX, JANE, JOHN, OUTSIDE
from tests.switch.exchange import START, Exchange, Set

PHONES = (JANE, JOHN, ALEX)
MOST_LEGS = 8
"""Live legs at once: more would only make the walks slower."""

ACTIONS: dict[Operation, commands.LegAction] = {
    Operation.ANSWER: commands.Answer(),
    Operation.REJECT: commands.Reject(),
    Operation.HANGUP: commands.Hangup(),
    Operation.HOLD: commands.Hold(),
    Operation.RETRIEVE: commands.Retrieve(),
    Operation.MUTE: commands.Mute(),
    Operation.UNMUTE: commands.Unmute(),
    Operation.SEND_DTMF: commands.SendDtmf("1"),
    Operation.FORWARD: commands.Forward("", {"f": 1}),
    Operation.REPLY: commands.Reply("later"),
    Operation.TRANSFER: commands.Transfer("", {"t": 1}),
    Operation.FLIP: commands.Flip(""),
    Operation.PARK: commands.Park(),
    Operation.PICK_UP: commands.PickUp(""),
    Operation.CONFERENCE: commands.Conference("", {"c": 1}),
    Operation.CONSULT: commands.Consult("", {"k": 1}),
    Operation.COMPLETE_TRANSFER: commands.CompleteTransfer(),
    Operation.COMPLETE_CONFERENCE: commands.CompleteConference(),
    Operation.SWAP: commands.Swap(""),
    Operation.MERGE: commands.Merge(""),
    Operation.BRIDGE: commands.Bridge(""),
    Operation.BRING_IN: commands.BringIn(""),
    Operation.CLEAR: commands.Clear(),
    Operation.START_RECORDING: commands.StartRecording(),
    Operation.STOP_RECORDING: commands.StopRecording(),
    Operation.PAUSE_RECORDING: commands.PauseRecording(),
    Operation.RESUME_RECORDING: commands.ResumeRecording(),
    Operation.BARGE_IN: commands.BargeIn(),
    Operation.LISTEN_IN: commands.ListenIn(),
    Operation.MUTE_MONITORED: commands.MuteMonitored(),
    Operation.UNMUTE_MONITORED: commands.UnmuteMonitored(),
}
ENDINGS = {"hangup", "reject", "clear", "remove-participant"}
"""Drawn less often, for calls to grow."""
Result = TypeVar("Result")
LEADING = {Operation.TRANSFER, Operation.FORWARD, Operation.CONFERENCE, Operation.CONSULT}
NOBODY: dict[Operation, list[commands.LegAction]] = {
    Operation.FORWARD: [commands.ForwardToVoicemail("")],
    Operation.TRANSFER: [commands.TransferToVoicemail(""), commands.TransferToOrbit("*899")],
}
"""The same operations, where they lead to no phone."""

outside = st.sampled_from([OUTSIDE, *(Address(number=f"+1202555010{end}") for end in range(1, 5))])
delays = st.none() | st.sampled_from([0.0, 0.1, 5.0, 90.0])
phones = st.builds(Set, answer_after=delays, pickup_after=delays)
anyone = st.sampled_from(PHONES) | outside


def run(step: Coroutine[Any, Any, Result]) -> Result:
    """Run one step of the exchange, which never waits for anything."""
    return asyncio.run(step)


class Calling(RuleBasedStateMachine):
    """Calls between three phones of ours and the outside, walked through operations, phones and timers."""

    @initialize(jane=phones, john=phones, alex=phones)
    def opened(self, jane: Set, john: Set, alex: Set) -> None:
        """Set the phones."""
        self.exchange = Exchange({"phone-of-jane": jane, "phone-of-john": john, "phone-of-alex": alex})
        self.over: dict[tuple[str, str], Party] = {}
        self.ended: set[tuple[str, str]] = set()
        self.counts: dict[str, int] = {}
        self.told: dict[str, set[str]] = {}
        self.heard = self.time = 0

    def roomy(self) -> bool:
        """Tell whether another leg may be made."""
        return len(self.exchange.legs()) < MOST_LEGS

    @precondition(roomy)
    @rule(caller=anyone, callee=anyone, two_step=st.booleans(), busy=st.booleans())
    def dial(self, caller: Address, callee: Address, two_step: bool, busy: bool) -> None:
        """Place a call, from or to one of our phones; the called one may take no calls."""
        if caller != callee and (caller.ours or callee.ours):
            two_step = two_step and caller.ours
            run(self.exchange.dial(caller, callee, two_step=two_step, busy=busy and not two_step))

    @precondition(roomy)
    @rule(host=st.sampled_from(PHONES))
    def confer(self, host: Address) -> None:
        """Place a conference."""
        run(self.exchange.confer(host))

    @precondition(lambda self: self.ringing())
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """Somebody picks up."""
        self.exchange.press(data.draw(st.sampled_from(self.ringing()), "leg"), PhoneAction.ANSWER)

    @precondition(lambda self: self.exchange.legs())
    @rule(data=st.data(), to=anyone, busy=st.booleans())
    def ask(self, data: st.DataObject, to: Address, busy: bool) -> None:
        """A listed operation is accepted, and then tells something."""
        leg = data.draw(st.sampled_from(self.exchange.legs()), "leg")
        possible = self.exchange.allowed(leg)
        operation = Operation(data.draw(st.sampled_from(sorted(possible - ENDINGS or possible)), "operation"))
        self.carry_out(leg, operation, data, to, busy)

    @precondition(lambda self: self.paired())
    @rule(data=st.data())
    def pair(self, data: st.DataObject) -> None:
        """An operation on two calls is accepted with whatever other call it goes with."""
        leg = data.draw(st.sampled_from(self.paired()), "leg")
        operation = Operation(data.draw(st.sampled_from(sorted(self.exchange.allowed(leg) & set(PAIRS)))))
        self.carry_out(leg, operation, data, leg.address, busy=False)

    @precondition(lambda self: len(self.exchange.legs()) > 3)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """Somebody leaves."""
        leg = data.draw(st.sampled_from(self.exchange.legs()), "leg")
        operation = Operation(data.draw(st.sampled_from(sorted(self.exchange.allowed(leg) & ENDINGS))))
        self.carry_out(leg, operation, data, leg.address, busy=False)

    @precondition(roomy)
    @rule(data=st.data(), supervisor=st.sampled_from(PHONES), mode=st.sampled_from(MonitorMode))
    def supervise(self, data: st.DataObject, supervisor: Address, mode: MonitorMode) -> None:
        """A supervisor takes part in a call it is not in yet."""
        exchange = self.exchange
        open_to = [
            leg
            for leg in exchange.legs()
            if leg.ours and leg.present and leg.monitors is None
            if all(one.address != supervisor for one in exchange.session_of(leg).parties if one.live)
        ]
        if open_to:
            assert run(exchange.supervise(data.draw(st.sampled_from(open_to), "leg"), supervisor, mode))

    def carry_out(
        self, leg: Party, operation: Operation, data: st.DataObject, to: Address, busy: bool
    ) -> None:
        """Ask what a leg lists, with everything it needs."""
        exchange, session = self.exchange, self.exchange.session_of(leg)
        inside = any(party.live and party.address == to for party in session.parties)
        own_mailbox = operation is Operation.FORWARD and leg.address == to
        if operation in LEADING and ((inside and not own_mailbox) or not self.roomy()):
            return
        if operation is Operation.PICK_UP:
            others = {party.address.device_id for party in session.live_others(leg)}
            to = data.draw(st.sampled_from([one for one in PHONES if one.device_id not in others]), "phone")
        elif operation is Operation.FLIP:
            elsewhere = [
                one for one in PHONES if one not in [party.address for party in session.live_others(leg)]
            ]
            to = data.draw(st.sampled_from(elsewhere if self.roomy() else [leg.address]), "flipped to")
        told = len(exchange.events)
        if operation is Operation.SET_USER_DATA:
            exchange.happen([Step(session.id, UserDataReplaced(user_data={"k": told}))])
        elif operation is Operation.REMOVE_PARTICIPANT:
            target = data.draw(st.sampled_from(session.participants(leg)), "participant")
            run(exchange.act(leg, commands.RemoveParticipant(target.id)))
        elif operation in PAIRS:
            own = line_of(session, leg)
            second = [
                other
                for other in exchange.legs(leg.address)
                if other.id != leg.id and PAIRS[operation](own, line_of(exchange.session_of(other), other))
            ]
            run(exchange.act(leg, ACTIONS[operation], other=data.draw(st.sampled_from(second), "other")))
        else:
            somebody = [] if own_mailbox else [ACTIONS[operation]]
            action = data.draw(st.sampled_from([*somebody, *NOBODY.get(operation, [])]), "action")
            run(exchange.act(leg, action, to=to, busy=busy))
        unheard = not leg.ours and operation in (Operation.SEND_DTMF, Operation.SET_USER_DATA)
        assert unheard or len(exchange.events) > told

    @precondition(lambda self: self.exchange.legs())
    @rule(data=st.data())
    def press(self, data: st.DataObject) -> None:
        """Whatever can be done at a phone changes the call; tones alone may go unheard."""
        exchange = self.exchange
        leg = data.draw(st.sampled_from(exchange.legs()), "leg")
        before = exchange.session_of(leg)
        possible = exchange.simulator.possible(before, leg)
        if not possible:  # no phone is at it
            return
        action = data.draw(st.sampled_from(sorted(possible - {PhoneAction.HANGUP} or possible)), "action")
        exchange.press(leg, action, "1")
        assert action is PhoneAction.DTMF or exchange.sessions[before.id] is not before

    def ringing(self) -> list[Party]:
        """Return the legs whose phones ring."""
        return [leg for leg in self.exchange.legs() if rings(self.exchange.session_of(leg), leg)]

    def paired(self) -> list[Party]:
        """Return the legs that have a second call at their device to do something with."""
        return [leg for leg in self.exchange.legs() if self.exchange.allowed(leg) & set(PAIRS)]

    @rule()
    def wait(self) -> None:
        """The next timer that falls due tells something."""
        told = len(self.exchange.events)
        assert self.exchange.fire() == (len(self.exchange.events) > told)

    @invariant()
    def a_leg_lives_in_one_session(self) -> None:
        """A leg that moved lives where it went; a device has one live leg in a session at most."""
        legs = self.exchange.legs()
        assert len({leg.id for leg in legs}) == len(legs)
        for session in self.live():
            devices = [party.address.device_id for party in session.parties if party.live and party.ours]
            assert len(set(devices)) == len(devices)

    @invariant()
    def nobody_talks_alone(self) -> None:
        """A live call has two legs and someone who was picked up, or is still being set up."""
        for session in self.live():
            legs = [party for party in session.parties if party.live]
            setting_up = any(party.role is Role.CALLER and not party.present for party in legs)
            assert goes_on(session) or setting_up

    @invariant()
    def nothing_rings_for_ever(self) -> None:
        """Every ringing leg has one timer, no ended leg has any, and timers have names of their own."""
        for session in self.exchange.sessions.values():
            timers = self.exchange.simulator.timers(session)
            waiting = [timer.leg for timer in timers]
            live = {party.id for party in session.parties if party.live}
            assert len(set(waiting)) == len(waiting)
            assert {party.id for party in session.parties if rings(session, party)} <= set(waiting) <= live
            assert all(timer.due - START <= self.exchange.now + 60_000 for timer in timers)

    @invariant()
    def answering_is_listed_exactly_for_an_alerted_callee(self) -> None:
        """What can be answered by command is what rings, save the caller's own phone."""
        for leg in self.exchange.legs():
            alerted = rings(self.exchange.session_of(leg), leg) and leg.role is Role.CALLEE
            assert (Operation.ANSWER in self.exchange.allowed(leg)) == alerted

    @invariant()
    def what_is_told_fits_together(self) -> None:
        """Each leg counts from 1 wherever it goes, each session from 2, in order; an end is the last."""
        for event in self.exchange.events[self.heard :]:
            here = (event.session.id, event.party_id)
            assert here not in self.ended
            assert event.time >= self.time
            self.time = event.time
            if NUMBERING[event.kind].leg and event.party.ours:
                self.counts[event.party_id] = self.counts.get(event.party_id, 0) + 1
                assert event.leg_sequence == self.counts[event.party_id]
                self.told[event.party_id] = {one.id for one in event.session.participants(event.party)}
            if NUMBERING[event.kind].session:
                self.counts[event.session.id] = self.counts.get(event.session.id, 1) + 1
                assert event.session_sequence == self.counts[event.session.id]
            if event.kind in (EventKind.RELEASED, EventKind.ENDED, EventKind.MOVED):
                self.ended.add(here)
        self.heard = len(self.exchange.events)

    @invariant()
    def final_states_are_final(self) -> None:
        """A leg that ended or moved away never changes there again, and has its cause."""
        for session in self.exchange.sessions.values():
            for party in session.parties:
                if not party.live:
                    assert self.over.setdefault((session.id, party.id), party) == party
                    assert party.cause is not None
                    assert party.recording in (None, "stopped") or party.state is PartyState.GONE

    @invariant()
    def who_is_in_a_call_is_told_everybody_in_it(self) -> None:
        """What a leg was told last names all who share its call now; what one lists the other does."""
        for session in self.live():
            # A click-to-dial's caller is not told when the one it dialled begins to ring.
            dialled = {session.parties[1].id} if session.two_step and len(session.parties) > 1 else set()
            for party in session.parties:
                others = session.participants(party) if party.live else ()
                assert party.hidden or all(party in session.participants(other) for other in others)
                if party.live and party.monitors:
                    monitored = session.party(party.monitors)
                    assert monitored is not None
                    assert monitored.live
                if party.present and party.ours:
                    names = {other.id for other in others}
                    assert self.told[party.id] - dialled == names - dialled

    def live(self) -> list[Session]:
        """Return the sessions that have not ended."""
        return [session for session in self.exchange.sessions.values() if session.live]

    def teardown(self) -> None:
        """Calls left alone and then hung up are over for good."""
        if not hasattr(self, "exchange"):
            return
        for _ in range(100):
            if not self.exchange.fire():
                break
        for phone in PHONES:
            while self.exchange.legs(phone):
                run(self.exchange.act(self.exchange.leg(phone), commands.Hangup()))
        self.exchange.run()
        assert not self.exchange.legs()
        assert not any(self.exchange.simulator.timers(session) for session in self.exchange.sessions.values())


TestCalling = Calling.TestCase
TestCalling.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
