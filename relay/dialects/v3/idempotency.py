"""``Idempotency-Key``: a command sent again is answered again, not carried out again.

In the store, under a hash of the user and the key, is first a mark that somebody is at it, then the answer.
If a process dies in between, the command is carried out again once the mark is old, under the same command
id: what it came to is found, as long as its call can be read.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import web

from relay.dialects.v3.problems import (
    IdempotencyKeyInUseError,
    IdempotencyKeyReusedError,
    InvalidParameterError,
)
from relay.directory.model import Principal
from relay.errors import StoreUnavailableError
from relay.journal.store import Store

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
KEPT: Final = 24 * 60 * 60
"""Seconds an answer is kept."""
PENDING: Final = 10
"""Seconds after which the first request with a key is taken for dead: more than any command takes."""
LONGEST: Final = 255
"""Characters of a key."""


class _Kept(msgspec.Struct, omit_defaults=True):
    """What the store has under a key: without a status, somebody is at it since ``at`` (epoch seconds)."""

    fingerprint: str
    at: float
    status: int = 0
    media_type: str = ""
    body: str = ""


_decode: Final = msgspec.json.Decoder(_Kept).decode
_encode: Final = msgspec.json.Encoder().encode

Carry = Callable[[str | None], Awaitable[web.Response]]
"""Carries a command out under a command id (None: a new one) and answers it, refusals included.

Raises what leaves it open whether the command can be tried again."""


class Idempotency:
    """Answers of commands that came with a key, kept in the store for all processes."""

    def __init__(self, store: Store, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now

    async def once(self, request: web.Request, principal: Principal, body: Any, carry: Carry) -> web.Response:
        """Carry the command out, unless the request's key has an answer.

        Raises:
            InvalidParameterError: the key is unusable.
            IdempotencyKeyReusedError: it was used with another body.
            IdempotencyKeyInUseError: the first request with it is not finished.

        """
        given = request.headers.get(HEADER)
        if given is None:
            return await carry(None)
        if not 1 <= len(given) <= LONGEST or not given.isascii() or not given.isprintable():
            raise InvalidParameterError(f"must be 1 to {LONGEST} printable ASCII characters", header=HEADER)
        fingerprint = hashlib.sha256(msgspec.json.encode(body, order="sorted")).hexdigest()
        owner = f"{principal.account}\n{principal.user.id}\n{given}"
        key = self._store.keys(principal.account).idem(hashlib.sha256(owner.encode()).hexdigest())
        kept = await self._begin(key, fingerprint)
        if kept is not None and kept.status:
            return _replayed(kept)
        # Of the key and the body, so that a process that takes over a dead one's command finds its call.
        command_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{owner}\n{fingerprint}"))
        return await self._carry(key, fingerprint, command_id, carry)

    async def _begin(self, key: str, fingerprint: str) -> _Kept | None:
        """Mark the key as being worked on; return what it had before."""
        mark = _Kept(fingerprint, self._now())
        found = await self._store.call("SET", key, _encode(mark), "NX", "GET", "EX", KEPT)
        if found is None:
            return None
        kept = _decode(found)
        if kept.fingerprint != fingerprint:
            raise IdempotencyKeyReusedError(
                "the key was used with another body; take a new one for another command"
            )
        age = self._now() - kept.at
        if not kept.status and age < PENDING:
            raise IdempotencyKeyInUseError(
                "the first request with this key is not finished; ask again", retry_after=1
            )
        if not kept.status:
            await self._store.call("SET", key, _encode(mark), "EX", KEPT)
        return kept

    async def _carry(self, key: str, fingerprint: str, command_id: str, carry: Carry) -> web.Response:
        try:
            response = await carry(command_id)
        except Exception:
            await self._forget(key)
            raise
        assert isinstance(response.body, bytes)  # noqa: S101 - answers to commands are no streams
        answer = _Kept(
            fingerprint, self._now(), response.status, response.content_type, response.body.decode()
        )
        # If that fails it is carried out all the same: whoever asks again finds the call by its command id.
        with contextlib.suppress(StoreUnavailableError):
            await self._store.call("SET", key, _encode(answer), "EX", KEPT)
        return response

    async def _forget(self, key: str) -> None:
        """Let the client try again at once; where the store is away, the mark grows old by itself."""
        with contextlib.suppress(StoreUnavailableError):
            await self._store.call("DEL", key)


def _replayed(kept: _Kept) -> web.Response:
    return web.Response(
        status=kept.status,
        body=kept.body.encode(),
        content_type=kept.media_type,
        headers={REPLAYED: "true"},
    )
