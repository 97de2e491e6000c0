"""Requests that repeat the one before: answered as if they had been parsed, and never taken for another."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from relay.errors import NotFoundError
from relay.http.body import json_object
from relay.http.cors import install_cors
from relay.http.errors import ANSWER_HEADERS, errors_middleware
from relay.http.repeats import WRITTEN, Connection, Repeat, Runner
from tests.http.test_errors import face
from tests.waiting import eventually

HEAD: Final = b"POST /poll HTTP/1.1\r\nHost: here\r\nX-Who: jane\r\n"
LARGE: Final = 16_000_000
"""Bytes of an answer that does not fit into a connection's buffers."""


def request(body: bytes, head: bytes = HEAD) -> bytes:
    """Return a request's bytes."""
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


class Polls:
    """A server whose answers say how they came about; ``slow`` bodies wait until they are let go."""

    def __init__(self) -> None:
        self.repeated = 0
        self.requests: list[web.Request] = []
        """Of commands, one after another; a repetition has that of the first."""
        self.cancelled = 0
        self.waiting = 0
        self.go = asyncio.Event()
        app = web.Application(middlewares=[errors_middleware({}, face("poll"))])
        app.router.add_route("*", "/poll", self._usual)
        app.router.add_route("*", "/other", self._usual)
        app.router.add_post("/command", self._command)
        install_cors(app, ["https://app.example.com"])
        self.runner = Runner(app, handler_cancellation=True, access_log=None, shutdown_timeout=5)
        self.port = 0

    async def start(self) -> Polls:
        """Listen."""
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port = self.runner.addresses[0][1]
        return self

    async def _usual(self, asked: web.Request) -> web.StreamResponse:
        body = await asked.read()
        text = await self._said(asked, body)
        answer = web.Response(body=text, headers={"Cache-Control": "no-cache"})
        await answer.prepare(asked)
        await answer.write_eof()
        if isinstance(asked.protocol, Connection):
            asked.protocol.remember(asked, answer, self._accept)
        return answer

    async def _command(self, asked: web.Request) -> web.StreamResponse:
        """Answer as an API does that reads JSON; the body says what is to become of it."""
        body = await json_object(asked, max_bytes=100, empty=True)
        self.requests.append(asked)
        match body.get("become"):
            case "large":
                return web.json_response({"x": "x" * LARGE}, status=202)
            case "limited":
                asked[ANSWER_HEADERS] = {"X-Left": "7"}
            case "refused":
                raise NotFoundError("gone")
            case "moved":
                raise web.HTTPFound("/elsewhere")
            case "cookie":
                answer = web.json_response(body, status=202)
                answer.set_cookie("session", "1")
                return answer
        return web.json_response(body, status=202)

    def _accept(self, repeat: Repeat, body: bytes) -> Handler | None:
        if body == b"unusual":
            return None

        async def again(asked: web.Request) -> web.StreamResponse:
            self.repeated += 1
            text = await self._said(asked, body)
            if body == b"long...":
                return web.Response(body=text, headers={"Cache-Control": "no-cache"})
            repeat.write(text)
            return WRITTEN

        return again

    async def _said(self, asked: web.Request, body: bytes) -> bytes:
        if body == b"fails..":
            raise ZeroDivisionError
        if body == b"slow...":
            self.waiting += 1
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            finally:
                self.waiting -= 1
        return b"%s said %b" % (asked.headers["X-Who"].encode(), body)


