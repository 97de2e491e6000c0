"""Devices over HTTP: list, read, and what their users ask of them."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from relay.calls.commands import SetDisposition
from relay.control import Control
from relay.dialects.gws import resources, schemas
from relay.dialects.gws.calls import Calls
from relay.dialects.gws.device_operations import DEVICE_OPERATIONS
from relay.dialects.gws.envelope import success
from relay.dialects.gws.queries import Query
from relay.dialects.gws.requests import operation
from relay.directory.directory import Directory
from relay.directory.model import Device, Principal, User
from relay.errors import InvalidFieldError, NotAllowedNowError, NotFoundError
from relay.http.detached import Detached

DISPOSITION: Final = "SetCallDisposition"
"""The operation of a call that its device takes too."""

_DISPOSITION: Final = schemas.DispositionAtDevice()


class Devices:
    """Handlers of ``/me/devices`` and of single devices."""

    def __init__(
        self, control: Control, directory: Directory, calls: Calls, detached: Detached, api: str
    ) -> None:
        """Take what carries commands out, whose device is which, and the URL of the API."""
        self._control = control
        self._directory = directory
        self._calls = calls
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
        """Set something at one of the user's own devices, or note what came of a call there."""
        name, body = await operation(request)
        device_id = request.match_info["id"]
        if name == DISPOSITION:
            await self._dispose(principal, device_id, schemas.load(_DISPOSITION, body))
            return success()
        chosen = DEVICE_OPERATIONS.get(name)
        if chosen is None:
            raise InvalidFieldError("operationName", f"does not name an operation of a device: {name:.40}")
        parameters = schemas.load(chosen.schema, body)
        if isinstance(chosen.schema, schemas.Monitoring):
            parameters["target"] = self._target(principal, **parameters)
        action = chosen.action(**parameters)
        try:
            with schemas.named(chosen.schema):
                await self._detached.finish(
                    self._control.set_device(principal, device_id=device_id, action=action)
                )
        except NotAllowedNowError as error:
            raise NotAllowedNowError(name, resources.device_names(error.allowed)) from error
        return success()

    def _target(self, principal: Principal, *, target: str | None, number: str | None, **_others: Any) -> str:
        """Return the id of the device to supervise, which is named by its URI or else by its number."""
        if target is not None:
            if self._directory.by_device(principal.account, target) is None:
                raise InvalidFieldError("targetDeviceUri", "must be the URI of a device")
            return target
        found = self._directory.by_number(principal.account, number or "")
        if found is None:
            raise InvalidFieldError("phoneNumber", "must be the number of a device")
        return found[1].id

    async def _dispose(self, principal: Principal, device_id: str, parameters: dict[str, Any]) -> None:
        call, call_uuid = parameters.pop("call"), parameters.pop("call_uuid")
        await self._control.device(principal, device_id)
        await self._calls.dispose(principal, device_id, call or call_uuid, SetDisposition(**parameters))

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
