"""Processes that serve a Bayeux endpoint, several on one store, and a client that speaks it in the raw."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from relay.calls.events import CallEvent, EventId, EventKind
from relay.calls.model import Address
from relay.directory.loading import demo
from relay.directory.model import Principal
from relay.http.authentication import principal
from relay.http.repeats import Runner
from relay.journal.ids import is_after
from relay.journal.journal import Journal
from relay.journal.leases import Lease, Leases
from relay.journal.store import Store
from relay.journal.tail import Tail
from relay.settings import Settings
from relay.streaming.bayeux.endpoint import Endpoint
from relay.streaming.hub import Hub
from relay.streaming.stream import Limits
from relay.subscriptions.rendering import Rendered, Renderer
from tests.streaming.listening import Keeping, Tones
from tests.waiting import eventually

BASE = "/api/v2/notifications"
DIRECTORY = demo()
ACCOUNT = DIRECTORY.accounts()[0].id
CALLS = "/v2/me/calls"

Reply = dict[str, Any]


def tones(_id: EventId, event: CallEvent) -> Rendered | None:
    """Render a tone as a message whose data is its number."""
    if event.kind is not EventKind.DTMF:
        return None
    address = event.party.address
    body = msgspec.json.encode({"data": int(event.details["digits"]), "channel": CALLS})
    return Rendered(CALLS, body, address.extension, address.user_id)


def phone(user: str, *, account: str = ACCOUNT) -> Address:
    """Return the address of a user's first phone."""
    found = next(one for one in DIRECTORY.users(account) if one.login == user)
    return DIRECTORY.address(account, found.devices[0].id)


