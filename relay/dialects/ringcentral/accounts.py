"""What clients read of an account beside its calls: extensions, devices, presence and active calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from relay.calls.model import Role
from relay.control import Control
from relay.dialects.ringcentral import identifiers
from relay.dialects.ringcentral.access import Access
from relay.dialects.ringcentral.failures import invalid, json_response, not_permitted
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.paging import paged
from relay.dialects.ringcentral.presence import Leg, legs_of, presence
from relay.dialects.ringcentral.render import API, end
from relay.dialects.ringcentral.tokens import Caller
from relay.dialects.times import timestamp
from relay.directory.directory import Directory
from relay.directory.model import Device, User


class Accounts:
    """Handlers of the account's resources."""

    def __init__(
        self,
        control: Control,
        directory: Directory,
        identities: Identities,
        access: Access,
        base_url: str,
        now: Callable[[], int],
    ) -> None:
        """Take also what URIs begin with, and a clock in milliseconds since the epoch."""
        self._control = control
        self._directory = directory
        self._identities = identities
        self._access = access
        self._base_url = base_url
        self._now = now

    async def extension(self, request: web.Request, caller: Caller) -> web.Response:
        """Answer one extension; its id is a number here."""
        user, account = self._access.extension(request, caller), caller.principal.account
        account_id = self._identities.account_id(account)
        shown = {
            "uri": self._uri(account, user),
            "id": int(user.ringcentral_id),
            "extensionNumber": user.extension or "",
            "name": user.name,
            "type": "User",
            "status": "Enabled",
            "account": {"id": account_id, "uri": self._uri(account)},
            "contact": {"firstName": user.first_name, "lastName": user.last_name},
            "permissions": {"admin": {"enabled": "admin" in user.roles}},
        }
        return json_response(shown)

    async def devices(self, request: web.Request, caller: Caller) -> web.Response:
        """Answer an extension's devices."""
        user, account = self._access.extension(request, caller), caller.principal.account
        shown = [self._device(account, user, device) for device in user.devices]
        return paged(request, f"{self._uri(account, user)}/device", shown)

    async def presence(self, request: web.Request, caller: Caller) -> web.Response:
        """Answer an extension's presence."""
        user, sip = self._access.extension(request, caller), _details(request)
        legs = legs_of(user, await self._control.live(caller.principal))
        account = caller.principal.account
        return json_response(presence(self._identities, self._base_url, account, user, legs, sip=sip))

    async def all_presence(self, request: web.Request, caller: Caller) -> web.Response:
        """Answer the presence of every extension of the account, to an admin."""
        if not caller.principal.is_admin:
            raise not_permitted("ReadPresenceStatus")
        sip, account = _details(request), caller.principal.account
        sessions = await self._control.live(caller.principal)
        shown = [
            presence(self._identities, self._base_url, account, user, legs_of(user, sessions), sip=sip)
            for user in self._directory.users(account)
        ]
        return paged(request, f"{self._uri(account)}/presence", shown)

    async def active_calls(self, request: web.Request, caller: Caller) -> web.Response:
        """Answer the calls that an extension is in."""
        user = self._access.extension(request, caller)
        legs = legs_of(user, await self._control.live(caller.principal))
        return self._call_log(request, caller, legs, user)

    async def all_active_calls(self, request: web.Request, caller: Caller) -> web.Response:
        """Answer the calls that the account's extensions are in, to an admin."""
        if not caller.principal.is_admin:
            raise not_permitted("ReadCompanyCallLog")
        sessions = await self._control.live(caller.principal)
        users = self._directory.users(caller.principal.account)
        return self._call_log(request, caller, [leg for user in users for leg in legs_of(user, sessions)])

    def _call_log(
        self, request: web.Request, caller: Caller, legs: list[Leg], user: User | None = None
    ) -> web.Response:
        account = caller.principal.account
        records = [self._record(account, leg) for leg in legs]
        direction = request.query.get("direction")
        if direction not in (None, "Inbound", "Outbound"):
            raise invalid("direction", "must be Inbound or Outbound")
        if direction is not None:
            records = [record for record in records if record["direction"] == direction]
        return paged(request, f"{self._uri(account, user)}/active-calls", records)

    def _record(self, account: str, leg: Leg) -> dict[str, Any]:
        session, party = leg
        extension = self._identities.extension_id(party.address.user_id)
        id_ = identifiers.party_id(session, party)
        owner = f"{self._uri(account)}/extension/{extension}"
        return {
            "uri": f"{owner}/call-log/{id_}",
            "id": id_,
            "sessionId": identifiers.legacy_session_id(session.id),
            "telephonySessionId": identifiers.telephony_session_id(session.id),
            "partyId": id_,
            "extension": {"uri": owner, "id": int(extension or 0)},
            "startTime": timestamp(party.created_at),
            "duration": max(0, self._now() - party.created_at) // 1000,
            "type": "Voice",
            "direction": "Outbound" if party.role is Role.CALLER else "Inbound",
            "action": "Phone Call",
            "result": "In Progress",
            "from": end(self._identities, party.caller, device=False),
            "to": end(self._identities, party.callee, device=False),
        }

    def _device(self, account: str, user: User, device: Device) -> dict[str, Any]:
        uri = self._uri(account, user)
        owner = {"uri": uri, "id": int(user.ringcentral_id), "extensionNumber": user.extension or ""}
        number = {"id": device.id, "phoneNumber": device.number, "usageType": "DirectNumber"}
        return {
            "uri": f"{self._uri(account)}/device/{device.id}",
            "id": device.id,
            "type": "SoftPhone",
            "name": f"{user.name}'s phone",
            "status": "Online",
            "extension": owner,
            "phoneLines": [{"id": device.id, "lineType": "Standalone", "phoneInfo": number}],
            "linePooling": "Host",
        }

    def _uri(self, account: str, user: User | None = None) -> str:
        """Return the URI of an account, or of one of its extensions."""
        owner = f"/extension/{user.ringcentral_id}" if user is not None else ""
        return f"{self._base_url}{API}/account/{self._identities.account_id(account)}{owner}"


def _details(request: web.Request) -> bool | None:
    """Tell whether calls are to have SIP data; None where no calls are asked for."""
    sip = _switch(request, "sipData")
    return sip if sip or _switch(request, "detailedTelephonyState") else None


def _switch(request: web.Request, name: str) -> bool:
    given = request.query.get(name, "false").lower()
    if given not in ("true", "false"):
        raise invalid(name, "must be true or false")
    return given == "true"
