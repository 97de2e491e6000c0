"""Many calls through faults: commands repeated until accepted, and an exact account of what came of them."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiohttp import ClientError, ClientSession

from tests.harness.demo import ANSWERS_AND_LEAVES, BUSY, JANE, JOHN, User
from tests.harness.sse import SseFollower
from tests.harness.v3 import V3, Answer
from tests.harness.webhooks import WebhookReceiver
from tests.waiting import eventually

RINGING, ANSWERED, HUNGUP = "ringing", "answered", "hungup"
_BOTH_TALKED: Final = [[RINGING, ANSWERED, HUNGUP], [RINGING, ANSWERED, HUNGUP]]
_NEVER_ANSWERED: Final = [[RINGING, ANSWERED, HUNGUP], [RINGING, HUNGUP]]
_ONLY_CALLER: Final = [[RINGING, ANSWERED, HUNGUP]]
KINDS: Final = {
    "talked": _BOTH_TALKED,
    "canceled": _NEVER_ANSWERED,
    "rejected": _NEVER_ANSWERED,
    "busy": _ONLY_CALLER,
    "left": _ONLY_CALLER,
}
"""How calls go, and the story of each leg of such a call, the caller's first."""

AGAIN_AFTER: Final = 0.1
"""Seconds before a command whose outcome is open is sent again."""