class Pod:
    """One process's Bayeux endpoint on a store, listening on a free port. Times are in seconds."""

    def __init__(
        self,
        store: Store,
        *,
        timeout: float = 5,
        max_interval: float = 5,
        renderer: Renderer = tones,
        port: int = 0,
        settings: Settings | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.store = store
        self.journal = Journal(store)
        self._tail = Tail(store)
        self._hub = Hub(self._tail, self.journal)
        settings = replace(settings or Settings(), bayeux_timeout=timeout, bayeux_max_interval=max_interval)
        self.endpoint = Endpoint(
            store, self._hub, {"gws": renderer}, settings, event_format="gws", limits=limits
        )
        self.port = port
        self.revoked: set[str] = set()
        """Bearer tokens that are good no more."""
        self.admits = asyncio.Event()
        """Set while credentials are looked at; requests wait for it otherwise."""
        self.admits.set()
        self.asked = 0
        """How often credentials were looked at."""
        self.verifies = False
        """Whether credentials must be waited for, as a session cookie's."""
        self._runner: web.AppRunner | None = None

    def __repr__(self) -> str:
        return f"Pod({self.endpoint!r})"

    @property
    def url(self) -> str:
        """Where the endpoint is."""
        return f"http://127.0.0.1:{self.port}{BASE}"

    async def start(self) -> Pod:
        """Listen."""
        app = web.Application()
        app.add_routes(self.endpoint.routes(BASE, self._principal))

        async def drain(_app: web.Application) -> None:
            await self.endpoint.drain()

        app.on_shutdown.append(drain)
        self._runner = Runner(app, handler_cancellation=True, access_log=None, shutdown_timeout=2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def stop(self) -> None:
        """End in good order."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
            await self.endpoint.stop()
            await self._hub.stop()
            await self._tail.stop()

    async def crash(self) -> None:
        """End as a killed process does: nothing is written to the store or to a client any more."""
        assert self._runner is not None
        assert self._runner.server is not None
        await self.store.close()
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await self.stop()

    async def holds(self, count: int = 1) -> None:
        """Wait until so many connects are held here."""
        await eventually(lambda: self.endpoint.stats.held == count, what=f"{count} held by {self!r}")

    async def reaches(self, position: str) -> None:
        """Wait until the pod's hub has come to a stream id, where somebody of the account listens here."""

        async def reached() -> bool:
            link = await self._hub.join(ACCOUNT, Keeping(), Tones("nobody"))
            link.leave()
            return not is_after(position, link.position)

        await eventually(reached)

    async def lease(self) -> Lease:
        """Take the partition of the tests' account."""
        partition = self.store.keys(ACCOUNT).partition
        lease = await Leases(self.store, "tester").acquire(partition)
        assert lease is not None
        return lease

    async def _principal(self, request: web.Request) -> Principal | None:
        """Take credentials, or for a session cookie a user's bearer token."""
        self.asked += 1
        await self.admits.wait()
        if self.verifies:
            await asyncio.sleep(0)
        if "Authorization" not in request.headers and "JSESSIONID" in request.cookies:
            return await DIRECTORY.by_token(request.cookies["JSESSIONID"])
        if request.headers.get("Authorization", "").removeprefix("Bearer ") in self.revoked:
            return None
        return await principal(request, DIRECTORY, basic=True, bearer=True)


class Client:
    """Speaks Bayeux in the raw for a user; each payload may go to another pod."""

    def __init__(self, http: aiohttp.ClientSession, pod: Pod, *, user: str = "jane") -> None:
        self.pod = pod
        self.id = ""
        self.browser = ""
        self._http = http
        self._headers = {"Authorization": f"Bearer demo-{user}"}
        self._ids = 0

    async def send(self, messages: Any, *, path: str = "", pod: Pod | None = None) -> tuple[int, list[Reply]]:
        """Post a payload; return status and messages."""
        url = (pod or self.pod).url + path
        cookie = {"Cookie": f"BAYEUX_BROWSER={self.browser}"} if self.browser else {}
        async with self._http.post(url, json=messages, headers=self._headers | cookie) as response:
            return response.status, (await response.json() if response.status == 200 else [])

    def message(self, channel: str, **fields: Any) -> dict[str, Any]:
        """Make a message with the next id, of the session if there is one."""
        self._ids += 1
        client = {"clientId": self.id} if self.id else {}
        return {"id": str(self._ids), "channel": channel, **client, **fields}

    async def ask(self, channel: str, *, pod: Pod | None = None, **fields: Any) -> Reply:
        """Send one message and return its reply, which is all there is."""
        status, replies = await self.send([self.message(channel, **fields)], pod=pod)
        assert status == 200
        assert len(replies) == 1, replies
        return replies[0]

    async def handshake(self) -> Client:
        """Begin a session."""
        self.id = ""
        reply = await self.ask(
            "/meta/handshake", version="1.0", supportedConnectionTypes=["long-polling", "websocket"]
        )
        assert reply["successful"], reply
        self.id = reply["clientId"]
        return self

    async def subscribe(self, *patterns: str, pod: Pod | None = None) -> Reply:
        """Subscribe to patterns, a single one as a string."""
        given = patterns[0] if len(patterns) == 1 else list(patterns)
        return await self.ask("/meta/subscribe", subscription=given, pod=pod)

    async def connect(
        self, *, pod: Pod | None = None, timeout: int | None = None, **fields: Any
    ) -> tuple[list[Any], Reply]:
        """Connect and return the data of the events, and the reply, which comes last."""
        status, replies = await self.try_connect(pod=pod, timeout=timeout, **fields)
        assert status == 200
        *events, reply = replies
        assert reply["channel"] == "/meta/connect"
        for event in events:
            assert sorted(event) == ["channel", "data"]
        return [event["data"] for event in events], reply

    async def try_connect(
        self, *, pod: Pod | None = None, timeout: int | None = None, **fields: Any
    ) -> tuple[int, list[Reply]]:
        """Connect and return status and messages."""
        advice = {} if timeout is None else {"advice": {"timeout": timeout}}
        message = self.message("/meta/connect", connectionType="long-polling", **advice, **fields)
        return await self.send([message], pod=pod)

    async def open(self, *patterns: str) -> Client:
        """Handshake, subscribe, and have the first connect behind it."""
        await self.handshake()
        if patterns:
            assert (await self.subscribe(*patterns))["successful"]
        events, reply = await self.connect(timeout=0)
        assert (events, reply["successful"]) == ([], True)
        return self

    def hold(self, *, pod: Pod | None = None, **fields: Any) -> asyncio.Task[tuple[int, list[Reply]]]:
        """Connect in the background, for status and messages."""
        return asyncio.create_task(self.try_connect(pod=pod, **fields))
