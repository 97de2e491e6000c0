"""Tickets for event streams: a browser's EventSource cannot send a token, and a token is not for a URL.

A page that holds the token asks for a ticket and opens the stream with it. Whoever finds the URL in a log or
a history later has a ticket that is used up or out of date.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

import msgspec
from aiohttp import web

from relay.dialects.v3.access import Handler, InvalidTokenError, PrincipalHandler, authenticated
from relay.directory.directory import Directory
from relay.directory.model import Principal
from relay.http.authentication import bearer_token
from relay.journal.store import Store

LIFETIME: Final = 60
"""Seconds in which a ticket can be used, once."""
PARAMETER: Final = "ticket"

_SECRET_BYTES: Final = 32
_TICKET: Final = re.compile(rf"([0-9]{{2,4}})-[0-9a-f]{{{2 * _SECRET_BYTES}}}", re.ASCII)


class _Stored(msgspec.Struct, frozen=True, tag="v3-ticket"):
    """What is kept of a ticket."""

    account: str
    user: str


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Stored).decode


class Tickets:
    """Issues tickets and takes them, at whichever process; one begins with its partition's number."""

    def __init__(self, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    def __repr__(self) -> str:
        return f"<Tickets good for {LIFETIME} s>"

    async def issue(self, _request: web.Request, principal: Principal) -> web.Response:
        """Answer with a new ticket that speaks for the user."""
        keys = self._store.keys(principal.account)
        ticket = f"{keys.partition:02d}-{secrets.token_hex(_SECRET_BYTES)}"
        stored = _encode(_Stored(account=principal.account, user=principal.user.id))
        await self._store.call("SET", keys.token(_digest(ticket)), stored, "EX", LIFETIME)
        return web.json_response(
            {"ticket": ticket, "expires_in": LIFETIME}, status=201, headers={"Cache-Control": "no-store"}
        )

    def or_token(self, handler: PrincipalHandler) -> Handler:
        """Have a handler called for requests with a known bearer token, or without one but with a ticket.

        The handler made raises MissingTokenError and InvalidTokenError.
        """
        with_token = authenticated(self._directory, handler)

        async def handle(request: web.Request) -> web.StreamResponse:
            ticket = request.query.get(PARAMETER)
            if ticket is None or bearer_token(request) is not None:
                return await with_token(request)
            principal = await self._take(ticket)
            if principal is None:
                raise InvalidTokenError("the ticket is unknown, used or out of date: ask for a new one")
            return await handler(request, principal)

        return handle

    async def _take(self, ticket: str) -> Principal | None:
        parts = _TICKET.fullmatch(ticket)
        if parts is None or (partition := int(parts[1])) >= self._store.partitions:
            return None
        stored = await self._store.call("GETDEL", self._store.keys_at(partition).token(_digest(ticket)))
        if stored is None:
            return None
        found = _decode(stored)
        user = self._directory.user(found.account, found.user)
        return Principal(found.account, user) if user else None


def _digest(ticket: str) -> str:
    # Random, so one hash is enough. Hashed with its kind, so that no other token is taken for a ticket and
    # used up.
    return hashlib.sha256(f"ticket {ticket}".encode()).hexdigest()
