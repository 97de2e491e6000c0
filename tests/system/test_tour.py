"""The tour, as `make run` takes it."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.harness.demo import with_a_supervisor
from tests.harness.fixtures import NewRelay
from tests.waiting import eventually

WITHIN = 60.0
"""Seconds the tour may take with everything before and after it."""


async def test_the_tour_shows_one_story_on_three_channels_and_ends_with_0(new_relay: NewRelay) -> None:
    """`serve --demo --tour --once` prints each event for each channel, and exits 0."""
    relay = new_relay(arguments=("--tour", "--once"))
    relay.launch()
    assert await relay.ended(WITHIN) == 0
    shown = relay.output.splitlines()
    for event in ("210 ringing", "210 answered", "200 ringing", "200 answered", "210 hungup", "200 hungup"):
        columns = sorted(line.index(event) for line in shown if event in line)
        assert len(columns) == 3, event
        assert len(set(columns)) == 3, f"{event} is not told once by each channel"
    assert relay.url in relay.output
    assert "demo-jane" in relay.output
    assert shown.index("All three channels told the same complete story, in order.")


async def test_the_tour_fails_when_a_channel_is_broken(new_relay: NewRelay) -> None:
    """With webhooks to loopback forbidden, it says what was missing and exits 1."""
    relay = new_relay(arguments=("--tour", "--once"), webhook_allow="10.0.0.0/8")
    relay.launch()
    assert await relay.ended(WITHIN) == 1
    assert "The tour failed" in relay.output
    assert "All three channels" not in relay.output


async def test_the_tour_stays_on_and_offers_what_to_try(new_relay: NewRelay) -> None:
    """Without --once it goes on serving after three curl lines, until it is told to stop."""
    relay = new_relay(arguments=("--tour",))
    await relay.start()

    await eventually(lambda: relay.output.count("\ncurl ") == 3, within=WITHIN)
    assert await relay.stop() == 0


async def test_who_interrupts_the_tour_ends_the_service(new_relay: NewRelay) -> None:
    """Nothing is offered any more that is about to end, and to end it is no failure."""
    relay = new_relay(arguments=("--tour",))
    relay.launch()
    await eventually(lambda: "subscribe." in relay.output, within=WITHIN)
    relay.signal(signal.SIGINT)
    assert await relay.ended() == 0
    assert "Still serving" not in relay.output


async def test_the_tour_can_be_taken_again_on_the_same_data(new_relay: NewRelay) -> None:
    """A second tour on the store of the first is the same: nothing of the first is in its way."""
    relay = new_relay(arguments=("--tour", "--once"))
    for _ in range(2):
        relay.launch()
        assert await relay.ended(WITHIN) == 0
    assert relay.output.count("All three channels told the same complete story") == 2


async def test_the_tour_is_taken_where_the_service_listens(new_relay: NewRelay) -> None:
    """The public URL may lead through a proxy that is not there yet; the tour does without."""
    relay = new_relay(arguments=("--tour", "--once"), public_url="https://relay.invalid")
    relay.launch()
    assert await relay.ended(WITHIN) == 0
    assert f"relay listens on {relay.url};" in relay.output


async def test_the_demo_shows_its_users_only_where_they_are(new_relay: NewRelay, tmp_path: Path) -> None:
    """With a directory of one's own, --demo opens loopback alone; there is nothing to walk through then."""
    directory = str(with_a_supervisor(tmp_path))
    relay = new_relay(directory=directory)
    await relay.start()
    assert await relay.stop() == 0
    assert "relay listens on" in relay.output
    assert "demo users" not in relay.output
    touring = new_relay(directory=directory, arguments=("--tour",))
    touring.launch()
    assert await touring.ended() == 2
    assert "unset RELAY_DIRECTORY" in touring.output
