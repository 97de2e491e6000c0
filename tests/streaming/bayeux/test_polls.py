"""Connects over HTTP: when they are answered, with what, and what becomes of those that are not."""

from __future__ import annotations

import time

import pytest

from tests.streaming.bayeux.conftest import MakeClient, MakeLine, OpenPod
from tests.streaming.bayeux.pods import CALLS, Client, Pod
from tests.streaming.publishing import Line


async def test_first_connect_is_answered_at_once(client: Client) -> None:
    """The first connect of a session is not held, although its client gives no advice."""
    await client.handshake()
    started = time.monotonic()
    events, reply = await client.connect()
    assert time.monotonic() - started < 2
    assert events == []
    assert reply["advice"] == {"reconnect": "retry", "timeout": 5000, "interval": 0}


async def test_held_connect_is_answered_by_an_event(client: Client, pod: Pod, line: Line) -> None:
    """An event wakes a held connect, whose reply comes after it and has no advice."""
    await client.open(CALLS)
    held = client.hold()
    await pod.holds()
    await line.tones()
    assert await held == (
        200,
        [{"data": 1, "channel": CALLS}, {"id": "4", "channel": "/meta/connect", "successful": True}],
    )


async def test_several_events_come_in_one_answer(client: Client, pod: Pod, line: Line) -> None:
    """Everything that happened between two connects is in one answer, in order."""
    await client.open(CALLS)
    await line.tones(30)
    last = (await line.tones(30))[-1]
    await pod.reaches(last)
    assert (await client.connect())[0] == list(range(1, 61))


async def test_quiet_connect_is_answered_after_its_timeout(client: Client, pod: Pod) -> None:
    """Without events, a connect is held for as long as its client's advice says."""
    await client.open(CALLS)
    started = time.monotonic()
    events, reply = await client.connect(timeout=300)
    assert 0.3 <= time.monotonic() - started < 3
    assert events == []
    assert reply["successful"]
    assert reply["advice"]["timeout"] == 5000, "who gives advice is given some"
    assert pod.endpoint.stats.held == 0


async def test_connect_with_companions_is_not_held(client: Client) -> None:
    """A connect beside another message is answered at once, and its reply comes last."""
    await client.open()
    started = time.monotonic()
    connect = client.message("/meta/connect", connectionType="long-polling")
    status, replies = await client.send([connect, client.message("/meta/subscribe", subscription=CALLS)])
    assert time.monotonic() - started < 2
    assert (status, [reply["channel"] for reply in replies]) == (200, ["/meta/subscribe", "/meta/connect"])


async def test_events_are_matched_from_the_subscription_on(client: Client, line: Line) -> None:
    """What happened before the subscription is not told."""
    await client.handshake()
    await line.tones(3)
    await client.subscribe("/v2/me/devices")
    await line.tones(2)
    await client.subscribe(CALLS)
    await line.tones(1)
    at_once, _ = await client.connect()
    assert (at_once or (await client.connect())[0]) == [6]


async def test_an_event_comes_once_however_many_patterns_match(client: Client, line: Line) -> None:
    """Subscriptions that overlap bring one copy."""
    await client.open(CALLS, "/v2/me/*", "/v2/**", "/**")
    await line.tones(2)
    assert (await client.connect())[0] == [1, 2]


@pytest.mark.parametrize("pattern", ["/**", "/v2/**", "/v2/me/*", CALLS])
async def test_wildcards_stay_with_the_user(
    make_client: MakeClient, make_line: MakeLine, pattern: str
) -> None:
    """A subscription brings the user's own events only, whatever its pattern."""
    jane, john = await make_client("jane").open(pattern), await make_client("john").open(pattern)
    await make_line("john").tones(1)
    await make_line("jane").tones(3)
    assert (await jane.connect())[0] == [1, 2, 3]
    assert (await john.connect())[0] == [1]


