"""Commands while the store is away: said at once, and repeated without a second effect."""

from __future__ import annotations

import pytest

from relay.calls.commands import Hangup
from relay.errors import StoreUnavailableError
from relay.journal.journal import Journal
from tests.conftest import OpenStore
from tests.control.office import Office
from tests.engines import Server
from tests.waiting import eventually

SOON = 1.0
"""Seconds until a command gives up on a silent store here; one on a busy disk may need some tenths."""


@pytest.fixture
async def office(faulty_server: Server, open_store: OpenStore) -> Office:
    """Give an office on a server that can be killed and paused."""
    return Office(Journal(await open_store(faulty_server.url, timeout=SOON)))


async def test_a_store_that_is_away_is_said_so(faulty_server: Server, office: Office) -> None:
    """Commands and reads are refused at once, not tried again."""
    dialled = await office.dial(office.jane, "200")
    faulty_server.kill()
    with pytest.raises(StoreUnavailableError):
        await office.dial(office.jane, "200")
    with pytest.raises(StoreUnavailableError):
        await office.control.act(office.jane, leg=dialled.party.id, action=Hangup())
    with pytest.raises(StoreUnavailableError):
        await office.control.live(office.jane)


async def test_a_call_whose_placing_is_in_doubt_is_placed_once(faulty_server: Server, office: Office) -> None:
    """A command that got no answer may be repeated as often as it takes: it is one call, told of once."""
    await office.dial(office.jane, "220", command_id="before")  # connects, and loads the script
    faulty_server.pause()
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            await office.dial(office.jane, "200", command_id="in doubt")
    faulty_server.resume()

    async def repeated() -> bool:
        return bool(await office.dial(office.jane, "200", command_id="in doubt"))

    await eventually(repeated)
    assert (await office.kinds())[4:] == ["dialing 210", "setup 200", "connected 210", "ringing 200"]


async def test_a_timer_whose_commit_is_in_doubt_has_one_effect(faulty_server: Server, office: Office) -> None:
    """A timer is tried again after the store was away, with the nonce it had."""
    await office.dial(office.jane, "200", two_step=True)
    (pickup,) = await office.timers()
    partition = office.journal.store.keys(office.jane.account).partition
    faulty_server.pause()
    with pytest.raises(StoreUnavailableError):
        await office.control.elapse(partition, pickup)
    faulty_server.resume()

    async def again() -> bool:
        await office.control.elapse(partition, pickup)
        return True

    await eventually(again)
    assert await office.leg_story() == ["ringing(210,1)", "answered(210,2)", "ringing(200,1)"]


async def test_calls_outlive_the_process_and_the_store(
    faulty_server: Server, office: Office, open_store: OpenStore
) -> None:
    """A call placed before store and process were killed is there after, with its timer, and goes on."""
    dialled = await office.dial(office.jane, "200", two_step=True)
    faulty_server.kill()
    faulty_server.start()
    restarted = Office(Journal(await open_store(faulty_server.url)))
    await restarted.elapse((await restarted.timers())[0])
    await restarted.control.act(restarted.jane, leg=dialled.party.id, action=Hangup())
    assert await restarted.leg_story() == [
        "ringing(210,1)",
        "answered(210,2)",
        "ringing(200,1)",
        "hungup(210,3) canceled by 210",
        "hungup(200,2) canceled by 210",
    ]
