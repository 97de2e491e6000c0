"""Users and devices as GWS v2 shows them, key by key in its server's order."""

from __future__ import annotations

from typing import Any, Final

from relay.directory.model import Device, User

VOICE: Final = "voice"
"""The only medium relay has."""

_READY: Final = {"id": "9430250E-0A1B-421F-B372-F29E69366DED", "displayName": "Ready", "state": "Ready"}
"""The built-in state of an agent who takes calls, as everybody here always does."""

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


def device(device: Device) -> dict[str, Any]:
    """Return the device object."""
    return {
        "id": device.id,
        "deviceState": "Active",
        "userState": _READY,
        "phoneNumber": device.number,
        "description": "",
        "e164Number": device.number if device.number.startswith("+") else "",
        "telephonyNetwork": "Private",
        "doNotDisturb": "Off",
        "capabilities": [],
        "channels": [VOICE],
        "dynamicPhoneNumber": "",
    }


DEVICE_MEMBERS: Final = frozenset(
    {
        "id", "deviceState", "phoneNumber", "description", "e164Number", "telephonyNetwork", "doNotDisturb",
        "dynamicPhoneNumber",
    }
)  # fmt: skip
"""Members of a device that a list can be filtered by."""


def channels() -> list[dict[str, Any]]:
    """Return a user's channels."""
    return [{"channel": VOICE, "userState": _READY}]
