"""Every endpoint of the public port, and what each takes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from tests.harness.demo import JANE, OTHER_TENANT, OUTSIDE

V3: Final = "/v3"
GWS: Final = "/api/v2"
BAYEUX: Final = f"{GWS}/notifications"
RINGCENTRAL: Final = "/restapi"
OAUTH: Final = f"{RINGCENTRAL}/oauth"


class Endpoint(NamedTuple):
    """One route, and what requests to it can have wrong."""

    method: str
    route: str
    """The path, ids as `{id}`, `{action}` and so on."""
    bodies: Sequence[dict[str, Any]] = ()
    """Bodies of the right shape that are refused for what they mean; none where no body is read."""
    query: Sequence[str] = ()
    """Parameters that are read."""
    makes: bool = False
    """It needs nothing to make something, whatever is beside it."""

    @property
    def face(self) -> str:
        """Whose form errors have."""
        return next(face for face in (V3, BAYEUX, GWS, RINGCENTRAL) if self.route.startswith(face))

    @property
    def open(self) -> bool:
        """Whether it answers anybody."""
        return self.route == f"{GWS}/diagnostics/version"

    @property
    def named(self) -> bool:
        """Whether its path names something by an id."""
        return "{" in _OWN.sub("~", self.route).replace("{action}", "")

    def path(self, id_: str = "none", action: str = "dtmf") -> str:
        """Return a path of the route: the last id as given, accounts and extensions one's own."""
        route = _OWN.sub("~", self.route).replace("{action}", action)
        *others, last = _ID.split(route)
        return "none".join(others) + (id_ if others else "") + last


_ID: Final = re.compile(r"\{\w+\}")
_OWN: Final = re.compile(r"\{(accountId|extensionId)\}")


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

_API: Final = f"{RINGCENTRAL}/v1.0"
_ACCOUNT: Final = f"{_API}/account/{{accountId}}"
_EXTENSION: Final = f"{_ACCOUNT}/extension/{{extensionId}}"
_SESSION: Final = f"{_ACCOUNT}/telephony/sessions/{{telephonySessionId}}"
_PARTY: Final = f"{_SESSION}/parties/{{partyId}}"
_HOOK: Final = f"{_API}/subscription"
_NOBODY: Final = {"phoneNumber": "999"}
_SUPERVISE: Final = {
    "mode": "Listen",
    "deviceId": "none",
    "extensionNumber": JANE.extension,
    "autoAnswer": True,
}
_RC_SUBSCRIPTION: Final = {
    "eventFilters": ["/restapi/v1.0/account/~/telephony/sessions"],
    "deliveryMode": {"transportType": "WebHook", "address": "http://10.0.0.1/", "verificationToken": "a"},
    "expiresIn": 60,
}
_PAGE: Final = ("page", "perPage")
_DETAILS: Final = ("detailedTelephonyState", "sipData")

