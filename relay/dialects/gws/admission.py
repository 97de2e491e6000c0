"""Who asks: Basic or bearer credentials with each request, or the session cookie set in answer to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from aiohttp import hdrs, web

from relay.dialects.gws import csrf
from relay.dialects.gws.envelope import AccessDeniedError, CsrfError
from relay.dialects.gws.participants import load_places
from relay.dialects.gws.render import API
from relay.dialects.gws.sessions import Sessions
from relay.directory.directory import Directory
from relay.directory.model import Principal
from relay.errors import UnavailableError
from relay.http.authentication import principal as by_header
from relay.http.errors import ANSWER_HEADERS
from relay.http.rate_limits import Policy, RateLimitedError, RateLimits

COOKIE: Final = "JSESSIONID"
"""The cookie's name on the published server; clients look for it."""

POLICY: Final = Policy("gws", quota=600, window=60)
"""What a user may ask for beside reading: ten a second, more than the client of a person ever sends."""

Handler = Callable[[web.Request, Principal], Awaitable[web.StreamResponse]]
"""A handler that is told whom it serves."""


class Admission:
    """Finds out whom a request speaks for, and keeps the session cookie."""

    def __init__(
        self,
        directory: Directory,
        sessions: Sessions,
        *,
        limits: RateLimits,
        secure: bool,
        logged_out: Callable[[Principal], Awaitable[None]],
        cross_site: bool = False,
        csrf: bool = False,
    ) -> None:
        """Take the directory, the sessions, and what counts the operations that users ask for.

        Once a session is ended, `logged_out` is to end what else it began, by the `login` of the principal.
        A `secure` cookie is sent over HTTPS only, and only such a one is sent `cross_site`, by pages of other
        sites. With `csrf` what changes something needs the session's cookie and token.
        """
        self._directory = directory
        self._sessions = sessions
        self._limits = limits
        self._logged_out = logged_out
        self._secure = secure
        self._same_site = "None" if secure and cross_site else "Lax"
        self._csrf = csrf

    async def principal(self, request: web.BaseRequest) -> Principal | None:
        """Return whom the request speaks for, or None. Credentials that are given decide, right or wrong.

        Raises:
            CsrfError: it needs the token of its session and does not have it.
            UnavailableError: the store is away, or too many passwords are being verified.

        """
        await load_places()
        session = request.cookies.get(COOKIE)
        if hdrs.AUTHORIZATION in request.headers:
            found = await by_header(request, self._directory, basic=True, bearer=True)
        else:
            found = await self._sessions.principal(session) if session else None
        if found is not None and self._csrf and csrf.is_guarded(request):
            own = session if session and await self._sessions.principal(session) == found else None
            if own is None or not csrf.brings_token(request, own):
                raise CsrfError(csrf.MESSAGE)
        if found is not None and session and hdrs.AUTHORIZATION not in request.headers:
            return Principal(found.account, found.user, self._sessions.login_of(session))
        return found

    def admitting(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return the handler behind admission; who comes with credentials leaves with a session cookie.

        It raises AccessDeniedError for nobody, RateLimitedError for whoever asks for too much, and
        `principal`'s errors.
        """

        async def admit(request: web.Request) -> web.StreamResponse:
            principal = await self.principal(request)
            if principal is None:
                raise AccessDeniedError("Access denied")
            if csrf.is_guarded(request):
                await self._count(request, principal)
            # The session is made first: a command that was carried out must not fail for want of a cookie.
            session, token = request.cookies.get(COOKIE), None
            if hdrs.AUTHORIZATION in request.headers:
                token = await self._sessions.give(principal, session)
            response = await handler(request, principal)
            if token is not None:
                response.set_cookie(
                    COOKIE, token, path=API, httponly=True, secure=self._secure, samesite=self._same_site
                )
            if self._csrf and not csrf.is_guarded(request) and (own := token or session):
                csrf.offer_token(response, own)
            return response

        return admit

    async def _count(self, request: web.Request, principal: Principal) -> None:
        standing = await self._limits.count(POLICY, principal)
        if standing is not None:
            request.setdefault(ANSWER_HEADERS, {}).update(standing.headers)
            if standing.exceeded:
                raise RateLimitedError(standing)

    async def end_session(self, request: web.Request, response: web.StreamResponse) -> None:
        """End the session whose cookie a request brings, as its client asks; credentials still count."""
        session = request.cookies.get(COOKIE)
        owner = await self._sessions.principal(session) if session else None
        if session is not None and owner is not None:
            await self._sessions.end(session)
            with suppress(UnavailableError):  # what it began ends when its client is next heard of
                await self._logged_out(Principal(owner.account, owner.user, self._sessions.login_of(session)))
            response.del_cookie(COOKIE, path=API)
