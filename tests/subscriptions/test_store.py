"""Subscriptions in a real store, and the index that follows them through the journal."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from relay.errors import InvalidFieldError, LimitReachedError, NotFoundError
from relay.journal.ids import parse
from relay.journal.record import Entry, RecordKind
from relay.journal.store import Store
from relay.subscriptions import store as store_module
from relay.subscriptions.index import Index
from relay.subscriptions.model import EventFilter, NewSubscription, Status, Subscription
from relay.subscriptions.rendering import Rendered
from relay.subscriptions.store import Subscriptions, new_id

ACCOUNT = "account-of-the-tests"
URL = "https://example.com/hook"
RINGING = Rendered("call.leg.ringing", b"{}", "210", "jane")


@pytest.fixture
def subscriptions(store: Store) -> Subscriptions:
    """Give the subscriptions of an empty store, three an account."""
    return Subscriptions(store, formats=("v3", "gws"), limit=3)


async def records(store: Store, account: str = ACCOUNT, *, after: str = "0-0") -> list[Entry]:
    """Return the journal's records about subscriptions."""
    partition = store.keys(account).partition
    found = await store.read_stream(partition, after, count=100, block_ms=0)
    return [Entry.of(partition, stream_id, fields) for stream_id, fields in found]


async def make(subscriptions: Subscriptions, account: str = ACCOUNT, user: str = "jane") -> Subscription:
    """Create a subscription for everything."""
    return await subscriptions.create(account, user, NewSubscription(url=URL))


async def test_a_created_subscription_is_stored_and_told_of(
    store: Store, subscriptions: Subscriptions
) -> None:
    """Creation writes the subscription and one record, whose id says from when on it matches."""
    asked = NewSubscription(
        url=URL,
        types=("call.leg.*",),
        extensions=("210",),
        format="gws",
        headers={"X-A": "a"},
        retries=(1.0,),
        timeout=7,
        description="mine",
    )

    made = await subscriptions.create(ACCOUNT, "jane", asked)

    [record] = await records(store)
    assert record.kind is RecordKind.SUBSCRIPTION
    assert record.account == ACCOUNT
    assert made.from_id == made.rev == record.id.stream_id
    assert made.secrets[0].encode() not in record.data
    assert await subscriptions.get(ACCOUNT, made.id) == made
    assert (made.status, made.types, made.headers, made.retries) == (
        Status.ACTIVE, ("call.leg.*",), {"X-A": "a"}, (1.0,),
    )  # fmt: skip


async def test_a_given_secret_is_kept(subscriptions: Subscriptions) -> None:
    """A secret of one's own is used; otherwise each subscription gets one nobody else has."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

    made = await subscriptions.create(ACCOUNT, "jane", NewSubscription(url=URL, secret=secret))

    assert made.secrets == (secret,)
    assert (await make(subscriptions)).secrets != (await make(subscriptions)).secrets


async def test_the_limit_is_per_account(subscriptions: Subscriptions) -> None:
    """An account with as many as it may have is refused, another one is not; a deleted one makes room."""
    made = [await make(subscriptions) for _ in range(3)]

    with pytest.raises(LimitReachedError):
        await make(subscriptions)
    await make(subscriptions, "another-account")
    await subscriptions.delete(ACCOUNT, made[0].id)
    await make(subscriptions)


async def test_nothing_is_written_at_the_limit(store: Store, subscriptions: Subscriptions) -> None:
    """A refused creation leaves no record."""
    for _ in range(3):
        await make(subscriptions)
    with pytest.raises(LimitReachedError):
        await make(subscriptions)

    assert len(await records(store)) == 3


async def test_accounts_do_not_see_one_another(subscriptions: Subscriptions) -> None:
    """Another account's subscription looks like none, whatever partition it is in."""
    made = await make(subscriptions)
    for account in (f"account-{number}" for number in range(20)):
        with pytest.raises(NotFoundError):
            await subscriptions.get(account, made.id)
        with pytest.raises(NotFoundError):
            await subscriptions.delete(account, made.id)
        with pytest.raises(NotFoundError):
            await subscriptions.disable(account, made.id, "gone")
        assert (await subscriptions.list(account)).subscriptions == []

    assert await subscriptions.get(ACCOUNT, made.id) == made


