"""Commands and replies on a connection to the store, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from redis.exceptions import InvalidResponse, ResponseError

from relay.journal.wire import Wire
from tests.waiting import eventually

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Connect = Callable[[Talk], Awaitable[Wire]]

WITHIN = 5.0


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connect to a server that does as it is told."""
    servers: list[asyncio.Server] = []
    transports: list[asyncio.Transport] = []
    serving: set[asyncio.StreamWriter] = set()

    async def connected(talk: Talk) -> Wire:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            serving.add(writer)
            with suppress(ConnectionError):
                await talk(reader, writer)
            writer.close()
            serving.discard(writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(
            asyncio.Protocol, "127.0.0.1", server.sockets[0].getsockname()[1]
        )
        transports.append(transport)
        return Wire(transport, ResponseError)

    yield connected
    for transport in transports:
        transport.abort()
    await eventually(lambda: not serving)
    for server in servers:
        server.close()


async def test_replies_come_in_order_however_their_bytes_are_cut(connect: Connect) -> None:
    """Two commands in one write get both replies, also where bytes come one by one."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(6) == b"onetwo"
        for byte in b"*2\r\n:1\r\n$2\r\nok\r\n-ERR no\r\n":
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    wire = await connect(talk)
    replies: list[Any] = []
    await wire.exchange([b"one", b"two"], replies, WITHIN)
    assert replies[0] == [1, b"ok"]
    assert isinstance(replies[1], ResponseError)
    assert not wire.lost


async def test_what_the_server_says_unasked_is_overlooked(connect: Connect) -> None:
    """A push message is no reply: the command gets the one that follows it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        writer.write(b">2\r\n$3\r\nnew\r\n:7\r\n:1\r\n")
        await reader.read()

    wire, replies = await connect(talk), list[Any]()
    await wire.exchange([b"one"], replies, WITHIN)
    assert replies == [1]


@pytest.mark.parametrize("said", [b":1\r\n:2\r\n", b"?!\r\n"], ids=["too many", "no protocol"])
async def test_a_connection_that_says_what_cannot_be_is_used_no_more(connect: Connect, said: bytes) -> None:
    """A reply to nothing, or none of the protocol's, ends the connection for good."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        writer.write(said)
        await reader.read()

    wire = await connect(talk)
    try:
        await wire.exchange([b"one"], [], WITHIN)
    except InvalidResponse:
        assert said.startswith(b"?")
    await eventually(lambda: wire.lost)
    with pytest.raises(ConnectionResetError):
        await wire.exchange([b"two"], [], WITHIN)


async def test_a_connection_is_used_no_more_after_a_reply_that_came_too_late(connect: Connect) -> None:
    """Whoever waits too long, or no longer, leaves a reply behind that is not given to the next command."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    late, left = await connect(talk), await connect(talk)
    with pytest.raises(TimeoutError):
        await late.exchange([b"one"], [], 0.05)
    leaving = asyncio.create_task(left.exchange([b"one"], [], WITHIN))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait((leaving,))
    assert late.lost
    assert left.lost


async def test_a_server_that_leaves_fails_what_waits_at_once(connect: Connect) -> None:
    """The replies that came are kept; that more will not come is known without waiting for the limit."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(6)
        writer.write(b":1\r\n")

    wire, replies = await connect(talk), list[Any]()
    with pytest.raises(ConnectionResetError):
        await wire.exchange([b"one", b"two"], replies, WITHIN)
    assert replies == [1]
