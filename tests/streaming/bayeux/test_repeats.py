"""Polls that repeat the request before: answered as those that are parsed, whatever becomes of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from tests.http.test_repeats import Peer
from tests.streaming.bayeux.pods import BASE, CALLS, Client, Pod
from tests.streaming.publishing import Line

HEAD: Final = f"POST {BASE} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer demo-jane\r\n"

Answer = tuple[bytes, list[bytes], bytes]


def head_of(body: bytes) -> bytes:
    """Return the head of a request with this body."""
    return f"{HEAD}Content-Length: {len(body)}\r\n\r\n".encode()


class Twins:
    """Two connections: on one a request goes in one piece, and may be a repetition; on the other in two."""

    def __init__(self, repeating: Peer, usual: Peer) -> None:
        self._repeating = repeating
        self._usual = usual

    async def ask(self, message: dict[str, Any]) -> tuple[Answer, Answer]:
        """Send a message both ways, one after the other, and return the answers."""
        body = json.dumps([message]).encode()
        return (
            await self._repeating.ask(head_of(body) + body),
            await self._usual.ask(head_of(body), body),
        )

    async def held(self, message: dict[str, Any]) -> asyncio.Task[Answer]:
        """Send a message in one piece, and return the answer to come."""
        body = json.dumps([message]).encode()
        return asyncio.create_task(self._repeating.ask(head_of(body) + body))

    async def close(self) -> None:
        """Disconnect."""
        await self._repeating.close()
        await self._usual.close()


@pytest.fixture
async def twins(client: Client) -> AsyncIterator[Twins]:
    """Give connections of a client that has polled by each."""
    await client.open(CALLS)
    found = Twins(await Peer.open(client.pod.port), await Peer.open(client.pod.port))
    for _ in range(2):
        repeated, usual = await found.ask(polling(client, timeout=0))
        assert repeated == usual
    yield found
    await found.close()


def polling(client: Client, **advice: int) -> dict[str, Any]:
    """Return a connect of the session."""
    channel = {"channel": "/meta/connect", "clientId": client.id, "connectionType": "long-polling", "id": "7"}
    return {**channel, "advice": advice} if advice else channel


async def test_events_are_told_once_whichever_way_a_poll_goes(
    client: Client, twins: Twins, line: Line
) -> None:
    """The head of an answer with events is that of one without; each event is in one of them."""
    empty, _ = await twins.ask(polling(client, timeout=0))
    last = (await line.tones(2))[-1]
    await client.pod.reaches(last)
    told, nothing = await twins.ask(polling(client, timeout=0))
    assert [entry.get("data") for entry in json.loads(told[2])] == [1, 2, None]
    assert nothing == empty
    lengths = [field for field in told[1] if field.startswith(b"Content-Length")]
    assert [field for field in told[1] if field not in lengths] == [
        field for field in empty[1] if not field.startswith(b"Content-Length")
    ]


@pytest.mark.parametrize("case", ["revoked", "ended", "not a connect"])
async def test_refusals_are_the_same_whichever_way_a_poll_goes(
    client: Client, twins: Twins, pod: Pod, case: str
) -> None:
    """Credentials, sessions and messages are judged with each request."""
    message = polling(client, timeout=0)
    if case == "revoked":
        pod.revoked.add("demo-jane")
    elif case == "ended":
        await client.ask("/meta/disconnect")
    else:
        pad = {"channel": "/meta/nothing", "clientId": client.id, "x": ""}
        pad["x"] = "x" * (len(json.dumps(message)) - len(json.dumps(pad)))
        message = pad
    repeated, usual = await twins.ask(message)
    assert repeated == usual
    [reply] = json.loads(repeated[2])
    assert not reply["successful"]


async def test_credentials_that_must_be_waited_for_make_no_difference(
    client: Client, twins: Twins, pod: Pod, line: Line
) -> None:
    """However often they are, polls are answered as those that are parsed, and told of events."""
    for verifies in (True, False, True, True, True, True, False):
        pod.verifies = verifies
        repeated, usual = await twins.ask(polling(client, timeout=0))
        assert repeated == usual
    held = await twins.held(polling(client, timeout=9000))
    await pod.holds()
    await line.tones(1)
    assert json.loads((await held)[2])[0]["data"] == 1


async def test_client_that_leaves_a_repetition_loses_nothing(
    client: Client, twins: Twins, pod: Pod, line: Line
) -> None:
    """What happens after it has left is told to its next poll, by another connection."""
    held = await twins.held(polling(client, timeout=9000))
    await pod.holds()
    await twins.close()
    with pytest.raises(asyncio.IncompleteReadError):
        await held
    await pod.holds(0)
    await line.tones(1)
    assert (await client.connect())[0] == [1]
    assert pod.endpoint.stats.dropped == 1


async def test_repetition_is_answered_when_the_process_stops(twins: Twins, client: Client, pod: Pod) -> None:
    """It need not wait for an event, and its connection is closed."""
    held = await twins.held(polling(client, timeout=9000))
    await pod.holds()
    await pod.stop()
    status, _, body = await held
    assert status == b"HTTP/1.1 200 OK"
    assert json.loads(body)[-1]["successful"]


async def test_repetition_that_is_superseded_is_refused(client: Client, twins: Twins, pod: Pod) -> None:
    """A held poll ends with an error when the session polls by another connection."""
    held = await twins.held(polling(client, timeout=9000))
    await pod.holds()
    later = client.hold()
    assert (await held)[0] == b"HTTP/1.1 500 Internal Server Error"
    later.cancel()
    await asyncio.wait((later,))
