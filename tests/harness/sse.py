"""A follower of the event stream that reconnects as a browser does, and keeps all it was told."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.harness.demo import ADMIN, User
from tests.streaming.eventstream import Reader, Received
from tests.waiting import eventually

RECONNECT_AFTER: Final = 0.05
"""Seconds before it connects again; the server's own hint would make tests long."""
_UNTIL_IT_ENDS: Final = ClientTimeout(total=None, sock_connect=5)


class SseFollower:
    """Follows `/v3/events/stream` from entering its block to leaving it, resuming by Last-Event-ID.

    A refusal other than 503 ends it, and is raised on leaving the block.
    """

    def __init__(
        self, http: ClientSession, base: str, user: User = ADMIN, *, resume: bool = True, **query: str
    ) -> None:
        self._http = http
        self.base = base
        """The process it follows; changed, it goes on at another once its stream ends."""
        self._query = query
        self._headers = {"Authorization": f"Bearer {user.token}"}
        self._resume = resume
        self._reader = Reader()
        self._task: asyncio.Task[None] | None = None
        self.opened = 0
        """How many times a stream was opened."""
        self.ended = 0
        """How many streams the server ended in good order."""
        self.open = False
        self._may_connect = asyncio.Event()
        self._may_connect.set()

    def __repr__(self) -> str:
        return f"SseFollower(opened={self.opened}, events={len(self.events)}, last_id={self.last_id!r})"

    @property
    def events(self) -> list[Received]:
        """Everything it was told, in order, gaps and repeats included."""
        return self._reader.events

    @property
    def last_id(self) -> str:
        """The id it would resume from."""
        return self._reader.last_id

    @property
    def retries(self) -> list[int]:
        """The reconnection hints it was given, in milliseconds."""
        return self._reader.retries

    @property
    def gaps(self) -> list[Received]:
        """What it was told of lost history."""
        return [event for event in self.events if event.type == "relay.gap"]

    @property
    def told(self) -> list[dict[str, Any]]:
        """The events' data, decoded, gaps left out."""
        return [msgspec.json.decode(event.data) for event in self.events if event.type != "relay.gap"]

    def legs(self) -> dict[str, list[tuple[int, str]]]:
        """The story of each leg: sequence and type of each event in the order of arrival."""
        found = defaultdict(list)
        for event in self.told:
            found[event["id"]].append((event["sequence"], event["type"]))
        return dict(found)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow(), name="sse-follower")
        task = self._task
        await eventually(lambda: self.open or task.done(), what="the stream to open")
        if task.done():
            task.result()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        self._task.cancel()
        [result] = await asyncio.gather(self._task, return_exceptions=True)
        if isinstance(result, Exception) and error is None:
            raise result

    def pause(self) -> None:
        """Do not connect again until `go_on`."""
        self._may_connect.clear()

    def go_on(self) -> None:
        """Connect again when the stream has ended."""
        self._may_connect.set()

    async def _follow(self) -> None:
        while True:
            await self._may_connect.wait()
            try:
                await self._once()
            except (ClientError, OSError):
                pass
            else:
                self.ended += 1
            finally:
                self.open = False
                self._reader.drop_rest()
            await asyncio.sleep(RECONNECT_AFTER)

    async def _once(self) -> None:
        headers = dict(self._headers)
        if self._resume and self.last_id:
            headers["Last-Event-ID"] = self.last_id
        async with self._http.get(
            f"{self.base}/v3/events/stream", params=self._query, headers=headers, timeout=_UNTIL_IT_ENDS
        ) as response:
            if response.status == 503:
                raise ClientError("not now")
            assert response.status == 200, await response.text()
            assert response.content_type == "text/event-stream"
            async for chunk in response.content.iter_any():
                self._reader.feed(chunk)
                if not self.open:  # the head alone does not tell that events will follow
                    self.open = True
                    self.opened += 1
