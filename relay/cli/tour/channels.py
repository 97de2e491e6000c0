"""The tour's three subscribers, each a small client of a public face."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import BasicAuth, ClientSession, ClientTimeout, web

Told = Callable[[dict[str, Any]], None]

_NO_TIMEOUT: Final = ClientTimeout(total=None)
"""Streams and held polls live as long as the tour does, which bounds them."""


class BadSignatureError(Exception):
    """A delivery whose signature does not verify."""


def verify(secret: str, headers: Any, body: bytes) -> None:
    """Check a delivery's ``v1`` signature (Standard Webhooks 1.0, "Verifying webhook authenticity").

    Raises:
        BadSignatureError: no signature in the header matches.

    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    if not any(hmac.compare_digest(wanted, given) for given in headers["webhook-signature"].split()):
        raise BadSignatureError(headers["webhook-id"])


@asynccontextmanager
async def webhook(session: ClientSession, base: str, token: str, told: Told) -> AsyncIterator[None]:
    """Run a receiver on loopback, subscribe it, and tell of every verified delivery."""
    secret = ""

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        verify(secret, request.headers, body)
        told(json.loads(body))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    headers = {"Authorization": f"Bearer {token}"}
    wanted = {"url": f"http://127.0.0.1:{port}/", "types": ["call.leg.*"], "description": "tour"}
    async with session.post(f"{base}/v3/subscriptions/", json=wanted, headers=headers) as response:
        response.raise_for_status()
        subscription = await response.json()
    secret = subscription["secret"]
    try:
        yield
    finally:
        async with session.delete(f"{base}/v3/subscriptions/{subscription['id']}", headers=headers):
            pass
        await runner.cleanup()


@asynccontextmanager
async def sse(session: ClientSession, base: str, token: str, told: Told) -> AsyncIterator[None]:
    """Follow the event stream."""
    headers = {"Authorization": f"Bearer {token}"}
    response = await session.get(f"{base}/v3/events/stream", headers=headers, timeout=_NO_TIMEOUT)
    response.raise_for_status()

    async def follow() -> None:
        async for line in response.content:
            if line.startswith(b"data:"):
                told(json.loads(line[5:]))

    async with response, _running(follow()):
        yield


@asynccontextmanager
async def cometd(
    session: ClientSession, base: str, login: str, password: str, told: Told
) -> AsyncIterator[None]:
    """Hold a Bayeux session over long-polling, and pass on how the states of the user's calls change."""
    ids = itertools.count(1)
    auth = BasicAuth(login, password)

    async def ask(**message: Any) -> list[dict[str, Any]]:
        body = [{"id": str(next(ids)), **message}]
        async with session.post(
            f"{base}/api/v2/notifications", json=body, auth=auth, timeout=_NO_TIMEOUT
        ) as response:
            response.raise_for_status()
            replies: list[dict[str, Any]] = await response.json()
            return replies

    shaken = await ask(channel="/meta/handshake", version="1.0", supportedConnectionTypes=["long-polling"])
    client = shaken[-1]["clientId"]
    await ask(channel="/meta/subscribe", clientId=client, subscription="/v2/me/calls")

    async def poll() -> None:
        while True:
            for message in await ask(channel="/meta/connect", clientId=client, connectionType="long-polling"):
                data = message.get("data", {})
                if message["channel"] == "/v2/me/calls" and data["notificationType"] == "StatusChange":
                    told(data)

    async with _running(poll()):
        yield
    await ask(channel="/meta/disconnect", clientId=client)


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a follower beside the block; its failure, if any, is what leaves the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
