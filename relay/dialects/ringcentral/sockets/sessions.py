"""WebSocket sessions in the store: what any process needs to go on with one after a drop."""

from __future__ import annotations

from typing import Final

import msgspec

from relay.dialects.ringcentral.sockets.messages import Place
from relay.dialects.ringcentral.tokens import Caller, digest, new_token, partition_of
from relay.journal.store import Store
from relay.subscriptions.model import EventFilter, RefusedFilter

RECOVERY_SECONDS: Final = 180
"""How long a session is kept for whose connection has ended, as published."""
ABSOLUTE_SECONDS: Final = 86_400
"""How long a connection may last, as published; also how long a session outlives a killed process."""


class SocketSubscription(msgspec.Struct, frozen=True):
    """The subscription of a session; it lives as long."""

    id: str
    """As clients see it."""
    filters: tuple[EventFilter, ...]
    refused: tuple[RefusedFilter, ...]
    created_at: int
    """Milliseconds since the epoch."""
    since: str
    """Stream id after which events are told."""


class SocketSession(msgspec.Struct, frozen=True):
    """A session as it is kept."""

    account: str
    user: str
    client: str
    ends_at: int
    """When its connection ends at the latest, in milliseconds since the epoch."""
    subscription: SocketSubscription | None = None

    def is_of(self, caller: Caller) -> bool:
        """Tell whether it is one of theirs."""
        principal = caller.principal
        own = (principal.account, principal.user.id, caller.client_id)
        return (self.account, self.user, self.client) == own


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(SocketSession).decode


class SocketSessions:
    """Keeps sessions; its calls raise StoreUnavailableError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __repr__(self) -> str:
        return f"<SocketSessions store={self._store!r}>"

    def new_secret(self, account: str) -> str:
        """Make the secret by which a session is found."""
        return new_token(self._store.keys(account).partition)

    async def keep(self, secret: str, session: SocketSession) -> None:
        """Keep a session while it is connected."""
        await self._store.call("SET", self._key(secret), _encode(session), "EX", ABSOLUTE_SECONDS)

    async def recover(self, at: Place, caller: Caller) -> SocketSession | None:
        """Return the session that a user comes back to; None where there is none, or not theirs.

        It stays for as long as it would: should this connection drop before its client has heard of it, the
        client comes with the same token again.
        """
        if partition_of(at.secret, self._store.partitions) is None:
            return None
        kept = await self._store.call("GET", self._key(at.secret))
        found = None if kept is None else _decode(kept)
        if found is None or not found.is_of(caller):
            return None
        await self.leave(at.secret)
        return found

    async def leave(self, secret: str) -> None:
        """Note that the connection has ended: the session can be recovered for a while, and is gone then."""
        await self._store.call("EXPIRE", self._key(secret), RECOVERY_SECONDS, "LT")

    def _key(self, secret: str) -> str:
        partition = partition_of(secret, self._store.partitions)
        assert partition is not None, "a secret begins with its partition"  # noqa: S101
        return self._store.keys_at(partition).socket(digest(secret))
