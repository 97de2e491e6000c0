"""What users set at their devices: do-not-disturb, forwarding, and whose calls a supervisor takes part in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, assert_never

from msgspec.structs import replace

from relay.calls.devices import (
    DeviceAction,
    DeviceEvent,
    DeviceSettings,
    DeviceState,
    DoNotDisturb,
    ForwardCalls,
    StopSupervising,
    Supervise,
    Supervision,
    device_capabilities,
)
from relay.calls.identifiers import new_command_id
from relay.calls.model import Address
from relay.control.parts import Parts
from relay.control.permissions import check_supervisor
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
            NotFoundError: the account has no such device, or none to supervise.
            NotAllowedError: it is another user's, or the user is no supervisor.
            NotAllowedNowError: the device is so already.
            InvalidFieldError: the destination or target cannot be used.

        """
        self._refuse_while_draining()
        address = self._destinations(principal).own_phone(device_id)
        change = self._change(principal, address, action)
        command_id = new_command_id()
        for _ in range(MAX_TRIES):
            state = (await self._journal.device_states(principal.account, [device_id]))[device_id]
            allowed = device_capabilities(state.settings, supervisor=principal.is_admin)
            if action.operation not in allowed:
                raise NotAllowedNowError(action.operation, allowed)
            event = DeviceEvent(
                account=principal.account,
                device=address,
                settings=change(state.settings),
                time=self._now(),
                supervisor=principal.is_admin,
                command_id=command_id,
                traceparent=traceparent,
            )
            if await self._journal.put_settings(event, state) is not None:
                return event
        raise ContendedError("others change this device all the time")

    def _change(
        self, principal: Principal, own: Address, action: DeviceAction
    ) -> Callable[[DeviceSettings], DeviceSettings]:
        """Return what an action makes of the settings."""
        match action:
            case DoNotDisturb(on=on):
                return lambda settings: replace(settings, do_not_disturb=on)
            case ForwardCalls(destination=destination):
                to = self._forward_to(principal, own, destination)
                return lambda settings: replace(settings, forward_to=to)
            case Supervise():
                supervision = self._supervision(principal, own, action)
                return lambda settings: replace(settings, supervision=supervision)
            case StopSupervising():
                check_supervisor(principal)
                return lambda settings: replace(settings, supervision=None)
            case _:
                assert_never(action)

    def _forward_to(self, principal: Principal, own: Address, destination: str | None) -> Address | None:
        if destination is None:
            return None
        to = self._directory.resolve(principal.account, destination)
        if to.device_id is not None and to.device_id == own.device_id:
            raise InvalidFieldError("destination", "must be another phone than the forwarded one")
        return to

    def _supervision(self, principal: Principal, own: Address, action: Supervise) -> Supervision:
        check_supervisor(principal)
        target = self._directory.address(principal.account, action.target)
        if target.user_id == own.user_id:
            raise InvalidFieldError("target", "must be somebody else's device")
        return Supervision(target=target, mode=action.mode, scope=action.scope, all_calls=action.all_calls)
