"""The sessions and parties that paths name, and what is asked of the user's own."""

from __future__ import annotations

from aiohttp import web

from relay.calls.commands import Action
from relay.calls.model import Party, Session
from relay.control import Control
from relay.control.permissions import owns
from relay.dialects.ringcentral import identifiers
from relay.dialects.ringcentral.failures import forbidden, invalid, not_found, wrong_state
from relay.dialects.ringcentral.tokens import Caller
from relay.errors import InvalidFieldError, NotAllowedError, NotFoundError
from relay.http.detached import Detached

_PARAMETERS = {
    "destination": "to",
    "mailbox": "voicemail",
    "other": "partyId",
    "participant": "partyId",
    "text": "replyWithText",
}
"""RingCentral's names of what control refuses."""


class Calls:
    """Finds calls, and has control act on them."""

    def __init__(self, control: Control, detached: Detached) -> None:
        self._control = control
        self._detached = detached

    async def session(self, request: web.Request, caller: Caller) -> Session:
        """Return the path's session.

        Raises:
            ApiError: the account has none of this id, or the user is not in it.

        """
        return await self.session_named(request.match_info["telephonySessionId"], caller)

    async def session_named(
        self, telephony_session: str, caller: Caller, parameter: str = "telephonySessionId"
    ) -> Session:
        """Return a session by the id clients know; raises as `session` does."""
        found = identifiers.session_id(telephony_session)
        if found is None:
            raise not_found(parameter)
        try:
            return await self._control.session(caller.principal, found)
        except NotFoundError:
            raise not_found(parameter) from None
        except NotAllowedError:
            raise forbidden() from None

    async def party(self, request: web.Request, caller: Caller) -> tuple[Session, Party]:
        """Return the path's session and party; raises as `session` does, and where it has no such party."""
        session = await self.session(request, caller)
        return session, party_named(session, caller, request.match_info["partyId"])

    async def own_party(self, request: web.Request, caller: Caller) -> tuple[Session, Party]:
        """Return the path's session and party, which must be the user's own and live.

        Raises:
            ApiError: as `party`; 403 for another's, 409 for one that has ended.

        """
        session, party = await self.party(request, caller)
        check_own(party, caller)
        return session, party

    async def act(self, caller: Caller, party: Party, action: Action) -> tuple[Session, Party]:
        """Carry out what is asked of a party; return it, or who took it over, with its session.

        Raises:
            ApiError: 400 for a parameter that cannot be used; and what control raises.

        """
        command = self._control.act(caller.principal, leg=party.id, action=action)
        try:
            accepted = await self._detached.finish(command)
        except InvalidFieldError as error:
            raise invalid(_PARAMETERS.get(error.field, error.field), str(error)) from None
        after = accepted.session.at_place(accepted.session.place(accepted.party.id))
        return accepted.session, after or accepted.party


def party_named(session: Session, caller: Caller, party: str) -> Party:
    """Return a session's party by the id clients know; raises the 404 of one that the user may not see."""
    found = identifiers.leg(session, party)
    if found is None or not may_see(found, caller):
        raise not_found("partyId")
    return found


def may_see(party: Party, caller: Caller) -> bool:
    """Tell whether a party shows in a session: who only listens in shows to supervisors alone."""
    return not party.hidden or caller.principal.is_admin or owns(caller.principal, party)


def check_device(device_id: str, caller: Caller, parameter: str = "deviceId") -> None:
    """Check that a device is the user's own; raises the 404 of any other."""
    if device_id not in [device.id for device in caller.principal.user.devices]:
        raise not_found(parameter)


def check_own(party: Party, caller: Caller) -> None:
    """Check that a party is the user's own and has not ended.

    Raises:
        ApiError: 403 for another's, 409 for one that has ended or is the user's mailbox.

    """
    mailbox = not party.ours and party.address.user_id == caller.principal.user.id
    if not (mailbox or owns(caller.principal, party)):
        raise forbidden()
    if mailbox or not party.live:
        raise wrong_state()
