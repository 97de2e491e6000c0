"""Requests on a WebSocket: its one subscription is made, changed, renewed, read and ended."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from relay.dialects.ringcentral import labels, schemas
from relay.dialects.ringcentral.envelopes import Addressee, Envelopes
from relay.dialects.ringcentral.failures import ApiError, invalid, not_found
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.limits import Group, Limits
from relay.dialects.ringcentral.notifications import FORMAT, renderer
from relay.dialects.ringcentral.render import API
from relay.dialects.ringcentral.sockets.messages import Asked
from relay.dialects.ringcentral.sockets.notices import Wanted
from relay.dialects.ringcentral.sockets.sessions import SocketSession, SocketSubscription
from relay.dialects.ringcentral.tokens import Caller
from relay.dialects.ringcentral.wishes import Wishes, disabled_filters
from relay.dialects.times import timestamp
from relay.streaming.hub import Hub

_ALL: Final = f"{API}/subscription"
_CREATE: Final = schemas.CreateSubscription()
_UPDATE: Final = schemas.UpdateSubscription()


class Answer(NamedTuple):
    """What a request comes to."""

    status: int
    body: dict[str, Any] | None
    headers: Mapping[str, str]
    subscription: SocketSubscription | None
    """What the session has from now on."""


class Requests:
    """Carries out requests; what they change is the caller's to keep."""

    def __init__(
        self, hub: Hub, identities: Identities, wishes: Wishes, limits: Limits, base_url: str
    ) -> None:
        self._hub = hub
        self._identities = identities
        self._wishes = wishes
        self._limits = limits
        self._base_url = base_url
        self._renderers = {FORMAT: renderer(identities)}
        self.envelopes: Final = Envelopes(identities)

    async def answer(self, caller: Caller, session: SocketSession, asked: Asked) -> Answer:
        """Carry out a request.

        Raises:
            ApiError: it is refused.
            UnavailableError: the store is away.

        """
        method, path, current = asked.method, asked.path, session.subscription
        if not path.startswith(_ALL):
            raise ApiError(404, "CMN-120", "Invalid URI")
        light = method == "GET" or path.endswith("/renew")
        headers = await self._count(caller, Group.LIGHT if light else Group.MEDIUM)
        if path == _ALL and method == "POST":
            made = await self._create(caller, session, asked.body)
            return Answer(200, self._shown(session, made), headers, made)
        if path == _ALL and method == "GET":
            records = [] if current is None else [self._shown(session, current)]
            return Answer(200, {"uri": f"{self._base_url}{_ALL}", "records": records}, headers, current)
        if current is None or path.removesuffix("/renew") != f"{_ALL}/{current.id}":
            raise not_found("subscriptionId")
        match method, path.endswith("/renew"):
            case "GET", False:
                return Answer(200, self._shown(session, current), headers, current)
            case "POST", True:
                return Answer(200, self._shown(session, current), headers, current)
            case "PUT", False:
                changed = self._update(caller, current, asked.body)
                return Answer(200, self._shown(session, changed), headers, changed)
            case "DELETE", False:
                return Answer(204, None, headers, None)
        raise ApiError(405, "CMN-104", "Method Not Allowed")

    def addressee(self, caller: Caller, subscription: SocketSubscription) -> Addressee:
        """Return whom envelopes of a subscription are made out to."""
        return Addressee(subscription.id, caller.principal.user.ringcentral_id, subscription.filters)

    def wanted(self, account: str, subscription: SocketSubscription) -> Wanted:
        """Return what the hub is to select for a subscription."""
        users = self._wishes.users(account, subscription.filters)
        return Wanted.of(subscription.filters, tuple(sorted(user.id for user in users)), self._renderers)

    async def _count(self, caller: Caller, group: Group) -> Mapping[str, str]:
        principal = caller.principal
        standing = await self._limits.count(group, principal.account, caller.client_id, principal.user.id)
        if standing is None:
            return {}
        if not standing.allowed:
            raise standing.refusal()
        return standing.headers

    async def _create(
        self, caller: Caller, session: SocketSession, body: Mapping[str, Any]
    ) -> SocketSubscription:
        read = schemas.load(_CREATE, body)
        if read["deliveryMode"]["transportType"].lower() != "websocket":
            raise invalid("deliveryMode.transportType", "must be WebSocket; others are made over HTTP")
        if session.subscription is not None:
            raise ApiError(403, "SUB-505", "Subscriptions limit exceeded: 1 for each connection")
        made = SocketSubscription(
            id=str(uuid.uuid4()),
            filters=(),
            refused=(),
            created_at=time.time_ns() // 1_000_000,
            since=await self._hub.position(session.account),
        )
        return self._wish(caller, made, read["eventFilters"])

    def _update(
        self, caller: Caller, current: SocketSubscription, body: Mapping[str, Any]
    ) -> SocketSubscription:
        read = schemas.load(_UPDATE, body)
        if read["eventFilters"] is None:
            return current
        return self._wish(caller, current, read["eventFilters"])

    def _wish(self, caller: Caller, one: SocketSubscription, texts: list[str]) -> SocketSubscription:
        filters, refused = self._wishes.read(texts, caller.principal, one.id)
        if any(labels.of_subscription(one.id) in wish.labels for wish in filters):
            raise ApiError(400, "SUB-516", "Reminder is not valid: the subscription ends with its connection")
        return SocketSubscription(one.id, filters, tuple(refused), one.created_at, one.since)

    def _shown(self, session: SocketSession, one: SocketSubscription) -> dict[str, Any]:
        return {
            "uri": f"{self._base_url}{_ALL}/{one.id}",
            "id": one.id,
            "creationTime": timestamp(one.created_at),
            "status": "Active",
            "eventFilters": [wish.source for wish in one.filters],
            "expirationTime": timestamp(session.ends_at),
            "expiresIn": max(0, session.ends_at - time.time_ns() // 1_000_000) // 1000,
            "deliveryMode": {"transportType": "WebSocket", "encryption": False},
            **disabled_filters(one.refused),
        }
