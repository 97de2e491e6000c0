"""Control: the commands of a principal, each carried out in one way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from relay.calls.commands import Action, BringIn, Consult, Merge, Pairing, PickUp, Swap
from relay.calls.happenings import Step
from relay.calls.identifiers import new_command_id, session_id
from relay.calls.model import Address, MonitorMode, Party, Session
from relay.calls.numbers import RIGHT_NUMBER, canonical
from relay.calls.user_data import merged
from relay.control import checks
from relay.control.agents import AgentControl
from relay.control.asking import Asking, LegAt, only_candidate
from relay.control.changing import Origin
from relay.control.devices import DeviceControl
from relay.control.parts import leg_of
from relay.control.permissions import LegMovedError, active_leg, check_supervisor, no_active_leg, owns
from relay.control.reads import Reads
from relay.control.simulating import Simulating
from relay.control.situation import Situation
from relay.directory.directory import Directory
from relay.directory.model import Principal
from relay.errors import ContendedError, InvalidFieldError, NotAllowedNowError, SwitchUnavailableError
from relay.journal.journal import Journal
from relay.journal.receipts import Receipt
from relay.switch.protocol import Dial, Switch

MAX_MOVES: Final = 3
"""Times a leg is looked for again that went to another session while its command was on the way."""


class Accepted(NamedTuple):
    """A command the switch accepted; what comes of it is told by events."""

    command_id: str
    session: Session
    """The call right after the command; the new one, where it made one."""
    party: Party
    """The user's own leg of it."""


