"""What users set at their devices: do-not-disturb and forwarding."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from relay.calls.devices import (
    DeviceAction,
    DeviceEvent,
    DeviceState,
    DoNotDisturb,
    ForwardCalls,
    device_capabilities,
)
from relay.calls.identifiers import new_command_id
from relay.calls.model import Address
from relay.control.parts import Parts
from relay.directory.model import Principal
from relay.errors import ContendedError, InvalidFieldError, NotAllowedError, NotAllowedNowError, NotFoundError

MAX_TRIES: Final = 20
"""Tries against other changes of one device's settings, of which each loser knows that somebody won."""


class DeviceControl(Parts):
    """Control's part for devices."""

    async def device(self, principal: Principal, device_id: str) -> DeviceState:
        """Return a device as it is: an admin any of the account, an agent the own ones.

        Raises:
            NotFoundError: the account has no such device.
            NotAllowedError: it is another user's.

        """
        found = self._directory.by_device(principal.account, device_id)
        if found is None:
            raise NotFoundError("no such device")
        if found[0].id != principal.user.id and not principal.is_admin:
            raise NotAllowedError("the device is another user's")
        return (await self._journal.device_states(principal.account, [device_id]))[device_id]

    async def set_device(
        self,
        principal: Principal,
        *,
        device_id: str,
        action: DeviceAction,
        traceparent: str | None = None,
    ) -> DeviceEvent:
        """Set something at one of the user's own devices; return what the journal tells of it.

        Raises:
            NotFoundError: the account has no such device.
            NotAllowedError: it is another user's.
            NotAllowedNowError: the device is so already.
            InvalidFieldError: the destination cannot be used.

        """
        self._refuse_while_draining()
        address = self._own_address(principal, device_id)
        forward_to = self._forward_to(principal, address, action)
        command_id = new_command_id()
        for _ in range(MAX_TRIES):
            state = (await self._journal.device_states(principal.account, [device_id]))[device_id]
            allowed = device_capabilities(state.settings)
            if action.operation not in allowed:
                raise NotAllowedNowError(action.operation, allowed)
            if isinstance(action, DoNotDisturb):
                settings = replace(state.settings, do_not_disturb=action.on)
            else:
                settings = replace(state.settings, forward_to=forward_to)
            event = DeviceEvent(
                account=principal.account,
                device=address,
                settings=settings,
                time=self._now(),
                command_id=command_id,
                traceparent=traceparent,
            )
            if await self._journal.put_settings(event, revision=state.revision) is not None:
                return event
        raise ContendedError("others change this device all the time")

    def _forward_to(self, principal: Principal, address: Address, action: DeviceAction) -> Address | None:
        if not isinstance(action, ForwardCalls) or action.destination is None:
            return None
        to = self._directory.resolve(principal.account, action.destination)
        if to.device_id is not None and to.device_id == address.device_id:
            raise InvalidFieldError("destination", "must be another phone than the forwarded one")
        return to
