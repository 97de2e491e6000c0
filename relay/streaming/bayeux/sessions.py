"""Bayeux sessions in the store, where any process finds them: each step of a session's life is one script.

A session is an owner (account and user), subscriptions, a cursor in the journal and a generation that each
connect raises. Its client id begins with the number of its partition.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from enum import Enum, StrEnum
from typing import Any, Final, NamedTuple

from relay.directory.model import Principal
from relay.journal.keys import Keys
from relay.journal.scripts import Script
from relay.journal.store import Store

MAX_SESSIONS: Final = 100
"""Sessions a user may have at once: one a browser tab, and those that reloads have left behind to expire."""
MAX_SUBSCRIPTIONS: Final = 256
"""Patterns a session may be subscribed to."""
ENDED_RETENTION: Final = 60
"""Seconds for which it is known why a session ended: a connect that is held learns of it within moments."""

_PARTITION_DIGITS: Final = 4
_SECRET_BYTES: Final = 16  # 128 random bits (Bayeux 1.0, the clientId field)
_CLIENT: Final = re.compile(rf"([0-9]{{{_PARTITION_DIGITS}}})[0-9a-f]{{{2 * _SECRET_BYTES}}}", re.ASCII)
_FIELD: Final = "sub:"

_CREATE: Final = Script("bayeux_create")
_TOUCH: Final = Script("bayeux_touch")
_SUBSCRIBE: Final = Script("bayeux_subscribe")
_UNSUBSCRIBE: Final = Script("bayeux_unsubscribe")
_CONNECT: Final = Script("bayeux_connect")
_TAKE: Final = Script("bayeux_take")
_PUT_BACK: Final = Script("bayeux_put_back")
_END: Final = Script("bayeux_end")


class Ended(StrEnum):
    """Why there is no session."""

    DISCONNECTED = "disconnected"
    """Its client has ended it."""
    EXPIRED = "expired"
    """Its client was not heard of in time, or there never was one."""
    LOST = "lost"
    """Events it had not been told are gone from the journal."""


class Subscribed(Enum):
    """What became of a subscribe."""

    DONE = "done"
    FULL = "full"
    UNKNOWN = "unknown"


class Taken(Enum):
    """What became of the attempt to take a connect's answer."""

    DONE = "done"
    SUPERSEDED = "superseded"
    """A later connect has begun."""
    UNKNOWN = "unknown"
    """The session is gone."""
    CHANGED = "changed"
    """The session is not as the connect knows it; nothing is taken."""


_TAKEN: Final = {1: Taken.DONE, 0: Taken.SUPERSEDED, -1: Taken.UNKNOWN, -2: Taken.CHANGED}


class Session(NamedTuple):
    """A session as a connect finds it."""

    client: str
    generation: int
    """Which connect of the session it is, from 1."""
    cursor: str
    """Stream id up to which everything is delivered."""
    changed: str
    """Stream id of the last record about the session."""
    subscriptions: dict[str, str]
    """Pattern to the stream id after which entries match it."""


class Answer(NamedTuple):
    """What a connect is to be answered with, or was."""

    account: str
    client: str
    generation: int
    cursor: str
    """Where the session's cursor was before."""
    position: str
    """Where the answer moves it."""


