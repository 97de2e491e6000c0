"""Sending one request, to endpoints that answer well, badly or not at all."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from relay.webhooks.attempts import CAPTURE, ErrorCode
from relay.webhooks.guard import Guard
from relay.webhooks.sender import Answer, Failure, Request, Withheld
from relay.webhooks.sending.client import HttpSender, verifying
from relay.webhooks.sending.targets import Target
from tests.waiting import eventually
from tests.webhooks.endpoints import Exchange, serving

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "relay/test",
    "X-Own": "x",
}


@pytest.fixture
async def sender() -> AsyncIterator[HttpSender]:
    """Give a sender that may reach this machine."""
    made = HttpSender(Guard(LOOPBACK))
    yield made
    await made.close()


def self_signed(folder: Path) -> Path:
    """Return a file with a key and a certificate for 127.0.0.1."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not on PATH")
    made = folder / "endpoint.pem"
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=endpoint", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(made), "-out", str(folder / "certificate.pem")),
        ],
        check=True,
        capture_output=True,
    )
    made.write_text(made.read_text() + (folder / "certificate.pem").read_text())
    return made


def request(url: str, *, timeout: float = 5) -> Request:
    """Return a request to a URL."""
    own = b"webhook-id: evt_00_1-0\r\n"
    return Request(Target(url, HEADERS), own, b'{"a":1}', timeout)


async def well(exchange: Exchange) -> None:
    """Answer 200 with a body."""
    await exchange.answer("200 OK", b"thanks")


async def test_exactly_the_given_headers_and_bytes_go_out(sender: HttpSender) -> None:
    """A request has the headers it was given, host and length, and nothing a browser would add."""
    async with serving(well) as endpoint:
        answer = await sender.send(request(endpoint.url + "?a=b%20c"))

    assert answer == Answer(200, b"thanks")
    [exchange] = endpoint.requests
    lines = exchange.head.decode().rstrip().split("\r\n")
    assert lines[0] == "POST /hook?a=b%20c HTTP/1.1"
    assert sorted(line.split(":")[0].lower() for line in lines[1:]) == [
        "content-length", "content-type", "host", "user-agent", "webhook-id", "x-own",
    ]  # fmt: skip
    assert exchange.body == b'{"a":1}'


async def test_connections_are_kept(sender: HttpSender) -> None:
    """Requests one after another share a connection."""
    async with serving(well) as endpoint:
        for _ in range(3):
            assert await sender.send(request(endpoint.url)) == Answer(200, b"thanks")

    assert endpoint.connections == 1


async def test_a_redirect_is_an_answer(sender: HttpSender) -> None:
    """A redirect is not followed."""

    async def moved(exchange: Exchange) -> None:
        await exchange.answer("302 Found", headers="Location: /elsewhere\r\n")

    async with serving(moved) as endpoint:
        assert await sender.send(request(endpoint.url)) == Answer(302)
        assert len(endpoint.requests) == 1


async def test_cookies_are_not_kept(sender: HttpSender) -> None:
    """What one answer sets, the next request does not carry."""

    async def sets_cookie(exchange: Exchange) -> None:
        await exchange.answer(headers="Set-Cookie: a=b; Path=/\r\n")

    async with serving(sets_cookie) as endpoint:
        for _ in range(2):
            await sender.send(request(endpoint.url))

    assert all(b"cookie" not in exchange.head.lower() for exchange in endpoint.requests)


async def test_retry_after_is_told(sender: HttpSender) -> None:
    """The hint of a busy endpoint comes with its answer."""

    async def busy(exchange: Exchange) -> None:
        await exchange.answer("503 Service Unavailable", headers="Retry-After: 17\r\n")

    async with serving(busy) as endpoint:
        assert await sender.send(request(endpoint.url)) == Answer(503, retry_after="17")


async def test_a_body_of_the_whole_capture_is_kept(sender: HttpSender) -> None:
    """Exactly as much as is kept is not truncated, and the connection is used again."""

    async def full(exchange: Exchange) -> None:
        await exchange.answer(body=b"x" * CAPTURE)

    async with serving(full) as endpoint:
        for _ in range(2):
            assert await sender.send(request(endpoint.url)) == Answer(200, b"x" * CAPTURE)
        assert endpoint.connections == 1


