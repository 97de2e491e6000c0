"""The token endpoints: logging in by JWT or password, refreshing, logging out, and tokens for WebSockets."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from typing import Final, NamedTuple

from aiohttp import hdrs, web

from relay.dialects.ringcentral.failures import (
    REQUEST_ID,
    OAuthError,
    json_response,
    request_id,
)
from relay.dialects.ringcentral.limits import Group, Limits
from relay.dialects.ringcentral.logins import by_password_grant
from relay.dialects.ringcentral.tokens import SOCKET_TOKEN_LIFE, Caller, Lives, Pair, Tokens
from relay.directory.directory import Directory
from relay.directory.model import Client
from relay.http.authentication import basic_credentials
from relay.http.body import form_fields
from relay.http.errors import ANSWER_HEADERS

JWT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
PASSWORD: Final = "password"  # noqa: S105 - a grant type
REFRESH: Final = "refresh_token"

ACCESS_LIFE: Final = (600, 3600)
"""Seconds that may be asked for an access token, shortest and longest; the longest is the default."""
REFRESH_LIFE: Final = (600, 2_592_000)
DEFAULT_REFRESH_LIFE: Final = 604_800

SCOPES: Final = "CallControl ReadAccounts ReadCallLog ReadPresence SubscriptionWebhook WebSocketsSubscription"
"""What every token may do; roles decide the rest."""

_INVALID_GRANT: Final = "invalid_grant"


class _Given(NamedTuple):
    """A credential of a grant: what is counted by, and what it must prove."""

    grant: str
    claim: str


class OAuth:
    """The endpoints."""

    def __init__(self, tokens: Tokens, directory: Directory, limits: Limits, socket_uri: str) -> None:
        """Take also the URI at which WebSocket tokens are good."""
        self._tokens = tokens
        self._directory = directory
        self._limits = limits
        self._socket_uri = socket_uri

    async def token(self, request: web.Request) -> web.Response:
        """Answer a grant with a pair of tokens."""
        headers = request.setdefault(ANSWER_HEADERS, {})
        headers[REQUEST_ID] = request_id()
        headers[hdrs.CACHE_CONTROL] = "no-store"
        client, form = await self._client(request)
        given = _given(form)
        standing = await self._limits.count(Group.AUTH, client.account, client.id, "\n".join(given))
        if standing is not None:
            headers.update(standing.headers)
            if not standing.allowed:
                raise standing.refusal()
        lives = _lives(form)
        caller, pair = await self._grant(client, given, form, lives)
        shown = _shown(caller, pair, lives, form.get("endpoint_id") or str(uuid.uuid4()))
        return json_response(shown)

    async def revoke(self, request: web.Request) -> web.Response:
        """Make a token useless; that it is already is no error (RFC 7009, section 2.2)."""
        request.setdefault(ANSWER_HEADERS, {})[REQUEST_ID] = request_id()
        client, form = await self._client(request)
        token = form.get("token") or request.query.get("token", "")
        await self._tokens.revoke(token, client.id)
        return json_response({})

    async def socket_token(self, _request: web.Request, caller: Caller) -> web.Response:
        """Answer a token that opens one WebSocket."""
        token = await self._tokens.issue_socket(caller)
        shown = {"ws_access_token": token, "uri": self._socket_uri, "expires_in": SOCKET_TOKEN_LIFE}
        return json_response(shown)

    async def _client(self, request: web.Request) -> tuple[Client, Mapping[str, str]]:
        """Return the application that asks, by Basic credentials or members of the body; and the body."""
        if hdrs.AUTHORIZATION in request.headers:
            given = basic_credentials(request)
            if given is None:
                raise OAuthError("invalid_client", "OAU-153", "Invalid Authorization header", status=401)
            client = await self._known(*given)
            return client, await form_fields(request)
        form = await form_fields(request)
        return await self._known(form.get("client_id", ""), form.get("client_secret", "")), form

    async def _known(self, client_id: str, secret: str) -> Client:
        client = await self._directory.by_client(client_id, secret)
        if client is None:
            raise OAuthError("invalid_client", "OAU-146", "Invalid client", status=401)
        return client

    async def _grant(
        self, client: Client, given: _Given, form: Mapping[str, str], lives: Lives
    ) -> tuple[Caller, Pair]:
        if given.grant == REFRESH:
            refreshed = await self._tokens.refresh(given.claim, client.id, lives)
            if refreshed is None:
                raise OAuthError(_INVALID_GRANT, "OAU-213", "Token not found")
            return refreshed
        if given.grant == JWT:
            principal = await self._directory.by_token(given.claim)
        else:
            principal = await by_password_grant(self._directory, client.account, form)
        if principal is None:
            raise OAuthError(_INVALID_GRANT, "OAU-140", "Invalid resource owner credentials")
        caller = Caller(principal, client.id)
        return caller, await self._tokens.issue(caller, lives)


_CLAIMS: Final = {JWT: "assertion", PASSWORD: "username", REFRESH: "refresh_token"}
"""Grant type to the member that tells who logs in."""


def _given(form: Mapping[str, str]) -> _Given:
    grant = form.get("grant_type", "")
    if grant not in _CLAIMS:
        raise OAuthError("invalid_request", "OAU-250", "Unsupported grant type")
    claim = form.get(_CLAIMS[grant], "")
    if not claim:
        raise OAuthError("invalid_request", "CMN-101", f"Parameter [{_CLAIMS[grant]}] value is invalid")
    return _Given(grant, f"{claim}\n{form['extension']}" if form.get("extension") else claim)


def _lives(form: Mapping[str, str]) -> Lives:
    shortest, longest = ACCESS_LIFE
    access = _seconds(form, "access_token_ttl", longest)
    refresh = _seconds(form, "refresh_token_ttl", DEFAULT_REFRESH_LIFE)
    return Lives(
        access=min(max(access, shortest), longest),
        refresh=min(max(refresh, REFRESH_LIFE[0]), REFRESH_LIFE[1]),
    )


def _seconds(form: Mapping[str, str], name: str, default: int) -> int:
    given = form.get(name, "")
    if not given:
        return default
    if not (given.isascii() and given.isdigit() and len(given) <= 10):
        raise OAuthError("invalid_request", "CMN-101", f"Parameter [{name}] value is invalid")
    return int(given)


def _shown(caller: Caller, pair: Pair, lives: Lives, endpoint_id: str) -> dict[str, str | int]:
    return {
        "access_token": pair.access,
        "token_type": "bearer",
        "expires_in": lives.access,
        "refresh_token": pair.refresh,
        "refresh_token_expires_in": lives.refresh,
        "scope": SCOPES,
        "owner_id": caller.principal.user.ringcentral_id,
        "endpoint_id": endpoint_id,
        "session_id": secrets.token_hex(16),
    }
