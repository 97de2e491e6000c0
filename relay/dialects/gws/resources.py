"""Users and devices as GWS v2 shows them, key by key in its server's order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from relay.calls.agents import AgentState
from relay.calls.devices import DeviceOperation, DeviceSettings, Supervision, device_capabilities
from relay.calls.model import MonitorMode
from relay.dialects.gws.states import VOICE, user_state
from relay.directory.model import Principal, User

MONITOR_MODES: Final[dict[MonitorMode, str]] = {
    MonitorMode.LISTEN: "ListenIn",
    MonitorMode.COACH: "Coach",
    MonitorMode.BARGE: "BargeIn",
}
"""What a supervisor does, by the operation that asks for it."""

_FEATURES: Final = (
    {"id": "api-voice", "displayName": "Voice"},
    {"id": "api-voice-recording", "displayName": "Voice recording"},
)
_SUPERVISORS_FEATURES: Final = ({"id": "api-supervisor-monitoring", "displayName": "Supervisor monitoring"},)

OTHER_MEDIA: Final = ("chats", "emails", "interactions", "outbound", "workitems", "im-sessions", "workbins")
"""Children of a user that belong to media relay does not carry: always empty, so that clients find them."""


def features(principal: Principal) -> list[dict[str, str]]:
    """Return what of the API a user may use."""
    return [*_FEATURES, *(_SUPERVISORS_FEATURES if principal.is_admin else ())]


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


_CAPABILITIES: Final[dict[DeviceOperation, tuple[str, ...]]] = {
    DeviceOperation.DO_NOT_DISTURB_ON: ("DoNotDisturbOn",),
    DeviceOperation.DO_NOT_DISTURB_OFF: ("DoNotDisturbOff",),
    DeviceOperation.FORWARD_ON: ("ForwardCallsOn",),
    DeviceOperation.FORWARD_OFF: ("ForwardCallsOff",),
    DeviceOperation.SUPERVISE: ("ListenIn", "Coach", "BargeIn"),
    DeviceOperation.STOP_SUPERVISING: ("CancelSupervisorMonitoring",),
}
"""What a device lists for what it allows."""


def device_names(allowed: Iterable[str]) -> list[str]:
    """Return GWS's names of what a device allows, in the order its server lists them."""
    operations = frozenset(allowed)
    return [name for operation, names in _CAPABILITIES.items() if operation in operations for name in names]


def device(
    device_id: str,
    number: str,
    settings: DeviceSettings,
    agent: AgentState,
    *,
    supervisor: bool,
    api: str,
) -> dict[str, Any]:
    """Return the device object; `supervisor` tells whether its user may take part in others' calls."""
    shown: dict[str, Any] = {
        "id": device_id,
        "deviceState": "Active",
        "userState": user_state(agent),
        "phoneNumber": number,
        "description": "",
        "e164Number": number if number.startswith("+") else "",
        "telephonyNetwork": "Private",
        "doNotDisturb": "On" if settings.do_not_disturb else "Off",
    }
    if settings.forward_to is not None:
        shown["forwardTo"] = settings.forward_to.number
    shown["capabilities"] = device_names(device_capabilities(settings, supervisor=supervisor))
    if settings.supervision is not None:
        shown["supervisorMonitoringState"] = _supervision(settings.supervision, api)
    shown["channels"] = [VOICE]
    shown["dynamicPhoneNumber"] = ""
    return shown


def _supervision(supervision: Supervision, api: str) -> dict[str, str]:
    return {
        "state": MONITOR_MODES[supervision.mode],
        "mode": "AllCalls" if supervision.all_calls else "NextCall",
        "scope": supervision.scope.capitalize(),
        "targetDeviceUri": device_uri(supervision.target.device_id or "", api),
    }


DEVICE_MEMBERS: Final = frozenset(
    {
        "id", "deviceState", "phoneNumber", "description", "e164Number", "telephonyNetwork", "doNotDisturb",
        "forwardTo", "dynamicPhoneNumber",
    }
)  # fmt: skip
"""Members of a device that a list can be filtered by."""
