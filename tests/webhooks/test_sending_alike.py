"""relay's own client beside aiohttp's: whatever an endpoint says, both take it for the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import ip_network
from typing import NamedTuple

import pytest

from relay.webhooks.attempts import CAPTURE
from relay.webhooks.guard import Guard
from relay.webhooks.sender import Answer, Failure, Request
from relay.webhooks.sending.client import HttpSender
from relay.webhooks.sending.targets import Target
from tests.webhooks.aiohttp_sender import AiohttpSender
from tests.webhooks.endpoints import Behaviour, Exchange, serving

LOOPBACK = (ip_network("127.0.0.0/8"),)
OK = b"HTTP/1.1 200 OK\r\n"
ARRIVES = 0.05
"""Seconds after which what was said has arrived, so that it is no part of what follows."""
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

Make = Callable[[Guard], HttpSender | AiohttpSender]


class Script(NamedTuple):
    """What an endpoint says to each request, and what it does then."""

    says: bytes
    then: str = "stays"
    """Or ``closes``, or ``resets``."""


SCRIPTS = {
    "a length": Script(OK + b"Content-Length: 5\r\n\r\nhello"),
    "no body by its length": Script(OK + b"Content-Length: 0\r\n\r\n"),
    "no body by its status": Script(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "not modified": Script(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    "no reason phrase": Script(b"HTTP/1.1 202\r\nContent-Length: 0\r\n\r\n"),
    "an empty reason phrase": Script(b"HTTP/1.1 202 \r\nContent-Length: 0\r\n\r\n"),
    "a redirect": Script(b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"),
    "gone": Script(b"HTTP/1.1 410 Gone\r\ncontent-length: 2\r\n\r\nno"),
    "a hint": Script(b"HTTP/1.1 429 Wait\r\nRETRY-AFTER:  9 \r\nContent-Length: 0\r\n\r\n"),
    "an unusual status": Script(b"HTTP/1.1 799 Hm\r\nContent-Length: 0\r\n\r\n"),
    "a length in pieces of white space": Script(OK + b"Content-Length:\t 2 \t\r\n\r\nok"),
    "lines ended by LF alone": Script(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
    "chunks": Script(CHUNKED + b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"),
    "no chunk": Script(CHUNKED + b"0\r\n\r\n"),
    "chunk extensions": Script(CHUNKED + b'3;a=b;c="d"\r\nabc\r\n0;e\r\n\r\n'),
    "trailers": Script(CHUNKED + b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n"),
    "chunked after another coding": Script(
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    ),
    "compressed by its word": Script(OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"),
    "all until it closes": Script(OK + b"\r\nall of it", "closes"),
    "nothing until it closes": Script(OK + b"\r\n", "closes"),
    "all until it resets": Script(OK + b"\r\nall of it", "resets"),
    "closing, and saying so": Script(OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", "closes"),
    "not closing although it says so": Script(OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok"),
    "closing without saying so": Script(OK + b"Content-Length: 2\r\n\r\nok", "closes"),
    "HTTP/1.0": Script(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    "HTTP/1.0 kept": Script(b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"),
    "HTTP/1.0 to its end": Script(b"HTTP/1.0 200 OK\r\n\r\nall of it", "closes"),
    "interim answers": Script(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        + OK
        + b"Content-Length: 2\r\n\r\nok"
    ),
    "an interim answer alone": Script(b"HTTP/1.1 100 Continue\r\n\r\n", "closes"),
    "switching protocols": Script(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", "closes"),
    "all that is kept": Script(OK + b"Content-Length: %d\r\n\r\n" % CAPTURE + b"x" * CAPTURE),
    "a huge body": Script(OK + b"Content-Length: 9000000\r\n\r\n" + b"x" * 1_000_000),
    "a huge chunk": Script(CHUNKED + b"FFFFF\r\n" + b"x" * 0xFFFFF + b"\r\n0\r\n\r\n"),
    "a length it does not keep": Script(OK + b"Content-Length: 10\r\n\r\nhalf", "closes"),
    "a length it resets before": Script(OK + b"Content-Length: 10\r\n\r\nhalf", "resets"),
    "chunks that break off": Script(CHUNKED + b"A\r\nhalf", "closes"),
    "chunks without the last": Script(CHUNKED + b"3\r\nabc\r\n", "closes"),
    "nothing": Script(b"", "closes"),
    "nothing but a reset": Script(b"", "resets"),
    "half a status line": Script(b"HTTP/1.1 2", "closes"),
    "half a head": Script(OK + b"Content-Le", "closes"),
    "no HTTP": Script(b"220 mail.example ESMTP\r\n\r\n", "closes"),
    "a page without head": Script(b"<html><body>hello</body></html>\r\n\r\n", "closes"),
    "a status of letters": Script(b"HTTP/1.1 abc OK\r\n\r\n", "closes"),
    "a status of two digits": Script(b"HTTP/1.1 20 OK\r\n\r\n", "closes"),
    "HTTP/3.0": Script(b"HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n", "closes"),
    "a field without colon": Script(OK + b"Nonsense\r\nContent-Length: 0\r\n\r\n", "closes"),
    "a field without name": Script(OK + b": x\r\nContent-Length: 0\r\n\r\n", "closes"),
    "a NUL in a field": Script(OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n", "closes"),
    "a length of letters": Script(OK + b"Content-Length: ten\r\n\r\n", "closes"),
    "a negative length": Script(OK + b"Content-Length: -1\r\n\r\n", "closes"),
    "two lengths": Script(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", "closes"),
    "a length and chunks": Script(
        OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "closes"
    ),
    "an endless field": Script(OK + b"X: " + b"x" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n", "closes"),
    "endless fields": Script(OK + b"X: x\r\n" * 20_000 + b"Content-Length: 0\r\n\r\n", "closes"),
}


def following(script: Script, *, piece: int) -> Behaviour:
    """Return what follows a script, so many bytes at a time."""

    async def behave(exchange: Exchange) -> None:
        for at in range(0, len(script.says), piece):
            await exchange.say(script.says[at : at + piece])
            await asyncio.sleep(0)
        if script.then == "closes":
            exchange.writer.close()
        elif script.then == "resets":
            await asyncio.sleep(ARRIVES)
            exchange.reset()

    return behave


async def outcomes(make: Make, behaviour: Behaviour) -> tuple[list[Answer | Failure], int]:
    """Send two requests one after another; return what came of them, and how many connections were made."""
    sender = make(Guard(LOOPBACK))
    found: list[Answer | Failure] = []
    async with serving(behaviour) as endpoint:
        for _ in range(2):
            sent = await sender.send(
                Request(Target(endpoint.url, {"X-Own": "x"}), b"webhook-id: a\r\n", b"{}", 5)
            )
            assert isinstance(sent, Answer | Failure)
            found.append(sent)
        await sender.close()
        return found, endpoint.connections


@pytest.mark.parametrize("name", SCRIPTS)
async def test_answers_are_taken_as_by_a_client_of_long_standing(name: str) -> None:
    """Status, captured body, truncation, hint, error code and the use of connections are the same."""
    script = SCRIPTS[name]

    ours = await outcomes(HttpSender, following(script, piece=65536))
    theirs = await outcomes(AiohttpSender, following(script, piece=65536))

    assert ours == theirs


@pytest.mark.parametrize("name", [name for name in SCRIPTS if len(SCRIPTS[name].says) < 500])
async def test_pieces_do_not_matter(name: str) -> None:
    """An answer that comes byte by byte is taken as one that comes at once."""
    script = SCRIPTS[name]

    dripped, _ = await outcomes(HttpSender, following(script, piece=1))
    at_once, _ = await outcomes(HttpSender, following(script, piece=65536))

    assert dripped == at_once
