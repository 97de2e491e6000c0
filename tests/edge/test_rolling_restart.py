"""A rolling restart: each process is stopped and started in turn, and no client misses anything."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress

from aiohttp import ClientError, ClientSession

from tests.edge.conftest import Pair
from tests.harness.bayeux import BayeuxClient
from tests.harness.demo import ADMIN, JANE
from tests.harness.sse import SseFollower
from tests.harness.traffic import Traffic
from tests.harness.v3 import V3
from tests.harness.webhooks import WebhookReceiver
from tests.waiting import eventually

CALLS = 10
"""Calls before, between and after the restarts, at least."""
STREAMS = 12
SESSIONS = 6
GWS_STATES = {
    "call.leg.ringing": "Dialing",
    "call.leg.answered": "Established",
    "call.leg.hungup": "Released",
}


async def test_clients_go_on_at_the_other_process_and_miss_nothing(
    pair: Pair, http: ClientSession, receiver: WebhookReceiver
) -> None:
    """Calls go on while A, then B is restarted: streams, held connects and the webhook tell all of each.

    Every stream ends in good order with a hint when to come back, and every held connect is answered.
    """
    admin = V3(http, pair.a.url, ADMIN)
    hook = await receiver.subscribe(admin)
    traffic = Traffic(http, [pair.a.url, pair.b.url], at_once=8)
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(SseFollower(http, pair[number % 2].url))
            for number in range(STREAMS)
        ]
        sessions = [BayeuxClient(http, pair[number % 2].url, JANE) for number in range(SESSIONS)]
        for session in sessions:
            await session.begin()
        polling = [asyncio.create_task(poll(session)) for session in sessions]

        async def restart() -> None:
            await traffic.go_on(CALLS)
            for leaving, staying in ((pair.a, pair.b), (pair.b, pair.a)):
                for stream in streams:
                    stream.base = staying.url
                for session in sessions:
                    session.base = staying.url
                assert await leaving.stop() == 0
                await leaving.start()
                await traffic.go_on(CALLS)

        await traffic.run_while(restart)
        await traffic.check(admin, streams[0], receiver, hook)

        history = await admin.history()
        await eventually(lambda: all(len(stream.events) >= len(history) for stream in streams))
        assert all(stream.told == history for stream in streams)
        # The first half was on A, then on B; the second half stayed on B, then went to A.
        assert [stream.ended for stream in streams] == [2, 1] * (STREAMS // 2)
        for stream in streams:
            assert len(stream.retries) == stream.opened + stream.ended, "one when it opens, one when it ends"
            assert all(1000 <= hint <= 10_000 for hint in stream.retries)

        expected = [
            GWS_STATES[event["type"]] for event in history if event["user_extension"] == JANE.extension
        ]
        await eventually(lambda: all(len(states(session)) >= len(expected) for session in sessions))
        for task in polling:
            task.cancel()
        results = await asyncio.gather(*polling, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results), results
    assert all(states(session) == expected for session in sessions)


def states(session: BayeuxClient) -> list[str]:
    """Return each state a call of the session's user came into."""
    return [data["call"]["state"] for data in session.told if data["notificationType"] == "StatusChange"]


async def poll(session: BayeuxClient) -> None:
    """Connect again and again, at whichever process the session is meant to be."""
    while True:
        with suppress(ClientError):  # sent just as the process closed the idle connection: it was not read
            reply = await session.connect()
            assert reply["successful"], reply
