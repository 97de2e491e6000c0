"""Secrets at rest, as owners of partitions keep them."""

from __future__ import annotations

import base64

from standardwebhooks import Webhook

from relay.journal.journal import Journal
from relay.journal.store import Store
from relay.subscriptions.sealing import SecretKeys
from relay.subscriptions.store import Subscriptions
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import StartProcess, Subscribe
from tests.webhooks.receiving import Receiver

OLD, NEW = bytes(32), bytes([1]) * 32
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()


async def test_an_owner_seals_what_is_stored_otherwise(
    journal: Journal,
    store: Store,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    subscriptions: Subscriptions,
) -> None:
    """Also of disabled subscriptions; what is sent is signed as before."""
    made, disabled = await subscribe(secret=SECRET), await subscribe(secret=SECRET)
    await subscriptions.disable(ACCOUNT, disabled.id, "owner")
    subs = store.keys(ACCOUNT).subs
    for keys in ([OLD], [NEW, OLD]):
        names = repr(SecretKeys(keys[:1]))

        async def sealed(names: str = names) -> bool:
            found = await store.call("HVALS", subs)
            return all((one.partition(b'"sealed":"')[2][:8].decode() or "-") in names for one in found)

        process = await start_process(secret_keys=SecretKeys(keys))
        await eventually(sealed)
        assert SECRET.encode() not in b"".join(await store.call("HVALS", subs))
        await process.stop()
    await start_process(secret_keys=SecretKeys([NEW]))
    await Line(journal).tones(1)
    await eventually(lambda: receiver.requests)
    [request] = receiver.requests
    assert Webhook(SECRET).verify(request.body, request.headers) is not None
    assert {made.id, disabled.id} == {one.decode() for one in await store.call("HKEYS", subs)}
