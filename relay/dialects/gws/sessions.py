"""The HTTP sessions behind GWS's cookie, in the store, so that any process honours them."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from typing import Final

import msgspec

from relay.directory.directory import Directory
from relay.directory.model import Principal
from relay.journal.store import Store

IDLE: Final = 3600
"""Seconds a session lives after its last request."""

_SECRET_BYTES: Final = 24
_TOKEN: Final = re.compile(rf"([0-9]{{2,4}})-[0-9a-f]{{{2 * _SECRET_BYTES}}}")


class _Stored(msgspec.Struct, frozen=True, tag="gws-session"):
    """What is kept of a session; the tag tells it from other tokens."""

    account: str
    user: str


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Stored).decode


class Sessions:
    """Makes sessions and finds them again by their token, which begins with its partition's number.

    Its calls raise StoreUnavailableError.
    """

    def __init__(self, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory
        #: The last session made for each user here, and until when further clients are given the same: one
        #: that keeps no cookies would else leave a session behind with each request.
        self._given: dict[tuple[str, str], tuple[str, float]] = {}

    def __repr__(self) -> str:
        return f"<Sessions given={len(self._given)}>"

    async def principal(self, token: str) -> Principal | None:
        """Return whom a session speaks for and begin its idle time anew, or None where it is over."""
        key = self._key(token)
        stored = await self._store.call("GETEX", key, "EX", IDLE) if key else None
        if stored is None:
            return None
        try:
            found = _decode(stored)
        except msgspec.DecodeError:
            return None
        user = self._directory.user(found.account, found.user)
        return Principal(found.account, user) if user else None

    async def give(self, principal: Principal, presented: str | None) -> str | None:
        """Return the token to set for a user who proved who they are, or None if theirs is still good."""
        if presented is not None and await self.principal(presented) == principal:
            return None
        who = (principal.account, principal.user.id)
        given, until = self._given.get(who, ("", 0.0))
        if time.monotonic() < until and given != presented and await self.principal(given) == principal:
            return given
        partition = self._store.keys(principal.account).partition
        token = f"{partition:02d}-{secrets.token_hex(_SECRET_BYTES)}"
        stored = _encode(_Stored(account=principal.account, user=principal.user.id))
        await self._store.call(
            "SET", self._store.keys(principal.account).token(_digest(token)), stored, "EX", IDLE
        )
        self._given[who] = (token, time.monotonic() + IDLE)
        return token

    def login_of(self, token: str) -> str:
        """Return what a session is known by where its token must not be."""
        return _digest(token)

    async def end(self, token: str) -> None:
        """End a session, if there is one."""
        key = self._key(token)
        if key is not None:
            await self._store.call("DEL", key)

    def _key(self, token: str) -> str | None:
        parts = _TOKEN.fullmatch(token)
        if parts is None or (partition := int(parts[1])) >= self._store.partitions:
            return None
        return self._store.keys_at(partition).token(_digest(token))


def _digest(token: str) -> str:
    # Tokens are random, so one hash is enough; whoever reads the store cannot use what is kept there.
    return hashlib.sha256(token.encode()).hexdigest()
