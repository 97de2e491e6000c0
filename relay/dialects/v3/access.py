"""Who may ask v3 what: bearer tokens, and the reach of an agent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from aiohttp import web

from relay.directory.directory import Directory
from relay.directory.model import Principal
from relay.errors import NotAllowedError, RefusedError
from relay.http.authentication import bearer_token

PrincipalHandler = Callable[[web.Request, Principal], Awaitable[web.StreamResponse]]
"""A handler that is told whom the request speaks for."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class MissingTokenError(RefusedError):
    """The request has no bearer token."""


class InvalidTokenError(RefusedError):
    """The request's bearer token is unknown."""


class TenantMismatchError(NotAllowedError):
    """The request names another tenant than its token's."""


class NotOwnerError(NotAllowedError):
    """Only the object's owner may ask this."""


def authenticated(directory: Directory, handler: PrincipalHandler) -> Handler:
    """Have a handler called only for requests with a known bearer token.

    The handler made raises MissingTokenError and InvalidTokenError.
    """

    async def handle(request: web.Request) -> web.StreamResponse:
        token = bearer_token(request)
        if token is None:
            raise MissingTokenError("send a token: Authorization: Bearer <token>")
        principal = await directory.by_token(token)
        if principal is None:
            raise InvalidTokenError("the token is unknown")
        return await handler(request, principal)

    return handle


def check_reach(principal: Principal, extensions: Collection[str]) -> None:
    """Check that the user may read what concerns these extensions: an agent the own one, an admin any.

    Raises:
        NotAllowedError: an agent asks for another's.

    """
    if principal.is_admin:
        return
    for extension in extensions:
        if not principal.owns_extension(extension):
            raise NotAllowedError(f"extension {extension[:32]} is not yours")
