"""``/restapi/v1.0/subscription``: webhooks as RingCentral's applications make and renew them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web
from msgspec.structs import replace

from relay.dialects.ringcentral import schemas
from relay.dialects.ringcentral.failures import ApiError, invalid, json_response, not_found
from relay.dialects.ringcentral.filters import FilterRefusedError, check_reminders
from relay.dialects.ringcentral.handshake import TIMEOUT, Handshakes
from relay.dialects.ringcentral.notifications import FORMAT
from relay.dialects.ringcentral.render import API
from relay.dialects.ringcentral.tokens import Caller
from relay.dialects.ringcentral.wishes import Wishes, disabled_filters
from relay.dialects.times import timestamp
from relay.errors import NotFoundError
from relay.http.body import json_object
from relay.http.detached import Detached
from relay.subscriptions.model import EventFilter, NewSubscription, Status, Subscription
from relay.subscriptions.store import MAX_PAGE, Subscriptions, new_id

MANNER: Final = "ringcentral"
"""The manner of deliveries to RingCentral's webhooks."""
MOST_SUBSCRIPTIONS: Final = 30
"""Of one extension through one app."""
DEFAULT_LIFE: Final = 604_800
"""Seconds: seven days."""

_CREATE: Final = schemas.CreateSubscription()
_UPDATE: Final = schemas.UpdateSubscription()
_NOTHING: Final = schemas.Body()


