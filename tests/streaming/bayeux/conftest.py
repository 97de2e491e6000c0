"""Pods on a real store, and clients of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from relay.journal.store import Store
from tests.conftest import OpenStore
from tests.engines import Server
from tests.streaming.bayeux.pods import ACCOUNT, CALLS, Client, Pod, phone
from tests.streaming.bayeux.sockets import Socket
from tests.streaming.publishing import Line

OpenPod = Callable[..., Awaitable[Pod]]
MakeClient = Callable[..., Client]
MakeLine = Callable[..., Line]
OpenSocket = Callable[..., Awaitable[Socket]]


@pytest.fixture
async def open_pod(server: Server, open_store: OpenStore) -> AsyncIterator[OpenPod]:
    """Give a function that starts a pod with store connections of its own; each is stopped at the end."""
    opened: list[Pod] = []

    async def opening(*, store: Store | None = None, **options: Any) -> Pod:
        opened.append(await Pod(store or await open_store(server.url), **options).start())
        return opened[-1]

    yield opening
    for pod in opened:
        await pod.stop()


@pytest.fixture
async def pod(open_pod: OpenPod) -> Pod:
    """Give a pod."""
    return await open_pod()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Give an HTTP client that keeps no cookies."""
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=60)
    ) as session:
        yield session


@pytest.fixture
def make_client(http: aiohttp.ClientSession, pod: Pod) -> MakeClient:
    """Give a function that makes Bayeux clients of the pod."""

    def making(user: str = "jane", *, at: Pod | None = None) -> Client:
        return Client(http, at or pod, user=user)

    return making


@pytest.fixture
def client(make_client: MakeClient) -> Client:
    """Give jane's Bayeux client, without a session."""
    return make_client()


@pytest.fixture
def make_line(pod: Pod) -> MakeLine:
    """Give a function that makes a line of a user, whose tones are her events."""

    def making(user: str = "jane", *, at: Pod | None = None, account: str = ACCOUNT) -> Line:
        return Line((at or pod).journal, phone(user, account=account), account=account)

    return making


@pytest.fixture
def line(make_line: MakeLine) -> Line:
    """Give jane's line."""
    return make_line()


@pytest.fixture
def open_socket(http: aiohttp.ClientSession, pod: Pod) -> OpenSocket:
    """Give a function that opens websockets to the pod."""

    async def opening(*, at: Pod | None = None, **options: Any) -> Socket:
        return await Socket.open(http, at or pod, **options)

    return opening


@pytest.fixture
async def socket(open_socket: OpenSocket) -> Socket:
    """Give jane's websocket, subscribed to her calls."""
    return await (await open_socket()).begin(CALLS)
