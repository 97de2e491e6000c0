"""What a partition's owner plans for subscriptions, as records tell that they have changed."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from relay.dialects.ringcentral.lifecycle import What
from relay.dialects.ringcentral.notifications import FORMAT
from relay.dialects.ringcentral.planning import Due, Plan, now
from relay.dialects.ringcentral.subscriptions import MANNER
from relay.errors import StoreUnavailableError
from relay.journal.record import Entry
from relay.journal.store import Store
from relay.subscriptions.model import NewSubscription, Subscription
from relay.subscriptions.store import Subscriptions
from tests.dialects.ringcentral.calls import ACCOUNT

HOUR = 3_600_000


class Office:
    """A subscription, and the plan of the partition it is in."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.partition = store.keys(ACCOUNT).partition
        self.subscriptions = Subscriptions(store, formats=(FORMAT,), limit=10)
        self.plan = Plan(store, self.partition, recheck=900)

    async def subscribe(self) -> Subscription:
        """Make one that lasts for an hour."""
        asked = NewSubscription(
            url="http://127.0.0.1:9/", format=FORMAT, manner=MANNER, expires_at=now() + HOUR
        )
        return await self.subscriptions.create(ACCOUNT, "jane", asked)

    async def end(self, one: Subscription) -> Subscription:
        """Have it end now."""
        return await self.subscriptions.change(
            ACCOUNT, one.id, lambda found: replace(found, expires_at=now())
        )

    async def tell(self) -> None:
        """Have the plan learn of every record there is."""
        found = await self.store.read_stream(self.partition, "0-0", count=99, block_ms=0)
        self.plan.entries(self.partition, [Entry.of(self.partition, *entry) for entry in found])


@pytest.fixture
def office(store: Store) -> Office:
    """Give an office."""
    return Office(store)


async def test_what_changes_under_the_reading_is_read_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that comes while its subscription is being read may tell of what was not read."""
    one, call = await office.subscribe(), Store.call

    async def slowly(store: Store, *command: Any) -> Any:
        found = await call(store, *command)
        if command[0] == "HGET":
            monkeypatch.undo()
            await office.end(one)
            await office.tell()
        return found

    await office.tell()
    monkeypatch.setattr(Store, "call", slowly)
    assert is_the_end(await office.plan.take())


async def test_what_could_not_be_read_is_read_later(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store is away it stays news."""
    await office.end(await office.subscribe())
    await office.tell()

    async def away(_store: Store, *_command: Any) -> Any:
        raise StoreUnavailableError("away", retry_after=1)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "call", away)
        with pytest.raises(StoreUnavailableError):
            await office.plan.take()
    assert is_the_end(await office.plan.take())


def is_the_end(due: Due | None) -> bool:
    """Tell whether a subscription is to end."""
    return due is not None and due.step.what is What.EXPIRE