_RINGCENTRAL: Final = (
    Endpoint("POST", f"{OAUTH}/token"),
    Endpoint("POST", f"{OAUTH}/revoke"),
    Endpoint("POST", f"{OAUTH}/wstoken"),
    Endpoint("GET", f"{RINGCENTRAL}/ws"),
    Endpoint(
        "POST",
        f"{_ACCOUNT}/telephony/call-out",
        ({"from": {"deviceId": JANE.device}, "to": _NOBODY, "countryId": "1"},),
    ),
    Endpoint("POST", f"{_ACCOUNT}/telephony/conference", makes=True),
    Endpoint("POST", f"{_SESSION}/supervise", (_SUPERVISE,)),
    Endpoint("POST", f"{_SESSION}/parties/bring-in", ({"sessionId": "none", "partyId": "none"},)),
    Endpoint("GET", _SESSION, query=("timestamp", "timeout")),
    Endpoint("DELETE", _SESSION),
    Endpoint("GET", _PARTY),
    Endpoint("PATCH", _PARTY, ({"muted": True, "party": {"standAlone": False}},)),
    Endpoint("DELETE", _PARTY),
    *(Endpoint("POST", f"{_PARTY}/{what}") for what in ("hold", "unhold", "reject", "recordings", "park")),
    *(
        Endpoint("POST", f"{_PARTY}/{what}", ({"deviceId": "none"},))
        for what in ("answer", "ignore", "pickup")
    ),
    *(Endpoint("POST", f"{_PARTY}/{what}", (_NOBODY,)) for what in ("forward", "transfer")),
    Endpoint("POST", f"{_PARTY}/flip", ({"callFlipId": "1"},)),
    Endpoint("POST", f"{_PARTY}/reply", ({"replyWithPattern": {"pattern": "OnMyWay"}},)),
    Endpoint("POST", f"{_PARTY}/supervise", (_SUPERVISE,)),
    Endpoint("POST", f"{_PARTY}/bridge", ({"telephonySessionId": "none", "partyId": "none"},)),
    Endpoint("PATCH", f"{_PARTY}/recordings/{{recordingId}}", ({"active": True},)),
    Endpoint("GET", _EXTENSION),
    Endpoint("GET", f"{_EXTENSION}/device", query=_PAGE),
    Endpoint("GET", f"{_EXTENSION}/presence", query=_DETAILS),
    Endpoint("GET", f"{_ACCOUNT}/presence", query=(*_PAGE, *_DETAILS)),
    Endpoint("GET", f"{_EXTENSION}/active-calls", query=(*_PAGE, "direction")),
    Endpoint("GET", f"{_ACCOUNT}/active-calls", query=_PAGE),
    Endpoint("GET", _HOOK),
    Endpoint("POST", _HOOK, (_RC_SUBSCRIPTION,)),
    Endpoint("GET", f"{_HOOK}/{{subscriptionId}}"),
    Endpoint("PUT", f"{_HOOK}/{{subscriptionId}}"),
    Endpoint("DELETE", f"{_HOOK}/{{subscriptionId}}"),
    Endpoint("POST", f"{_HOOK}/{{subscriptionId}}/renew"),
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
    Endpoint("PATCH", "/v3/subscriptions/{id}", ({"description": "a"},)),
    Endpoint("GET", "/v3/subscriptions/{id}/secret"),
    Endpoint("POST", "/v3/subscriptions/{id}/rotate", ({"grace_seconds": 60},)),
    Endpoint("POST", "/v3/subscriptions/{id}/test"),
    Endpoint("POST", "/v3/subscriptions/{id}/recover", ({"since": "2020-01-01T00:00:00Z"},)),
    Endpoint("GET", "/v3/subscriptions/{id}/recoveries/{recovery_id}"),
    Endpoint("POST", "/v3/subscriptions/{id}/enable"),
    Endpoint("POST", "/v3/subscriptions/{id}/disable"),
    Endpoint("GET", "/v3/deliveries", query=("subscription", "status", "type", "since", "limit", "cursor")),
    Endpoint("GET", "/v3/deliveries/{id}"),
    Endpoint("POST", "/v3/deliveries/{id}/resend"),
    Endpoint("POST", "/v3/dead-letters/redrive", ({"subscription": "none"},)),
    Endpoint("DELETE", "/v3/dead-letters", query=("subscription",)),
    Endpoint("POST", "/v3/simulator/calls", ({"from": OUTSIDE, "to": "999", "user_data": {"a": 1}},)),
    Endpoint("POST", "/v3/simulator/parties/{id}/{action}", ({"digits": "1"},)),
    Endpoint("GET", "/api/v2/diagnostics/version"),
    Endpoint("GET", "/api/v2/me", query=("fields", "subresources")),
    Endpoint("POST", "/api/v2/me", ({"operationName": "StartContactCenterSession", "channels": ["chat"]},)),
    Endpoint("GET", "/api/v2/me/devices", query=("fields", "id")),
    Endpoint("GET", "/api/v2/me/devices/{id}", query=("fields",)),
    Endpoint("POST", "/api/v2/me/devices/{id}", ({"operationName": "DoNotDisturbOn"},)),
    Endpoint("GET", "/api/v2/devices/{id}", query=("fields",)),
    Endpoint("POST", "/api/v2/devices/{id}", ({"operationName": "DoNotDisturbOn"},)),
    Endpoint("GET", "/api/v2/settings/agent-states"),
    Endpoint("GET", "/api/v2/me/channels", query=("fields", "channel")),
    Endpoint("GET", "/api/v2/me/channels/{channel}", query=("fields",)),
    Endpoint("POST", "/api/v2/me/channels/{channel}", ({"operationName": "NotReady", "reason": 5},)),
    Endpoint("POST", "/api/v2/me/devices/{id}/calls", (_DIAL,)),
    Endpoint("POST", "/api/v2/devices/{id}/calls", (_DIAL,)),
    Endpoint("GET", "/api/v2/me/calls", query=("fields", "state")),
    Endpoint("GET", "/api/v2/me/calls/{id}", query=("fields",)),
    Endpoint("POST", "/api/v2/me/calls/{id}", _OPERATIONS),
    *(
        Endpoint("*", BAYEUX + suffix, ({"channel": "/meta/handshake", "version": "1.0"},))
        for suffix in ("", "/handshake", "/connect", "/disconnect", "/subscribe", "/unsubscribe")
    ),
    *_RINGCENTRAL,
)
