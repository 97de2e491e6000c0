"""Bayeux sessions in the store, where any process finds them: each step of a session's life is one script.

A session is an owner (account and user), subscriptions, a cursor in the journal and a generation that each
connect raises. Its client id begins with the number of its partition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from relay.directory.model import Principal
from relay.errors import StoreUnavailableError
from relay.journal.keys import Keys
from relay.journal.scripts import Script
from relay.journal.store import Store
from relay.streaming.bayeux import client_ids
from relay.streaming.bayeux.batches import Batches, Reply
from relay.streaming.bayeux.session import Answer, Ended, Session, Subscribed, Taken, Took, took

MAX_SESSIONS: Final = 1000
"""Sessions a user may have at once: one a browser tab, or one a client of a server that speaks for many."""
MAX_SUBSCRIPTIONS: Final = 256
"""Patterns a session may be subscribed to."""
ENDED_RETENTION: Final = 60
"""Seconds for which it is known why a session ended: a connect that is held learns of it within moments."""

LOGIN_RETENTION: Final = 86_400
"""Seconds for which it is known which sessions a login began, from the last one on."""

_FIELD: Final = "sub:"

_CREATE: Final = Script("bayeux_create")
_TOUCH: Final = Script("bayeux_touch")
_SUBSCRIBE: Final = Script("bayeux_subscribe")
_UNSUBSCRIBE: Final = Script("bayeux_unsubscribe")
_CONNECT: Final = Script("bayeux_connect")
_TAKE: Final = Script("bayeux_take")
_MOVE: Final = Script("bayeux_move")
_PUT_BACK: Final = Script("bayeux_put_back")
_END: Final = Script("bayeux_end")


class Sessions:
    """Sessions by their client ids; another user's are as good as unknown. Calls raise StoreUnavailableError.

    ``max_interval`` is how many milliseconds a session lives between two connects.
    """

    def __init__(self, store: Store, *, max_interval: int, max_sessions: int = MAX_SESSIONS) -> None:
        self._store = store
        self._max_interval = max_interval
        self._max_sessions = max_sessions
        self._connects = Batches(store, _CONNECT, lambda keys: (keys.bayeux_due, keys.events))
        self._takes = Batches(store, _TAKE, lambda keys: (keys.bayeux_due,))
        self._moves = Batches(store, _MOVE, lambda keys: (keys.bayeux_due,))

    def __repr__(self) -> str:
        return f"Sessions(max_interval={self._max_interval} ms)"

    @property
    def max_interval(self) -> int:
        """How many milliseconds a session lives between two connects."""
        return self._max_interval

    async def create(
        self, principal: Principal, *, acks: bool = False, browser: str | None = None
    ) -> str | None:
        """Begin a session at the journal's end and return its client id; None if its user has too many.

        It ends with the principal's ``login``, if there is one (see `end_login`).

        Its client is told what it does not acknowledge again if it ``acks``. With a ``browser`` the client id
        is good in that one only (see `client_ids.belongs`).
        """
        keys = self._store.keys(principal.account)
        client = client_ids.new(keys.partition, browser)
        cursor = await self._store.run(
            _CREATE,
            [
                *(keys.bayeux(client), keys.bayeux_due, keys.bayeux_users, keys.events),
                *((keys.bayeux_login(principal.login),) if principal.login else ()),
            ],
            [
                *(client, principal.account, principal.user.id, self._max_sessions, self._max_interval),
                *(int(acks), LOGIN_RETENTION * 1000),
            ],
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

    async def connect(
        self,
        principal: Principal,
        client: str,
        *,
        hold: int,
        ack: int | None = None,
        pushing: bool = False,
        age: int = 0,
    ) -> Session | None:
        """Begin a connect that may be held for so many milliseconds; None if there is no such session.

        ``ack`` is the last batch the client says it has got. ``pushing`` is for a connect whose session is
        pushed to from now on, until another connect of it anywhere says so by a journal record. It came
        ``age`` milliseconds ago.
        """
        keys = self._keys(principal, client)
        if keys is None:
            return None
        found = await self._connects.ask(
            keys,
            *_owner(principal, client),
            hold + self._max_interval,
            -1 if ack is None else ack,
            int(pushing),
            age,
        )
        if found is None:
            return None
        generation, cursor, changed, acks, moved, *pairs = found
        texts = [text.decode() for text in pairs]
        subscriptions = dict(zip(texts[::2], texts[1::2], strict=True))
        known = (cursor.decode(), changed.decode(), subscriptions)
        return Session(client, generation, *known, acks=bool(acks), moved=bool(moved))

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
            client, int(fields["gen"]), fields["cursor"], fields["changed"], subscriptions, "batch" in fields
        )

    async def take(self, answer: Answer, *, changed: str, extra: int = 0, got: bool = False) -> Took:
        """Move the session's cursor for a connect that is about to be answered.

        ``changed`` is the last record about the session that the answer regards. The session lives for the
        usual time from now, and ``extra`` milliseconds longer. ``got``: the client has acknowledged all it
        was told before, by a connect that did not begin in the store.
        """
        reply: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.ask_take(answer, reply, changed=changed, extra=extra, got=got)
        return took(await reply)

    def ask_take(
        self, answer: Answer, reply: Reply, *, changed: str, extra: int = 0, got: bool = False
    ) -> None:
        """Do as `take`, and tell somebody the reply, which `batch_of` reads."""
        self._takes.tell(
            reply,
            self._store.keys(answer.account),
            answer.client,
            answer.generation,
            changed,
            answer.position,
            self._max_interval + extra,
            int(got),
        )

    async def move(
        self, account: str, client: str, generation: int, position: str, *, hold: int | None = None
    ) -> Taken:
        """Note how far a session is that is being pushed to.

        With ``hold`` its client has shown that it is alive: it lives for the usual time and so many
        milliseconds longer.
        """
        lives = 0 if hold is None else self._max_interval + hold
        keys = self._store.keys(account)
        return took(await self._moves.ask(keys, client, generation, position, lives)).taken

    def note(self, account: str, client: str, generation: int, position: str) -> None:
        """Do as `move` without waiting; what the store does not take is noted another time."""
        try:
            self._moves.tell(_NOBODY, self._store.keys(account), client, generation, position, 0)
        except StoreUnavailableError:
            return

    def stays(self, account: str, client: str, generation: int, *, hold: int) -> asyncio.Future[Any]:
        """Have a session live so many milliseconds longer than usual; replies 1; less if it is another's."""
        keys = self._store.keys(account)
        return self._moves.ask(keys, client, generation, "", self._max_interval + hold)

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

    async def end_login(self, principal: Principal) -> None:
        """End the sessions that were begun by a principal's ``login``."""
        known = self._store.keys(principal.account).bayeux_login(principal.login)
        clients = await self._store.call("SMEMBERS", known)
        await asyncio.gather(*(self.end(principal, client.decode(), Ended.CLOSED) for client in clients))
        await self._store.call("DEL", known)

    async def close(self) -> None:
        """Wait for what is on its way to the store."""
        for batches in (self._connects, self._takes, self._moves):
            await batches.close()

    def _keys(self, principal: Principal, client: str) -> Keys | None:
        """Return the keys of the principal's partition if the client id is one of that partition."""
        keys = self._store.keys(principal.account)
        return keys if client_ids.partition_of(client) == keys.partition else None


class _Nobody:
    """Overlooks replies."""

    def done(self) -> bool:
        """Want it asked all the same."""
        return False

    def set_result(self, result: Any, /) -> None:
        """Overlook it."""

    def set_exception(self, exception: Exception, /) -> None:
        """Overlook it."""


_NOBODY: Final = _Nobody()


def _owner(principal: Principal, client: str) -> list[Any]:
    return [client, principal.account, principal.user.id]