class Traffic:
    """Places calls of every kind, several at once, whatever happens to the service meanwhile."""

    def __init__(self, http: ClientSession, bases: Sequence[str], *, at_once: int = 12) -> None:
        """Take the processes' URLs, which are asked in turn."""
        self._http = http
        self._bases = itertools.cycle(bases)
        self._at_once = at_once
        self._lines = asyncio.Semaphore(at_once)
        self._kinds = itertools.cycle(KINDS)
        self.calls: dict[str, str] = {}
        """Kind of every call that was accepted, by its id."""
        self.accepted = 0
        """Commands answered 202."""
        self.finished = 0
        """Calls that have gone their whole way."""
        self.unavailable: list[Answer] = []
        """Every 503."""

    def __repr__(self) -> str:
        return (
            f"Traffic({len(self.calls)} calls, {self.finished} finished, {len(self.unavailable)} times 503)"
        )

    def ask(self, bases: Sequence[str]) -> None:
        """Speak to these processes from now on."""
        self._bases = itertools.cycle(bases)

    async def run(self, calls: int) -> None:
        """Place so many calls and see each to its end."""
        async with asyncio.TaskGroup() as group:
            for kind in itertools.islice(self._kinds, calls):
                group.create_task(self._call(kind))

    async def run_while(self, fault: Callable[[], Any]) -> None:
        """Place calls without a break until `fault`, an async callable, has returned; then finish them."""
        over = asyncio.Event()

        async def talk() -> None:
            while not over.is_set():
                await self._call(next(self._kinds))

        async with asyncio.TaskGroup() as group:
            for _ in range(self._at_once):
                group.create_task(talk())
            await fault()
            over.set()

    async def go_on(self, calls: int, *, within: float = 90) -> None:
        """Wait until so many more calls have gone their whole way."""
        wanted = self.finished + calls
        await eventually(lambda: self.finished >= wanted, within=within, what=f"calls to go on: {self!r}")

    async def _call(self, kind: str) -> None:
        async with self._lines:
            destination = {"busy": BUSY, "left": ANSWERS_AND_LEAVES}.get(kind, JOHN.extension)
            placed = (
                await self._ask(JANE, "click-to-dial", key=str(uuid.uuid4()), destination=destination)
            ).accepted()
            self.calls[placed["call_id"]] = kind
            if destination == JOHN.extension:
                far = await self._ringing(placed["call_id"])
                if kind == "rejected":
                    await self._ask(JOHN, "reject", call_leg_id=far)
                elif kind == "talked":
                    await self._ask(JOHN, "answer", call_leg_id=far)
                if kind != "rejected":
                    await self._ask(JANE, "hangup", call_leg_id=placed["call_leg_id"])
            await self._over(placed["call_leg_id"])
            self.finished += 1

    async def _ask(self, user: User, command: str, *, key: str | None = None, **payload: str) -> Answer:
        """Send a command until it is accepted; sent twice, a refusal tells that the first was carried out."""
        doubtful = False
        while True:
            client = V3(self._http, next(self._bases), user)
            try:
                answer = await client.command(command, key=key, **payload)
            except (ClientError, OSError, TimeoutError):
                doubtful = True
            else:
                if answer.status == 202:
                    self.accepted += 1
                    return answer
                if doubtful and key is None and answer.status in (403, 409):
                    return answer
                assert answer.status == 503 or answer.body["code"] == "idempotency_key_in_use", answer
                if answer.status == 503:
                    self.unavailable.append(answer)
                    doubtful |= answer.body["code"] == "store_unavailable"
            await asyncio.sleep(AGAIN_AFTER)

    async def _ringing(self, call: str) -> str:
        async def leg() -> str | None:
            return await V3(self._http, next(self._bases), JOHN).leg(call, JOHN.extension, RINGING)

        return await eventually(leg, within=120, every=AGAIN_AFTER, what=f"call {call} to ring")

    async def _over(self, leg: str) -> None:
        async def ended() -> bool:
            client = V3(self._http, next(self._bases), JANE)
            return bool((await client.ask("GET", f"/v3/calls/{leg}")).body["ended_at"])

        await eventually(ended, within=120, every=AGAIN_AFTER, what=f"leg {leg} to end")

    async def check(
        self, admin: V3, stream: SseFollower, receiver: WebhookReceiver, hook: str, *, within: float = 60
    ) -> Counter[str]:
        """Check that nothing was lost, doubled or disordered; return how often the webhook had each event.

        History has exactly the calls that were accepted, each with its whole story; the stream told it in
        order, each event once; the webhook was told each event at least once, in each call's order.
        """
        history = await admin.history()
        assert {event["call_id"] for event in history} == set(self.calls)
        stories = _stories(history)
        for call, kind in self.calls.items():
            assert list(stories[call].values()) == KINDS[kind], (call, kind, stories[call])
        for leg, sequences in _sequences(history).items():
            assert sequences == list(range(1, len(sequences) + 1)), leg

        ids = [event["event_id"] for event in history]
        await eventually(
            lambda: len(stream.events) >= len(ids), within=within, what=f"{len(ids)} events on {stream!r}"
        )
        assert stream.told == history

        def missing() -> set[str]:
            return set(ids) - {delivery.id for delivery in receiver.of(hook)}

        await eventually(lambda: not missing(), within=within, what="every event on the webhook")
        place = {event_id: number for number, event_id in enumerate(ids)}
        first = [delivery.event for delivery in receiver.first(hook)]
        assert sorted(first, key=lambda event: place[event["event_id"]]) == history
        reached: dict[str, int] = {}
        for delivery in receiver.of(hook):
            event = delivery.event
            assert place[delivery.id] >= reached.get(event["call_id"], 0), "a repeat came after a newer event"
            reached[event["call_id"]] = place[delivery.id]
        return Counter(delivery.id for delivery in receiver.of(hook))


def _stories(history: Sequence[dict[str, Any]]) -> dict[str, dict[str, list[str]]]:
    """Return what happened to each leg, by call and leg, in order."""
    found: dict[str, dict[str, list[str]]] = defaultdict(dict)
    for event in history:
        story = found[event["call_id"]].setdefault(event["id"], [])
        story.append(event["type"].removeprefix("call.leg."))
    return found


def _sequences(history: Sequence[dict[str, Any]]) -> dict[str, list[int]]:
    found = defaultdict(list)
    for event in history:
        found[event["id"]].append(event["sequence"])
    return found
