"""What can be asked of a party over HTTP."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web
from marshmallow import Schema

from relay.calls import commands
from relay.calls.capabilities import Operation, capabilities
from relay.calls.model import Party, PartyState, RecordingState, Session
from relay.control.permissions import owns
from relay.dialects.ringcentral import schemas
from relay.dialects.ringcentral.access import CallerHandler
from relay.dialects.ringcentral.calls import Calls, check_device, check_own, party_named
from relay.dialects.ringcentral.failures import forbidden, invalid, json_response, not_found, wrong_state
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.render import party_object, recording
from relay.dialects.ringcentral.tokens import Caller
from relay.errors import NotAllowedNowError, NotParticipantError
from relay.http.body import json_object

_NOTHING: Final = schemas.Body()
_HOLD: Final = schemas.Hold()
_DEVICE: Final = schemas.AtDevice()
_BRIDGE: Final = schemas.Bridge()
_PATCH: Final = schemas.PatchParty()
_REMOVE: Final = schemas.RemoveParty()
_RECORDING: Final = schemas.PatchRecording()


class Parties:
    """Handlers of parties. Each answers with the party as it is after what was asked."""

    def __init__(self, calls: Calls, identities: Identities) -> None:
        self._calls = calls
        self._identities = identities

    def simply(self, action: commands.Action, schema: Schema = _NOTHING) -> CallerHandler:
        """Return a handler of what needs no parameters; 200 with the party."""

        async def handle(request: web.Request, caller: Caller) -> web.Response:
            schemas.load(schema, await json_object(request, empty=True))
            _, party = await self._calls.own_party(request, caller)
            return self._shown(await self._calls.act(caller, party, action))

        return handle

    @property
    def hold(self) -> CallerHandler:
        """Put the call on hold; the ways the switch may do it in are all the same here."""
        return self.simply(commands.Hold(), _HOLD)

    @property
    def unhold(self) -> CallerHandler:
        """Take the call back from hold."""
        return self.simply(commands.Retrieve())

    async def answer(self, request: web.Request, caller: Caller) -> web.Response:
        """Pick up at one of the user's devices."""
        return self._shown(await self._at_device(request, caller, commands.Answer()))

    async def ignore(self, request: web.Request, caller: Caller) -> web.Response:
        """Let one of the user's devices ring no longer; 204."""
        await self._at_device(request, caller, commands.Reject())
        return web.Response(status=204)

    async def reject(self, request: web.Request, caller: Caller) -> web.Response:
        """Leave a call that rings to the user's own mailbox, save one of one's own that was flipped; 204."""
        schemas.load(_NOTHING, await json_object(request, empty=True))
        _, party = await self._calls.own_party(request, caller)
        mailbox = commands.ForwardToVoicemail(caller.principal.user.id)
        await self._calls.act(caller, party, commands.Reject() if party.flipping else mailbox)
        return web.Response(status=204)

    async def bridge(self, request: web.Request, caller: Caller) -> web.Response:
        """Join the others of two calls, and leave both."""
        read = schemas.load(_BRIDGE, await json_object(request))
        _, party = await self._calls.own_party(request, caller)
        other = await self._calls.session_named(read["telephonySessionId"], caller)
        counterpart = party_named(other, caller, read["partyId"])
        check_own(counterpart, caller)
        if counterpart.id == party.id:
            raise invalid("partyId", "must be your party in another session")
        return self._shown(await self._calls.act(caller, party, commands.Bridge(other=counterpart.id)))

    async def update(self, request: web.Request, caller: Caller) -> web.Response:
        """Mute a party, or let it be heard again; what it is already is no error."""
        read = schemas.load(_PATCH, await json_object(request))
        session, party = await self._calls.own_party(request, caller)
        muted = _given(read, "muted")
        if _given(read, "standAlone"):
            raise wrong_state()  # nobody's media is ever apart here
        if muted is not None and muted is not party.muted:
            session, party = await self._calls.act(
                caller, party, commands.Mute() if muted else commands.Unmute()
            )
        return self._shown((session, party))

    async def remove(self, request: web.Request, caller: Caller) -> web.Response:
        """Take a party out of a conference, the own one or as its host another's; 204.

        Of other calls only a supervisor's own party is taken out so, and an own one that is parked.
        """
        read = schemas.load(_REMOVE, await json_object(request, empty=True))
        session, party = await self._calls.party(request, caller)
        if not party.live:
            raise not_found("partyId")
        own = next(
            (one for one in (party, *session.parties) if one.live and owns(caller.principal, one)), None
        )
        if own is None:
            raise forbidden()
        action = _removal(session, own, party, keep_alive=read["keepConferenceAlive"])
        try:
            await self._calls.act(caller, own, action)
        except NotAllowedNowError:
            raise forbidden() from None
        except NotParticipantError:
            raise not_found("partyId") from None
        return web.Response(status=204)

    async def record(self, request: web.Request, caller: Caller) -> web.Response:
        """Begin to record a party; 201 with the recording."""
        schemas.load(_NOTHING, await json_object(request, empty=True))
        _, party = await self._calls.own_party(request, caller)
        _, after = await self._calls.act(caller, party, commands.StartRecording())
        return json_response(recording(after.recordings[-1]), 201)

    async def update_recording(self, request: web.Request, caller: Caller) -> web.Response:
        """Pause a recording or go on with it; what it does already is no error."""
        active = schemas.load(_RECORDING, await json_object(request))["active"]
        _, party = await self._calls.own_party(request, caller)
        found = next((one for one in party.recordings if one.id == request.match_info["recordingId"]), None)
        if found is None:
            raise not_found("recordingId")
        if found.state is RecordingState.STOPPED:
            raise wrong_state()
        if active is not (found.state is RecordingState.RECORDING):
            action = commands.ResumeRecording() if active else commands.PauseRecording()
            _, party = await self._calls.act(caller, party, action)
        return json_response(recording(party.recordings[-1]))

    async def _at_device(
        self, request: web.Request, caller: Caller, action: commands.Action
    ) -> tuple[Session, Party]:
        device_id = schemas.load(_DEVICE, await json_object(request))["deviceId"]
        check_device(device_id, caller)
        _, party = await self._calls.own_party(request, caller)
        if party.address.device_id != device_id:
            raise wrong_state()
        return await self._calls.act(caller, party, action)

    def _shown(self, changed: tuple[Session, Party]) -> web.Response:
        return json_response(party_object(self._identities, *changed))


def _removal(session: Session, own: Party, party: Party, *, keep_alive: bool) -> commands.Action:
    """Return what takes a party out of a session at the wish of one's own; raises the 403 of what cannot."""
    apart = party.monitors is not None or party.state is PartyState.PARKED
    if own.id == party.id and apart:
        return commands.Hangup()
    if not any(one.owner for one in session.parties):
        raise forbidden()
    if own.id != party.id:
        return commands.RemoveParticipant(party.id)
    return ending(session, own) if own.owner and not keep_alive else commands.Hangup()


def ending(session: Session, party: Party) -> commands.Action:
    """Return what ends a whole call at the wish of one of its parties."""
    return commands.Clear() if Operation.CLEAR in capabilities(session, party) else commands.Hangup()


def _given(read: dict[str, Any], name: str) -> bool | None:
    """Return a member that stands at the top of a body or inside its ``party``."""
    nested: dict[str, Any] = read["party"] or {}
    value: bool | None = read[name] if read[name] is not None else nested.get(name)
    return value
