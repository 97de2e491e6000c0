"""``/v3/subscriptions/``: webhooks."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Final

from aiohttp import web

from relay.dialects.times import rfc3339
from relay.dialects.v3.access import NotOwnerError
from relay.dialects.v3.calls import answer
from relay.dialects.v3.problems import InvalidParameterError
from relay.dialects.v3.queries import page_limit
from relay.dialects.v3.subscription_bodies import read_new, read_revision, read_rotation, shown_limit
from relay.directory.directory import Directory
from relay.directory.model import Principal
from relay.errors import InvalidFieldError, NotFoundError
from relay.http.body import json_object
from relay.http.detached import Detached
from relay.journal.store import Store
from relay.subscriptions.model import Status, Subscription
from relay.subscriptions.signing_keys import public_key, signature_of
from relay.subscriptions.store import Subscriptions
from relay.webhooks.guard import Guard
from relay.webhooks.health import Health, healths

BY_OWNER: Final = "owner"
"""Why a subscription is disabled that its owner, or an admin, has disabled."""
PATCHES: Final = ("application/merge-patch+json", "application/json")
HIDDEN: Final = "***"
"""What others than the owner see of a custom header's value: it may well be a credential."""


class SubscriptionsFace:
    """The endpoints. An agent has its own subscriptions, an admin reaches the whole tenant's."""

    def __init__(
        self,
        store: Store,
        subscriptions: Subscriptions,
        guard: Guard,
        directory: Directory,
        detached: Detached,
        base_url: str,
    ) -> None:
        self._store = store
        self._subscriptions = subscriptions
        self._guard = guard
        self._directory = directory
        self._detached = detached
        self._base_url = base_url

    async def create(self, request: web.Request, principal: Principal) -> web.Response:
        """Subscribe to what happens from now on; answer 201 with the secret."""
        new = read_new(await json_object(request), principal, self._directory)
        await self._guard.check_url(new.url)
        made = await self._detached.finish(
            self._subscriptions.create(principal.account, principal.user.id, new)
        )
        response = _secretly({**shown(made, principal), "secret": made.secrets[0]}, 201)
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
        found = page.subscriptions
        failing = await healths(self._store, principal.account, [one.id for one in found])
        items = [shown(one, principal, failing.get(one.id)) for one in found]
        return answer({"subscriptions": items, "next": page.next})

    async def get(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer one subscription."""
        found = await self._find(request, principal)
        failing = await healths(self._store, found.account, [found.id])
        return answer(shown(found, principal, failing.get(found.id)))

    async def secret(self, request: web.Request, principal: Principal) -> web.Response:
        """Answer the signing secret, to the owner alone."""
        found = await self._find(request, principal)
        _check_owner(found, principal)
        return _secretly({"secret": found.secrets[0]})

    async def delete(self, request: web.Request, principal: Principal) -> web.Response:
        """Delete a subscription; what waits for it is not sent any more."""
        if not principal.is_admin:
            await self._find(request, principal)
        await self._detached.finish(
            self._subscriptions.delete(principal.account, request.match_info["id"])  # readable or not
        )
        return web.Response(status=204)

    async def change(self, request: web.Request, principal: Principal) -> web.Response:
        """Change what a merge patch names; what waits is sent by the new rules."""
        found = await self._find(request, principal)
        patch = await json_object(request, accepted=PATCHES)
        wanted = read_revision(patch, found, principal, self._directory)
        if "url" in patch:
            await self._guard.check_url(wanted.url)
        return await self._changed(
            principal,
            self._subscriptions.revise(
                found.account,
                found.id,
                lambda latest: read_revision(patch, latest, principal, self._directory),
            ),
        )

    async def rotate(self, request: web.Request, principal: Principal) -> web.Response:
        """Replace the secret and answer with the new one; the old one signs too for its grace."""
        found = await self._find(request, principal)
        _check_owner(found, principal)
        asked = read_rotation(await json_object(request, empty=True))
        rotated = await self._detached.finish(self._subscriptions.rotate(found.account, found.id, **asked))
        return _secretly({**shown(rotated, principal), "secret": rotated.secrets[0]})

    async def enable(self, request: web.Request, principal: Principal) -> web.Response:
        """Deliver again what happens from now on."""
        found = await self._find(request, principal)
        return await self._changed(principal, self._subscriptions.enable(found.account, found.id))

    async def disable(self, request: web.Request, principal: Principal) -> web.Response:
        """Deliver nothing more until it is enabled; what waits is canceled."""
        found = await self._find(request, principal)
        return await self._changed(principal, self._subscriptions.disable(found.account, found.id, BY_OWNER))

    async def _changed(self, principal: Principal, change: Coroutine[Any, Any, Subscription]) -> web.Response:
        changed = await self._detached.finish(change)
        failing = await healths(self._store, changed.account, [changed.id])
        return answer(shown(changed, principal, failing.get(changed.id)))

    async def _find(self, request: web.Request, principal: Principal) -> Subscription:
        found = await self._subscriptions.get(principal.account, request.match_info["id"])
        if not principal.is_admin and found.user_id != principal.user.id:
            raise NotFoundError("there is no such subscription")
        return found


def _check_owner(subscription: Subscription, principal: Principal) -> None:
    if subscription.user_id != principal.user.id:
        raise NotOwnerError("only the subscription's owner may have its secret")


def _secretly(body: dict[str, Any], status: int = 200) -> web.Response:
    response = answer(body, status)
    response.headers["Cache-Control"] = "no-store"
    return response


def shown(subscription: Subscription, principal: Principal, health: Health | None = None) -> dict[str, Any]:
    """Return a subscription as v3 shows it, never with its secret; ``health`` is of one that fails."""
    active = subscription.status is Status.ACTIVE
    failing = health if active else None
    owned = subscription.user_id == principal.user.id
    return {
        "id": subscription.id,
        "url": subscription.url,
        "types": subscription.types,
        "extensions": subscription.extensions,
        "format": subscription.format,
        "status": "failing" if failing is not None and failing.open else subscription.status,
        "reason": subscription.reason,
        "headers": {name: value if owned else HIDDEN for name, value in subscription.headers.items()},
        "signature": signature_of(subscription.secrets[0]),
        "public_key": public_key(subscription.secrets[0]),
        "max_in_flight": subscription.max_in_flight,
        "rate_limit": shown_limit(subscription.rate_limit),
        "retries": subscription.retries,
        "timeout": subscription.timeout,
        "description": subscription.description,
        "health": {
            "breaker": "open" if failing is not None and failing.open else "closed",
            "failing_since": rfc3339(None if failing is None else failing.failing_since),
        },
        "created_at": rfc3339(subscription.created_at),
    }
