"""Calls over HTTP: list, read, dial, and every operation on one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from relay.calls.commands import DeleteUserDataPair
from relay.calls.model import Party, Session
from relay.control import Control
from relay.dialects.gws import identifiers, render, schemas
from relay.dialects.gws.capabilities import listed
from relay.dialects.gws.envelope import success
from relay.dialects.gws.operations import CALL_OPERATIONS
from relay.dialects.gws.queries import Query
from relay.dialects.gws.requests import operation
from relay.dialects.gws.viewpoints import own_leg, readable, shown_leg
from relay.directory.model import Principal
from relay.errors import InvalidFieldError, NotAllowedError, NotAllowedNowError, NotFoundError
from relay.http.detached import Detached

_DIAL: Final = schemas.Dial()


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
        now = self._now()
        shown = []
        for session in await self._control.live(principal):
            leg = shown_leg(session, principal)
            if leg is not None and leg.live:
                shown.append(render.call(session, leg, now, self._api))
        return shown

    async def read(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer one call; a released one for a while."""
        session, leg, now = await self._find(request, principal)
        shown = render.call(session, leg, now, self._api)
        return success({"call": Query.of(request.query).select(shown)})

    async def operate(self, request: web.Request, principal: Principal) -> web.Response:
        """Carry out an operation on the user's own leg of a call."""
        name, body = await operation(request)
        chosen = CALL_OPERATIONS.get(name)
        if chosen is None:
            raise InvalidFieldError("operationName", f"does not name an operation of a call: {name:.40}")
        parameters = schemas.load(chosen.schema, body)
        session, _, _ = await self._find(request, principal)
        leg = own_leg(session, principal)
        if leg is None:
            raise NotAllowedError("Only who takes part in a call may operate it")
        if name not in (allowed := listed(session, leg)):
            raise NotAllowedNowError(name, allowed)
        action = chosen.action(**parameters)
        # Removing what is not there succeeds and is not told of: it changes nothing.
        if not isinstance(action, DeleteUserDataPair) or action.key in session.user_data:
            await self._detached.finish(self._control.act(principal, leg=leg.id, action=action))
        return success()

    async def dial(self, request: web.Request, principal: Principal) -> web.Response:
        """Place a call from one of the user's devices."""
        name, body = await operation(request)
        if name != "Dial":
            raise InvalidFieldError("operationName", f"must be Dial, not {name:.40}")
        parameters = schemas.load(_DIAL, body)
        command = self._control.dial(
            principal,
            device_id=request.match_info["id"],
            destination=parameters["destination"],
            two_step=False,
            user_data=parameters["user_data"],
        )
        await self._detached.finish(command)
        return success()

    async def _find(self, request: web.Request, principal: Principal) -> tuple[Session, Party, int]:
        session_id = identifiers.session_id(request.match_info["id"])
        if session_id is None:
            raise NotFoundError("Call not found")
        session = await self._control.session(principal, session_id)
        leg, now = shown_leg(session, principal), self._now()
        if leg is None or not readable(leg, now):
            raise NotFoundError("Call not found")
        return session, leg, now