def wall_clock() -> int:
    """Return milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Control(Reads, DeviceControl, AgentControl, Simulating):
    """Every command takes this way, whichever dialect it came in by.

    Beyond what each method names, commands raise StoreUnavailableError (whether they were carried out is not
    known), SwitchUnavailableError, ContendedError (too many commands on one call) and DrainingError.
    """

    def __init__(
        self, journal: Journal, directory: Directory, switch: Switch, *, now: Callable[[], int] = wall_clock
    ) -> None:
        super().__init__(journal, directory, switch, now)

    def __repr__(self) -> str:
        return f"<Control switch={self._switch.name} draining={self._draining} {self._changing!r}>"

    async def dial(
        self,
        principal: Principal,
        *,
        device_id: str,
        destination: str,
        two_step: bool,
        user_data: dict[str, Any] | None = None,
        caller_id: str | None = None,
        command_id: str | None = None,
        traceparent: str | None = None,
    ) -> Accepted:
        """Place a call from one of the user's devices.

        With ``two_step`` the device rings first, and the destination once it is picked up; without, a
        ``caller_id`` is the number the called one sees. The same user's same ``command_id`` addresses the
        same call, however often it is asked.

        Raises:
            NotFoundError: the account has no such device.
            NotAllowedError: the device is another user's.
            InvalidFieldError: the destination, the caller id or the user data cannot be used.

        """
        self._refuse_while_draining()
        destinations = self._destinations(principal)
        caller, called = destinations.own_phone(device_id), destinations.called(destination)
        shown_as = _shown_as(caller, caller_id)
        carried = merged({}, user_data or {})
        checks.check_user_data(carried)
        command_id = command_id or new_command_id()
        placed = session_id(principal.account, principal.user.id, command_id)

        async def decide(situation: Situation) -> Sequence[Step]:
            await situation.read(caller, called)
            dial = Dial(
                session_id=placed,
                account=principal.account,
                caller=caller,
                destination=called,
                to=await situation.route(called),
                shown_as=shown_as,
                two_step=two_step,
                user_data=carried,
            )
            return await self._switch.place(dial)

        origin = Origin(placed, command_id, traceparent)
        session = await self._changing.place(principal.account, placed, decide, origin)
        return Accepted(command_id, session, session.parties[0])

    async def confer(
        self, principal: Principal, *, device_id: str, traceparent: str | None = None
    ) -> Accepted:
        """Place a conference that one of the user's devices owns, and is in at once.

        Raises:
            NotFoundError: the account has no such device.
            NotAllowedError: the device is another user's.

        """
        self._refuse_while_draining()
        host = self._destinations(principal).own_phone(device_id)
        command_id = new_command_id()
        placed = session_id(principal.account, principal.user.id, command_id)

        async def decide(situation: Situation) -> Sequence[Step]:
            await situation.read(host)
            return await self._switch.confer(placed, principal.account, host)

        origin = Origin(placed, command_id, traceparent)
        session = await self._changing.place(principal.account, placed, decide, origin)
        return Accepted(command_id, session, session.parties[0])

    async def act(
        self,
        principal: Principal,
        *,
        leg: str,
        action: Action,
        command_id: str | None = None,
        traceparent: str | None = None,
    ) -> Accepted:
        """Carry out what the leg's user asks of it; a parked leg may be picked up by any user of the account.

        A consult call is accepted with its own session and leg. What the same user's same ``command_id`` came
        to is found again as long as its call can be read, whatever has become of the leg.

        Raises:
            NotParticipantError: a leg is unknown, another user's, or has ended.
            NotAllowedNowError: the leg's state does not allow it.
            InvalidFieldError: a parameter cannot be used.
            NotFoundError, NotAllowedError: a device is unknown, or another user's.

        """
        self._refuse_while_draining()
        checks.check_parameters(action)
        may_repeat = command_id is not None
        command_id = command_id or new_command_id()
        consult = ""
        if may_repeat or isinstance(action, Consult):
            # Of the user and the command, so it is one of a kind in the account.
            consult = session_id(principal.account, principal.user.id, command_id)
        if may_repeat and (before := await self._accepted_before(principal, command_id, consult)):
            return before
        destinations = self._destinations(principal)
        for _ in range(MAX_MOVES):
            try:
                sessions, other = await self._concerned(principal, leg, action)
                at = LegAt(sessions[0].id, leg)
                asking = Asking(self._switch, principal, at, action, destinations, other, consult)
                made = Receipt(consult, consult, None) if isinstance(action, Consult) else None
                receipt = (made or Receipt(consult, at.session, leg)) if may_repeat else None
                origin = Origin(command_id, command_id, traceparent, receipt)
                after = await self._changing.change(principal.account, sessions, asking.decide, origin)
            except LegMovedError:
                continue
            if isinstance(action, Consult):
                return Accepted(command_id, after[consult], after[consult].parties[0])
            session = after[at.session]
            taken = session.party_at(action.device_id) if isinstance(action, PickUp) else None
            return Accepted(command_id, session, taken or leg_of(session, leg))
        raise ContendedError("the call is being moved all the time")

    async def _accepted_before(self, principal: Principal, command_id: str, command: str) -> Accepted | None:
        receipt = await self._journal.receipt(principal.account, command)
        session = await self._journal.session(principal.account, receipt.session) if receipt else None
        if receipt is None or session is None:
            return None
        party = session.parties[0] if receipt.leg is None else leg_of(session, receipt.leg)
        return Accepted(command_id, session, party)

    async def supervise(
        self,
        principal: Principal,
        *,
        device_id: str,
        leg: str,
        mode: MonitorMode = MonitorMode.LISTEN,
        sole: bool = False,
        traceparent: str | None = None,
    ) -> Accepted:
        """Let one of a supervisor's own devices take part in the call of another user's leg at once.

        ``sole`` is for a call that nobody else may supervise.

        Raises:
            NotFoundError: the account has no such device, or no such leg of ours.
            NotAllowedError: the device is another user's, or the user is no supervisor.
            NotAllowedNowError: the leg is not picked up, is the supervisor's, or the device is in the call.

        """
        self._refuse_while_draining()
        check_supervisor(principal)
        own = self._destinations(principal).own_phone(device_id)
        session, _ = await self.leg(principal, leg)

        async def decide(situation: Situation) -> Sequence[Step]:
            call = situation.sessions[session.id]
            monitored = leg_of(call, leg)
            inside = any(party.live and party.address.device_id == device_id for party in call.parties)
            others = sole and any(party.live and party.monitors is not None for party in call.parties)
            if inside or others or not monitored.present or monitored.monitors is not None:
                raise NotAllowedNowError("supervise", ())
            return await self._switch.supervise(call, monitored, own, mode)

        command_id = new_command_id()
        origin = Origin(command_id, command_id, traceparent)
        after = await self._changing.change(principal.account, [session], decide, origin)
        joined = after[session.id].party_at(device_id)
        if joined is None:
            raise SwitchUnavailableError(f"{self._switch.name} let nobody into the call")
        return Accepted(command_id, after[session.id], joined)

    async def _concerned(
        self, principal: Principal, leg: str, action: Action
    ) -> tuple[list[Session], LegAt | None]:
        """Return the sessions a command is about, the leg's own first, and the second leg if it needs one."""
        session = await self._session_of(principal, leg)
        if not isinstance(action, Pairing):
            return [session], None
        named = action.other if action.other != leg else None
        if named is None and isinstance(action, Swap | Merge | BringIn):
            active_leg(principal, session, leg)
            raise InvalidFieldError("other", "must be the leg in another call")
        if named is None:
            other = await self._only_other(principal, session, leg, action)
            found = await self._journal.session(principal.account, other.session) if other else None
            return ([session, found] if found is not None else [session]), (other if found else None)
        found = await self._session_of(principal, named)
        return ([session] if found.id == session.id else [session, found]), LegAt(found.id, named)

    async def _only_other(
        self, principal: Principal, session: Session, leg: str, action: Action
    ) -> LegAt | None:
        party = session.party(leg)
        if party is None or not party.live or not owns(principal, party):
            return None
        situation = Situation(self._journal, principal.account, [session])
        await situation.read()
        return only_candidate(situation, session, party, action)

    async def _session_of(self, principal: Principal, leg: str) -> Session:
        found = await self._journal.session_of_leg(principal.account, leg)
        if found is None:
            raise no_active_leg(leg)
        return found


def _shown_as(caller: Address, caller_id: str | None) -> Address | None:
    if caller_id is None:
        return None
    number = canonical(caller_id)
    if number is None:
        raise InvalidFieldError("caller_id", f"must be {RIGHT_NUMBER}")
    return Address(number=number, name=caller.name)
