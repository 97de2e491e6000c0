"""Presence records: written with the calls' events, with every call a user is in."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from relay.calls.devices import DeviceEvent, DeviceSettings, DeviceState
from relay.calls.events import CallEvent
from relay.calls.model import Address, Session
from relay.calls.presence import PresenceEvent, presence_changes
from relay.journal.commit import Change, Committed
from relay.journal.journal import Journal
from relay.journal.record import Entry, RecordKind
from relay.journal.store import Store
from tests.journal.calls import ACCOUNT, HERE, at, ended, placed

JANE = replace(HERE, user_id="jane")


def of(user: Address, name: str) -> tuple[Session, tuple[CallEvent, ...]]:
    """Return a user's new call and its event."""
    session, events = placed(name)
    [party] = session.parties
    session = session.with_party(replace(party, address=user))
    return session, tuple(replace(event, session=session) for event in events)


async def commit(
    journal: Journal, session: Session, events: tuple[CallEvent, ...], nonce: str
) -> Committed | None:
    """Commit a change with the presence that it changes."""
    presences = presence_changes(events)
    return await journal.commit(ACCOUNT, [Change(session)], events, nonce=nonce, presences=presences)


async def told(store: Store) -> list[Entry]:
    """Return the account's presence records."""
    partition = store.keys(ACCOUNT).partition
    found = await store.read_stream(partition, "0-0", count=1000, block_ms=0)
    entries = [Entry.of(partition, stream_id, fields) for stream_id, fields in found]
    return [entry for entry in entries if entry.kind is RecordKind.PRESENCE]


def presences(entries: list[Entry]) -> list[PresenceEvent]:
    """Return what presence records tell."""
    told = [entry.told for entry in entries]
    return [one for one in told if isinstance(one, PresenceEvent)]


def legs(entry: Entry) -> list[str]:
    """Return the legs a presence record lists."""
    assert isinstance(entry.told, PresenceEvent)
    return sorted(call.leg for call in entry.told.calls)


async def test_a_record_lists_every_call_of_its_user(journal: Journal, store: Store) -> None:
    """Each call that begins or ends is told of with those that the user is still in."""
    first, second = of(JANE, "a"), of(JANE, "b")
    await commit(journal, *first, "n1")
    await commit(journal, *second, "n2")
    await commit(journal, *ended(at(first[0], 1)), "n3")
    await commit(journal, *ended(at(second[0], 1)), "n4")
    entries = await told(store)
    assert [legs(entry) for entry in entries] == [["a-leg"], ["a-leg", "b-leg"], ["b-leg"], []]
    last = entries[-1].told
    assert isinstance(last, PresenceEvent)
    assert [call.leg for call in last.ended] == ["b-leg"]
    assert (last.account, last.user, last.time) == (ACCOUNT, JANE, 2000)
    assert entries[-1].address == JANE
    assert [one.sequence for one in presences(entries)] == [1, 2, 3, 4]
    assert await store.call("HKEYS", store.keys(ACCOUNT).presence(ACCOUNT, "jane")) == [b"sequence"]


async def test_users_are_told_of_apart(journal: Journal, store: Store) -> None:
    """One user's calls are not another's."""
    john = replace(JANE, user_id="john", device_id="device-9")
    await commit(journal, *of(JANE, "a"), "n1")
    await commit(journal, *of(john, "b"), "n2")
    assert [legs(entry) for entry in await told(store)] == [["a-leg"], ["b-leg"]]


async def test_the_events_own_ids_stay_as_they_are(journal: Journal, store: Store) -> None:
    """A commit returns its events' ids; presence comes after them, and is no part of the history."""
    session, events = of(JANE, "a")
    committed = await commit(journal, session, events, "n1")
    assert committed is not None
    page = await journal.history(ACCOUNT, None, limit=10)
    assert [entry.id.stream_id for entry in page.entries] == list(committed.ids)
    [entry] = await told(store)
    assert entry.id.stream_id > committed.ids[-1]


async def test_what_is_not_committed_tells_nothing(journal: Journal, store: Store) -> None:
    """Neither a lost race nor a change that was committed before writes presence."""
    session, events = of(JANE, "a")
    await commit(journal, session, events, "n1")
    assert (await commit(journal, session, events, "n1") or Committed((), already=False)).already
    assert await commit(journal, at(session, 7), events, "n2") is None
    assert len(await told(store)) == 1


async def test_calls_that_change_at_once_are_all_listed(journal: Journal, store: Store) -> None:
    """However many calls of a user change at the same moment, the last record has them all."""
    await asyncio.gather(*(commit(journal, *of(JANE, f"c{n}"), f"n{n}") for n in range(20)))
    entries = await told(store)
    assert [len(legs(entry)) for entry in entries] == list(range(1, 21))


async def test_do_not_disturb_is_told_with_the_calls(journal: Journal, store: Store) -> None:
    """A device that takes no calls any more, or again, is told of at once, and again with the next call."""
    await commit(journal, *of(JANE, "a"), "n1")
    for revision, quiet in enumerate((True, True, False)):
        event = DeviceEvent(
            account=ACCOUNT, device=JANE, settings=DeviceSettings(do_not_disturb=quiet), time=7
        )
        was = DeviceSettings(do_not_disturb=revision > 0)
        assert await journal.put_settings(event, DeviceState(settings=was, revision=revision))
        if revision == 1:
            await commit(journal, *of(JANE, "b"), "n2")
    found = presences(await told(store))
    assert [one.do_not_disturb for one in found] == [(), ("device-1",), ("device-1",), ()]
    assert [len(one.calls) for one in found] == [1, 1, 2, 2]
    assert [one.sequence for one in found] == [1, 2, 3, 4]
    assert (found[1].user, found[1].time) == (JANE, 7)


async def test_forwarding_tells_nothing_of_presence(journal: Journal, store: Store) -> None:
    """Nor does what is set at a device that is nobody's."""
    forwards = DeviceSettings(forward_to=HERE)
    event = DeviceEvent(account=ACCOUNT, device=JANE, settings=forwards, time=7)
    assert await journal.put_settings(event, DeviceState())
    nobodys = replace(event, device=replace(HERE, user_id=None, device_id="d"))
    assert await journal.put_settings(
        replace(nobodys, settings=DeviceSettings(do_not_disturb=True)), DeviceState()
    )
    assert await told(store) == []
