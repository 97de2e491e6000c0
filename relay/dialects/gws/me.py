"""The user over HTTP: themselves, and the start and end of their working session."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from relay.calls.agents import LogIn, LogOut
from relay.dialects.gws import resources, schemas, states
from relay.dialects.gws.admission import Admission
from relay.dialects.gws.calls import Calls
from relay.dialects.gws.channels import Channels, state_action
from relay.dialects.gws.devices import Devices
from relay.dialects.gws.envelope import StatusCode, failure, partial, success
from relay.dialects.gws.queries import Query
from relay.dialects.gws.requests import operation
from relay.directory.model import Principal
from relay.errors import InvalidFieldError

_CHANNELS: Final = schemas.Channels()


class Me:
    """Handlers of ``/me``."""

    def __init__(
        self, calls: Calls, devices: Devices, channels: Channels, admission: Admission, api: str
    ) -> None:
        self._calls = calls
        self._devices = devices
        self._channels = channels
        self._admission = admission
        self._api = api

    async def read(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer the user, with the children that are asked for in full."""
        query = Query.of(request.query)
        calls: list[Any] = await self._calls.live(principal)
        if not query.asks_for("calls"):
            calls = [call["uri"] for call in calls]
        shown = resources.user(
            principal.user,
            self._api,
            await self._devices.of_user(principal)
            if query.asks_for("devices")
            else [resources.device_uri(device.id, self._api) for device in principal.user.devices],
            calls,
        )
        children = {
            "channels": await self._channels.of_user(principal) if query.asks_for("channels") else [],
            "features": resources.features(principal),
            "settings": {},
            **{medium: [] for medium in resources.OTHER_MEDIA},
        }
        asked = {name: value for name, value in children.items() if query.asks_for(name)}
        return success({"user": {**query.select(shown), **asked}})

    async def operate(self, request: web.Request, principal: Principal) -> web.Response:
        """Start or end the user's working session, or change their state on every channel.

        Calls arrive either way: nothing but what is told of the user depends on it.
        """
        name, body = await operation(request)
        if name == "StartContactCenterSession":
            channels = schemas.load(_CHANNELS, body)["channels"]
            if states.VOICE in channels:
                await self._channels.change(principal, LogIn())
            return _started(channels)
        if name == "EndContactCenterSession":
            await self._channels.change(principal, LogOut())
            response = success()
            await self._admission.end_session(request, response)
            return response
        await self._channels.change(principal, state_action(name, body))
        return success()

    async def agent_states(self, _request: web.Request, _principal: Principal) -> web.Response:
        """Answer the states a user can be in."""
        return success({"settings": states.agent_states()})


def _started(channels: list[str]) -> web.Response:
    """Answer the start of a session on these channels: of those, relay has voice."""
    if not channels:
        raise InvalidFieldError("channels", "must name one at least")
    succeeded = [{"statusCode": 0, "channel": name} for name in channels if name == states.VOICE]
    failed = [
        {
            "statusCode": StatusCode.OUT_OF_RANGE.value,
            "statusMessage": f"Channel is not available: {name:.40}",
            "channel": name,
        }
        for name in channels
        if name != states.VOICE
    ]
    if not failed:
        return success()
    if not succeeded:
        return failure(StatusCode.OUT_OF_RANGE, str(failed[0]["statusMessage"]))
    return partial(succeeded, failed)
