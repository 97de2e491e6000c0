"""The laws of the call on the simulated switch: walks through everything that can be done, in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from relay.calls.capabilities import Operation, capabilities
from relay.calls.commands import Answer, Hangup, LegAction, Reject, SendDtmf, UpdateUserData, user_data_after
from relay.calls.events import NUMBERING
from relay.calls.happenings import UserDataReplaced
from relay.calls.model import Address, Party, PartyState, Role
from relay.switch.simulator import PhoneAction
from relay.switch.simulator.phones import rings
from tests.calls.calling import JANE, JOHN, OUTSIDE
from tests.switch.exchange import START, Exchange, Set

ACTIONS: dict[Operation, LegAction] = {
    Operation.ANSWER: Answer(),
    Operation.REJECT: Reject(),
    Operation.HANGUP: Hangup(),
    Operation.SEND_DTMF: SendDtmf("1"),
}

outside = st.sampled_from([OUTSIDE, *(Address(number=f"+1202555010{end}") for end in range(1, 5))])
delays = st.none() | st.sampled_from([0.0, 0.1, 5.0, 90.0])
phones = st.builds(Set, answer_after=delays, pickup_after=delays)


def run(step: Coroutine[Any, Any, None]) -> None:
    """Run one step of the exchange, which never waits for anything."""
    asyncio.run(step)


class Calling(RuleBasedStateMachine):
    """One call, walked through operations, phone actions and elapsing timers."""

    @initialize(
        direction=st.sampled_from(["internal", "outbound", "inbound"]),
        far=outside,
        two_step=st.booleans(),
        jane=phones,
        john=phones,
    )
    def placed(self, direction: str, far: Address, two_step: bool, jane: Set, john: Set) -> None:
        """Place a call of any type."""
        self.exchange = Exchange({"phone-of-jane": jane, "phone-of-john": john})
        caller, callee = {"internal": (JANE, JOHN), "outbound": (JANE, far), "inbound": (far, JANE)}[
            direction
        ]
        two_step = two_step and caller.ours
        run(self.exchange.dial(caller, callee, two_step=two_step))

    def legs(self) -> list[Party]:
        """Return the legs there are."""
        return list(self.exchange.call.parties)

    @precondition(lambda self: any(capabilities(party) for party in self.legs()))
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        """A listed operation is accepted, and then changes or tells something."""
        party = data.draw(st.sampled_from([party for party in self.legs() if capabilities(party)]))
        operation = data.draw(st.sampled_from(sorted(capabilities(party))))
        before, told = self.exchange.call, len(self.exchange.events)
        if operation is Operation.SET_USER_DATA:
            user_data = user_data_after(before.user_data, UpdateUserData({"k": told}))
            self.exchange.happen([UserDataReplaced(user_data=user_data)])
        else:
            run(self.exchange.act(party, ACTIONS[operation]))
        tones_from_outside = operation is Operation.SEND_DTMF and not party.ours
        assert tones_from_outside or len(self.exchange.events) > told

    @precondition(lambda self: any(party.live for party in self.legs()))
    @rule(data=st.data())
    def press(self, data: st.DataObject) -> None:
        """Whatever can be done at a phone changes the call; tones alone may go unheard."""
        exchange = self.exchange
        party = data.draw(st.sampled_from([party for party in self.legs() if party.live]))
        action = data.draw(st.sampled_from(sorted(exchange.simulator.possible(exchange.call, party))))
        before = exchange.call
        exchange.press(party, action, "1")
        assert action is PhoneAction.DTMF or exchange.call is not before

    @rule()
    def wait(self) -> None:
        """The next timer that falls due changes the call."""
        before = self.exchange.call
        assert self.exchange.fire() == (self.exchange.call is not before)

    @invariant()
    def answering_is_listed_exactly_for_an_alerted_callee(self) -> None:
        """What can be answered by command is what rings, save the caller's own phone."""
        for party in self.legs():
            alerted = rings(self.exchange.call, party) and party.role is Role.CALLEE
            assert (Operation.ANSWER in capabilities(party)) == alerted
            assert (
                bool(capabilities(party))
                == party.live
                == bool(self.exchange.simulator.possible(self.exchange.call, party))
            )

    @invariant()
    def nothing_rings_for_ever(self) -> None:
        """Every ringing leg has one timer, no ended leg has any, and timers have names of their own."""
        timers = self.exchange.simulator.timers(self.exchange.call)
        waiting = [timer.leg for timer in timers]
        assert len(set(waiting)) == len(waiting)
        assert {party.id for party in self.legs() if rings(self.exchange.call, party)} <= set(waiting)
        assert all(party.live for party in self.legs() if party.id in waiting)
        assert all(timer.due - START <= self.exchange.now + 60_000 for timer in timers)

    @invariant()
    def the_destination_is_dialled_after_the_own_phone(self) -> None:
        """In two steps the callee's leg exists only once the caller was answered."""
        if self.exchange.call.two_step and len(self.legs()) > 1:
            assert self.legs()[0].answered_at is not None

    @invariant()
    def sequences_have_no_gaps(self) -> None:
        """Each leg of ours counts from 1, the session from 2."""
        numbered = [event.session_sequence for event in self.exchange.events if NUMBERING[event.kind].session]
        assert numbered == list(range(2, 2 + len(numbered)))
        for party in self.legs():
            told = [e for e in self.exchange.events if e.party_id == party.id and NUMBERING[e.kind].leg]
            if party.ours:
                assert [event.leg_sequence for event in told] == list(range(1, 1 + len(told)))

    @invariant()
    def both_ends_end_alike(self) -> None:
        """Once a leg has ended all have, with one cause."""
        assert len({party.live for party in self.legs()}) == 1
        assert len({(party.cause, party.ended_by) for party in self.legs()}) == 1

    def teardown(self) -> None:
        """A call left alone and then hung up is over for good."""
        if not hasattr(self, "exchange"):
            return
        self.exchange.run()
        for party in self.legs():
            if party.live:
                assert party.state is PartyState.ANSWERED or (party.connected and party.role is Role.CALLER)
                run(self.exchange.act(party, Hangup()))
        assert not self.exchange.call.live
        assert not self.exchange.simulator.timers(self.exchange.call)


TestCalling = Calling.TestCase
TestCalling.settings = settings(max_examples=60, stateful_step_count=12, deadline=None)
