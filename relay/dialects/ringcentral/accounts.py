"""What clients read of an account beside its calls: extensions, devices, presence and active calls."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from aiohttp import web

from relay.calls.model import Role
from relay.calls.presence import ActiveCall
from relay.control import Control
from relay.dialects.ringcentral import identifiers
from relay.dialects.ringcentral.access import Access
from relay.dialects.ringcentral.failures import invalid, json_response, not_permitted
from relay.dialects.ringcentral.filters import Detail
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.paging import paged
from relay.dialects.ringcentral.presence import Presences, calls_of
from relay.dialects.ringcentral.render import API, end
from relay.dialects.ringcentral.tokens import Caller
from relay.dialects.times import timestamp
from relay.directory.directory import Directory
from relay.directory.model import Device, User
from relay.journal.journal import Journal


class Accounts:
    """Handlers of the account's resources."""

    def __init__(
        self,
        control: Control,
        journal: Journal,
        directory: Directory,
        identities: Identities,
        access: Access,
        base_url: str,
        now: Callable[[], int],
    ) -> None:
        """Take also what URIs begin with, and a clock in milliseconds since the epoch."""
        self._control = control
        self._journal = journal
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
        user, detail = self._access.extension(request, caller), _detail(request)
        [shown] = await self._presences(caller, [user], detail)
        return json_response(shown)

    async def all_presence(self, request: web.Request, caller: Caller) -> web.Response:
        """Answer the presence of every extension of the account, to an admin."""
        if not caller.principal.is_admin:
            raise not_permitted("ReadPresenceStatus")
        account = caller.principal.account
        shown = await self._presences(caller, self._directory.users(account), _detail(request))
        return paged(request, f"{self._uri(account)}/presence", shown)

    async def _presences(
        self, caller: Caller, users: Collection[User], detail: Detail
    ) -> list[dict[str, Any]]:
        account, presences = caller.principal.account, Presences(self._identities, self._base_url)
        sessions = await self._control.live(caller.principal)
        states = await self._journal.device_states(
            account, [one.id for user in users for one in user.devices]
        )
        quiet = {device for device, state in states.items() if state.settings.do_not_disturb}
        return [presences.shown(account, user, calls_of(user, sessions), quiet, detail) for user in users]

    async def active_calls(self, request: web.Request, caller: Caller) -> web.Response:
        """Answer the calls that an extension is in."""
        user = self._access.extension(request, caller)
        calls = calls_of(user, await self._control.live(caller.principal))
        records = [self._record(caller, user, call) for call in calls]
        return self._call_log(request, caller, records, user)

    async def all_active_calls(self, request: web.Request, caller: Caller) -> web.Response:
        """Answer the calls that the account's extensions are in, to an admin."""
        if not caller.principal.is_admin:
            raise not_permitted("ReadCompanyCallLog")
        sessions = await self._control.live(caller.principal)
        users = self._directory.users(caller.principal.account)
        records = [self._record(caller, user, call) for user in users for call in calls_of(user, sessions)]
        return self._call_log(request, caller, records)

    def _call_log(
        self, request: web.Request, caller: Caller, records: list[dict[str, Any]], user: User | None = None
    ) -> web.Response:
        direction = request.query.get("direction")
        if direction not in (None, "Inbound", "Outbound"):
            raise invalid("direction", "must be Inbound or Outbound")
        if direction is not None:
            records = [record for record in records if record["direction"] == direction]
        return paged(request, f"{self._uri(caller.principal.account, user)}/active-calls", records)

    def _record(self, caller: Caller, user: User, call: ActiveCall) -> dict[str, Any]:
        id_ = identifiers.party_id_at(call.session, call.place)
        owner = self._uri(caller.principal.account, user)
        return {
            "uri": f"{owner}/call-log/{id_}",
            "id": id_,
            "sessionId": identifiers.legacy_session_id(call.session, conference=call.conference),
            "telephonySessionId": identifiers.telephony_session_id(call.session),
            "partyId": id_,
            "extension": {"uri": owner, "id": int(user.ringcentral_id)},
            "startTime": timestamp(call.since),
            "duration": max(0, self._now() - call.since) // 1000,
            "type": "Voice",
            "direction": "Outbound" if call.role is Role.CALLER else "Inbound",
            "action": "Phone Call",
            "result": "In Progress",
            "from": end(self._identities, call.caller, device=False),
            "to": end(self._identities, call.callee, device=False),
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


def _detail(request: web.Request) -> Detail:
    """Return what of presence is asked for; SIP data is that of calls."""
    sip = _switch(request, "sipData")
    return Detail(calls=_switch(request, "detailedTelephonyState") or sip, sip=sip)


def _switch(request: web.Request, name: str) -> bool:
    given = request.query.get(name, "false").lower()
    if given not in ("true", "false"):
        raise invalid(name, "must be true or false")
    return given == "true"