class Peer:
    """A client that sends what it is told to, and reads answers one by one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int) -> Peer:
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def close(self) -> None:
        """Disconnect."""
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    async def answer(self) -> tuple[bytes, list[bytes], bytes]:
        """Return the status line, the header fields but for the date, and the body."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        status, *fields = head.strip().split(b"\r\n")
        [size] = [
            int(field.split(b":")[1]) for field in fields if field.lower().startswith(b"content-length")
        ]
        kept = [field for field in fields if not field.startswith(b"Date:")]
        assert len(kept) == len(fields) - 1
        return status, kept, await self.reader.readexactly(size)

    async def ask(self, *pieces: bytes) -> tuple[bytes, list[bytes], bytes]:
        """Send a request in pieces, and return its answer."""
        for piece in pieces:
            self.writer.write(piece)
            await asyncio.sleep(0.02)  # so that they come apart
        return await self.answer()

    async def bodies(self, *bodies: bytes) -> list[bytes]:
        """Send requests one after another, and return the answers' bodies."""
        return [(await self.ask(request(body)))[2] for body in bodies]


@pytest.fixture
async def polls() -> AsyncIterator[Polls]:
    """Give a server."""
    server = await Polls().start()
    yield server
    server.go.set()
    await server.runner.cleanup()


@pytest.fixture
async def peer(polls: Polls) -> AsyncIterator[Peer]:
    """Give a client."""
    found = await Peer.open(polls.port)
    yield found
    await found.close()


@pytest.mark.parametrize("origin", [b"", b"Origin: https://app.example.com\r\n", b"Origin: https://else\r\n"])
@pytest.mark.parametrize("body", [b"first..", b"long...", b"fails.."])
async def test_repetition_is_answered_as_the_same_request_in_two_pieces(
    polls: Polls, peer: Peer, body: bytes, origin: bytes
) -> None:
    """Status, header fields and body are the same whichever way a request goes, errors included."""
    other = await Peer.open(polls.port)
    whole = request(body, HEAD + origin)
    cut = len(whole) - len(body)
    warm = request(b"first..", HEAD + origin)
    assert await peer.ask(warm) == await other.ask(warm[:cut], warm[cut:])
    assert await peer.ask(whole) == await other.ask(whole[:cut], whole[cut:])
    assert await peer.ask(warm) == await other.ask(warm[:cut], warm[cut:])
    assert polls.repeated == 2
    await other.close()


COMMAND: Final = HEAD.replace(b"/poll", b"/command") + b"Content-Type: application/json\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b'{"other": "longer"}',
        b"{}",
        b"",
        b"no json",
        b'{"long": "%b"}' % (b"x" * 100),
        *(b'{"become": "%b"}' % become for become in (b"limited", b"refused", b"moved", b"cookie")),
    ],
)
async def test_repeated_command_is_answered_as_any_other(polls: Polls, peer: Peer, body: bytes) -> None:
    """A command whose head differs in its length alone has its own body, status and header fields."""
    other = await Peer.open(polls.port)
    for sent in (b'{"first": 1}', body, b'{"last": 22}', body):
        whole = request(sent, COMMAND)
        cut = len(whole) - max(1, len(sent))
        assert await peer.ask(whole) == await other.ask(whole[:cut], whole[cut:])
    await other.close()


async def test_repeated_compressed_command_is_read_as_the_first(polls: Polls, peer: Peer) -> None:
    """A body that must be decompressed goes the usual way each time."""
    head = COMMAND + b"Content-Encoding: gzip\r\n"
    for sent in (b'{"first": 1}', b'{"second": 2}', b'{"third": 3}'):
        status, _, body = await peer.ask(request(gzip.compress(sent), head))
        assert (status, body) == (b"HTTP/1.1 202 Accepted", sent)


async def test_rest_of_a_compressed_body_is_not_unpacked_after_the_answer(polls: Polls, peer: Peer) -> None:
    """Its client is answered and hung up on: 30 KB can be half a second's work, for nothing."""
    bomb = gzip.compress(b" " * 30_000_000)
    peer.writer.write(request(bomb, COMMAND + b"Content-Encoding: gzip\r\n"))
    async with asyncio.timeout(10):
        assert b"BodyTooLargeError" in (await peer.answer())[2]
        assert await peer.reader.read() == b""


