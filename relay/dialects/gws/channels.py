"""The channels a user works on over HTTP: read, and the operations that change the user's state."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from relay.calls.agents import AgentAction
from relay.control import Control
from relay.dialects.gws import schemas, states
from relay.dialects.gws.envelope import success
from relay.dialects.gws.queries import Query
from relay.dialects.gws.requests import operation
from relay.directory.model import Principal
from relay.errors import InvalidFieldError, NotFoundError
from relay.http.detached import Detached


class Channels:
    """Handlers of ``/me/channels``: there is one, voice."""

    def __init__(self, control: Control, detached: Detached, api: str) -> None:
        """Take what carries commands out, whatever becomes of their clients, and the URL of the API."""
        self._control = control
        self._detached = detached
        self._api = api

    async def of_user(self, principal: Principal) -> list[dict[str, Any]]:
        """Return the channel objects of a user."""
        state = await self._control.agent_state(principal.account, principal.user)
        return [states.channel(state)]

    async def read_all(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer the user's channels."""
        found = [
            (f"{self._api}/me/channels/{shown['channel']}", shown) for shown in await self.of_user(principal)
        ]
        return success(Query.of(request.query).listing("channels", found, states.CHANNEL_MEMBERS))

    async def read(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer one channel."""
        _check(request)
        [shown] = await self.of_user(principal)
        return success({"channel": Query.of(request.query).select(shown)})

    async def operate(self, request: web.Request, principal: Principal) -> web.Response:
        """Change the user's state."""
        name, body = await operation(request)
        _check(request)
        await self.change(principal, state_action(name, body))
        return success()

    async def change(self, principal: Principal, action: AgentAction) -> None:
        """Change the user's state as an action asks."""
        await self._detached.finish(self._control.set_agent(principal, action))


def state_action(name: str, body: dict[str, Any]) -> AgentAction:
    """Return what an operation asks for.

    Raises:
        InvalidFieldError: there is no such operation, or a parameter cannot be used.

    """
    chosen = states.STATE_OPERATIONS.get(name)
    if chosen is None:
        raise InvalidFieldError("operationName", f"does not name an operation of a user: {name:.40}")
    return chosen.action(**schemas.load(chosen.schema, body))


def _check(request: web.Request) -> None:
    if request.match_info["channel"] != states.VOICE:
        raise NotFoundError("Channel not found")
