"""One command on a leg, decided anew each time its change is tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from relay.calls.capabilities import UNLISTED, capabilities, pairs
from relay.calls.commands import (
    Action,
    Bridge,
    BringIn,
    CompleteConference,
    CompleteTransfer,
    Conference,
    Consult,
    Flip,
    Forward,
    ForwardToVoicemail,
    LegAction,
    Merge,
    Park,
    PickUp,
    RemoveParticipant,
    Swap,
    Transfer,
    TransferToOrbit,
    TransferToVoicemail,
    UserDataAction,
)
from relay.calls.happenings import Step, UserDataReplaced
from relay.calls.lines import line_of
from relay.calls.model import Party, Session
from relay.calls.user_data import merged, user_data_after
from relay.control import checks, permissions
from relay.control.destinations import Destinations
from relay.control.parts import leg_of
from relay.control.situation import Situation
from relay.directory.model import Principal
from relay.errors import InvalidFieldError, NotAllowedNowError
from relay.switch.protocol import Request, Route, Switch


class LegAt(NamedTuple):
    """A leg, and the session it was found in."""

    session: str
    leg: str


class Asking(NamedTuple):
    """Authorises and checks a command, and hands it to the switch."""

    switch: Switch
    principal: Principal
    at: LegAt
    action: Action
    destinations: Destinations
    other: LegAt | None = None
    """The second call, for actions on two."""
    consult: str = ""
    """Id of the session that a consult call gets."""

    async def decide(self, situation: Situation) -> Sequence[Step]:
        """Return what happens.

        Raises:
            NotParticipantError: a leg is not the user's, or has ended.
            NotAllowedNowError: the leg does not list the operation, or not with that other one.
            InvalidFieldError: a parameter does not go with the call.

        """
        session = situation.sessions[self.at.session]
        party = self._leg(session)
        if self.action.operation not in UNLISTED:
            if self.other is not None:
                permissions.active_leg(self.principal, situation.sessions[self.other.session], self.other.leg)
            checks.check_allowed(session, party, situation.beside(party), self.action.operation)
        if isinstance(self.action, UserDataAction):
            user_data = user_data_after(session.user_data, self.action)
            checks.check_user_data(user_data)
            return (Step(session.id, UserDataReplaced(user_data=user_data)),)
        return await self.switch.act(await self._request(situation, session, party, self.action))

    def _leg(self, session: Session) -> Party:
        if self.action.operation in UNLISTED:
            return permissions.leg_of_ones_own(self.principal, session, self.at.leg)
        if isinstance(self.action, PickUp):
            return permissions.leg_to_pick_up(self.principal, session, self.at.leg)
        return permissions.active_leg(self.principal, session, self.at.leg)

    async def _request(
        self, situation: Situation, session: Session, party: Party, action: LegAction
    ) -> Request:
        request = Request(session, party, action, consult=self.consult)
        match action:
            case BringIn():
                other = self._paired(situation, session, party)
                checks.check_room(session, party, other)
                return request._replace(other=other)
            case CompleteTransfer() | CompleteConference() | Swap() | Merge() | Bridge():
                return request._replace(other=self._paired(situation, session, party))
            case RemoveParticipant(participant=participant):
                return request._replace(target=checks.participant(session, party, participant))
            case Transfer() | Conference() | Consult() | Forward():
                destination = self.destinations.called(action.destination)
                checks.check_destination(session, destination)
                carried = {} if isinstance(action, Consult) else session.user_data
                checks.check_user_data(merged(carried, action.user_data))
                return request._replace(to=await situation.route(destination))
            case ForwardToVoicemail(mailbox=mailbox) | TransferToVoicemail(mailbox=mailbox):
                return request._replace(mailbox=self.destinations.mailbox(mailbox))
            case Flip(device_id=device_id) | PickUp(device_id=device_id):
                phone = self.destinations.own_phone(device_id)
                checks.check_phone(session, party, phone)
                await situation.read(phone)
                return request._replace(to=Route(phone))
            case Park() | TransferToOrbit():
                parked = await situation.parked()
                checks.check_parking(action, parked)
                return request._replace(parked=parked)
            case _:
                return request

    def _paired(self, situation: Situation, session: Session, party: Party) -> tuple[Session, Party]:
        operation = self.action.operation
        if self.other is not None:
            second = situation.sessions[self.other.session]
            found = leg_of(second, self.other.leg)
            at_one_device = found.address.device_id == party.address.device_id and second is not session
            if at_one_device and pairs(operation, session, party, line_of(second, found)):
                return second, found
        allowed = capabilities(session, party, situation.beside(party))
        raise NotAllowedNowError(f"{operation} with that call", allowed)


def only_candidate(situation: Situation, session: Session, party: Party, action: Action) -> LegAt | None:
    """Return the leg that an action on two calls must mean which names none; None if there is none.

    Raises:
        InvalidFieldError: it may mean several.

    """
    found = [line for line in situation.beside(party) if pairs(action.operation, session, party, line)]
    if len(found) > 1:
        raise InvalidFieldError("other", "must name the other call: there are several")
    return LegAt(found[0].session, found[0].leg) if found else None