async def test_repeated_commands_are_not_parsed_again(polls: Polls, peer: Peer) -> None:
    """Commands of any length on one connection are one request, asked again with other bodies."""
    for number in (1, 22, 333, 4_444_444_444):
        sent = b'{"number": %d}' % number
        assert (await peer.ask(request(sent, COMMAND)))[2] == sent
    assert all(one is polls.requests[0] for one in polls.requests)


@pytest.mark.parametrize("length", [b"x", b"", b"-2", b"+2", b"2, 2", b"0x2"])
async def test_length_that_is_none_is_refused_of_a_repetition_too(
    polls: Polls, peer: Peer, length: bytes
) -> None:
    """What is no length goes to aiohttp's parser, which closes the connection."""
    whole = request(b"{}", COMMAND)
    assert (await peer.ask(whole))[0] == b"HTTP/1.1 202 Accepted"
    peer.writer.write(whole.replace(b"Content-Length: 2", b"Content-Length: " + length))
    assert b" 400 " in await asyncio.wait_for(peer.reader.read(), 10)
    assert len(polls.requests) == 1


async def test_head_requests_are_not_repeated(polls: Polls, peer: Peer) -> None:
    """They are answered without a body, each time."""
    for _ in range(2):
        peer.writer.write(request(b"first..", HEAD.replace(b"POST", b"HEAD")))
        answer = await asyncio.wait_for(peer.reader.readuntil(b"\r\n\r\n"), 10)
        assert answer.startswith(b"HTTP/1.1 200 OK")
    assert (await peer.ask(request(b"second.")))[0] == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    "field", [b"Bearer hush\0", b"Bearer hush\nX: y", b"Bearer hush" + b"x" * 9000, b"hush\r\nX: y\r\n : z"]
)
async def test_credentials_of_what_is_no_http_are_not_logged(
    polls: Polls, peer: Peer, caplog: pytest.LogCaptureFixture, field: bytes
) -> None:
    """A request that cannot be parsed is its client's fault: it is refused, and not written down."""
    peer.writer.write(request(b"{}", COMMAND + b"Authorization: %b\r\n" % field))
    assert b" 400 " in await asyncio.wait_for(peer.reader.read(), 10)
    assert caplog.text == ""


async def test_other_heads_and_bodies_go_the_usual_way(polls: Polls, peer: Peer) -> None:
    """Another user, path, length or kind of body on the same connection is told apart."""
    assert await peer.bodies(b"first..", b"again..") == [b"jane said first..", b"jane said again.."]
    assert polls.repeated == 1
    john = HEAD.replace(b"jane", b"john")
    assert (await peer.ask(request(b"again..", john)))[2] == b"john said again.."
    assert (await peer.ask(request(b"shorter")[:-1].replace(b": 7", b": 6")))[2] == b"jane said shorte"
    assert (await peer.ask(request(b"again..", HEAD.replace(b"poll", b"other"))))[0].endswith(b"200 OK")
    assert await peer.bodies(b"first..", b"unusual") == [b"jane said first..", b"jane said unusual"]
    assert polls.repeated == 1
    assert (await peer.bodies(b"first.."))[0] == b"jane said first.."


async def test_request_inside_a_chunked_body_is_not_answered(polls: Polls, peer: Peer) -> None:
    """What looks like a repetition but is the body of another request stays its body."""
    inner = request(b"first..")
    await peer.ask(inner)
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(inner)
    status, _, body = await peer.ask(chunked, inner, b"\r\n0\r\n\r\n")
    assert (status, body) == (b"HTTP/1.1 200 OK", b"jane said " + inner)
    assert await peer.bodies(b"first..") == [b"jane said first.."]
    assert polls.repeated == 0


