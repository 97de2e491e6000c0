"""Two processes of the service on one store, with timers run by hand, and requests to them in any dialect."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import ClientSession, DummyCookieJar, encode_basic_auth
from aiohttp.test_utils import TestServer

from relay.app.faces import public_app
from relay.app.parts import Parts, assemble
from relay.calls.model import Party, Session
from relay.directory.loading import demo
from relay.journal.commit import Timer
from relay.journal.store import Store
from relay.settings import Settings
from relay.subscriptions.rendering import rendered
from tests.harness.demo import ADMIN, ALEX, JANE, JOHN, TENANT, User

USERS: Final = {user.login: user for user in (JANE, JOHN, ALEX, ADMIN)}
AGENTS: Final = (JANE, JOHN, ALEX)
BY_EXTENSION: Final = {user.extension: user for user in AGENTS}
DIRECTORY: Final = demo()
PATIENCE: Final = 20.0
"""Seconds a store may take to answer: a busy machine's is slow, and no test here is about that."""
_JWT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Reply(NamedTuple):
    """One response."""

    status: int
    body: Any


class Request(NamedTuple):
    """Something to ask, in one dialect."""

    user: User
    method: str
    path: str
    body: Any = None


class Pair:
    """The two processes. Each request goes to the next one of them, unless it names one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stack = AsyncExitStack()
        self.parts: list[Parts] = []
        self._servers: list[TestServer] = []
        self._tokens: dict[str, str] = {}
        self._turn = 0
        self._http: ClientSession

    def __repr__(self) -> str:
        return f"Pair({self._url}, {self._turn} requests)"

    async def start(self) -> None:
        """Start both on the store, and log everybody in to RingCentral."""
        self._http = await self._stack.enter_async_context(ClientSession(cookie_jar=DummyCookieJar()))
        for _ in range(2):
            store = await Store.open(self._url, partitions=2, timeout=PATIENCE)
            self._stack.push_async_callback(store.close)
            settings = Settings(redis_url=self._url, rate_limits=False, public_url="http://relay.example")
            self.parts.append(assemble(self._stack, settings, DIRECTORY, store))
            server = TestServer(public_app(self.parts[-1], DIRECTORY, settings))
            await server.start_server()
            self._stack.push_async_callback(server.close)
            self._servers.append(server)
        for user in USERS.values():
            form = {"grant_type": _JWT, "assertion": user.token}
            headers = {"Authorization": encode_basic_auth("demo-client", "demo-secret")}
            url = self._servers[0].make_url("/restapi/oauth/token")
            async with self._http.post(url, data=form, headers=headers) as response:
                self._tokens[user.login] = (await response.json())["access_token"]

    async def stop(self) -> None:
        """Stop both."""
        await self._stack.aclose()

    async def ask(self, request: Request, process: int | None = None) -> Reply:
        """Send a request with its user's credentials."""
        if process is None:
            self._turn += 1
            process = self._turn % 2
        user, method, path, body = request
        token = self._tokens[user.login] if path.startswith("/restapi") else user.token
        url = self._servers[process].make_url(path)
        headers = {"Authorization": f"Bearer {token}"}
        async with self._http.request(method, url, headers=headers, json=body) as response:
            text = await response.read()
            return Reply(response.status, msgspec.json.decode(text) if text else None)

    async def read(self, *requests: Request) -> list[Any]:
        """Send requests that must all be answered with 200, at once; return their bodies."""
        replies = await asyncio.gather(*map(self.ask, requests))
        assert all(reply.status == 200 for reply in replies), list(zip(requests, replies, strict=True))
        return [reply.body for reply in replies]

    async def sessions(self) -> list[Session]:
        """Return the live calls as the journal has them."""
        return await self.parts[0].journal.live_sessions(TENANT)

    async def session(self, session: str) -> Session:
        """Return a call as the journal has it."""
        found = await self.parts[0].journal.session(TENANT, session)
        assert found is not None
        return found

    async def told(self, after: str | None) -> tuple[dict[str, list[Any]], str | None]:
        """Return what each dialect's subscribers are told after an id, and the id to go on from."""
        told: dict[str, list[Any]] = {name: [] for name in self.parts[0].renderers}
        more = True
        while more:
            page = await self.parts[0].journal.history(TENANT, after, limit=1000)
            after, more = page.scanned_to, page.more
            for entry in page.entries:
                for name, bodies in told.items():
                    shown = rendered(entry, name, self.parts[0].renderers)
                    if shown is not None:
                        bodies.append(msgspec.json.decode(shown.body))
        return told, after

    async def timers(self) -> list[Timer]:
        """Return the timers that are set, the earliest first."""
        key = self.parts[0].store.keys(TENANT).timers
        members = await self.parts[0].store.call("ZRANGE", key, 0, -1)
        return [msgspec.json.decode(member, type=Timer) for member in members]

    async def elapse(self, timer: Timer) -> None:
        """Let a timer fall due, as the owner of its partition does."""
        self._turn += 1
        keys = self.parts[0].store.keys(TENANT)
        await self.parts[self._turn % 2].control.elapse(keys.partition, timer)
        await self.parts[0].store.call("ZREM", keys.timers, msgspec.json.encode(timer))


def owner(party: Party) -> User:
    """Return whose leg it is."""
    return BY_EXTENSION[party.address.extension or ""]


def without(shown: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return a mapping without some of its members."""
    return {name: value for name, value in shown.items() if name not in names}
