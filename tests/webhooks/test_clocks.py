"""Wall clocks that jump change nothing about deliveries."""

from __future__ import annotations

import time

import msgspec
import pytest

from relay.journal.journal import Journal
from relay.journal.store import Store
from tests.calls.calling import ACCOUNT
from tests.streaming.publishing import Line
from tests.waiting import eventually
from tests.webhooks.conftest import StartProcess, Subscribe, nothing_left
from tests.webhooks.receiving import Receiver, always, failing


@pytest.mark.parametrize("days", [-10, 10])
async def test_a_wall_clock_that_jumps_ends_no_delivery(
    journal: Journal,
    store: Store,
    receiver: Receiver,
    subscribe: Subscribe,
    start_process: StartProcess,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
) -> None:
    """Ages are told by the store's clock: retries come in their time, and the endpoint is not given up."""
    receiver.answers["/hook"] = failing(2)
    await subscribe()
    process = await start_process()
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + days * 86_400)
    [event] = await Line(journal).tones(1)
    await eventually(lambda: process.duty.stats.succeeded == 1)
    await eventually(lambda: nothing_left(store))
    assert [one.rpartition("_")[2] for one in receiver.ids()] == [event] * 3
    assert process.duty.stats.dead == 0
    receiver.answers["/hook"] = always(500)
    await Line(journal).tones(1)
    health = store.keys(ACCOUNT).health
    [kept] = await eventually(lambda: store.call("HVALS", health))
    assert abs(msgspec.json.decode(kept)["failing_since"] / 1000 - right()) < 60
