"""Secrets at rest: sealed, opened by the right key alone, and sealed anew when keys change."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from relay.errors import ConfigurationError
from relay.journal.store import Store
from relay.subscriptions.index import Index
from relay.subscriptions.model import NewSubscription
from relay.subscriptions.sealing import PLAIN, SealedError, SecretKeys, check_keys
from relay.subscriptions.store import Subscriptions
from tests.calls.calling import ACCOUNT

OLD, NEW, OTHER = (bytes([number]) * 32 for number in range(3))
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
TOKEN = "token-of-the-receiver"
ASKED = NewSubscription(
    url="https://hooks.example.com/services/hidden",
    secret=SECRET,
    headers={"Authorization": "Bearer hidden"},
    verification_token=TOKEN,
)


def subscriptions(store: Store, *keys: bytes) -> Subscriptions:
    """Return the store's subscriptions as a process with these keys sees them."""
    return Subscriptions(store, formats=("v3",), limit=10, secret_keys=SecretKeys(keys))


async def stored(store: Store, subscription: str) -> bytes:
    """Return what the store holds of a subscription."""
    found: bytes = await store.call("HGET", store.keys(ACCOUNT).subs, subscription)
    return found


async def everything(store: Store) -> bytes:
    """Return every value of the store, as far as subscriptions have any."""
    keys = store.keys(ACCOUNT)
    found: list[Any] = [
        await store.call("HVALS", keys.subs),
        await store.call("XRANGE", keys.events, "-", "+", "COUNT", 100),
    ]
    return repr(found).encode()


async def test_nothing_secret_is_stored_in_the_clear(store: Store) -> None:
    """URL, secrets in grace, headers and token are sealed; whoever has the key reads them as they were."""
    sealing = subscriptions(store, OLD)
    made = await sealing.create(ACCOUNT, "jane", ASKED)
    rotated = await sealing.rotate(ACCOUNT, made.id)
    found = await everything(store)
    for secret in (SECRET, rotated.secrets[0], "hidden", TOKEN):
        assert secret.encode() not in found
    read = await subscriptions(store, NEW, OLD).get(ACCOUNT, made.id)
    assert read == rotated
    assert (read.url, read.headers, read.verification_token) == (ASKED.url, ASKED.headers, TOKEN)
    assert read.retired[0].secret == SECRET
    assert read.sealed is None
    assert (await sealing.list(ACCOUNT)).subscriptions == [rotated]


async def test_without_its_key_a_subscription_is_neither_read_nor_delivered_to(store: Store) -> None:
    """With no key or another one; it can be deleted all the same."""
    made = await subscriptions(store, OLD).create(ACCOUNT, "jane", ASKED)
    for keys in ((), (NEW,)):
        with pytest.raises(SealedError, match="RELAY_SECRET_KEY has not"):
            await subscriptions(store, *keys).get(ACCOUNT, made.id)
        index = Index(store, store.keys(ACCOUNT), SecretKeys(keys))
        await index.load()
        assert index.get(made.id) is None
        assert index.stale == {made.id: ACCOUNT}
    await subscriptions(store, NEW).delete(ACCOUNT, made.id)


async def test_a_seal_holds_for_its_subscription_alone(store: Store) -> None:
    """Copied to another one, or changed, it opens no more."""
    sealing = subscriptions(store, OLD)
    first, second = [await sealing.create(ACCOUNT, "jane", ASKED) for _ in range(2)]
    copied = (await stored(store, first.id)).replace(first.id.encode(), second.id.encode())
    await store.call("HSET", store.keys(ACCOUNT).subs, second.id, copied)
    with pytest.raises(SealedError, match="was changed"):
        await sealing.get(ACCOUNT, second.id)
    keys = SecretKeys([OLD])
    sealed = keys.seal(b"x", b"a")
    for broken in (sealed[:-4] + "AAA=", sealed[:-3] + "***", sealed.partition(".")[0] + "."):
        with pytest.raises(SealedError):
            keys.open(broken, b"a")
    assert keys.open(sealed, b"a") == b"x"


@pytest.mark.parametrize("before", [(), (OLD,)])
async def test_what_was_stored_otherwise_is_sealed_anew(store: Store, before: tuple[bytes, ...]) -> None:
    """In the clear, or under a former key: it is known as such, and written with the first key."""
    made = await subscriptions(store, *before).create(ACCOUNT, "jane", ASKED)
    now = subscriptions(store, NEW, OLD)
    index = Index(store, store.keys(ACCOUNT), now.secret_keys)
    await index.load()
    assert index.stale == {made.id: ACCOUNT}
    await now.reseal(ACCOUNT, made.id)
    await index.load()
    assert index.stale == {}
    alone = await subscriptions(store, NEW).get(ACCOUNT, made.id)
    assert msgspec.structs.replace(alone, rev="") == msgspec.structs.replace(made, rev="")


async def test_the_store_knows_its_keys(store: Store) -> None:
    """A process without the right key is refused at start; a former key may go once a new one was first."""
    await check_keys(store, PLAIN)
    await check_keys(store, SecretKeys([OLD]))
    with pytest.raises(ConfigurationError, match="RELAY_SECRET_KEY is not set"):
        await check_keys(store, PLAIN)
    for keys in ([NEW], [NEW, OTHER]):
        with pytest.raises(ConfigurationError, match="RELAY_SECRET_KEY does not open"):
            await check_keys(store, SecretKeys(keys))
    await check_keys(store, SecretKeys([NEW, OLD]))
    await check_keys(store, SecretKeys([NEW]))


def test_keys_show_nothing_of_themselves() -> None:
    """But a name that says which is which."""
    shown = repr(SecretKeys([OLD, NEW]))
    assert shown == repr(SecretKeys([OLD, NEW]))
    assert shown != repr(SecretKeys([NEW, OLD]))
    assert OLD.hex() not in shown
    assert repr(PLAIN) == "SecretKeys(none)"
