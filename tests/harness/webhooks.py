"""A receiver of webhooks that counts every delivery and verifies each."""

from __future__ import annotations

import asyncio
import itertools
from base64 import b64decode
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

from tests.harness.accounting import Arrival, now_ms
from tests.harness.v3 import V3


class Delivery(NamedTuple):
    """One request that reached the receiver."""

    hook: str
    """Path of the subscription's own URL."""
    id: str
    """The `webhook-id`."""
    body: bytes
    headers: dict[str, str]
    status: int
    """How it was answered."""
    at_ms: float
    """When it came, since the epoch."""

    @property
    def event(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


Script = Callable[[Delivery], Awaitable[int]]
"""Decides how a delivery is answered, and when; the delivery's own status is not yet set."""


async def take(_delivery: Delivery) -> int:
    """Take a delivery."""
    return 204


def verify(subscription: dict[str, Any], delivery: Delivery) -> None:
    """Check a signature as receivers do: v1 by the standard's own library, v1a by its public key alone."""
    if subscription["signature"] == "v1":
        Webhook(subscription["secret"]).verify(delivery.body, delivery.headers)
        return
    key = Ed25519PublicKey.from_public_bytes(b64decode(subscription["public_key"].removeprefix("whpk_")))
    headers = delivery.headers
    assert abs(int(headers["webhook-timestamp"]) - delivery.at_ms / 1000) < 300
    signed = f"{delivery.id}.{headers['webhook-timestamp']}.".encode() + delivery.body
    [token, *_] = headers["webhook-signature"].split(" ")
    assert token.startswith("v1a,")
    key.verify(b64decode(token.removeprefix("v1a,")), signed)


class WebhookReceiver:
    """Listens on 127.0.0.1; every subscription has a path and a secret of its own."""

    def __init__(self, script: Script = take) -> None:
        self.script = script
        self.deliveries: list[Delivery] = []
        """Every answered delivery, in order of arrival."""
        self.faults: list[str] = []
        """What was wrong with deliveries, in words: each test wants this empty."""
        self._subscriptions: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._paths = itertools.count(1)
        app = web.Application()
        app.router.add_route("*", "/{hook}", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        self.url = ""

    def __repr__(self) -> str:
        return f"WebhookReceiver({self.url}, {len(self.deliveries)} deliveries, faults={self.faults})"

    async def start(self) -> None:
        """Listen on a free port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()

    async def subscribe(self, client: V3, **options: Any) -> str:
        """Subscribe for a client; return the path by which deliveries are told apart."""
        hook = f"hook-{next(self._paths)}"
        known = self._subscriptions[hook] = asyncio.get_running_loop().create_future()
        known.set_result(await client.subscribe(f"{self.url}/{hook}", **options))
        return hook

    def subscription(self, hook: str) -> dict[str, Any]:
        """Return a subscription as it was made."""
        return self._subscriptions[hook].result()

    def of(self, hook: str) -> list[Delivery]:
        """Return the deliveries of one subscription that were taken (2xx), in order of arrival."""
        return [one for one in self.deliveries if one.hook == hook and one.status < 300]

    def arrivals(self, hook: str) -> list[Arrival]:
        """Return every delivery of one subscription, for an account."""
        return [
            Arrival(one.id, one.event["call_id"], one.at_ms, taken=one.status < 300)
            for one in self.deliveries
            if one.hook == hook
        ]

    def first(self, hook: str) -> list[Delivery]:
        """Return the first delivery of each event, in order; repeats must be the same in every byte."""
        found: dict[str, Delivery] = {}
        for one in self.of(hook):
            seen = found.setdefault(one.id, one)
            assert seen.body == one.body, f"{one.id} came with two bodies"
        return list(found.values())

    def legs(self, hook: str) -> dict[str, list[tuple[int, str]]]:
        """The story of each leg: sequence and type of each event in the order of first receipt."""
        found = defaultdict(list)
        for one in self.first(hook):
            event = one.event
            found[event["id"]].append((event["sequence"], event["type"]))
        return dict(found)

    async def _receive(self, request: web.Request) -> web.Response:
        hook, at = request.match_info["hook"], now_ms()
        body = await request.read()
        delivery = Delivery(hook, request.headers.get("webhook-id", ""), body, dict(request.headers), 0, at)
        if hook not in self._subscriptions:
            self.faults.append(f"{request.method} {request.path} was never subscribed")
            return web.Response(status=404)
        if request.method != "POST" or request.content_type != "application/json":
            self.faults.append(f"{delivery.id} came as {request.method} of {request.content_type}")
        try:
            verify(await self._subscriptions[hook], delivery)
        except Exception as error:  # noqa: BLE001 - whatever is wrong is the test's finding
            self.faults.append(f"{delivery.id} does not verify: {error!r}")
        status = await self.script(delivery)
        self.deliveries.append(delivery._replace(status=status))
        return web.Response(status=status)
