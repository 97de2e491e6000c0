"""Bytes on the public port that are no HTTP, or hardly."""

from __future__ import annotations

import pytest

from tests.harness.endpoints import Endpoint
from tests.harness.raw import request, send
from tests.harness.stage import BASIC, Stage

NO_HTTP = {
    "zeros": b"\x00" * 100,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a method alone": b"GET\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a long path": b"GET " + b"/x" * 20_000 + b" HTTP/1.1\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"x: y\r\n" * 9_000 + b"\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
    "a broken chunk": b"POST /v3/calls HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a broken URL": b"GET http://[::1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tunnel": b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("data", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http_breaks_nothing(data: bytes, stage: Stage) -> None:
    """It is answered 4xx or not at all, and the next request is served."""
    assert send(stage.relay.port, data, "GET").status < 500
    assert stage.ask(Endpoint("GET", "/v3/calls")).status == 200


def test_subprotocols_that_a_websocket_asks_for_are_not_logged(stage: Stage) -> None:
    """Pages are known to put their tokens there, since they can set no other field."""
    upgrade = [
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEA=="),
    ]
    asked = request(
        stage.relay.port,
        "GET",
        "/api/v2/notifications",
        [BASIC, *upgrade, ("Connection", "Upgrade"), ("Sec-WebSocket-Protocol", "bearer, my-own-token")],
    )
    assert asked.status == 101
    assert "my-own-token" not in stage.relay.output