class SubscriptionsFace:
    """The endpoints. Each user sees what they made through the same app."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        wishes: Wishes,
        handshakes: Handshakes,
        detached: Detached,
        base_url: str,
    ) -> None:
        self._subscriptions = subscriptions
        self._wishes = wishes
        self._handshakes = handshakes
        self._detached = detached
        self._base_url = base_url

    async def create(self, request: web.Request, caller: Caller) -> web.Response:
        """Subscribe an address once it has shown that it wants notifications; 200, as published."""
        read = schemas.load(_CREATE, await json_object(request))
        mode = read["deliveryMode"]
        if mode["transportType"].lower() != "webhook":
            raise invalid("deliveryMode.transportType", "must be WebHook; others are not made over HTTP")
        if mode["address"] is None:
            raise invalid("deliveryMode.address", "is needed")
        lifetime = DEFAULT_LIFE if read["expiresIn"] is None else read["expiresIn"]
        id_ = new_id()
        filters, refused = self._wishes.read(read["eventFilters"], caller.principal, id_)
        _check_reminders(filters, lifetime)
        await self._handshakes.check_address(mode["address"])
        await self._check_room(caller)
        new = NewSubscription(
            url=mode["address"],
            extensions=self._wishes.extensions(caller.principal.account, filters),
            format=FORMAT,
            timeout=TIMEOUT,
            id=id_,
            filters=filters,
            manner=MANNER,
            client_id=caller.client_id,
            verification_token=mode["verificationToken"] or mode["validationToken"],
            lifetime=lifetime,
            refused=tuple(refused),
        )
        made = await self._detached.finish(self._make(caller, new))
        return json_response(self.shown(made))

    async def list(self, _request: web.Request, caller: Caller) -> web.Response:
        """Answer what the user has through this app."""
        records = [self.shown(one) for one in await self._own(caller)]
        return json_response({"uri": f"{self._base_url}{API}/subscription", "records": records})

    async def get(self, request: web.Request, caller: Caller) -> web.Response:
        """Answer one."""
        return json_response(self.shown(await self._find(request, caller)))

    async def update(self, request: web.Request, caller: Caller) -> web.Response:
        """Change filters and life; without a body, renew for the default life."""
        found = await self._find(request, caller)
        read = schemas.load(_UPDATE, await json_object(request, empty=True))
        lifetime = DEFAULT_LIFE if read["expiresIn"] is None else read["expiresIn"]
        filters, refused = found.filters, found.refused
        if read["eventFilters"] is not None:
            filters, disabled = self._wishes.read(read["eventFilters"], caller.principal, found.id)
            refused = tuple(disabled)
        _check_reminders(filters, lifetime)
        extensions = self._wishes.extensions(found.account, filters)
        renewed = await self._detached.finish(
            self._renew(found, filters=filters, refused=refused, extensions=extensions, lifetime=lifetime)
        )
        return json_response(self.shown(renewed))

    async def renew(self, request: web.Request, caller: Caller) -> web.Response:
        """Let it live as long again as when it was made."""
        found = await self._find(request, caller)
        schemas.load(_NOTHING, await json_object(request, empty=True))
        return json_response(self.shown(await self._detached.finish(self._renew(found))))

    async def delete(self, request: web.Request, caller: Caller) -> web.Response:
        """End it; what waits for it is not sent any more."""
        found = await self._find(request, caller)
        await self._detached.finish(self._subscriptions.delete(found.account, found.id))
        return web.Response(status=204)

    async def _make(self, caller: Caller, new: NewSubscription) -> Subscription:
        await self._handshakes.ask(new.url)
        principal = caller.principal
        life = new.lifetime or DEFAULT_LIFE
        made = await self._subscriptions.create(
            principal.account, principal.user.id, replace(new, expires_at=_now() + life * 1000)
        )
        # Others may have been made meanwhile, anywhere: those that came first stay.
        if made.id in [one.id for one in (await self._own(caller))[MOST_SUBSCRIPTIONS:]]:
            await self._subscriptions.delete(principal.account, made.id)
            raise _too_many()
        return made

    async def _renew(self, found: Subscription, **changes: Any) -> Subscription:
        """Begin its life anew; a blacklisted one must shake hands again."""
        if found.status is not Status.ACTIVE:
            await self._handshakes.ask(found.url)

        def renewed(one: Subscription) -> Subscription:
            changed = replace(one, **changes, status=Status.ACTIVE, reason=None, disabled_at=None)
            return replace(changed, expires_at=_now() + (changed.lifetime or DEFAULT_LIFE) * 1000)

        try:
            return await self._subscriptions.change(found.account, found.id, renewed)
        except NotFoundError:
            raise not_found("subscriptionId") from None

    async def _check_room(self, caller: Caller) -> None:
        if len(await self._own(caller)) >= MOST_SUBSCRIPTIONS:
            raise _too_many()

    async def _own(self, caller: Caller) -> Sequence[Subscription]:
        """Return what the user has through this app, oldest first."""
        found: list[Subscription] = []
        cursor: str | None = None
        principal = caller.principal
        while True:
            page = await self._subscriptions.list(
                principal.account, cursor=cursor, limit=MAX_PAGE, user_id=principal.user.id
            )
            found += [one for one in page.subscriptions if _is_of(one, caller)]
            cursor = page.next
            if cursor is None:
                return found

    async def _find(self, request: web.Request, caller: Caller) -> Subscription:
        id_ = _stored_id(request.match_info["subscriptionId"])
        try:
            found = await self._subscriptions.get(caller.principal.account, id_ or "")
        except NotFoundError:
            raise not_found("subscriptionId") from None
        if found.user_id != caller.principal.user.id or not _is_of(found, caller):
            raise not_found("subscriptionId")
        return found

    def shown(self, one: Subscription) -> dict[str, Any]:
        """Return a subscription as the API shows it; never with its token."""
        id_, expires_at = shown_id(one.id), one.expires_at or 0
        shown: dict[str, Any] = {
            "uri": f"{self._base_url}{API}/subscription/{id_}",
            "id": id_,
            "creationTime": timestamp(one.created_at),
            "status": "Active" if one.status is Status.ACTIVE else "Blacklisted",
            "eventFilters": [wish.source for wish in one.filters],
            "expirationTime": timestamp(expires_at),
            "expiresIn": max(0, expires_at - _now()) // 1000,
            "deliveryMode": {"transportType": "WebHook", "encryption": False, "address": one.url},
            **disabled_filters(one.refused),
        }
        if one.disabled_at is not None:
            at = timestamp(one.disabled_at)
            shown["blacklistedData"] = {"blacklistedAt": at, "reason": one.reason or ""}
        return shown


def shown_id(stored: str) -> str:
    """Return the id clients see: the UUID in the stored one."""
    return str(uuid.UUID(stored.partition("_")[2]))


def _stored_id(shown: str) -> str | None:
    try:
        found = uuid.UUID(shown)
    except ValueError:
        return None
    return f"sub_{found.hex}" if str(found) == shown.lower() else None


def _is_of(one: Subscription, caller: Caller) -> bool:
    expired = one.expires_at is not None and one.expires_at <= _now()
    return one.manner == MANNER and one.client_id == caller.client_id and not expired


def _check_reminders(filters: Sequence[EventFilter], lifetime: int) -> None:
    try:
        check_reminders(filters, lifetime)
    except FilterRefusedError as error:
        raise ApiError(400, error.code, str(error)) from None


def _too_many() -> ApiError:
    limit = f"{MOST_SUBSCRIPTIONS} for each extension and app"
    return ApiError(403, "SUB-505", f"Subscriptions limit exceeded: {limit}")


def _now() -> int:
    return time.time_ns() // 1_000_000
