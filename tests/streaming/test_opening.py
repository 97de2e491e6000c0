"""How an event stream begins, and what its connection is for from then on."""

from __future__ import annotations

import aiohttp

from relay.journal.journal import Journal
from tests.streaming.conftest import MakeClient
from tests.streaming.publishing import Line
from tests.streaming.serving import Office
from tests.waiting import eventually


async def test_a_stream_opens_at_once_with_headers_that_keep_it_flowing(
    office: Office, clients: MakeClient
) -> None:
    """Proxies neither buffer nor change it, and the client knows when to come back."""
    client = await clients(office).open()
    assert client.status == 200
    assert client.headers["Content-Type"] == "text/event-stream"
    assert client.headers["Cache-Control"] == "no-cache, no-transform"
    assert client.headers["X-Accel-Buffering"] == "no"
    assert client.headers["Transfer-Encoding"] == "chunked"
    await eventually(lambda: client.reader.comments, what="the first bytes")
    assert client.reader.retries == [2000]


async def test_what_a_client_sends_meanwhile_disturbs_nothing(
    office: Office, clients: MakeClient, journal: Journal
) -> None:
    """A stream's connection takes no further request; what comes there all the same is read and forgotten."""
    client = await clients(office).open()
    assert client._connection is not None
    client._connection[1].write(b"GET /stream HTTP/1.1\r\nHost: relay\r\n\r\n" + b"\0" * 300_000)
    await client._connection[1].drain()
    await Line(journal).tones(2)
    assert await client.has(2) == [1, 2]
    assert len(office.streams) == 1


async def test_only_get_opens_a_stream(office: Office) -> None:
    """HEAD would have no end."""
    url = f"http://127.0.0.1:{office.port}/stream"
    async with aiohttp.ClientSession() as http, http.head(url) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")
    assert office.streams.ended == {}
