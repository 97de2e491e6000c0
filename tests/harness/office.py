"""A running service with somebody on every channel, and what all of them were told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
from aiohttp import ClientSession

from tests.harness.demo import ADMIN, ALEX, JANE, JOHN
from tests.harness.sse import SseFollower
from tests.harness.v3 import V3
from tests.harness.webhooks import WebhookReceiver
from tests.waiting import eventually

Told = list[tuple[str, str, int]]
"""Extension, what happened, and the leg's sequence, of one event after another."""


class Office:
    """The demo tenant's users, its admin following the stream, and its admin's webhook."""

    def __init__(
        self, http: ClientSession, base: str, stream: SseFollower, receiver: WebhookReceiver, hook: str
    ) -> None:
        self.jane, self.john, self.alex, self.admin = (
            V3(http, base, user) for user in (JANE, JOHN, ALEX, ADMIN)
        )
        self.stream = stream
        self.receiver = receiver
        self.hook = hook

    def __repr__(self) -> str:
        return f"Office({self.stream!r}, {self.receiver!r})"

    async def told(self, events: int) -> Told:
        """Return the story once the stream and the webhook have told so many events, and history has them.

        All three must have told the same events in the same bytes, each under its one id.
        """
        await eventually(
            lambda: len(self.stream.events) >= events and len(self.receiver.first(self.hook)) >= events,
            within=20,
            what=f"{events} events on the stream and the webhook",
        )
        streamed = [(event.last_id, event.data.encode()) for event in self.stream.events]
        hooked = self.receiver.first(self.hook)
        assert len(streamed) == len(hooked) == events
        bodies = [data for _, data in streamed]
        assert sorted(bodies) == sorted(delivery.body for delivery in hooked)
        history = await self.admin.ask("GET", "/v3/events/?limit=1000")
        assert history.raw == b'{"events":[' + b",".join(bodies) + b'],"next":null}'
        for stream_id, data in streamed:
            event_id = msgspec.json.decode(data)["event_id"]
            assert event_id.startswith("evt_")
            assert event_id.endswith(f"_{stream_id}")
        for delivery in hooked:
            assert delivery.event["event_id"] == delivery.id
        return [brief(event) for event in self.stream.told]

    async def ringing(self, call: str, user: V3) -> str:
        """Return the id of a user's leg once it rings."""
        return await eventually(lambda: user.leg(call, user.user.extension, "ringing"), what="a leg to ring")


def brief(event: dict[str, Any]) -> tuple[str, str, int]:
    """Return the gist of a v3 event."""
    return event["user_extension"], event["type"].removeprefix("call.leg."), event["sequence"]


@asynccontextmanager
async def office(http: ClientSession, base: str, receiver: WebhookReceiver) -> AsyncIterator[Office]:
    """Have everybody listen; from then on each event reaches them all."""
    async with AsyncExitStack() as stack:
        stream = await stack.enter_async_context(SseFollower(http, base))
        hook = await receiver.subscribe(V3(http, base, ADMIN))
        yield Office(http, base, stream, receiver, hook)
