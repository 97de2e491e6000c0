from __future__ import annotations

import hashlib

import pytest

from relay.dialects.gws.sessions import IDLE, Sessions
from relay.directory.directory import Directory
from relay.directory.loading import demo
from relay.directory.model import Principal
from relay.journal.store import Store


@pytest.fixture(scope="module")
def directory() -> Directory:
    """Give the demo directory."""
    return demo()


@pytest.fixture
async def jane(directory: Directory) -> Principal:
    """Give the user jane."""
    found = await directory.by_token("demo-jane")
    assert found is not None
    return found


OTHER = "03-" + "a" * 48


def key(store: Store, token: str) -> str:
    """Return the key a session is stored under."""
    return store.keys_at(int(token.partition("-")[0])).token(hashlib.sha256(token.encode()).hexdigest())


async def test_every_process_honours_a_session(store: Store, directory: Directory, jane: Principal) -> None:
    """A session made by one process is found by another on the same store, and speaks for its user."""
    token = await Sessions(store, directory).give(jane, None)
    assert token is not None
    assert await Sessions(store, directory).principal(token) == jane


async def test_a_session_lives_an_hour_from_its_last_use(
    store: Store, directory: Directory, jane: Principal
) -> None:
    """Each use begins the idle time anew; a session whose time is over is nobody's."""
    sessions = Sessions(store, directory)
    token = await sessions.give(jane, None)
    assert token is not None
    await store.call("EXPIRE", key(store, token), 5)
    assert await sessions.principal(token) == jane
    assert await store.call("TTL", key(store, token)) in (IDLE - 1, IDLE)
    await store.call("DEL", key(store, token))
    assert await sessions.principal(token) is None


async def test_the_store_does_not_hold_what_opens_a_session(
    store: Store, directory: Directory, jane: Principal
) -> None:
    """A token is kept as its hash only, and under its account's partition, which it begins with."""
    token = await Sessions(store, directory).give(jane, None)
    assert token is not None
    stored = await store.call("KEYS", "*token:*")
    assert [name.decode() for name in stored] == [key(store, token)]
    assert token.encode() not in stored[0] + await store.call("GET", stored[0])
    assert int(token.partition("-")[0]) == store.keys(jane.account).partition


async def test_clients_that_keep_no_cookie_leave_one_session(
    store: Store, directory: Directory, jane: Principal
) -> None:
    """However often a user proves who they are, one session is made; a good cookie is not replaced."""
    sessions = Sessions(store, directory)
    given = {await sessions.give(jane, None) for _ in range(20)}
    assert len(given) == 1
    assert len(await store.call("KEYS", "*token:*")) == 1
    assert await sessions.give(jane, given.pop()) is None


async def test_a_cookie_that_is_over_is_replaced(store: Store, directory: Directory, jane: Principal) -> None:
    """A stale, foreign or malformed cookie beside right credentials is answered with a good one."""
    sessions = Sessions(store, directory)
    first = await sessions.give(jane, None)
    john = await directory.by_token("demo-john")
    assert first is not None
    assert john is not None
    assert await sessions.give(john, first) not in (None, first)
    await store.call("FLUSHALL")
    second = await sessions.give(jane, first)
    assert second not in (None, first)
    assert await sessions.give(jane, "nonsense") == second


@pytest.mark.parametrize(
    "token",
    [
        "",
        "-",
        "07",
        "xx-11",
        "16-" + "0" * 48,
        "9999-" + "0" * 48,
        "07-" + "0" * 48,
        "99999999999-0",
        "-1-0",
        "٣-0",
        "07-\udcff",
    ],
)
async def test_a_text_that_is_no_session_is_nobodys(store: Store, directory: Directory, token: str) -> None:
    """An unknown or malformed token speaks for nobody, and breaks nothing."""
    assert await Sessions(store, directory).principal(token) is None


@pytest.mark.parametrize("stored", [b"", b"{", b'{"type":"access","account":"a","user":"b"}'])
async def test_a_token_of_another_kind_opens_no_session(
    store: Store, directory: Directory, stored: bytes
) -> None:
    """What another face keeps under a token does not make it a session cookie."""
    await store.call("SET", key(store, OTHER), stored)
    assert await Sessions(store, directory).principal(OTHER) is None


async def test_a_user_who_left_the_directory_has_no_session(
    store: Store, directory: Directory, jane: Principal
) -> None:
    """A session of a user whom the directory no longer has speaks for nobody."""
    token = await Sessions(store, directory).give(jane, None)
    assert token is not None
    empty = Directory((), type(directory._credentials)())
    assert await Sessions(store, empty).principal(token) is None
