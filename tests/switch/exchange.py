"""A simulated exchange in virtual time: the simulator and transitions, without journal or control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from relay.calls.commands import LegAction
from relay.calls.events import CallEvent
from relay.calls.happenings import Happening
from relay.calls.model import Address, Party, Session
from relay.calls.transitions import apply_all
from relay.switch.protocol import Dial
from relay.switch.simulator import PhoneAction, Simulator
from tests.calls.calling import ACCOUNT

START = 1_763_717_400_000


class Set(NamedTuple):
    """How a phone is set: seconds until it answers, and until it picks up its own click-to-dial."""

    answer_after: float | None = None
    pickup_after: float | None = 0.2


class Exchange:
    """One call. Times are milliseconds since it was placed."""

    def __init__(self, phones: dict[str, Set] | None = None, *, ring_timeout: float = 60) -> None:
        settings = phones or {}
        self.simulator = Simulator(lambda device: settings.get(device, Set()), ring_timeout=ring_timeout)
        self.now = 0
        self.session: Session | None = None
        self.events: list[CallEvent] = []

    async def dial(
        self,
        caller: Address,
        destination: Address,
        *,
        two_step: bool = False,
        user_data: dict[str, Any] | None = None,
    ) -> None:
        """Place the call."""
        dial = Dial(
            session_id="call",
            account=ACCOUNT,
            caller=caller,
            destination=destination,
            two_step=two_step,
            user_data=user_data or {},
        )
        self.happen(await self.simulator.place(dial))

    @property
    def call(self) -> Session:
        """The call as it stands."""
        assert self.session is not None
        return self.session

    @property
    def caller(self) -> Party:
        """The caller's leg."""
        return self.call.parties[0]

    @property
    def callee(self) -> Party:
        """The callee's leg."""
        return self.call.parties[1]

    async def act(self, party: Party, action: LegAction) -> None:
        """Ask something of the switch for a leg."""
        self.happen(await self.simulator.act(self.call, party, action))

    def press(self, party: Party, action: PhoneAction, digits: str = "") -> None:
        """Do something at a leg's phone."""
        self.happen(self.simulator.pressed(self.call, party, action, digits))

    def happen(self, happenings: Sequence[Happening]) -> tuple[CallEvent, ...]:
        """Apply what the switch says and keep the events."""
        self.session, told = apply_all(self.session, happenings, START + self.now)
        self.events += told
        return told

    def fire(self) -> bool:
        """Go on to the next timer and let it elapse; False if none is left."""
        timers = sorted(self.simulator.timers(self.call), key=lambda timer: (timer.due, timer.nonce))
        if not timers:
            return False
        self.now = max(self.now, timers[0].due - START)
        assert self.happen(self.simulator.elapsed(self.call, timers[0]))
        return True

    def run(self, until: int | None = None) -> None:
        """Let timers elapse, all of them or those due by then."""
        while timers := self.simulator.timers(self.call):
            if until is not None and min(timer.due for timer in timers) > START + until:
                break
            self.fire()
        if until is not None:
            self.now = until
