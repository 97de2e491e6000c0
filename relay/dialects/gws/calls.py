"""Calls over HTTP: list, read, dial, and every operation on one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from relay.calls.commands import DeleteUserDataPair, SetDisposition
from relay.calls.lines import beside, lines_of
from relay.calls.model import Party, Session
from relay.control import Control
from relay.control.permissions import owns
from relay.dialects.gws import identifiers, render, schemas
from relay.dialects.gws.capabilities import names
from relay.dialects.gws.envelope import success
from relay.dialects.gws.operations import CALL_OPERATIONS, CallOperation
from relay.dialects.gws.queries import Query
from relay.dialects.gws.requests import operation
from relay.dialects.gws.viewpoints import own_leg, readable, shown_leg
from relay.directory.model import Principal
from relay.errors import (
    InvalidFieldError,
    NotAllowedError,
    NotAllowedNowError,
    NotFoundError,
    NotParticipantError,
)
from relay.http.detached import Detached

_DIAL: Final = schemas.Dial()
_UNKNOWN: Final = "Call not found"


class Calls:
    """Handlers of ``/me/calls`` and of the calls of a device."""

    def __init__(self, control: Control, detached: Detached, api: str, now: Callable[[], int]) -> None:
        """Take what carries commands out, the URL of the API, and a clock in milliseconds since the epoch."""
        self._control = control
        self._detached = detached
        self._api = api
        self._now = now

    async def read_all(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer the calls a user sees: the own ones; for an admin each of the account once."""
        found = [(shown["uri"], shown) for shown in await self.live(principal)]
        return success(Query.of(request.query).listing("calls", found, render.CALL_MEMBERS))

    async def live(self, principal: Principal) -> list[dict[str, Any]]:
        """Return the call objects of a user's live calls."""
        now, shown = self._now(), []
        sessions = await self._control.live(principal)
        lines = lines_of(sessions)
        for session in sessions:
            leg = shown_leg(session, principal)
            if leg is not None and leg.live:
                shown.append(render.call(session, leg, now, self._api, beside(leg, lines)))
        return shown

    async def read(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer one call; a released one for a while."""
        session, leg = await self._find(request, principal)
        now = self._now()
        if not readable(leg, now):
            raise NotFoundError(_UNKNOWN)
        lines = await self._control.beside(session, leg)
        shown = render.call(session, leg, now, self._api, lines)
        return success({"call": Query.of(request.query).select(shown)})

    async def operate(self, request: web.Request, principal: Principal) -> web.Response:
        """Carry out an operation on the user's own leg of a call."""
        name, body = await operation(request)
        chosen = CALL_OPERATIONS.get(name)
        if chosen is None:
            raise InvalidFieldError("operationName", f"does not name an operation of a call: {name:.40}")
        parameters = schemas.load(chosen.schema, body)
        session, shown = await self._find(request, principal)
        if not readable(shown, self._now()) and chosen.action is not SetDisposition:
            raise NotFoundError(_UNKNOWN)
        leg = own_leg(session, principal)
        if leg is None:
            raise NotAllowedError("Only who takes part in a call may operate it")
        with schemas.named(chosen.schema):
            await self._carry_out(principal, name, chosen, parameters, session, leg)
        return success()

    async def dispose(
        self, principal: Principal, device_id: str, session_id: str, action: SetDisposition
    ) -> None:
        """Note what came of a call at one of the user's own devices.

        Raises:
            NotFoundError: the account has no such call.
            NotAllowedError: the call, or the device's leg of it, is another user's.
            InvalidFieldError: the device is not in the call.

        """
        session = await self._control.session(principal, session_id)
        leg = session.party_at(device_id)
        if leg is None:
            raise InvalidFieldError("callUri", "must be a call of the device")
        if not owns(principal, leg):
            raise NotAllowedError("Only who takes part in a call may operate it")
        await self._detached.finish(self._control.act(principal, leg=leg.id, action=action))

    async def _carry_out(
        self,
        principal: Principal,
        name: str,
        chosen: CallOperation,
        parameters: dict[str, Any],
        session: Session,
        leg: Party,
    ) -> None:
        if (other := parameters.get("other")) is not None:
            parameters["other"] = await self._own_leg(principal, other)
        action = chosen.action(**parameters)
        if isinstance(action, DeleteUserDataPair) and action.key not in session.user_data and leg.live:
            return  # Removing what is not there succeeds and is not told of: it changes nothing.
        try:
            await self._detached.finish(self._control.act(principal, leg=leg.id, action=action))
        except NotAllowedNowError as error:
            raise NotAllowedNowError(name, names(error.allowed)) from error

    async def _own_leg(self, principal: Principal, session: str) -> str:
        try:
            return (await self._control.own_leg(principal, session)).id
        except (NotFoundError, NotParticipantError):
            raise InvalidFieldError("other", "must be another call of yours") from None

    async def dial(self, request: web.Request, principal: Principal) -> web.Response:
        """Place a call from one of the user's devices."""
        name, body = await operation(request)
        if name != "Dial":
            raise InvalidFieldError("operationName", f"must be Dial, not {name:.40}")
        parameters = schemas.load(_DIAL, body)
        command = self._control.dial(
            principal, device_id=request.match_info["id"], two_step=False, **parameters
        )
        with schemas.named(_DIAL):
            await self._detached.finish(command)
        return success()

    async def _find(self, request: web.Request, principal: Principal) -> tuple[Session, Party]:
        session_id = identifiers.session_id(request.match_info["id"])
        if session_id is None:
            raise NotFoundError(_UNKNOWN)
        session = await self._control.session(principal, session_id)
        leg = shown_leg(session, principal)
        if leg is None:
            raise NotFoundError(_UNKNOWN)
        return session, leg
