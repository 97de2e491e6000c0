"""Issued tokens: opaque, kept as hashes in the store, so that any process honours them.

A token begins with the number of its account's partition, so that it is found in one read. Access and refresh
tokens are made in pairs, and each knows its partner: refreshing spends the pair, revoking one revokes both.
All tokens of a *login* name it; it goes on when refreshed, and ends when revoked or not refreshed in time.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from relay.directory.directory import Directory
from relay.directory.model import Principal
from relay.journal.scripts import Script
from relay.journal.store import Store

SOCKET_TOKEN_LIFE: Final = 30
"""Seconds in which a WebSocket token must be used: for one session, and until then to recover it."""

_SECRET_BYTES: Final = 32
_TOKEN: Final = re.compile(rf"([0-9]{{2,4}})-[0-9a-f]{{{2 * _SECRET_BYTES}}}", re.ASCII)
_LOGIN_BYTES: Final = 16
_ISSUE: Final = Script("token_issue")
_REVOKE: Final = Script("token_revoke")


class Use(StrEnum):
    """What a token is good for."""

    ACCESS = "access"
    REFRESH = "refresh"
    SOCKET = "socket"
    USED_SOCKET = "used-socket"
    """It has opened a session, and recovers it."""


class _Stored(msgspec.Struct, frozen=True, omit_defaults=True, tag="ringcentral"):
    """What is kept of a token; the tag tells it from other faces' tokens."""

    use: Use
    account: str
    user: str
    client: str
    partner: str = ""
    """Hash of the other token of the pair."""
    login: str = ""
    """The login it is of."""


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Stored).decode


class Caller(NamedTuple):
    """Whom a request speaks for, and through which application."""

    principal: Principal
    client_id: str
    login: str = ""
    """What the login is known by; empty for one that is about to begin."""


class Lives(NamedTuple):
    """How long the tokens of a pair live, in seconds."""

    access: int
    refresh: int


class Pair(NamedTuple):
    """The tokens of one login."""

    access: str
    refresh: str


class Tokens:
    """Makes tokens and finds them again; its calls raise StoreUnavailableError."""

    def __init__(self, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    def __repr__(self) -> str:
        return f"<Tokens store={self._store!r}>"

    def well_formed(self, token: str) -> bool:
        """Tell whether a text can be a token at all."""
        return self._key(token) is not None

    async def issue(self, caller: Caller, lives: Lives) -> Pair:
        """Make a pair of tokens for a user who proved who they are."""
        pair, keys, arguments = self._new_pair(caller, lives)
        await self._store.run(_ISSUE, keys, arguments)
        return pair

    async def refresh(self, token: str, client_id: str, lives: Lives) -> tuple[Caller, Pair] | None:
        """Exchange a refresh token for a new pair; None if it is unknown, spent or another application's."""
        found = await self._find(token, Use.REFRESH)
        if found is None or found[1].client_id != client_id:
            return None
        stored, caller = found
        keys_of = self._store.keys(stored.account)
        pair, keys, arguments = self._new_pair(caller, lives)
        spent = [keys_of.token(stored.partner), keys_of.token(digest(token))]
        done = await self._store.run(_ISSUE, [*keys, *spent], arguments)
        return (caller, pair) if done else None

    async def caller(self, token: str) -> Caller | None:
        """Return whom an access token speaks for, or None where it is unknown or has expired."""
        found = await self._find(token, Use.ACCESS)
        return found[1] if found else None

    async def revoke(self, token: str, client_id: str) -> None:
        """End the login that an application's access or refresh token is of; an unknown token is of none."""
        found = await self._find(token, Use.ACCESS, Use.REFRESH)
        if found is not None and found[1].client_id == client_id:
            stored, caller = found
            keys = self._store.keys(stored.account)
            spent = [keys.token(digest(token)), keys.token(stored.partner), self._login_key(caller)]
            await self._store.run(_REVOKE, [keys.events, *spent], [stored.account, caller.login])

    async def is_logged_in(self, caller: Caller) -> bool:
        """Tell whether the caller's login goes on."""
        return bool(await self._store.call("EXISTS", self._login_key(caller)))

    async def issue_socket(self, caller: Caller) -> str:
        """Make a token for one WebSocket connection."""
        token = self._new(caller.principal.account)
        stored = _encode(_stored(Use.SOCKET, caller))
        key = self._store.keys(caller.principal.account).token(digest(token))
        await self._store.call("SET", key, stored, "EX", SOCKET_TOKEN_LIFE)
        return token

    async def take_socket(self, token: str, *, again: bool) -> Caller | None:
        """Return whom a WebSocket token speaks for: once, or ``again`` to recover a session."""
        found = await self._find(token, Use.SOCKET, Use.USED_SOCKET)
        key = self._key(token)
        if found is None or key is None:
            return None
        stored, caller = found
        if not await self.is_logged_in(caller):
            return None
        used = _encode(msgspec.structs.replace(stored, use=Use.USED_SOCKET))
        before = await self._store.call("SET", key, used, "XX", "KEEPTTL", "GET")
        first = before is not None and _decode(before).use is Use.SOCKET
        return caller if first or (again and before is not None) else None

    async def _find(self, token: str, *uses: Use) -> tuple[_Stored, Caller] | None:
        key = self._key(token)
        kept = await self._store.call("GET", key) if key else None
        if kept is None:
            return None
        try:
            stored = _decode(kept)
        except msgspec.DecodeError:
            return None
        user = self._directory.user(stored.account, stored.user)
        if user is None or stored.use not in uses:
            return None
        return stored, Caller(Principal(stored.account, user), stored.client, stored.login)

    def _new(self, account: str) -> str:
        return new_token(self._store.keys(account).partition)

    def _new_pair(self, caller: Caller, lives: Lives) -> tuple[Pair, list[str], list[bytes | int]]:
        caller = caller if caller.login else caller._replace(login=secrets.token_hex(_LOGIN_BYTES))
        account = caller.principal.account
        keys = self._store.keys(account)
        pair = Pair(self._new(account), self._new(account))
        access, refresh = (digest(token) for token in pair)
        return (
            pair,
            [keys.token(access), keys.token(refresh), self._login_key(caller)],
            [
                *(_encode(_stored(Use.ACCESS, caller, refresh)), lives.access * 1000),
                *(_encode(_stored(Use.REFRESH, caller, access)), lives.refresh * 1000),
            ],
        )

    def _login_key(self, caller: Caller) -> str:
        return self._store.keys(caller.principal.account).token(digest(f"login {caller.login}"))

    def _key(self, token: str) -> str | None:
        partition = partition_of(token, self._store.partitions)
        return None if partition is None else self._store.keys_at(partition).token(digest(token))


def _stored(use: Use, caller: Caller, partner: str = "") -> _Stored:
    principal = caller.principal
    return _Stored(
        use=use,
        account=principal.account,
        user=principal.user.id,
        client=caller.client_id,
        partner=partner,
        login=caller.login,
    )


def new_token(partition: int) -> str:
    """Make a token that is found in a partition."""
    return f"{partition:02d}-{secrets.token_hex(_SECRET_BYTES)}"


def partition_of(token: str, partitions: int) -> int | None:
    """Return the partition in which a token is to be found; None for what is no token."""
    parts = _TOKEN.fullmatch(token)
    found = int(parts[1]) if parts is not None else partitions
    return found if found < partitions else None


def digest(token: str) -> str:
    """Return what a token is kept under.

    Tokens are random, so one hash is enough; whoever reads the store cannot use what is kept there.
    """
    return hashlib.sha256(token.encode()).hexdigest()
