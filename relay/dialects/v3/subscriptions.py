"""``/v3/subscriptions/``: webhooks."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web
from marshmallow import validate

from relay.dialects.times import rfc3339
from relay.dialects.v3.access import NotOwnerError, check_reach
from relay.dialects.v3.calls import answer
from relay.dialects.v3.problems import Fault, InvalidBodyError, InvalidParameterError
from relay.dialects.v3.queries import page_limit
from relay.dialects.v3.schemas import Strict, array, number, obj, parse, pointer_token, text, whole
from relay.directory.directory import Directory
from relay.directory.model import Principal
from relay.errors import InvalidFieldError, NotAllowedError, NotFoundError
from relay.http.body import json_object
from relay.http.detached import Detached
from relay.subscriptions.model import MAX_IN_FLIGHT, NewSubscription, Subscription
from relay.subscriptions.store import Subscriptions
from relay.webhooks.guard import Guard

LONGEST_DESCRIPTION: Final = 500
"""Characters: a subscription is read with every list."""
HIDDEN: Final = "***"
"""What others than the owner see of a custom header's value: it may well be a credential."""


class SubscriptionSchema(Strict):
    """What a subscription is made of."""

    url = text(required=True)
    types = array(text(), load_default=())
    extensions = array(text(), load_default=())
    format = text(load_default="v3")
    secret = text(load_default=None)
    headers = obj(load_default=dict)
    max_in_flight = whole(load_default=MAX_IN_FLIGHT)
    retries = array(number(), load_default=None)
    timeout = number(load_default=None)
    description = text(
        load_default=None,
        validate=validate.Length(max=LONGEST_DESCRIPTION, error="must be at most {max} characters"),
    )


_SCHEMA: Final = SubscriptionSchema()


class SubscriptionsFace:
    """The endpoints. An agent has its own subscriptions, an admin reaches the whole tenant's."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        guard: Guard,
        directory: Directory,
        detached: Detached,
        base_url: str,
    ) -> None:
        self._subscriptions = subscriptions
        self._guard = guard
        self._directory = directory
        self._detached = detached
        self._base_url = base_url

    async def create(self, request: web.Request, principal: Principal) -> web.Response:
        """Subscribe to what happens from now on; answer 201 with the secret."""
        new = self._new(principal, parse(_SCHEMA, await json_object(request)))
        await self._guard.check_url(new.url)
        made = await self._detached.finish(
            self._subscriptions.create(principal.account, principal.user.id, new)
        )
        response = answer({**shown(made, principal), "secret": made.secrets[0]}, 201)
        response.headers["Location"] = f"{self._base_url}/v3/subscriptions/{made.id}"
        return response

    async def list(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer a page of the subscriptions the user may see, oldest first."""
        try:
            page = await self._subscriptions.list(
                principal.account,
                cursor=request.query.get("cursor"),
                limit=page_limit(request),
                user_id=None if principal.is_admin else principal.user.id,
            )
        except InvalidFieldError as error:
            raise InvalidParameterError(str(error), parameter=error.field) from error
        items = [shown(one, principal) for one in page.subscriptions]
        return answer({"subscriptions": items, "next": page.next})

    async def get(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer one subscription."""
        return answer(shown(await self._find(request, principal), principal))

    async def secret(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer the signing secret, to the owner alone."""
        found = await self._find(request, principal)
        if found.user_id != principal.user.id:
            raise NotOwnerError("only the subscription's owner may read its secret")
        response = answer({"secret": found.secrets[0]})
        response.headers["Cache-Control"] = "no-store"
        return response

    async def delete(self, request: web.Request, principal: Principal) -> web.Response:
        """Delete a subscription; what waits for it is not sent any more."""
        found = await self._find(request, principal)
        await self._detached.finish(self._subscriptions.delete(found.account, found.id))
        return web.Response(status=204)

    def _new(self, principal: Principal, read: dict[str, Any]) -> NewSubscription:
        faults = [
            Fault(f"/headers/{pointer_token(name)}", "invalid", "must be a string")
            for name, value in read["headers"].items()
            if not isinstance(value, str)
        ]
        faults += [
            Fault(f"/extensions/{place}", "invalid", "is no extension of your tenant")
            for place, extension in enumerate(read["extensions"])
            if self._directory.by_extension(principal.account, extension) is None
        ]
        if faults:
            raise InvalidBodyError(faults)
        check_reach(principal, read["extensions"])
        if not read["extensions"] and not principal.is_admin:
            if principal.user.extension is None:
                raise NotAllowedError("you have no extension to subscribe to")
            read["extensions"] = [principal.user.extension]
        for name in ("types", "extensions", "retries"):
            read[name] = None if read[name] is None else tuple(read[name])
        return NewSubscription(**read)

    async def _find(self, request: web.Request, principal: Principal) -> Subscription:
        found = await self._subscriptions.get(principal.account, request.match_info["id"])
        if not principal.is_admin and found.user_id != principal.user.id:
            raise NotFoundError("there is no such subscription")
        return found


def shown(subscription: Subscription, principal: Principal) -> dict[str, Any]:
    """Return a subscription as v3 shows it; never with its secret."""
    owned = subscription.user_id == principal.user.id
    return {
        "id": subscription.id,
        "url": subscription.url,
        "types": subscription.types,
        "extensions": subscription.extensions,
        "format": subscription.format,
        "status": subscription.status,
        "reason": subscription.reason,
        "headers": {name: value if owned else HIDDEN for name, value in subscription.headers.items()},
        "max_in_flight": subscription.max_in_flight,
        "retries": subscription.retries,
        "timeout": subscription.timeout,
        "description": subscription.description,
        "created_at": rfc3339(subscription.created_at),
    }
