"""What leads a party's call elsewhere: to somebody else, a mailbox, a parking place, another phone."""

from __future__ import annotations

import re
from typing import Any, Final

from aiohttp import web

from relay.calls import commands
from relay.calls.model import Party, PartyState, Session
from relay.calls.parking import ORBITS
from relay.control.permissions import owns
from relay.dialects.ringcentral import schemas
from relay.dialects.ringcentral.calls import Calls, check_device
from relay.dialects.ringcentral.failures import forbidden, invalid, json_response, not_found
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.render import party_object
from relay.dialects.ringcentral.replies import text_of
from relay.dialects.ringcentral.tokens import Caller
from relay.directory.model import User
from relay.http.body import json_object

_NOTHING: Final = schemas.Body()
_FORWARD: Final = schemas.ForwardTarget()
_TRANSFER: Final = schemas.TransferTarget()
_FLIP: Final = schemas.Flip()
_DEVICE: Final = schemas.AtDevice()
_REPLY: Final = schemas.Reply()

_FLIP_ID: Final = re.compile(r"\*?([1-9][0-9]?)", re.ASCII)


class Diversions:
    """Handlers of what leads calls elsewhere. Each answers with the party as it is after that."""

    def __init__(self, calls: Calls, identities: Identities) -> None:
        self._calls = calls
        self._identities = identities

    async def forward(self, request: web.Request, caller: Caller) -> web.Response:
        """Have somebody else, or a mailbox, alerted in the place of a party that rings."""
        target = schemas.load(_FORWARD, await json_object(request))
        _, party = await self._calls.own_party(request, caller)
        name, value = _only(target)
        action: commands.Action
        if name == "voicemail":
            action = commands.ForwardToVoicemail(self._user(caller, name, value).id)
        else:
            action = commands.Forward(self._destination(caller, name, value))
        return self._shown(await self._calls.act(caller, party, action))

    async def transfer(self, request: web.Request, caller: Caller) -> web.Response:
        """Put somebody else, a mailbox or a parking place in the party's place, without asking them first."""
        target = schemas.load(_TRANSFER, await json_object(request))
        _, party = await self._calls.own_party(request, caller)
        name, value = _only(target)
        action: commands.Action
        if name == "voicemail":
            action = commands.TransferToVoicemail(self._user(caller, name, value).id)
        elif name == "parkOrbit":
            if value not in ORBITS:
                raise not_found(name)
            action = commands.TransferToOrbit(value)
        else:
            action = commands.Transfer(self._destination(caller, name, value))
        return self._shown(await self._calls.act(caller, party, action))

    async def flip(self, request: web.Request, caller: Caller) -> web.Response:
        """Go on at another of the user's phones: the flip id is its place among them, from 1."""
        wanted = schemas.load(_FLIP, await json_object(request))["callFlipId"]
        _, party = await self._calls.own_party(request, caller)
        found = _FLIP_ID.fullmatch(wanted)
        if found is None:
            raise invalid("callFlipId", "must be the number of one of your phones, from 1")
        devices = caller.principal.user.devices
        if int(found[1]) > len(devices):
            raise not_found("callFlipId")
        return self._shown(await self._calls.act(caller, party, commands.Flip(devices[int(found[1]) - 1].id)))

    async def park(self, request: web.Request, caller: Caller) -> web.Response:
        """Leave the call in a free parking place; 201 with the party, which names it."""
        schemas.load(_NOTHING, await json_object(request, empty=True))
        _, party = await self._calls.own_party(request, caller)
        return self._shown(await self._calls.act(caller, party, commands.Park()), 201)

    async def pick_up(self, request: web.Request, caller: Caller) -> web.Response:
        """Take a parked call, whoever parked it, at one of the user's devices; 201 with the new party."""
        device_id = schemas.load(_DEVICE, await json_object(request))["deviceId"]
        check_device(device_id, caller)
        _, party = await self._calls.party(request, caller)
        if party.state is not PartyState.PARKED and not owns(caller.principal, party):
            raise forbidden()
        return self._shown(await self._calls.act(caller, party, commands.PickUp(device_id)), 201)

    async def reply(self, request: web.Request, caller: Caller) -> web.Response:
        """Have a message read to the caller in place of answering."""
        message = text_of(schemas.load(_REPLY, await json_object(request)))
        _, party = await self._calls.own_party(request, caller)
        return self._shown(await self._calls.act(caller, party, commands.Reply(message)))

    def _destination(self, caller: Caller, name: str, value: str) -> str:
        """Return the number that a target names in one of its forms."""
        if name != "extensionId":
            return value
        user = self._user(caller, name, value)
        if user.extension is not None:
            return user.extension
        if not user.devices:
            raise invalid("extensionId", "the extension has no phone")
        return user.devices[0].number

    def _user(self, caller: Caller, name: str, value: str) -> User:
        user = self._identities.user(caller.principal.account, value)
        if user is None:
            raise not_found(name)
        return user

    def _shown(self, changed: tuple[Session, Party], status: int = 200) -> web.Response:
        return json_response(party_object(self._identities, *changed), status)


def _only(target: dict[str, Any]) -> tuple[str, str]:
    """Return the one form in which a target is given."""
    named = [(name, str(value)) for name, value in target.items() if value is not None]
    if len(named) != 1:
        raise invalid("to", f"exactly one of {', '.join(target)} is needed")
    return named[0]
