"""Control: commands and reads on behalf of a principal, and what moves simulated calls on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from relay.calls.commands import Action, UserDataAction, merged, user_data_after
from relay.calls.happenings import Happening, UserDataReplaced
from relay.calls.identifiers import new_command_id, session_id
from relay.calls.model import Address, Party, Session
from relay.calls.numbers import canonical, is_e164
from relay.control import checks, permissions
from relay.control.changing import Changing, Origin
from relay.directory.directory import Directory
from relay.directory.model import Principal
from relay.errors import (
    DrainingError,
    InvalidFieldError,
    NotAllowedError,
    NotAllowedNowError,
    NotFoundError,
    NotParticipantError,
)
from relay.journal.commit import Timer
from relay.journal.journal import Journal
from relay.switch.protocol import Dial, Switch
from relay.switch.simulator import PhoneAction, Simulator


class Accepted(NamedTuple):
    """A command the switch accepted; what comes of it is told by events."""

    command_id: str
    session: Session
    """The call right after the command."""
    party: Party
    """The user's own leg of it."""


def wall_clock() -> int:
    """Return milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class Control:
    """Every command takes this way, whichever dialect it came in by.

    Beyond what each method names, commands raise StoreUnavailableError (whether they were carried out is not
    known), SwitchUnavailableError, ContendedError (too many commands on one call) and DrainingError.
    """

    def __init__(
        self, journal: Journal, directory: Directory, switch: Switch, *, now: Callable[[], int] = wall_clock
    ) -> None:
        self._journal = journal
        self._directory = directory
        self._switch = switch
        self._changing = Changing(journal, switch, now)
        self._draining = False

    def __repr__(self) -> str:
        return f"<Control switch={self._switch.name} draining={self._draining} {self._changing!r}>"

    def drain(self) -> None:
        """Refuse new commands from now on; those on their way go on, and so do timers and reads."""
        self._draining = True

    async def dial(
        self,
        principal: Principal,
        *,
        device_id: str,
        destination: str,
        two_step: bool,
        user_data: dict[str, Any] | None = None,
        command_id: str | None = None,
        traceparent: str | None = None,
    ) -> Accepted:
        """Place a call from one of the user's devices.

        With ``two_step`` the device rings first, and the destination once it is picked up. The same user's
        same ``command_id`` addresses the same call, however often it is asked.

        Raises:
            NotFoundError: the account has no such device.
            NotAllowedError: the device is another user's.
            InvalidFieldError: the destination or the user data cannot be used.

        """
        self._refuse_while_draining()
        caller = self._own_address(principal, device_id)
        called = self._directory.resolve(principal.account, destination)
        if called.user_id == principal.user.id:
            raise InvalidFieldError("destination", "must be someone else's, not the caller's own")
        carried = merged({}, user_data or {})
        checks.check_user_data(carried)
        command_id = command_id or new_command_id()
        dial = Dial(
            session_id=session_id(principal.account, principal.user.id, command_id),
            account=principal.account,
            caller=caller,
            destination=called,
            two_step=two_step,
            user_data=carried,
        )
        session = await self._changing.place(dial, Origin(dial.session_id, command_id, traceparent))
        return Accepted(command_id, session, session.parties[0])

    async def act(
        self, principal: Principal, *, leg: str, action: Action, traceparent: str | None = None
    ) -> Accepted:
        """Carry out what the leg's user asks of it.

        Raises:
            NotParticipantError: the leg is unknown, another user's, or has ended.
            NotAllowedNowError: the leg's state does not allow it.
            InvalidFieldError: a parameter cannot be used.

        """
        self._refuse_while_draining()
        checks.check_parameters(action)
        command_id = new_command_id()

        async def decide(session: Session) -> Sequence[Happening]:
            party = permissions.active_leg(principal, session, leg)
            checks.check_allowed(party, action.operation)
            if isinstance(action, UserDataAction):
                user_data = user_data_after(session.user_data, action)
                checks.check_user_data(user_data)
                return (UserDataReplaced(user_data=user_data),)
            return await self._switch.act(session, party, action)

        found = await self._journal.session_of_leg(principal.account, leg)
        if found is None:
            raise NotParticipantError(f"{leg[:64]} is no active call leg of yours")
        session = await self._changing.change(found, decide, Origin(command_id, command_id, traceparent))
        return Accepted(command_id, session, _leg_of(session, leg))

    async def session(self, principal: Principal, session: str) -> Session:
        """Return a call, live or ended within the hour: an admin any of the account, an agent the own ones.

        Raises:
            NotFoundError: the account has no such call.
            NotAllowedError: none of its legs is the user's to see.

        """
        found = await self._journal.session(principal.account, session)
        if found is None:
            raise NotFoundError("no such call")
        if not any(permissions.sees(principal, party) for party in found.parties):
            raise NotAllowedError("the call is another user's")
        return found

    async def leg(self, principal: Principal, leg: str) -> tuple[Session, Party]:
        """Return a leg of ours with its call, live or ended within the hour.

        Raises:
            NotFoundError: the account has no phone with such a leg.
            NotAllowedError: it is another user's.

        """
        found = await self._journal.session_of_leg(principal.account, leg)
        party = found.party(leg) if found is not None else None
        if found is None or party is None or not party.ours:
            raise NotFoundError("no such call leg")
        if not permissions.sees(principal, party):
            raise NotAllowedError("the call leg is another user's")
        return found, party

    async def own_leg(self, principal: Principal, session: str) -> Party:
        """Return the user's own leg of a call, which may have ended.

        Raises:
            NotFoundError: the account has no such call.
            NotParticipantError: the user has no leg in it.

        """
        found = await self._journal.session(principal.account, session)
        if found is None:
            raise NotFoundError("no such call")
        return permissions.own_leg(principal, found)

    async def live(self, principal: Principal) -> list[Session]:
        """Return the live calls the user may see, oldest first: an admin the account's, an agent the own."""
        return [
            session
            for session in await self._journal.live_sessions(principal.account)
            if any(party.live and permissions.sees(principal, party) for party in session.parties)
        ]

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
        dial = Dial(
            session_id=session_id(account, "outside", new_command_id()),
            account=account,
            caller=Address(number=caller),
            destination=called,
            user_data=carried,
        )
        return await self._changing.place(dial, Origin(dial.session_id))

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

        async def decide(session: Session) -> Sequence[Happening]:
            party = _leg_of(session, leg)
            if not principal.is_admin and not permissions.owns(principal, party):
                raise NotAllowedError("only an admin may act at another's phone")
            possible = simulator.possible(session, party)
            if action not in possible:
                raise NotAllowedNowError(action, possible)
            return simulator.pressed(session, party, action, digits)

        found = await self._journal.session_of_leg(principal.account, leg)
        if found is None:
            raise NotFoundError("no such call leg")
        await self._changing.change(found, decide, Origin(new_command_id()))

    async def elapse(self, partition: int, timer: Timer) -> None:
        """Carry out a timer that fell due, at most once by its nonce; nothing if its leg is past it."""
        simulator = self._simulator()
        session = await self._journal.session_at(partition, timer.session)
        if session is None:
            return

        async def decide(session: Session) -> Sequence[Happening]:
            return simulator.elapsed(session, timer)

        if simulator.elapsed(session, timer):
            await self._changing.change(session, decide, Origin(timer.nonce))
        elif timers := simulator.timers(session):
            # Settings may have changed since it was set: then what comes next was never set.
            await self._journal.commit(session.account, [], [], nonce=timer.nonce, timers=timers)

    def _refuse_while_draining(self) -> None:
        if self._draining:
            raise DrainingError("this process is stopping")

    def _own_address(self, principal: Principal, device_id: str) -> Address:
        found = self._directory.by_device(principal.account, device_id)
        if found is None:
            raise NotFoundError("no such device")
        if found[0].id != principal.user.id:
            raise NotAllowedError("the device is another user's")
        return self._directory.address(principal.account, device_id)

    def _simulator(self) -> Simulator:
        if not isinstance(self._switch, Simulator):
            raise NotFoundError("the switch is not simulated")
        return self._switch


def _leg_of(session: Session, leg: str) -> Party:
    party = session.party(leg)
    if party is None:
        raise NotFoundError("no such call leg")
    return party