async def test_pages_hold_all_once_and_in_order(store: Store) -> None:
    """Pages go from the oldest to the newest, and the last has no cursor."""
    subscriptions = Subscriptions(store, formats=("v3",), limit=100)
    made = [await make(subscriptions, user=f"user-{number % 2}") for number in range(7)]

    for limit in (1, 2, 3, 7, 100):
        found, cursor, pages = [], None, 0
        while True:
            page = await subscriptions.list(ACCOUNT, cursor=cursor, limit=limit)
            found += page.subscriptions
            pages += 1
            if (cursor := page.next) is None:
                break
        assert found == made
        assert pages == -(-7 // limit)


async def test_pages_of_one_user_are_full(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many others' subscriptions lie between; only after so many is a page cut short."""
    subscriptions = Subscriptions(store, formats=("v3",), limit=100)
    owners = [1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0]
    made = [await make(subscriptions, user=f"user-{owner}") for owner in owners]
    own = [one for one in made if one.user_id == "user-1"]

    async def pages(limit: int) -> list[int]:
        found, cursor, sizes = [], None, []
        while True:
            page = await subscriptions.list(ACCOUNT, cursor=cursor, limit=limit, user_id="user-1")
            found += page.subscriptions
            sizes.append(len(page.subscriptions))
            if (cursor := page.next) is None:
                assert found == own
                return sizes

    for step in (1, 2, 100):
        monkeypatch.setattr(store_module, "STEP", step)
        assert [await pages(limit) for limit in (1, 3, 4, 5)] == [[1, 1, 1, 1], [3, 1], [4], [4]]
    monkeypatch.setattr(store_module, "STEP", 1)
    monkeypatch.setattr(store_module, "MOST_STEPS", 2)
    assert await pages(1) == [1, 0, 1, 1, 0, 1]


async def test_a_foreign_cursor_is_refused(subscriptions: Subscriptions) -> None:
    """Only what a page gave is a cursor."""
    for cursor in ("", "x", "-1", "+inf"):
        with pytest.raises(InvalidFieldError) as refused:
            await subscriptions.list(ACCOUNT, cursor=cursor)
        assert refused.value.field == "cursor"


async def test_a_deleted_subscription_is_gone(store: Store, subscriptions: Subscriptions) -> None:
    """Deletion removes it, tells of it, and cannot be repeated."""
    made = await make(subscriptions)
    await subscriptions.delete(ACCOUNT, made.id)

    with pytest.raises(NotFoundError):
        await subscriptions.get(ACCOUNT, made.id)
    with pytest.raises(NotFoundError):
        await subscriptions.delete(ACCOUNT, made.id)
    assert len(await records(store)) == 2
    assert await store.call("SISMEMBER", store.keys(ACCOUNT).ready, made.id)


async def test_a_disabled_subscription_keeps_everything_else(
    store: Store, subscriptions: Subscriptions
) -> None:
    """Disabling changes status, reason and revision only, and is told once."""
    made = await make(subscriptions)
    await subscriptions.disable(ACCOUNT, made.id, "gone")
    await subscriptions.disable(ACCOUNT, made.id, "owner")

    found = await subscriptions.get(ACCOUNT, made.id)
    assert (found.status, found.reason, found.from_id) == (Status.DISABLED, "gone", made.from_id)
    assert found.secrets == made.secrets
    [_, record, notice] = await records(store)
    assert found.rev == record.id.stream_id
    assert notice.kind is RecordKind.OPERATIONAL


async def test_a_fault_writes_nothing(subscriptions: Subscriptions, store: Store) -> None:
    """What is refused leaves no trace."""
    with pytest.raises(InvalidFieldError):
        await subscriptions.create(ACCOUNT, "jane", NewSubscription(url=URL, types=("a*b",)))
    with pytest.raises(InvalidFieldError):
        await subscriptions.create(ACCOUNT, "jane", NewSubscription(url=URL, format="ringcentral"))

    assert await records(store) == []


async def test_the_index_matches_later_events_only(store: Store, subscriptions: Subscriptions) -> None:
    """A subscription matches events after its creation, by format, type and extension."""
    narrow = await subscriptions.create(
        ACCOUNT, "jane", NewSubscription(url=URL, types=("call.leg.*",), extensions=("210", "220"))
    )
    wide = await make(subscriptions)
    index = Index(store, store.keys(ACCOUNT))
    await index.load()
    later = parse(wide.from_id)._replace(seq=10**6)

    assert index.formats(ACCOUNT) == ("v3",)
    assert {one.id for one in index.matching(ACCOUNT, "v3", RINGING, later)} == {narrow.id, wide.id}
    other = RINGING._replace(extension="200")
    assert [one.id for one in index.matching(ACCOUNT, "v3", other, later)] == [wide.id]
    nowhere = RINGING._replace(extension=None)
    assert [one.id for one in index.matching(ACCOUNT, "v3", nowhere, later)] == [wide.id]
    assert [one.id for one in index.matching(ACCOUNT, "v3", RINGING, parse(wide.from_id))] == [narrow.id]
    assert index.matching(ACCOUNT, "gws", RINGING, later) == []
    assert index.matching("another-account", "v3", RINGING, later) == []


async def test_the_index_follows_the_journal(store: Store, subscriptions: Subscriptions) -> None:
    """Creation, disabling and deletion are learnt from their records, repeated or not."""
    index = Index(store, store.keys(ACCOUNT))
    await index.load()
    first, second = await make(subscriptions), await make(subscriptions)
    seen = await records(store)
    for record in (*seen, *seen):
        await index.learn(record)
    assert index.get(first.id) == first
    assert index.get(second.id) == second

    await subscriptions.disable(ACCOUNT, first.id, "gone")
    await subscriptions.delete(ACCOUNT, second.id)
    for record in await records(store):
        learnt = await index.learn(record)
        assert learnt is not None
        assert learnt.subscription in (first.id, second.id)

    assert index.get(first.id) is None
    assert index.get(second.id) is None
    assert index.formats(ACCOUNT) == ()


async def test_what_cannot_be_read_is_left_out(store: Store, subscriptions: Subscriptions) -> None:
    """One broken field of the hash, or a broken record, does not keep the others from being matched."""
    made = await make(subscriptions)
    keys = store.keys(ACCOUNT)
    stored = await store.call("HGET", keys.subs, made.id)
    unsigned = stored.replace(made.secrets[0].encode(), b"whsec_!")
    for number, broken in enumerate((b"", b"1-0 1-0 {}", b"1-0 1-0 nonsense", b"x", unsigned)):
        await store.call("HSET", keys.subs, f"broken-{number}", broken)
    index = Index(store, keys)
    await index.load()

    assert index.get(made.id) == made
    assert not [number for number in range(5) if index.get(f"broken-{number}")]
    [record] = await records(store)
    assert await index.learn(Entry(record.id, record.kind, record.account, b"nonsense")) is None


async def test_many_subscriptions_are_loaded(store: Store) -> None:
    """Loading pages through the hash."""
    subscriptions = Subscriptions(store, formats=("v3",), limit=2000)
    last = [await make(subscriptions) for _ in range(1200)][-1]
    index = Index(store, store.keys(ACCOUNT))
    await index.load()

    later = parse(last.from_id)._replace(seq=10**6)
    assert len(index.matching(ACCOUNT, "v3", RINGING, later)) == 1200


async def test_a_change_is_made_of_what_is_stored(subscriptions: Subscriptions) -> None:
    """A change is written with its record; one that changes nothing writes nothing."""
    made = await make(subscriptions)

    changed = await subscriptions.change(ACCOUNT, made.id, lambda one: replace(one, description="changed"))
    same = await subscriptions.change(ACCOUNT, made.id, lambda one: one)

    assert (changed.description, changed.from_id) == ("changed", made.from_id)
    assert parse(changed.rev) > parse(made.rev)
    assert same == changed == await subscriptions.get(ACCOUNT, made.id)


async def test_a_change_that_lost_a_race_is_made_again(subscriptions: Subscriptions) -> None:
    """Two changes at once are both made, one after the other."""
    made = await make(subscriptions)

    await asyncio.gather(
        subscriptions.change(ACCOUNT, made.id, lambda one: replace(one, description="a")),
        subscriptions.change(ACCOUNT, made.id, lambda one: replace(one, expires_at=7)),
    )

    found = await subscriptions.get(ACCOUNT, made.id)
    assert (found.description, found.expires_at) == ("a", 7)


async def test_many_changes_at_once_are_all_made(subscriptions: Subscriptions) -> None:
    """Whoever loses a race waits a moment, so that each wins one before it has tried often enough."""
    made = await make(subscriptions)

    def longer(found: Subscription) -> Subscription:
        return replace(found, types=(*found.types, "call.leg.*"))

    await asyncio.gather(*(subscriptions.change(ACCOUNT, made.id, longer) for _ in range(15)))

    assert len((await subscriptions.get(ACCOUNT, made.id)).types) == 15


async def test_labels_reach_the_index(store: Store, subscriptions: Subscriptions) -> None:
    """A subscription with filters of labels is given the events that have one of them."""
    filters = (EventFilter("/missed", ("missed",)), EventFilter("/inbound", ("telephony", "inbound")))
    made = await subscriptions.create(ACCOUNT, "jane", NewSubscription(url=URL, filters=filters))
    index = Index(store, store.keys(ACCOUNT))
    await index.load()
    later = parse(made.from_id)._replace(seq=9)

    def matching(*labels: str) -> list[Subscription]:
        return index.matching(ACCOUNT, "v3", RINGING._replace(labels=frozenset(labels)), later)

    assert [one.id for one in matching("telephony", "inbound")] == [made.id]
    assert [one.id for one in matching("missed")] == [made.id]
    assert matching("inbound") == matching() == []


async def test_an_id_can_be_chosen(subscriptions: Subscriptions) -> None:
    """Whoever names the subscription before it is made finds it under that name."""
    chosen = new_id()
    made = await subscriptions.create(ACCOUNT, "jane", NewSubscription(url=URL, id=chosen))

    assert made.id == chosen
    assert (await subscriptions.get(ACCOUNT, chosen)).id == chosen
