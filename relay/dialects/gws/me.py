"""The user over HTTP: themselves, their devices, and the start and end of their working session."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from relay.dialects.gws import resources, schemas
from relay.dialects.gws.calls import Calls
from relay.dialects.gws.envelope import StatusCode, failure, partial, success
from relay.dialects.gws.queries import Query
from relay.dialects.gws.requests import operation
from relay.directory.directory import Directory
from relay.directory.model import Device, Principal
from relay.errors import InvalidFieldError, NotAllowedError, NotFoundError

_CHANNELS: Final = schemas.Channels()


class Me:
    """Handlers of ``/me`` and of devices."""

    def __init__(self, directory: Directory, calls: Calls, api: str) -> None:
        self._directory = directory
        self._calls = calls
        self._api = api

    async def read(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer the user, with the children that are asked for in full."""
        query = Query.of(request.query)
        calls: list[Any] = await self._calls.live(principal)
        if not query.asks_for("calls"):
            calls = [call["uri"] for call in calls]
        devices = principal.user.devices
        shown = resources.user(
            principal.user,
            self._api,
            [resources.device(device) for device in devices]
            if query.asks_for("devices")
            else [resources.device_uri(device.id, self._api) for device in devices],
            calls,
        )
        children = {name: value for name, value in _children().items() if query.asks_for(name)}
        return success({"user": {**query.select(shown), **children}})

    async def operate(self, request: web.Request, _principal: Principal) -> web.Response:
        """Start or end the user's working session, which nothing depends on: calls arrive either way."""
        name, body = await operation(request)
        if name == "EndContactCenterSession":
            return success()
        if name != "StartContactCenterSession":
            raise InvalidFieldError("operationName", f"does not name an operation of a user: {name:.40}")
        return _started(schemas.load(_CHANNELS, body)["channels"])

    async def devices(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer the user's devices."""
        shown = [
            (resources.device_uri(one.id, self._api), resources.device(one)) for one in principal.user.devices
        ]
        return success(Query.of(request.query).listing("devices", shown, resources.DEVICE_MEMBERS))

    async def device(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer one device: the user's own, or for an admin any of the account."""
        shown = resources.device(self._readable(principal, request.match_info["id"]))
        return success({"device": Query.of(request.query).select(shown)})

    def _readable(self, principal: Principal, device_id: str) -> Device:
        found = self._directory.by_device(principal.account, device_id)
        if found is None:
            raise NotFoundError("Device not found")
        if found[0].id != principal.user.id and not principal.is_admin:
            raise NotAllowedError("The device belongs to another user")
        return found[1]


def _children() -> dict[str, Any]:
    """Return what a user has beside devices and calls."""
    return {
        "channels": resources.channels(),
        "features": list(resources.FEATURES),
        "settings": {},
        **{medium: [] for medium in resources.OTHER_MEDIA},
    }


def _started(channels: list[str]) -> web.Response:
    """Answer the start of a session on these channels: of those, relay has voice."""
    if not channels:
        raise InvalidFieldError("channels", "must name one at least")
    succeeded = [{"statusCode": 0, "channel": name} for name in channels if name == resources.VOICE]
    failed = [
        {
            "statusCode": StatusCode.OUT_OF_RANGE.value,
            "statusMessage": f"Channel is not available: {name:.40}",
            "channel": name,
        }
        for name in channels
        if name != resources.VOICE
    ]
    if not failed:
        return success()
    if not succeeded:
        return failure(StatusCode.OUT_OF_RANGE, str(failed[0]["statusMessage"]))
    return partial(succeeded, failed)
