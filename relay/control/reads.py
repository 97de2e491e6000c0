"""Reading calls on behalf of a principal."""

from __future__ import annotations

from relay.calls.lines import Line, beside
from relay.calls.model import Party, Session
from relay.control import permissions
from relay.control.parts import Parts
from relay.directory.model import Principal
from relay.errors import NotAllowedError, NotFoundError


class Reads(Parts):
    """Control's part that changes nothing."""

    async def session(self, principal: Principal, session: str) -> Session:
        """Return a call, live or ended within the hour: an admin any of the account, an agent the own ones.

        Where a leg of it is parked, anybody of the account may read it.

        Raises:
            NotFoundError: the account has no such call.
            NotAllowedError: none of its legs is the user's to see.

        """
        found = await self._journal.session(principal.account, session)
        if found is None:
            raise NotFoundError("no such call")
        if not permissions.sees_call(principal, found):
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

    async def beside(self, session: Session, party: Party) -> tuple[Line, ...]:
        """Return the other live legs at a leg's device: capabilities go by them too.

        Where all live calls of a user were read, `relay.calls.lines.lines_of` tells the same.
        """
        device = party.address.device_id
        if device is None or not party.live:
            return ()
        states = await self._journal.device_states(session.account, [device])
        return beside(party, {device: states[device].lines})
