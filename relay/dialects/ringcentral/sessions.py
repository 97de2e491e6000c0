"""Telephony sessions over HTTP: placing calls, and reading them and their parties."""

from __future__ import annotations

from functools import partial
from typing import Final

from aiohttp import web

from relay.control import Control
from relay.control.permissions import owns
from relay.dialects.ringcentral import schemas
from relay.dialects.ringcentral.access import Access
from relay.dialects.ringcentral.calls import Calls, may_see
from relay.dialects.ringcentral.failures import forbidden, invalid, json_response, not_found
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.long_polls import LongPolls, wish
from relay.dialects.ringcentral.parties import ending
from relay.dialects.ringcentral.render import party_object, session_object
from relay.dialects.ringcentral.tokens import Caller
from relay.directory.model import Device, User
from relay.errors import InvalidFieldError, NotParticipantError
from relay.http.body import json_object
from relay.http.detached import Detached

_CALL_OUT: Final = schemas.CallOut()
_NOTHING: Final = schemas.Body()


class Sessions:
    """Handlers of sessions."""

    def __init__(
        self,
        control: Control,
        calls: Calls,
        identities: Identities,
        detached: Detached,
        long_polls: LongPolls,
        access: Access,
    ) -> None:
        self._control = control
        self._calls = calls
        self._identities = identities
        self._detached = detached
        self._long_polls = long_polls
        self._access = access

    async def read(self, request: web.Request, caller: Caller) -> web.Response:
        """Answer one session, live or ended within the hour; with ``timeout``, once it has changed."""
        read = partial(self._calls.session, request, caller)
        wanted = wish(request.query)
        session = await self._long_polls.changed(read, wanted, caller.login)
        if wanted.timeout:  # it may have been revoked meanwhile
            await self._access.caller(request)
        shown = [party for party in session.parties if may_see(party, caller)]
        return json_response(session_object(self._identities, session, shown))

    async def read_party(self, request: web.Request, caller: Caller) -> web.Response:
        """Answer one party of a session."""
        session, party = await self._calls.party(request, caller)
        return json_response(party_object(self._identities, session, party))

    async def end(self, request: web.Request, caller: Caller) -> web.Response:
        """End a call for everybody in it; 204."""
        schemas.load(_NOTHING, await json_object(request, empty=True))
        session = await self._calls.session(request, caller)
        own = next((party for party in session.parties if party.live and owns(caller.principal, party)), None)
        if not session.live:
            raise not_found("telephonySessionId")
        if own is None:
            raise forbidden()
        try:
            await self._calls.act(caller, own, ending(session, own))
        except NotParticipantError:  # it has just ended
            raise not_found("telephonySessionId") from None
        return web.Response(status=204)

    async def call_out(self, request: web.Request, caller: Caller) -> web.Response:
        """Place a call from one of the user's devices, and answer its session."""
        read = schemas.load(_CALL_OUT, await json_object(request))
        device = _own_device(caller.principal.user, read["from"])
        command = self._control.dial(
            caller.principal, device_id=device.id, destination=_number(read["to"]), two_step=False
        )
        try:
            accepted = await self._detached.finish(command)
        except InvalidFieldError as error:
            raise invalid("to", str(error)) from None
        return json_response({"session": session_object(self._identities, accepted.session)}, 201)


def _own_device(user: User, given: dict[str, str | None]) -> Device:
    """Return the device that a call is to come from, named by its id or by its user's extension."""
    device_id, extension_id = given["deviceId"], given["extensionId"]
    if (device_id is None) == (extension_id is None):
        raise invalid("from", "either deviceId or extensionId is needed")
    if extension_id is not None:
        if extension_id != user.ringcentral_id:
            raise forbidden()
        if not user.devices:
            raise invalid("from.extensionId", "the extension has no device")
        return user.devices[0]
    for device in user.devices:
        if device.id == device_id:
            return device
    raise not_found("from.deviceId")


def _number(given: dict[str, str | None]) -> str:
    """Return the destination; exactly one of its two forms must be given."""
    numbers = [number for number in given.values() if number is not None]
    if len(numbers) != 1:
        raise invalid("to", "either phoneNumber or extensionNumber is needed")
    return numbers[0]
