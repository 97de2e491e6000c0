"""Devices in the store: their settings, told of once each, and the live legs that commits keep there."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from msgspec.structs import replace

from relay.calls.devices import DeviceEvent, DeviceSettings, DeviceState
from relay.calls.lines import Line
from relay.calls.model import Address, PartyState, Session
from relay.journal.commit import Change
from relay.journal.journal import Journal
from relay.journal.record import Entry, RecordKind
from relay.journal.store import Store
from tests.journal.calls import ACCOUNT, HERE, OTHER_ACCOUNT, THERE, at, end, place


def event(settings: DeviceSettings, device: Address = HERE, account: str = ACCOUNT) -> DeviceEvent:
    """Return what is told of a device's new settings."""
    return DeviceEvent(account=account, device=device, settings=settings, time=7)


async def lines(journal: Journal, device: str = "device-1", account: str = ACCOUNT) -> list[tuple[str, str]]:
    """Return session and leg of each live leg at a device."""
    state = (await journal.device_states(account, [device]))[device]
    return [(line.session, line.leg) for line in state.lines]


async def test_a_device_nobody_touched_has_default_settings_and_no_lines(journal: Journal) -> None:
    """Nothing in the store is a device that takes calls and has none; asking for none asks nothing."""
    assert await journal.device_states(ACCOUNT, ["device-1"]) == {"device-1": DeviceState()}
    assert await journal.device_states(ACCOUNT, []) == {}


async def test_settings_are_written_with_the_record_that_tells_of_them(
    journal: Journal, store: Store
) -> None:
    """One step changes the settings and tells of them, under the revision they were read at."""
    settings = DeviceSettings(do_not_disturb=True, forward_to=THERE)
    made = await journal.put_settings(event(settings), DeviceState())
    state = (await journal.device_states(ACCOUNT, ["device-1"]))["device-1"]
    assert (state.settings, state.revision) == (settings, 1)
    partition = store.keys(ACCOUNT).partition
    [(stream_id, fields)] = await store.read_stream(partition, "0-0", count=10, block_ms=0)
    entry = Entry.of(partition, stream_id, fields)
    assert (stream_id, entry.kind, entry.account) == (made, RecordKind.DEVICE, ACCOUNT)
    assert msgspec.json.decode(entry.data, type=DeviceEvent) == event(settings)
    [repeated] = (await journal.history(ACCOUNT, None, limit=10)).entries
    assert repeated.told == entry.told


async def test_settings_of_another_revision_are_left_alone(journal: Journal) -> None:
    """Of changes made from the same settings one wins, and the others write nothing."""
    changes = [event(DeviceSettings(do_not_disturb=True), HERE) for _ in range(5)]
    made = await asyncio.gather(*(journal.put_settings(change, DeviceState()) for change in changes))
    assert sum(one is not None for one in made) == 1
    assert (await journal.device_states(ACCOUNT, ["device-1"]))["device-1"].revision == 1
    with pytest.raises(ValueError, match="device of ours"):
        await journal.put_settings(event(DeviceSettings(), Address(number="1")), DeviceState())


async def test_a_device_has_its_live_legs(journal: Journal) -> None:
    """A leg is at its device from the commit that made it to the one that ends it; settings stay."""
    await journal.put_settings(event(DeviceSettings(do_not_disturb=True)), DeviceState())
    one, two = await place(journal, "one"), await place(journal, "two")
    assert await lines(journal) == [("one", "one-leg"), ("two", "two-leg")]
    await end(journal, one)
    assert await lines(journal) == [("two", "two-leg")]
    await end(journal, two)
    state = (await journal.device_states(ACCOUNT, ["device-1"]))["device-1"]
    assert (state.lines, state.settings.do_not_disturb) == ((), True)


async def test_a_line_says_what_other_calls_must_know(journal: Journal) -> None:
    """The line follows its leg's state with every commit."""
    session = await place(journal, "one")
    [leg] = session.parties
    held = replace(session, parties=(replace(leg, state=PartyState.HELD, consults="parent"),))
    assert await journal.commit(ACCOUNT, [Change(held)], [], nonce="hold")
    [line] = (await journal.device_states(ACCOUNT, ["device-1"]))["device-1"].lines
    assert line == Line(session="one", leg="one-leg", state=PartyState.HELD, consults="parent")


@pytest.mark.parametrize("moved_first", [True, False])
async def test_a_leg_that_moves_is_at_its_device_in_the_session_where_it_lives(
    journal: Journal, *, moved_first: bool
) -> None:
    """A leg that two sessions of a commit list is found, and lined up, where it lives."""
    one, two = await place(journal, "one"), await place(journal, "two")
    [leg] = two.parties
    kept = replace(one, parties=(*one.parties, leg))
    left = replace(two, parties=(replace(leg, state=PartyState.GONE),))
    changes = [Change(left), Change(kept)] if moved_first else [Change(kept), Change(left)]
    assert await journal.commit(ACCOUNT, changes, [], nonce="join")
    assert await lines(journal) == [("one", "one-leg"), ("one", "two-leg")]
    assert await journal.session_of_leg(ACCOUNT, "two-leg") == at(kept, 2)


async def test_accounts_do_not_meet_at_a_device(journal: Journal) -> None:
    """The same device id in another account is another device."""
    await place(journal, "one")
    await journal.put_settings(event(DeviceSettings(do_not_disturb=True)), DeviceState())
    theirs = (await journal.device_states(OTHER_ACCOUNT, ["device-1"]))["device-1"]
    assert theirs == DeviceState()


async def test_a_lost_race_leaves_the_lines(journal: Journal) -> None:
    """A commit that is refused changes nothing at the devices."""
    session: Session = await place(journal, "one")
    ended = replace(session, parties=(replace(session.parties[0], state=PartyState.GONE),), version=9)
    assert await journal.commit(ACCOUNT, [Change(ended)], [], nonce="late") is None
    assert await lines(journal) == [("one", "one-leg")]


async def test_a_parking_place_has_one_call(journal: Journal) -> None:
    """A second call is refused there, with nothing written, until the first has left."""
    calls = [await place(journal, name) for name in ("one", "two")]
    parked = [
        replace(session, parties=(replace(session.parties[0], state=PartyState.PARKED, park="*801"),))
        for session in calls
    ]
    assert await journal.commit(ACCOUNT, [Change(parked[0])], [], nonce="park-one")
    assert (await lines(journal, "*801"), await lines(journal)) == (
        [("one", "one-leg")],
        [("two", "two-leg")],
    )
    assert await journal.commit(ACCOUNT, [Change(parked[1])], [], nonce="park-two") is None
    assert await journal.commit(ACCOUNT, [Change(at(parked[0], 2))], [], nonce="again")
    assert await journal.session(ACCOUNT, "two") == calls[1]
    await end(journal, at(parked[0], 3))
    assert await lines(journal, "*801") == []
    assert await journal.commit(ACCOUNT, [Change(parked[1])], [], nonce="park-two")
    assert await lines(journal, "*801") == [("two", "two-leg")]