async def test_request_cut_anywhere_is_answered_once(polls: Polls, peer: Peer) -> None:
    """Pieces, and requests sent ahead of the answers, are answered in their order."""
    await peer.ask(request(b"first.."))
    whole = request(b"again..")
    for at in (1, 20, len(whole) - 8, len(whole) - 1):
        assert (await peer.ask(whole[:at], whole[at:]))[2] == b"jane said again.."
    other = await Peer.open(polls.port)
    await other.ask(whole)
    other.writer.write(b"".join(request(b"ahead%2d" % number) for number in range(20)))
    assert [(await other.answer())[2] for _ in range(20)] == [b"jane said ahead%2d" % n for n in range(20)]
    await other.close()


async def test_what_comes_while_an_answer_is_made_waits_for_it(polls: Polls, peer: Peer) -> None:
    """A repetition that is held is answered before what was sent after it, however much that is."""
    await peer.ask(request(b"first.."))
    peer.writer.write(request(b"slow..."))
    await eventually(lambda: polls.waiting == 1)
    large = b"x" * 300_000
    peer.writer.write(request(b"again.."))
    peer.writer.write(request(large))
    await asyncio.sleep(0.05)
    polls.go.set()
    found = [(await peer.answer())[2] for _ in range(3)]
    assert found == [b"jane said slow...", b"jane said again..", b"jane said " + large]


async def test_request_sent_ahead_waits_quietly_until_the_answer_is_read(polls: Polls, peer: Peer) -> None:
    """A client that takes its time over a large answer does not keep the loop busy by asking on meanwhile."""
    peer.writer.write(request(b'{"become": "large"}', COMMAND))
    server = polls.runner.server
    assert isinstance(server, web.Server)
    await eventually(lambda: any(one.writing_paused for one in server.connections))
    peer.writer.write(request(b"{}", COMMAND))
    before = time.thread_time()
    await asyncio.sleep(0.3)
    assert time.thread_time() - before < 0.05
    assert len((await peer.answer())[2]) > LARGE
    assert (await peer.answer())[2] == b"{}"


async def test_repetition_waits_until_the_answers_before_it_are_read(polls: Polls, peer: Peer) -> None:
    """A client that asks on and reads nothing is not answered into ever more memory."""
    large = request(b'{"become": "large"}', COMMAND)
    await peer.ask(request(b"{}", COMMAND))
    peer.writer.write(large)
    await eventually(lambda: len(polls.requests) == 2)
    for _ in range(3):
        peer.writer.write(large)
        await asyncio.sleep(0.05)  # so that they come apart
    assert len(polls.requests) == 2
    for _ in range(4):
        assert len((await peer.answer())[2]) > LARGE
    assert len(polls.requests) == 5


async def test_client_that_leaves_cancels_who_answers(polls: Polls, peer: Peer) -> None:
    """As with any request, the handler is cancelled when its client drops."""
    await peer.ask(request(b"first.."))
    peer.writer.write(request(b"slow..."))
    await eventually(lambda: polls.waiting == 1)
    await peer.close()
    await eventually(lambda: polls.cancelled == 1)


async def test_stopping_waits_for_a_held_repetition(polls: Polls, peer: Peer) -> None:
    """A server that stops lets a repetition be answered, then closes the connection."""
    await peer.ask(request(b"first.."))
    peer.writer.write(request(b"slow..."))
    await eventually(lambda: polls.waiting == 1)
    stopping = asyncio.create_task(polls.runner.cleanup())
    await asyncio.sleep(0.05)
    assert not stopping.done()
    polls.go.set()
    assert (await peer.answer())[2] == b"jane said slow..."
    assert await peer.reader.read() == b""
    await stopping


async def test_client_that_asks_to_close_is_not_remembered(polls: Polls) -> None:
    """Neither is one of HTTP/1.0: their connections end with the answer."""
    for head in (HEAD + b"Connection: close\r\n", HEAD.replace(b"1.1", b"1.0")):
        peer = await Peer.open(polls.port)
        await peer.ask(request(b"first..", head))
        assert await peer.reader.read() == b""
        await peer.close()
    assert polls.repeated == 0
