"""Who asks: the bearer token of each request, what it may ask for in the path, and how often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from relay.dialects.ringcentral.failures import (
    REQUEST_ID,
    ApiError,
    not_found,
    not_permitted,
    request_id,
)
from relay.dialects.ringcentral.identities import Identities
from relay.dialects.ringcentral.limits import Group, Limits
from relay.dialects.ringcentral.tokens import Caller, Tokens
from relay.directory.model import User
from relay.http.authentication import bearer_token
from relay.http.errors import ANSWER_HEADERS

OWN = "~"
"""In a path: the account or extension of the token."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CallerHandler = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]
"""A handler that is told whom the request speaks for."""


class Access:
    """Lets requests in."""

    def __init__(self, tokens: Tokens, identities: Identities, limits: Limits) -> None:
        self._tokens = tokens
        self._identities = identities
        self._limits = limits

    def protected(self, group: Group, handler: CallerHandler) -> Handler:
        """Have a handler called only for requests with a known token, within the group's limit.

        The path's ``accountId``, where it has one, must be the token's account.
        """

        async def handle(request: web.Request) -> web.StreamResponse:
            headers = request.setdefault(ANSWER_HEADERS, {})
            headers[REQUEST_ID] = request_id()
            caller = await self.caller(request)
            account, user = caller.principal.account, caller.principal.user
            standing = await self._limits.count(group, account, caller.client_id, user.id)
            if standing is not None:
                headers.update(standing.headers)
                if not standing.allowed:
                    raise standing.refusal()
            named = request.match_info.get("accountId", OWN)
            if named not in (OWN, self._identities.account_id(account)):
                raise not_found("accountId")
            return await handler(request, caller)

        return handle

    async def caller(self, request: web.Request) -> Caller:
        """Return whom a request speaks for; raises the 401 of it."""
        token = bearer_token(request) or request.query.get("access_token")
        if token is None:
            raise ApiError(401, "AGW-401", "Authorization header is not specified")
        if not self._tokens.well_formed(token):
            raise _invalid_token("OAU-149", "Unparsable access token")
        caller = await self._tokens.caller(token)
        if caller is None:
            raise _invalid_token("OAU-213", "Token not found")
        return caller

    def extension(self, request: web.Request, caller: Caller) -> User:
        """Return the user that the path's ``extensionId`` names: the own one, or for an admin anybody.

        Raises:
            ApiError: the account has no such extension, or an agent asks for another's.

        """
        principal = caller.principal
        named = request.match_info["extensionId"]
        if named in (OWN, principal.user.ringcentral_id):
            return principal.user
        found = self._identities.user(principal.account, named)
        if found is None:
            raise not_found("extensionId")
        if not principal.is_admin:
            raise not_permitted("ReadExtensions")
        return found


def _invalid_token(code: str, message: str) -> ApiError:
    return ApiError(401, code, message, word="TokenInvalid")