class Sessions:
    """Sessions by their client ids; another user's are as good as unknown. Calls raise StoreUnavailableError.

    ``max_interval`` is how many milliseconds a session lives between two connects.
    """

    def __init__(self, store: Store, *, max_interval: int, max_sessions: int = MAX_SESSIONS) -> None:
        self._store = store
        self._max_interval = max_interval
        self._max_sessions = max_sessions

    def __repr__(self) -> str:
        return f"Sessions(max_interval={self._max_interval} ms)"

    async def create(self, principal: Principal) -> str | None:
        """Begin a session at the journal's end and return its client id; None if its user has too many."""
        keys = self._store.keys(principal.account)
        client = f"{keys.partition:0{_PARTITION_DIGITS}d}{secrets.token_hex(_SECRET_BYTES)}"
        cursor = await self._store.run(
            _CREATE,
            [keys.bayeux(client), keys.bayeux_due, keys.bayeux_users, keys.events],
            [client, principal.account, principal.user.id, self._max_sessions, self._max_interval],
        )
        return None if cursor is None else client

    async def touch(self, principal: Principal, client: str) -> bool:
        """Note that the client is alive; False if there is no such session."""
        keys = self._keys(principal, client)
        if keys is None:
            return False
        args = [*_owner(principal, client), self._max_interval]
        return bool(await self._store.run(_TOUCH, [keys.bayeux(client), keys.bayeux_due], args))

    async def subscribe(self, principal: Principal, client: str, patterns: Sequence[str]) -> Subscribed:
        """Add subscriptions, all or none: they are matched by what is journalled later."""
        keys = self._keys(principal, client)
        if keys is None:
            return Subscribed.UNKNOWN
        done = await self._store.run(
            _SUBSCRIBE,
            [keys.bayeux(client), keys.bayeux_due, keys.events],
            [*_owner(principal, client), self._max_interval, MAX_SUBSCRIPTIONS, *patterns],
        )
        if done is None:
            return Subscribed.UNKNOWN
        return Subscribed.DONE if done else Subscribed.FULL

    async def unsubscribe(self, principal: Principal, client: str, patterns: Sequence[str]) -> bool:
        """Take subscriptions away where there are any; False if there is no such session."""
        keys = self._keys(principal, client)
        if keys is None:
            return False
        args = [*_owner(principal, client), self._max_interval, *patterns]
        wanted = [keys.bayeux(client), keys.bayeux_due, keys.events]
        return bool(await self._store.run(_UNSUBSCRIBE, wanted, args))

    async def connect(self, principal: Principal, client: str, *, hold: int) -> Session | None:
        """Begin a connect that may be held for so many milliseconds; None if there is no such session."""
        keys = self._keys(principal, client)
        if keys is None:
            return None
        args = [*_owner(principal, client), hold + self._max_interval]
        found = await self._store.run(_CONNECT, [keys.bayeux(client), keys.bayeux_due], args)
        if found is None:
            return None
        generation, cursor, changed, *pairs = found
        texts = [text.decode() for text in pairs]
        subscriptions = dict(zip(texts[::2], texts[1::2], strict=True))
        return Session(client, generation, cursor.decode(), changed.decode(), subscriptions)

    async def read(self, account: str, client: str) -> Session | Ended:
        """Return a session as it is now, or why it is not."""
        found = await self._store.call("HGETALL", self._store.keys(account).bayeux(client))
        fields = {name.decode(): value.decode() for name, value in found.items()}
        if "gen" not in fields:
            return Ended(fields.get("ended", Ended.EXPIRED))
        subscriptions = {
            name.removeprefix(_FIELD): since for name, since in fields.items() if name.startswith(_FIELD)
        }
        return Session(
            client, int(fields["gen"]), fields["cursor"], fields["changed"], subscriptions=subscriptions
        )

    async def take(self, answer: Answer, *, changed: str, extra: int = 0) -> Taken:
        """Move the session's cursor for a connect that is about to be answered.

        ``changed`` is the last record about the session that the answer regards. The session lives for the
        usual time from now, and ``extra`` milliseconds longer.
        """
        keys = self._store.keys(answer.account)
        taken = await self._store.run(
            _TAKE,
            [keys.bayeux(answer.client), keys.bayeux_due],
            [answer.client, answer.generation, changed, answer.position, self._max_interval + extra],
        )
        return _TAKEN[taken]

    async def put_back(self, answer: Answer) -> bool:
        """Move the cursor back, as the client has not got the answer; False if that is too late.

        The session lives for the usual time from now. The answer cannot be taken afterwards.
        """
        keys = self._store.keys(answer.account)
        done = await self._store.run(
            _PUT_BACK,
            [keys.bayeux(answer.client), keys.bayeux_due, keys.events],
            [answer.client, answer.generation, answer.position, answer.cursor, self._max_interval],
        )
        return bool(done)

    async def end(self, principal: Principal, client: str, reason: Ended) -> bool:
        """End a session; False if there is no such session."""
        keys = self._keys(principal, client)
        if keys is None:
            return False
        wanted = [keys.bayeux(client), keys.bayeux_due, keys.bayeux_users, keys.events]
        args = [*_owner(principal, client), reason.value, ENDED_RETENTION * 1000]
        return bool(await self._store.run(_END, wanted, args))

    def _keys(self, principal: Principal, client: str) -> Keys | None:
        """Return the keys of the principal's partition if the client id is one of that partition."""
        keys = self._store.keys(principal.account)
        parts = _CLIENT.fullmatch(client)
        return keys if parts is not None and int(parts[1]) == keys.partition else None


def _owner(principal: Principal, client: str) -> list[Any]:
    return [client, principal.account, principal.user.id]
