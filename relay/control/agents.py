"""What users say of themselves: at work or not, ready or not."""

from __future__ import annotations

from typing import Final

from relay.calls.agents import (
    MAX_REASON,
    AgentAction,
    AgentEvent,
    AgentState,
    BeNotReady,
    agent_state_after,
)
from relay.calls.devices import DeviceEvent
from relay.calls.identifiers import new_command_id
from relay.calls.model import Address
from relay.control.parts import Parts
from relay.directory.model import Principal, User
from relay.errors import ContendedError, InvalidFieldError

MAX_TRIES: Final = 20
"""Tries against other changes of one user's state, of which each loser knows that somebody won."""


class AgentControl(Parts):
    """Control's part for the states of agents."""

    async def agent_state(self, account: str, user: User) -> AgentState:
        """Return the state a user is in; whoever may see the user's devices may see it."""
        return (await self._journal.agent(account, user.id)).state

    async def set_agent(
        self, principal: Principal, action: AgentAction, *, traceparent: str | None = None
    ) -> AgentState:
        """Change the user's own state and return it; what changes nothing is not told of.

        Raises:
            InvalidFieldError: the reason is too long.

        """
        self._refuse_while_draining()
        if isinstance(action, BeNotReady) and len(action.reason or "") > MAX_REASON:
            raise InvalidFieldError("reason", f"must be at most {MAX_REASON} characters")
        command_id = new_command_id()
        for _ in range(MAX_TRIES):
            before = await self._journal.agent(principal.account, principal.user.id)
            state = agent_state_after(before.state, action)
            if state == before.state:
                return state
            event = AgentEvent(
                account=principal.account,
                user=self._user_address(principal),
                state=state,
                time=self._now(),
                command_id=command_id,
                traceparent=traceparent,
            )
            if await self._journal.put_agent(event, self._devices(principal, event), before) is not None:
                return state
        raise ContendedError("others change this user's state all the time")

    def _user_address(self, principal: Principal) -> Address:
        user = principal.user
        if user.devices:
            return self._directory.address(principal.account, user.devices[0].id)
        return Address(number="", name=user.name, extension=user.extension, user_id=user.id)

    def _devices(self, principal: Principal, event: AgentEvent) -> list[DeviceEvent]:
        return [
            DeviceEvent(
                account=event.account,
                device=self._directory.address(event.account, device.id),
                time=event.time,
                supervisor=principal.is_admin,
                command_id=event.command_id,
                traceparent=event.traceparent,
            )
            for device in principal.user.devices
        ]
