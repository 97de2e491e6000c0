"""Who asks: Basic or bearer credentials with each request, or the session cookie set in answer to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web

from relay.dialects.gws.envelope import AccessDeniedError
from relay.dialects.gws.render import API
from relay.dialects.gws.sessions import Sessions
from relay.directory.directory import Directory
from relay.directory.model import Principal
from relay.http.authentication import principal as by_header

COOKIE: Final = "JSESSIONID"
"""The cookie's name on the published server; clients look for it."""

Handler = Callable[[web.Request, Principal], Awaitable[web.StreamResponse]]
"""A handler that is told whom it serves."""


class Admission:
    """Finds out whom a request speaks for, and keeps the session cookie."""

    def __init__(self, directory: Directory, sessions: Sessions, *, secure: bool) -> None:
        """Take the directory and sessions; a `secure` cookie is sent over HTTPS only."""
        self._directory = directory
        self._sessions = sessions
        self._secure = secure

    async def principal(self, request: web.BaseRequest) -> Principal | None:
        """Return whom the request speaks for, or None. Credentials that are given decide, right or wrong.

        Raises:
            UnavailableError: the store is away, or too many passwords are being verified.

        """
        if hdrs.AUTHORIZATION in request.headers:
            return await by_header(request, self._directory, basic=True, bearer=True)
        token = request.cookies.get(COOKIE)
        return await self._sessions.principal(token) if token else None

    def admitting(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return the handler behind admission; who comes with credentials leaves with a session cookie.

        It raises AccessDeniedError for nobody, and `principal`'s errors.
        """

        async def admit(request: web.Request) -> web.StreamResponse:
            principal = await self.principal(request)
            if principal is None:
                raise AccessDeniedError("Access denied")
            # The session is made first: a command that was carried out must not fail for want of a cookie.
            token = None
            if hdrs.AUTHORIZATION in request.headers:
                token = await self._sessions.give(principal, request.cookies.get(COOKIE))
            response = await handler(request, principal)
            if token is not None:
                response.set_cookie(
                    COOKIE, token, path=API, httponly=True, secure=self._secure, samesite="Lax"
                )
            return response

        return admit
