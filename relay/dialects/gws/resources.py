"""Users and devices as GWS v2 shows them, key by key in its server's order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from relay.calls.devices import DeviceOperation, DeviceSettings, device_capabilities
from relay.directory.model import Device, User

VOICE: Final = "voice"
"""The only medium relay has."""

_READY: Final = {"id": "9430250E-0A1B-421F-B372-F29E69366DED", "displayName": "Ready", "state": "Ready"}
"""The built-in state of an agent who takes calls, as everybody here always does."""

AGENT_STATES: Final = (_READY,)
"""The states a user can be in."""

FEATURES: Final = ({"id": "api-voice", "displayName": "Voice"},)
"""What of the API a user may use."""

OTHER_MEDIA: Final = ("chats", "emails", "interactions", "outbound", "workitems", "im-sessions", "workbins")
"""Children of a user that belong to media relay does not carry: always empty, so that clients find them."""


def user_uri(user: User, api: str) -> str:
    """Return the absolute URI of a user."""
    return f"{api}/users/{user.id}"


def user(user: User, api: str, devices: list[Any], calls: list[Any]) -> dict[str, Any]:
    """Return the user object; devices and calls are URIs, or objects where they were asked for."""
    return {
        "id": user.id,
        "userName": user.login,
        "firstName": user.first_name,
        "lastName": user.last_name,
        "emailAddress": "",
        "roles": [f"ROLE_{role.upper()}" for role in sorted(user.roles)],
        "enabled": True,
        "devices": devices,
        "calls": calls,
        "changePasswordOnFirstLogin": False,
        "uri": user_uri(user, api),
        "path": f"/users/{user.id}",
    }


def device_uri(device_id: str, api: str) -> str:
    """Return the absolute URI of a device."""
    return f"{api}/devices/{device_id}"


_CAPABILITIES: Final = {
    DeviceOperation.DO_NOT_DISTURB_ON: "DoNotDisturbOn",
    DeviceOperation.DO_NOT_DISTURB_OFF: "DoNotDisturbOff",
    DeviceOperation.FORWARD_ON: "ForwardCallsOn",
    DeviceOperation.FORWARD_OFF: "ForwardCallsOff",
}
"""What a device lists for what it allows."""


def device_names(allowed: Iterable[str]) -> list[str]:
    """Return GWS's names of what a device allows, in the order its server lists them."""
    operations = frozenset(allowed)
    return [name for operation, name in _CAPABILITIES.items() if operation in operations]


def device(device: Device, settings: DeviceSettings) -> dict[str, Any]:
    """Return the device object."""
    shown: dict[str, Any] = {
        "id": device.id,
        "deviceState": "Active",
        "userState": _READY,
        "phoneNumber": device.number,
        "description": "",
        "e164Number": device.number if device.number.startswith("+") else "",
        "telephonyNetwork": "Private",
        "doNotDisturb": "On" if settings.do_not_disturb else "Off",
    }
    if settings.forward_to is not None:
        shown["forwardTo"] = settings.forward_to.number
    shown["capabilities"] = device_names(device_capabilities(settings, supervisor=False))
    shown["channels"] = [VOICE]
    shown["dynamicPhoneNumber"] = ""
    return shown


DEVICE_MEMBERS: Final = frozenset(
    {
        "id", "deviceState", "phoneNumber", "description", "e164Number", "telephonyNetwork", "doNotDisturb",
        "forwardTo", "dynamicPhoneNumber",
    }
)  # fmt: skip
"""Members of a device that a list can be filtered by."""


def channels() -> list[dict[str, Any]]:
    """Return a user's channels."""
    return [{"channel": VOICE, "userState": _READY}]
