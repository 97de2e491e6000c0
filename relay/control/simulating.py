"""Calls from outside, phones acted at by hand, and timers: what moves simulated calls on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relay.calls.happenings import Step
from relay.calls.identifiers import new_command_id, session_id
from relay.calls.model import Address, Session
from relay.calls.numbers import canonical, is_e164
from relay.calls.user_data import merged
from relay.control import checks, permissions
from relay.control.changing import Origin
from relay.control.parts import Parts, leg_of
from relay.control.situation import Situation
from relay.directory.model import Principal
from relay.errors import InvalidFieldError, NotAllowedError, NotAllowedNowError, NotFoundError
from relay.journal.commit import Timer
from relay.switch.protocol import Dial
from relay.switch.simulator import PhoneAction, Simulator


class Simulating(Parts):
    """Control's part for a simulated switch."""

    async def simulate_inbound(
        self, account: str, from_: str, to: str, user_data: dict[str, Any] | None = None
    ) -> Session:
        """Let an outside number call one of the account's phones.

        Raises:
            InvalidFieldError: ``from`` is not outside, ``to`` is not inside, or the user data cannot be used.

        """
        self._refuse_while_draining()
        caller = canonical(from_)
        if caller is None or not is_e164(caller) or self._directory.by_number(account, caller):
            raise InvalidFieldError("from", "must be an outside number in E.164, such as +12025550123")
        try:
            called = self._directory.resolve(account, to)
        except InvalidFieldError as error:
            raise InvalidFieldError("to", str(error)) from None
        if not called.ours:
            raise InvalidFieldError("to", "must be an extension or directory number of the account")
        carried = merged({}, user_data or {})
        checks.check_user_data(carried)
        session = session_id(account, "outside", new_command_id())

        async def decide(situation: Situation) -> Sequence[Step]:
            dial = Dial(
                session_id=session,
                account=account,
                caller=Address(number=caller),
                destination=called,
                to=await situation.route(called),
                user_data=carried,
            )
            return await self._switch.place(dial)

        return await self._changing.place(account, session, decide, Origin(session))

    async def simulate_phone(
        self, principal: Principal, leg: str, action: PhoneAction, digits: str = ""
    ) -> None:
        """Do something at the simulated phone of a leg: an admin at any, others at their own.

        Raises:
            NotFoundError: the account has no such leg.
            NotAllowedError: the leg is another user's, or outside.
            NotAllowedNowError: the leg's state does not allow it.
            InvalidFieldError: the digits are no tones.

        """
        self._refuse_while_draining()
        simulator = self._simulator()
        if action is PhoneAction.DTMF:
            checks.check_digits(digits)

        async def decide(situation: Situation) -> Sequence[Step]:
            [session] = situation.sessions.values()
            party = leg_of(session, leg)
            if not principal.is_admin and not permissions.owns(principal, party):
                raise NotAllowedError("only an admin may act at another's phone")
            possible = simulator.possible(session, party)
            if action not in possible:
                raise NotAllowedNowError(action, possible)
            onwards = await situation.route_onwards(session, party)
            return simulator.pressed(session, party, action, digits, onwards)

        found = await self._journal.session_of_leg(principal.account, leg)
        if found is None:
            raise NotFoundError("no such call leg")
        await self._changing.change(principal.account, [found], decide, Origin(new_command_id()))

    async def elapse(self, partition: int, timer: Timer) -> None:
        """Carry out a timer that fell due, at most once by its nonce; nothing if its leg is past it."""
        simulator = self._simulator()
        session = await self._journal.session_at(partition, timer.session)
        if session is None:
            return

        async def decide(situation: Situation) -> Sequence[Step]:
            [session] = situation.sessions.values()
            party = session.party(timer.leg)
            onwards = await situation.route_onwards(session, party) if party is not None else None
            return simulator.elapsed(session, timer, onwards)

        if simulator.elapsed(session, timer):
            await self._changing.change(session.account, [session], decide, Origin(timer.nonce))
        elif timers := simulator.timers(session):
            # Settings may have changed since it was set: then what comes next was never set.
            await self._journal.commit(session.account, [], [], nonce=timer.nonce, timers=timers)

    def _simulator(self) -> Simulator:
        if not isinstance(self._switch, Simulator):
            raise NotFoundError("the switch is not simulated")
        return self._switch
