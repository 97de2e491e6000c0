"""Devices over HTTP: list, read, and what their users set at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from aiohttp import web
from marshmallow import Schema

from relay.calls.devices import DeviceAction, DoNotDisturb, ForwardCalls
from relay.control import Control
from relay.dialects.gws import resources, schemas
from relay.dialects.gws.envelope import success
from relay.dialects.gws.queries import Query
from relay.dialects.gws.requests import operation
from relay.directory.directory import Directory
from relay.directory.model import Device, Principal, User
from relay.errors import InvalidFieldError, NotAllowedNowError, NotFoundError
from relay.http.detached import Detached


class _DeviceOperation(NamedTuple):
    schema: Schema
    action: Callable[..., DeviceAction]
    """Makes what is asked for of the schema's members."""


_NOTHING: Final = schemas.Operation()

_OPERATIONS: Final[dict[str, _DeviceOperation]] = {
    "DoNotDisturbOn": _DeviceOperation(_NOTHING, lambda: DoNotDisturb(on=True)),
    "DoNotDisturbOff": _DeviceOperation(_NOTHING, lambda: DoNotDisturb(on=False)),
    "ForwardCallsOn": _DeviceOperation(schemas.Forwarding(), ForwardCalls),
    "ForwardCallsOff": _DeviceOperation(_NOTHING, lambda: ForwardCalls(None)),
}
"""Every operation a device takes by POST."""


class Devices:
    """Handlers of ``/me/devices`` and of single devices."""

    def __init__(self, control: Control, directory: Directory, detached: Detached, api: str) -> None:
        """Take what carries commands out, whose device is which, and the URL of the API."""
        self._control = control
        self._directory = directory
        self._detached = detached
        self._api = api

    async def read_all(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer the user's devices."""
        shown = [(resources.device_uri(one["id"], self._api), one) for one in await self.of_user(principal)]
        return success(Query.of(request.query).listing("devices", shown, resources.DEVICE_MEMBERS))

    async def of_user(self, principal: Principal) -> list[dict[str, Any]]:
        """Return the device objects of a user's devices."""
        return [await self._shown(principal, principal.user, device) for device in principal.user.devices]

    async def read(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer one device: the user's own, or for an admin any of the account."""
        found = self._directory.by_device(principal.account, request.match_info["id"])
        if found is None:
            raise NotFoundError("Device not found")
        shown = await self._shown(principal, *found)
        return success({"device": Query.of(request.query).select(shown)})

    async def operate(self, request: web.Request, principal: Principal) -> web.Response:
        """Set something at one of the user's own devices."""
        name, body = await operation(request)
        chosen = _OPERATIONS.get(name)
        if chosen is None:
            raise InvalidFieldError("operationName", f"does not name an operation of a device: {name:.40}")
        action = chosen.action(**schemas.load(chosen.schema, body))
        setting = self._control.set_device(principal, device_id=request.match_info["id"], action=action)
        try:
            await self._detached.finish(setting)
        except NotAllowedNowError as error:
            raise NotAllowedNowError(name, resources.device_names(error.allowed)) from error
        return success()

    async def _shown(self, principal: Principal, owner: User, device: Device) -> dict[str, Any]:
        state = await self._control.device(principal, device.id)
        return resources.device(
            device.id,
            device.number,
            state.settings,
            await self._control.agent_state(principal.account, owner),
            supervisor=Principal(principal.account, owner).is_admin,
            api=self._api,
        )