async def test_a_huge_body_is_cut(sender: HttpSender) -> None:
    """Of a larger body the beginning is kept, and the rest is not read."""

    async def huge(exchange: Exchange) -> None:
        await exchange.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:  # until the connection is closed
            await exchange.say(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    async with serving(huge) as endpoint:
        assert await sender.send(request(endpoint.url)) == Answer(200, b"x" * CAPTURE, truncated=True)


async def test_compressed_bodies_stay_compressed(sender: HttpSender) -> None:
    """A body that claims to be compressed is kept as it is: a small one could unpack to a large one."""

    async def packed(exchange: Exchange) -> None:
        await exchange.answer(body=b"not gzip", headers="Content-Encoding: gzip\r\n")

    async with serving(packed) as endpoint:
        assert await sender.send(request(endpoint.url)) == Answer(200, b"not gzip")


async def test_a_body_that_breaks_off_leaves_its_status(sender: HttpSender) -> None:
    """The status counts although the body never came to its end."""

    async def broken(exchange: Exchange) -> None:
        await exchange.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        exchange.writer.close()

    async with serving(broken) as endpoint:
        assert await sender.send(request(endpoint.url)) == Answer(200, b"half", truncated=True)


async def test_silence_ends_at_the_timeout(sender: HttpSender) -> None:
    """An endpoint that takes the request and says nothing is timed out."""

    async def silent(exchange: Exchange) -> None:
        await asyncio.Event().wait()

    async with serving(silent) as endpoint:
        async with asyncio.timeout(10):
            assert await sender.send(request(endpoint.url, timeout=0.5)) == Failure(ErrorCode.TIMEOUT_READ)


async def test_dripping_ends_at_the_timeout(sender: HttpSender) -> None:
    """A body that comes byte by byte does not prolong the attempt."""

    async def dripping(exchange: Exchange) -> None:
        await exchange.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            await exchange.say(b"x")
            await asyncio.sleep(0.02)

    async with serving(dripping) as endpoint:
        async with asyncio.timeout(10):
            assert await sender.send(request(endpoint.url, timeout=0.5)) == Failure(ErrorCode.TIMEOUT_READ)


async def test_a_connection_that_is_never_accepted_times_out(sender: HttpSender) -> None:
    """A dial that gets no answer ends as a connect timeout."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/"

        assert await sender.send(request(url, timeout=0.3)) == Failure(ErrorCode.TIMEOUT_CONNECT)

        for filler in fillers:
            filler.close()


async def test_a_refused_connection_is_told(sender: HttpSender, unused_tcp_port: int) -> None:
    """Nobody listening is `connection_refused`."""
    url = f"http://127.0.0.1:{unused_tcp_port}/"

    assert await sender.send(request(url)) == Failure(ErrorCode.CONNECTION_REFUSED)


async def test_an_unknown_name_is_told(sender: HttpSender) -> None:
    """A name without address is `dns_error`."""
    assert await sender.send(request("http://no-such-host.invalid/")) == Failure(ErrorCode.DNS_ERROR)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 2", b"nonsense\r\n\r\n"])
async def test_a_broken_answer_is_a_reset(sender: HttpSender, answer: bytes) -> None:
    """Closing without a whole answer, or answering nonsense, on a new connection is a failure at once."""

    async def broken(exchange: Exchange) -> None:
        if answer:
            await exchange.say(answer)
        exchange.writer.close()

    async with serving(broken) as endpoint:
        assert await sender.send(request(endpoint.url)) == Failure(ErrorCode.CONNECTION_RESET)
        assert len(endpoint.requests) == 1


async def test_a_reset_is_told(sender: HttpSender) -> None:
    """A connection reset in the face of a request is a failure at once."""

    async def resets(exchange: Exchange) -> None:
        exchange.reset()

    async with serving(resets) as endpoint:
        assert await sender.send(request(endpoint.url)) == Failure(ErrorCode.CONNECTION_RESET)


async def test_a_kept_connection_that_was_closed_is_dialled_anew_once(sender: HttpSender) -> None:
    """An endpoint that closes after each answer without saying so costs a dial, not an attempt."""

    async def closes_later(exchange: Exchange) -> None:
        if exchange.number == 1:
            await exchange.answer()
        else:
            exchange.writer.close()

    async with serving(closes_later) as endpoint:
        for _ in range(3):
            assert await sender.send(request(endpoint.url)) == Answer(200)

    assert sender.redials >= 1


async def test_an_endpoint_that_only_closes_gets_no_third_try(sender: HttpSender) -> None:
    """If the new connection is closed as well, that is the outcome."""
    first = True

    async def once(exchange: Exchange) -> None:
        nonlocal first
        if first:
            first = False
            await exchange.answer()
        else:
            exchange.writer.close()

    async with serving(once) as endpoint:
        assert await sender.send(request(endpoint.url)) == Answer(200)
        assert await sender.send(request(endpoint.url)) == Failure(ErrorCode.CONNECTION_RESET)
        assert len(endpoint.requests) == 3


async def test_a_private_address_is_blocked_at_the_dial() -> None:
    """Without an open network no literal, name or odd spelling leads to this machine."""
    async with serving(well) as endpoint:
        sender = HttpSender(Guard())
        literals = ("127.0.0.1", "0x7f.1", "127.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0")
        for host in ("localhost", *literals):
            url = f"http://{host}:{endpoint.port}/"
            assert await sender.send(request(url)) == Failure(ErrorCode.BLOCKED_IP), host
        await sender.close()
        assert endpoint.connections == 0


async def test_certificates_are_verified(sender: HttpSender, tmp_path: Path) -> None:
    """An endpoint whose certificate nobody vouches for gets no request; one that is vouched for does."""
    certificate = self_signed(tmp_path)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)
    trusting = HttpSender(Guard(LOOPBACK), ssl_context=ssl.create_default_context(cafile=str(certificate)))

    async with serving(well, tls=server_side) as endpoint:
        assert await sender.send(request(endpoint.url)) == Failure(ErrorCode.TLS_ERROR)
        assert not endpoint.requests
        for _ in range(2):
            assert await trusting.send(request(endpoint.url)) == Answer(200, b"thanks")
        other_name = endpoint.url.replace("127.0.0.1", "localhost")
        assert await trusting.send(request(other_name)) == Failure(ErrorCode.TLS_ERROR)
    await trusting.close()


def test_old_versions_of_tls_are_not_spoken() -> None:
    """Nor are names left unchecked: the settings that endpoints are dialled with say so."""
    settings = verifying()
    assert settings.minimum_version is ssl.TLSVersion.TLSv1_2
    assert (settings.verify_mode, settings.check_hostname) == (ssl.CERT_REQUIRED, True)


async def test_an_endpoint_that_does_not_speak_tls_is_told(sender: HttpSender) -> None:
    """What answers a TLS greeting in plain text is `tls_error`."""

    def greeted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        writer.close()

    server = await asyncio.start_server(greeted, "127.0.0.1", 0)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert await sender.send(request(url)) == Failure(ErrorCode.TLS_ERROR)


async def test_a_cancelled_request_leaves_nothing_behind(sender: HttpSender) -> None:
    """Cancelling closes the connection."""
    closed = asyncio.Event()

    async def waits(exchange: Exchange) -> None:
        try:
            while True:
                await exchange.say(b"HTTP/1.1 100 Continue\r\n\r\n")
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    async with serving(waits) as endpoint:
        task = asyncio.create_task(sender.send(request(endpoint.url)))
        await eventually(lambda: endpoint.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(closed.is_set)


async def test_a_request_that_is_permitted_no_more_is_withheld(sender: HttpSender) -> None:
    """It is asked when there is a connection to write to, new or kept; then not a byte of it goes out."""
    asked: list[int] = []

    def no_more() -> bool:
        asked.append(len(endpoint.requests))
        return False

    async with serving(well) as endpoint:
        assert await sender.send(request(endpoint.url), no_more) == Withheld()
        assert await sender.send(request(endpoint.url)) == Answer(200, b"thanks")
        assert await sender.send(request(endpoint.url), no_more) == Withheld()

    assert asked == [0, 1]
    assert len(endpoint.requests) == 1
    assert sender.redials == 0
