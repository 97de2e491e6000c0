"""Names whose servers hang: they hold up neither other names nor the end of the process."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from relay.errors import InvalidFieldError
from relay.webhooks.guard import Guard
from relay.webhooks.sender import Answer, Request
from relay.webhooks.sending import dialing
from relay.webhooks.sending.client import HttpSender
from relay.webhooks.sending.targets import Target
from tests.waiting import eventually
from tests.webhooks.endpoints import Exchange, serving

PROGRAM = """
import asyncio, socket, time
from relay.webhooks.lookups import Lookups
socket.getaddrinfo = lambda *_, **__: time.sleep(60)

async def look_up():
    try:
        async with asyncio.timeout(0.1):
            await Lookups(1).addresses("hangs.example", 80)
    except TimeoutError:
        print("gave up")

asyncio.run(look_up())
"""


class Resolver:
    """In place of the system's: names that begin with ``hang`` are not answered before all is over."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.hanging = 0
        self.address = "127.0.0.1"

    def look_up(self, host: str, port: int | None, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        """Stand in for `socket.getaddrinfo`."""
        if host.startswith("hang"):
            self.hanging += 1
            self.over.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self.address, port))]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    """Let names resolve, or hang."""
    made = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", made.look_up)
    yield made
    made.over.set()


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    """Give a sender that may reach this machine."""
    made = HttpSender(Guard((ip_network("127.0.0.0/8"),)))
    yield made
    await made.close()


async def close(exchange: Exchange) -> None:
    """Answer 200, so that the next request is dialled anew."""
    await exchange.answer(headers="Connection: close\r\n")


async def test_names_that_hang_hold_up_none_that_was_found_before(
    sender: HttpSender, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many hang: where a name's addresses are asked for anew in vain, those known are dialled."""
    monkeypatch.setattr(dialing, "DNS_CACHE", 0.0)
    async with serving(close) as endpoint:

        def to(host: str) -> Request:
            return Request(Target(f"http://{host}:{endpoint.port}/", {}), b"", b"{}", 4)

        assert await sender.send(to("well.example")) == Answer(200)
        hanging = [asyncio.ensure_future(sender.send(to(f"hang-{n}.example"))) for n in range(200)]
        await eventually(lambda: resolver.hanging == dialing.LOOKUPS)
        begun = time.monotonic()
        assert await sender.send(to("well.example")) == Answer(200)
        assert time.monotonic() - begun < 2
        resolver.over.set()
        await asyncio.gather(*hanging)


async def test_urls_are_checked_beside_names_that_hang(resolver: Resolver) -> None:
    """One that leads inside is told so, though the names of many others are not answered."""
    guard = Guard()
    hanging = [asyncio.ensure_future(guard.check_url(f"http://hang-{n}.example/")) for n in range(20)]
    await eventually(lambda: resolver.hanging == 20)
    resolver.address = "10.0.0.1"
    begun = time.monotonic()
    with pytest.raises(InvalidFieldError):
        await guard.check_url("http://inside.example/")
    assert time.monotonic() - begun < 1
    resolver.over.set()
    await asyncio.gather(*hanging)


def test_a_name_that_hangs_does_not_hold_up_the_end() -> None:
    """A process ends though a lookup goes on."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stdout == "gave up\n"
