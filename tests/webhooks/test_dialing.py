"""Dialling: names, several addresses, and what becomes of connections that nobody asked to end."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any

import pytest

from relay.errors import InvalidFieldError
from relay.webhooks.attempts import ErrorCode
from relay.webhooks.guard import Guard
from relay.webhooks.sender import Answer, Exchange, Failure, Request, Withheld
from relay.webhooks.sending import pool
from relay.webhooks.sending.client import HttpSender
from relay.webhooks.sending.targets import Target
from tests.waiting import eventually
from tests.webhooks.endpoints import Endpoint, serving
from tests.webhooks.endpoints import Exchange as Served

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    """Give a sender that may reach this machine."""
    made = HttpSender(Guard(LOOPBACK))
    yield made
    await made.close()


async def well(exchange: Served) -> None:
    """Answer 200 with a field."""
    await exchange.answer(headers="X-Token: t\r\n")


class Names:
    """What names resolve to, in place of the system's resolver."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.addresses: list[str] = ["127.0.0.1"]

    def look_up(self, host: str, port: int, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        """Stand in for `socket.getaddrinfo`."""
        self.asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.addresses]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Let names resolve to what a test says."""
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made.look_up)
    return made


def to(endpoint: Endpoint, host: str = "h.example", *, timeout: float = 5) -> Request:
    """Return a request to an endpoint, by a name."""
    return Request(Target(f"http://{host}:{endpoint.port}/", {}), b"", b"{}", timeout)


@contextmanager
def deaf(address: str, port: int) -> Iterator[None]:
    """Have an address accept no connection, nor refuse it."""
    with socket.socket() as full:
        full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        full.bind((address, port))
        full.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield
        for filler in fillers:
            filler.close()


async def test_a_name_is_looked_up_once_for_all_who_dial_it(sender: HttpSender, names: Names) -> None:
    """Requests that start together share a lookup, and later ones its result."""
    async with serving(well) as endpoint:
        first = await asyncio.gather(*(sender.send(to(endpoint)) for _ in range(5)))
        await endpoint.drop_connections()
        again = await sender.send(to(endpoint))

    assert [*first, again] == [Answer(200)] * 6
    assert names.asked == ["h.example"]


async def test_the_next_address_is_tried(sender: HttpSender, names: Names) -> None:
    """Where one address of a name refuses, the next one may take the connection."""
    names.addresses = ["127.0.0.2", "127.0.0.1"]
    async with serving(well) as endpoint:
        assert await sender.send(to(endpoint)) == Answer(200)


async def test_an_address_that_is_silent_leaves_time_for_the_next(sender: HttpSender, names: Names) -> None:
    """An address uses up no more than its share of the time for connecting."""
    names.addresses = ["127.0.0.2", "127.0.0.1"]
    async with serving(well) as endpoint:
        with deaf("127.0.0.2", endpoint.port):
            assert await sender.send(to(endpoint, timeout=4)) == Answer(200)


async def test_only_permitted_addresses_of_a_name_are_dialled(sender: HttpSender, names: Names) -> None:
    """What a name resolves to is checked address by address, also when it was remembered."""
    names.addresses = ["10.0.0.1", "127.0.0.1"]
    async with serving(well) as endpoint:
        assert await sender.send(to(endpoint)) == Answer(200)
        names.addresses = ["10.0.0.1", "169.254.169.254"]
        for _ in range(2):
            assert await sender.send(to(endpoint, "other.example")) == Failure(ErrorCode.BLOCKED_IP)


@pytest.mark.parametrize(
    "addresses", [["93.184.216.34", "10.0.0.1"], ["::ffff:10.0.0.1", "2606:4700::1"], ["169.254.169.254"]]
)
async def test_a_name_that_leads_inside_too_is_refused_when_it_is_given(
    names: Names, addresses: list[str]
) -> None:
    """One address that webhooks may not reach is enough."""
    names.addresses = addresses
    with pytest.raises(InvalidFieldError) as refused:
        await Guard().check_url("http://h.example/")
    assert refused.value.field == "url"


async def test_a_name_that_is_bound_anew_is_refused_at_the_dial(names: Names) -> None:
    """It was public when it was given; nothing is sent where it leads later."""
    public = HttpSender(Guard())
    names.addresses = ["93.184.216.34"]
    await Guard().check_url("http://h.example/")
    names.addresses = ["127.0.0.1"]
    async with serving(well) as endpoint:
        assert await public.send(to(endpoint)) == Failure(ErrorCode.BLOCKED_IP)
        assert endpoint.connections == 0
    await public.close()


async def test_no_file_left_is_no_endpoints_fault(
    sender: HttpSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where this process may open no more files, nothing is sent, and nothing held against the endpoint."""

    def none_left(*_: Any) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async with serving(well) as endpoint:
        with monkeypatch.context() as patched:
            patched.setattr(socket, "socket", none_left)
            assert await sender.send(to(endpoint, "127.0.0.1")) == Withheld()
            assert await sender.exchange(to(endpoint, "127.0.0.1")) == Failure(ErrorCode.CONNECTION_REFUSED)
        assert await sender.send(to(endpoint, "127.0.0.1")) == Answer(200)


async def test_an_answers_fields_are_told(sender: HttpSender) -> None:
    """Who asks for them gets the fields with the answer."""
    async with serving(well) as endpoint:
        sent = await sender.exchange(to(endpoint, "127.0.0.1"))
        assert isinstance(sent, Exchange)
        assert sent.headers["x-TOKEN"] == "t"


async def test_an_answer_that_comes_before_the_whole_request_counts(sender: HttpSender) -> None:
    """An endpoint that answers and takes no more of the request has answered; its connection is not kept."""
    writers: list[asyncio.StreamWriter] = []

    def answers_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writers.append(writer)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    server = await asyncio.start_server(answers_at_once, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert await sender.send(Request(Target(url, {}), b"", b"x" * 50_000_000, 5)) == Answer(413)
        writers[0].transport.abort()
        assert "0 busy, 0 idle" in repr(sender)


async def test_a_connection_that_ends_while_idle_is_not_used(sender: HttpSender) -> None:
    """An idle connection that the endpoint closes, or speaks on, is let go without a request."""

    def closes(writer: asyncio.StreamWriter) -> None:
        writer.close()

    def speaks(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 ")

    async with serving(well) as endpoint:
        for end in (closes, speaks):
            assert await sender.send(to(endpoint, "127.0.0.1")) == Answer(200)
            assert "1 idle" in repr(sender)
            end(endpoint.writers[-1])
            await eventually(lambda: "0 idle" in repr(sender))

        assert await sender.send(to(endpoint, "127.0.0.1")) == Answer(200)
        assert sender.redials == 0


async def test_idle_connections_are_bounded(sender: HttpSender, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many are kept at most, and each for so long."""
    monkeypatch.setattr(pool, "MAX_IDLE", 2)
    monkeypatch.setattr(pool, "IDLE_SWEEP", 0.02)
    monkeypatch.setattr(pool, "KEEP_ALIVE", 0.5)
    async with serving(well) as endpoint:
        await asyncio.gather(*(sender.send(to(endpoint, "127.0.0.1")) for _ in range(5)))
        assert endpoint.connections == 5
        assert "2 idle" in repr(sender)

        await eventually(lambda: "0 busy, 0 idle" in repr(sender))
