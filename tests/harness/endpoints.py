"""Every endpoint of the public port, and what each takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from tests.harness.demo import JANE, OTHER_TENANT, OUTSIDE

V3: Final = "/v3"
GWS: Final = "/api/v2"
BAYEUX: Final = f"{GWS}/notifications"


class Endpoint(NamedTuple):
    """One route, and what requests to it can have wrong."""

    method: str
    route: str
    """The path, ids as `{id}` and `{action}`."""
    bodies: Sequence[dict[str, Any]] = ()
    """Bodies of the right shape that are refused for what they mean; none where no body is read."""
    query: Sequence[str] = ()
    """Parameters that are read."""

    @property
    def face(self) -> str:
        """Whose form errors have."""
        return V3 if self.route.startswith(V3) else BAYEUX if self.route.startswith(BAYEUX) else GWS

    @property
    def open(self) -> bool:
        """Whether it answers anybody."""
        return self.route == f"{GWS}/diagnostics/version"

    def path(self, id_: str = "none", action: str = "dtmf") -> str:
        """Return a path of the route."""
        return self.route.replace("{id}", id_).replace("{action}", action)


def _command(name: str, **payload: Any) -> dict[str, Any]:
    user = {"tenant_id": OTHER_TENANT, "user_extension": JANE.extension}
    return {"command": name, "user": user, "payload": payload}


_DIAL: Final = {"operationName": "Dial", "destination": {"phoneNumber": "15002"}, "userData": {"a": 1}}
_SUBSCRIPTION: Final = {
    "url": "http://10.0.0.1/",
    "types": ["call.leg.*"],
    "extensions": [JANE.extension],
    "format": "v3",
    "headers": {"x-a": "b"},
    "max_in_flight": 3,
    "retries": [5, 60],
    "timeout": 5,
    "description": "a",
}
_OPERATIONS: Final[tuple[dict[str, Any], ...]] = (
    {"operationName": "Answer"},
    {"operationName": "Hangup"},
    {"operationName": "SendDtmf", "digits": "1"},
    {"operationName": "AttachUserData", "userData": {"a": 1}},
    {"operationName": "DeleteUserDataPair", "key": "a"},
)

ENDPOINTS: Final = (
    Endpoint(
        "POST",
        "/v3/call_control",
        (
            _command("click-to-dial", destination="200", user_data={"a": 1}),
            *(_command(name, call_leg_id="none") for name in ("answer", "reject", "hangup")),
        ),
    ),
    Endpoint("GET", "/v3/calls", query=("state", "extension")),
    Endpoint("GET", "/v3/calls/{id}"),
    Endpoint("GET", "/v3/events", query=("after", "type", "extension", "limit")),
    Endpoint("GET", "/v3/events/stream", query=("format", "type", "extension", "last_event_id")),
    Endpoint("POST", "/v3/events/tickets"),
    Endpoint("GET", "/v3/subscriptions", query=("cursor", "limit")),
    Endpoint("POST", "/v3/subscriptions", (_SUBSCRIPTION,)),
    Endpoint("GET", "/v3/subscriptions/{id}"),
    Endpoint("DELETE", "/v3/subscriptions/{id}"),
    Endpoint("GET", "/v3/subscriptions/{id}/secret"),
    Endpoint("POST", "/v3/simulator/calls", ({"from": OUTSIDE, "to": "999", "user_data": {"a": 1}},)),
    Endpoint("POST", "/v3/simulator/parties/{id}/{action}", ({"digits": "1"},)),
    Endpoint("GET", "/api/v2/diagnostics/version"),
    Endpoint("GET", "/api/v2/me", query=("fields", "subresources")),
    Endpoint("POST", "/api/v2/me", ({"operationName": "StartContactCenterSession", "channels": ["voice"]},)),
    Endpoint("GET", "/api/v2/me/devices", query=("fields", "id")),
    Endpoint("GET", "/api/v2/me/devices/{id}", query=("fields",)),
    Endpoint("GET", "/api/v2/devices/{id}", query=("fields",)),
    Endpoint("POST", "/api/v2/me/devices/{id}/calls", (_DIAL,)),
    Endpoint("POST", "/api/v2/devices/{id}/calls", (_DIAL,)),
    Endpoint("GET", "/api/v2/me/calls", query=("fields", "state")),
    Endpoint("GET", "/api/v2/me/calls/{id}", query=("fields",)),
    Endpoint("POST", "/api/v2/me/calls/{id}", _OPERATIONS),
    *(
        Endpoint("*", BAYEUX + suffix, ({"channel": "/meta/handshake", "version": "1.0"},))
        for suffix in ("", "/handshake", "/connect", "/disconnect", "/subscribe", "/unsubscribe")
    ),
)
