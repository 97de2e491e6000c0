"""The simulated switch as control sees it."""

from __future__ import annotations

from typing import Final

from relay.calls.happenings import MonitorJoined, Step
from relay.calls.identifiers import leg_id
from relay.calls.model import Address, MonitorMode, Party, Session
from relay.journal.commit import Timer
from relay.switch.protocol import Dial, Request, Route
from relay.switch.simulator import moves
from relay.switch.simulator.acts import acted
from relay.switch.simulator.leading import Steps
from relay.switch.simulator.moves import PhoneAction
from relay.switch.simulator.phones import Move, Phones, next_move


class Simulator:
    """A switch without wires. It keeps nothing: any process can go on with any call, also after a restart."""

    name: Final = "simulator"

    def __init__(self, phones: Phones, *, ring_timeout: float) -> None:
        """Take how devices are found by id, and how many seconds a leg rings before it ends as no_answer."""
        self._phones = phones
        self._ring_timeout = round(ring_timeout * 1000)

    def __repr__(self) -> str:
        return f"<Simulator ring_timeout={self._ring_timeout / 1000:g} s>"

    async def place(self, dial: Dial) -> Steps:
        """Place a call; see `Switch.place`."""
        return tuple(Step(dial.session_id, happening) for happening in moves.placed(dial))

    async def act(self, request: Request) -> Steps:
        """Carry out what a leg's user asks; see `Switch.act`."""
        return acted(request)

    async def confer(self, session_id: str, account: str, host: Address) -> Steps:
        """Place a conference, which its owner's phone joins at once; see `Switch.confer`."""
        return tuple(Step(session_id, happening) for happening in moves.conferred(session_id, account, host))

    async def supervise(
        self, session: Session, monitored: Party, supervisor: Address, mode: MonitorMode
    ) -> Steps:
        """Let a supervisor's phone take part at once; see `Switch.supervise`."""
        monitor = leg_id(session.id, len(session.parties) + 1)
        joined = MonitorJoined(leg=monitored.id, monitor=monitor, address=supervisor, mode=mode)
        return (Step(session.id, joined),)

    def timers(self, session: Session) -> tuple[Timer, ...]:
        """Return one timer for each leg whose phone is going to do something by itself."""
        timers = []
        for party in session.parties:
            coming = next_move(session, party, self._phones, self._ring_timeout)
            if coming is not None:
                timers.append(
                    Timer(
                        session=session.id,
                        leg=party.id,
                        action=coming.move,
                        due=coming.due,
                        # A phone makes each move at most once, so this is one of a kind within the call.
                        nonce=f"{party.id}:{coming.move}",
                    )
                )
        return tuple(timers)

    def elapsed(self, session: Session, timer: Timer, to: Route | None = None) -> Steps:
        """Return what a timer brings that fell due; nothing if its leg is past it.

        ``to`` is where the one is found whom the leg calls; by default at the number that was dialled.
        """
        party = session.party(timer.leg)
        if party is None:
            return ()
        coming = next_move(session, party, self._phones, self._ring_timeout)
        if coming is None or coming.move != timer.action:
            return ()
        happenings = moves.moved(session, party, Move(coming.move), to or Route(party.far))
        return tuple(Step(session.id, happening) for happening in happenings)

    def possible(self, session: Session, party: Party) -> frozenset[PhoneAction]:
        """Return what can be done at the leg's phone now."""
        return moves.possible(session, party)

    def pressed(
        self,
        session: Session,
        party: Party,
        action: PhoneAction,
        digits: str = "",
        to: Route | None = None,
    ) -> Steps:
        """Return what happens when this is done at the leg's phone; ``to`` is as in `elapsed`."""
        happenings = moves.pressed(session, party, action, digits, to or Route(party.far))
        return tuple(Step(session.id, happening) for happening in happenings)
