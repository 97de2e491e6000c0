"""Conferences and supervision over HTTP: who else comes into a session."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from relay.calls import commands
from relay.calls.model import Party, Session
from relay.control import Accepted, Control
from relay.control.permissions import owns
from relay.dialects.ringcentral import schemas
from relay.dialects.ringcentral.calls import Calls, check_device, party_named
from relay.dialects.ringcentral.failures import forbidden, invalid, json_response, not_found, wrong_state
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.render import party_object, session_object
from relay.dialects.ringcentral.tokens import Caller
from relay.directory.model import User
from relay.http.body import json_object
from relay.http.detached import Detached

_NOTHING: Final = schemas.Body()
_BRING_IN: Final = schemas.BringIn()
_SUPERVISE: Final = schemas.Supervise()


class Conferences:
    """Handlers of conferences and of supervision."""

    def __init__(self, control: Control, calls: Calls, identities: Identities, detached: Detached) -> None:
        self._control = control
        self._calls = calls
        self._identities = identities
        self._detached = detached

    async def place(self, request: web.Request, caller: Caller) -> web.Response:
        """Place a conference at the user's first device; 201 with the session as it is before that joins."""
        schemas.load(_NOTHING, await json_object(request, empty=True))
        devices = caller.principal.user.devices
        if not devices:
            raise forbidden()
        accepted = await self._detached.finish(
            self._control.confer(caller.principal, device_id=devices[0].id)
        )
        session = session_object(self._identities, accepted.session, [])
        return json_response({"session": session}, 201)

    async def bring_in(self, request: web.Request, caller: Caller) -> web.Response:
        """Bring who is in another call of the user's into a conference; 201 with the party there.

        The other call's party may be the user's own or the one that is to come.
        """
        read = schemas.load(_BRING_IN, await json_object(request))
        conference = await self._calls.session(request, caller)
        name = "sessionId" if read["telephonySessionId"] is None else "telephonySessionId"
        if read[name] is None:
            raise invalid("sessionId", "is needed")
        donor = await self._calls.session_named(read[name], caller, name)
        named = party_named(donor, caller, read["partyId"])
        host, own = _own_live(conference, caller), _own_live(donor, caller)
        if host is None or own is None:
            raise _refusal(conference if host is None else donor)
        if conference.conference and not host.owner:
            raise forbidden()
        comers = [one for one in donor.live_others(own) if one.monitors is None]
        comer = comers[0] if named.id == own.id and comers else named
        if not comer.live:
            raise wrong_state()
        after, _ = await self._calls.act(caller, host, commands.BringIn(own.id))
        return self._shown(after, after.party(comer.id) or host)

    async def supervise_session(self, request: web.Request, caller: Caller) -> web.Response:
        """Listen in to an agent's party of a session; 201 with the supervisor's own."""
        read = schemas.load(_SUPERVISE, await json_object(request))
        session = await self._calls.session(request, caller)
        name, agent = self._agent(read, caller)
        legs = (one for one in session.parties if one.live and one.ours and one.monitors is None)
        party = next((one for one in legs if one.address.user_id == agent.id), None)
        if party is None:
            raise not_found(name)
        return await self._supervised(read, caller, party)

    async def supervise_party(self, request: web.Request, caller: Caller) -> web.Response:
        """Listen in to a party, which must be the agent's."""
        read = schemas.load(_SUPERVISE, await json_object(request))
        _, party = await self._calls.party(request, caller)
        name, agent = self._agent(read, caller)
        if party.address.user_id != agent.id:
            raise invalid(name, "must be whose party it is")
        return await self._supervised(read, caller, party)

    async def _supervised(self, read: dict[str, Any], caller: Caller, party: Party) -> web.Response:
        _, device_id = _either(read, "supervisorDeviceId", "deviceId")
        if not caller.principal.is_admin:
            raise forbidden()
        check_device(device_id, caller, "supervisorDeviceId")
        if not (party.live and party.ours):
            raise wrong_state()
        accepted: Accepted = await self._detached.finish(
            self._control.supervise(caller.principal, device_id=device_id, leg=party.id, sole=True)
        )
        return self._shown(accepted.session, accepted.party)

    def _agent(self, read: dict[str, Any], caller: Caller) -> tuple[str, User]:
        """Return by which member the agent is named, and who it is."""
        name, value = _either(read, "agentExtensionId", "agentExtensionNumber", "extensionNumber")
        account = caller.principal.account
        if name == "agentExtensionId":
            found = self._identities.user(account, value)
        else:
            users = self._identities.account(account).users
            found = next((user for user in users if user.extension == value), None)
        if found is None:
            raise not_found(name)
        return name, found

    def _shown(self, session: Session, party: Party) -> web.Response:
        return json_response(party_object(self._identities, session, party), 201)


def _own_live(session: Session, caller: Caller) -> Party | None:
    return next((one for one in session.parties if one.live and owns(caller.principal, one)), None)


def _refusal(session: Session) -> Exception:
    """Return the refusal of what is asked of a session that the user is not in now."""
    return forbidden() if session.live else wrong_state()


def _either(read: dict[str, Any], *names: str) -> tuple[str, str]:
    """Return the member that is given, of several spellings; the first is the one to name."""
    named = [(name, str(read[name])) for name in names if read[name] is not None]
    if len(named) != 1:
        raise invalid(names[0], f"exactly one of {', '.join(names)} is needed")
    return named[0]
