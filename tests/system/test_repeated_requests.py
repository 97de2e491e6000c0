"""Requests on one connection whose heads are the same: each is judged by itself."""

from __future__ import annotations

import base64
import http.client
import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from tests.harness.demo import JANE, JOHN, TENANT
from tests.harness.fixtures import NewRelay
from tests.harness.process import RelayProcess
from tests.harness.raw import WITHIN, Reply, request
from tests.harness.ringcentral import CLIENT

OAUTH = "/restapi/oauth"


@pytest.fixture
async def limited(new_relay: NewRelay) -> RelayProcess:
    """Give a running process with rate limits."""
    return await new_relay(rate_limits="on").start()


@pytest.fixture
async def connection(limited: RelayProcess) -> AsyncIterator[socket.socket]:
    """Give a connection to it."""
    with socket.create_connection(("127.0.0.1", limited.port), WITHIN) as made:
        yield made


def post(connection: socket.socket, path: str, token: str, body: Any, *fields: str) -> Reply:
    """Post JSON in one piece, and return the answer."""
    sent = msgspec.json.encode(body)
    lines = [
        *(f"POST {path} HTTP/1.1", "Host: relay", f"Authorization: Bearer {token}", *fields),
        *("Content-Type: application/json", f"Content-Length: {len(sent)}"),
    ]
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + sent)
    response = http.client.HTTPResponse(connection, method="POST")
    response.begin()
    read = response.read()
    return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, read)


def command(connection: socket.socket, destination: str, *fields: str) -> Reply:
    """Have Jane's phone dial."""
    body = {
        "command": "click-to-dial",
        "user": {"tenant_id": TENANT, "user_extension": JANE.extension},
        "payload": {"destination": destination},
    }
    return post(connection, "/v3/call_control/", JANE.token, body, *fields)


async def test_each_repeated_command_is_counted(connection: socket.socket) -> None:
    """The rate limit's fields tell of each request; a refused one is refused as any."""
    answers = [command(connection, destination) for destination in (JOHN.extension, "", JOHN.number)]
    assert [one.status for one in answers] == [202, 422, 202]
    left = [int(one.headers["ratelimit"].split("r=")[1].split(";")[0]) for one in answers]
    assert left == [59, 58, 57]
    assert answers[0].json["call_id"] != answers[2].json["call_id"]


async def test_idempotency_keys_are_told_apart_on_one_connection(connection: socket.socket) -> None:
    """A key that repeats is answered as before, another one is another command."""
    keys = ("one", "one", "two", "one")
    calls = [command(connection, JOHN.extension, f"Idempotency-Key: {key}").json["call_id"] for key in keys]
    assert calls[0] == calls[1] == calls[3] != calls[2]


async def test_revoked_token_is_refused_on_the_connection_that_used_it(
    limited: RelayProcess, connection: socket.socket
) -> None:
    """Though the head is that of requests which were answered."""
    given = oauth(limited, "token", grant_type="password", username=JANE.login, password=JANE.password)
    token = given["access_token"]
    path = "/restapi/v1.0/account/~/telephony/call-out"
    body = {"from": {"deviceId": JANE.device}, "to": {"extensionNumber": JOHN.extension}}
    assert [post(connection, path, token, body).status // 100 for _ in range(2)] == [2, 2]
    oauth(limited, "revoke", token=token)
    assert post(connection, path, token, body).status == 401


def oauth(relay: RelayProcess, operation: str, **fields: str) -> Any:
    """Ask for tokens, or give one up, on a connection of its own."""
    basic = base64.b64encode(":".join(CLIENT).encode()).decode()
    headers = [
        ("Authorization", f"Basic {basic}"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ]
    answer = request(relay.port, "POST", f"{OAUTH}/{operation}", headers, urlencode(fields).encode())
    assert answer.status == 200, answer
    return answer.json if answer.body else None