async def test_every_session_of_a_user_gets_every_event(make_client: MakeClient, line: Line) -> None:
    """Two sessions of one user are told the same."""
    one, other = await make_client().open(CALLS), await make_client().open(CALLS)
    await line.tones(2)
    assert (await one.connect())[0] == (await other.connect())[0] == [1, 2]


async def test_unsubscribed_session_gets_nothing(client: Client, pod: Pod, line: Line) -> None:
    """An unsubscribe while a connect is held takes effect on it."""
    await client.open(CALLS, "/v2/me/devices")
    held = client.hold(timeout=1000)
    await pod.holds()
    assert (await client.ask("/meta/unsubscribe", subscription=CALLS))["successful"]
    await line.tones(1)
    status, replies = await held
    assert (status, [reply["channel"] for reply in replies]) == (200, ["/meta/connect"])


async def test_second_connect_supersedes_the_first(client: Client, pod: Pod, line: Line) -> None:
    """Of two held connects the older is ended with HTTP 500 at once, and each event is told once."""
    await client.open(CALLS)
    older = client.hold()
    await pod.holds()
    newer = client.hold()
    assert (await older)[0] == 500
    await pod.holds()
    await line.tones(1)
    status, replies = await newer
    assert (status, replies[0]["data"]) == (200, 1)
    assert pod.endpoint.stats.superseded == 1


async def test_dropped_poll_loses_nothing(client: Client, pod: Pod, line: Line) -> None:
    """Events after a client aborted its poll are told at its next connect."""
    await client.open(CALLS)
    for round_ in range(3):
        held = client.hold()
        await pod.holds()
        held.cancel()
        await pod.holds(0)
        await line.tones(2)
        assert (await client.connect())[0] == [2 * round_ + 1, 2 * round_ + 2]
    assert pod.endpoint.stats.dropped == 3


async def test_disconnect_releases_the_held_connect(client: Client, pod: Pod) -> None:
    """A disconnect ends the session, and its held connect is told not to come again."""
    await client.open(CALLS)
    held = client.hold()
    await pod.holds()
    assert (await client.ask("/meta/disconnect"))["successful"]
    assert (await held)[1] == [
        {"id": "4", "channel": "/meta/connect", "successful": True, "advice": {"reconnect": "none"}}
    ]
    assert (await client.ask("/meta/disconnect"))["error"] == "402::Unknown client"


async def test_large_backlog_comes_in_several_answers(client: Client, line: Line) -> None:
    """An answer is bounded; what is beyond comes with the next ones, in order."""
    await client.open(CALLS)
    for _ in range(25):
        await line.tones(100)
    told: list[int] = []
    sizes = []
    while len(told) < 2500:
        events, _ = await client.connect()
        told += events
        sizes.append(len(events))
    assert told == list(range(1, 2501))
    assert len(sizes) > 1


async def test_drain_answers_held_connects(client: Client, pod: Pod, line: Line) -> None:
    """When the process stops, held connects are answered successfully, without delay and without loss."""
    await client.open(CALLS)
    held = client.hold()
    await pod.holds()
    await pod.stop()
    status, replies = await held
    assert (status, len(replies), replies[0]["successful"]) == (200, 1, True)


async def test_draining_process_holds_connects_only_briefly(client: Client, pod: Pod) -> None:
    """A connect that comes while the process drains is answered within about a second."""
    await client.open(CALLS)
    await pod.endpoint.drain()
    started = time.monotonic()
    await client.connect()
    assert 0.5 < time.monotonic() - started < 4


async def test_session_goes_on_after_a_restart(
    open_pod: OpenPod, make_client: MakeClient, make_line: MakeLine
) -> None:
    """A session and its cursor survive the process that made it."""
    first = await open_pod()
    client = await make_client(at=first).open(CALLS)
    await first.stop()
    second = await open_pod()
    await make_line(at=second).tones(2)
    assert (await client.connect(pod=second))[0] == [1, 2]
