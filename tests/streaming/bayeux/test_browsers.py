"""What is for browsers: callback-polling, the browser's cookie, and many sessions in one browser."""

from __future__ import annotations

import json
import time
from typing import Any

import aiohttp
import pytest

from relay.settings import Settings
from tests.streaming.bayeux.conftest import MakeClient, OpenPod
from tests.streaming.bayeux.pods import Pod

JANE = {"Authorization": "Bearer demo-jane"}
HANDSHAKE = {
    "id": "1",
    "channel": "/meta/handshake",
    "version": "1.0",
    "supportedConnectionTypes": ["callback-polling"],
}

LONG = {"supportedConnectionTypes": ["long-polling"]}


async def script(
    http: aiohttp.ClientSession, pod: Pod, *messages: Any, status: int = 200, **fields: str
) -> tuple[str, aiohttp.ClientResponse]:
    """Ask for a script; return it and the response."""
    query = {"message": json.dumps(list(messages)), **fields}
    async with http.get(pod.url, params=query, headers=JANE) as response:
        assert response.status == status
        return await response.text(), response


async def test_callback_polling_calls_the_function_named(
    open_pod: OpenPod, http: aiohttp.ClientSession
) -> None:
    """The answer is a script that calls the function with the replies, and can be taken for nothing else."""
    pod = await open_pod(settings=Settings(bayeux_callback_polling=True))
    text, response = await script(http, pod, HANDSHAKE, jsonp="cometd.back_1")
    assert text.startswith("/**/cometd.back_1([")
    assert text.endswith("]);")
    [reply] = json.loads(text.removeprefix("/**/cometd.back_1(").removesuffix(");"))
    assert reply["successful"]
    assert reply["supportedConnectionTypes"] == ["websocket", "long-polling", "callback-polling"]
    assert response.headers["Content-Type"] == "text/javascript; charset=UTF-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Disposition"] == "attachment; filename=f.txt"
    connect = {
        "channel": "/meta/connect",
        "clientId": reply["clientId"],
        "connectionType": "callback-polling",
    }
    text, _ = await script(http, pod, connect)
    assert text.startswith('/**/jsonpcallback([{"channel":"/meta/connect","successful":true')


async def test_callback_polling_escapes_line_separators(
    open_pod: OpenPod, http: aiohttp.ClientSession
) -> None:
    """Old engines take U+2028 and U+2029 for the end of a line, so they are not in the script."""
    pod = await open_pod(settings=Settings(bayeux_callback_polling=True))
    text, _ = await script(http, pod, {"channel": "/service/x", "id": "\u2028\u2029", "data": 1})
    assert "\\u2028\\u2029" in text


@pytest.mark.parametrize("name", ["", "a b", "alert(1)//", "x" * 65, "é", "a;b", "a\n"])
async def test_strange_callbacks_are_refused(
    open_pod: OpenPod, http: aiohttp.ClientSession, name: str
) -> None:
    """What cannot be the name of a function never reaches a script."""
    pod = await open_pod(settings=Settings(bayeux_callback_polling=True))
    await script(http, pod, HANDSHAKE, jsonp=name, status=400)


async def test_callback_polling_is_off_by_default(pod: Pod, http: aiohttp.ClientSession) -> None:
    """Any page can have a browser send such requests."""
    await script(http, pod, HANDSHAKE, jsonp="a", status=400)


async def raw(
    http: aiohttp.ClientSession, pod: Pod, message: Any, cookie: str | None
) -> tuple[Any, str | None]:
    """Post a message with a browser's cookie; return the reply and the cookie that is set."""
    headers = JANE if cookie is None else {**JANE, "Cookie": f"BAYEUX_BROWSER={cookie}"}
    async with http.post(pod.url, json=[message], headers=headers) as response:
        [reply] = await response.json()
        given = response.cookies.get("BAYEUX_BROWSER")
        return reply, None if given is None else given.value


async def test_strict_session_is_good_in_its_browser_only(
    open_pod: OpenPod, http: aiohttp.ClientSession
) -> None:
    """With the strict option another browser, or none, is told that the session is unknown."""
    pod = await open_pod(settings=Settings(bayeux_strict_cookie=True))
    shake = HANDSHAKE | LONG
    reply, cookie = await raw(http, pod, shake, None)
    message = {"channel": "/service/x", "clientId": reply["clientId"], "data": 1}
    assert (await raw(http, pod, message, cookie))[0]["successful"]
    for other in (None, "another"):
        assert (await raw(http, pod, message, other))[0]["error"] == "402::Unknown client"
    reply, given = await raw(http, pod, shake, "adopted")
    assert (reply["successful"], given) == (True, None)


@pytest.mark.parametrize(
    ("base", "origins", "expected"),
    [
        ("http://relay.example.com", ("https://app.example.net",), ("", "Lax")),
        ("https://relay.example.com", (), (True, "Lax")),
        ("https://relay.example.com", ("https://app.example.net",), (True, "None")),
    ],
)
async def test_cookie_goes_where_pages_may_call_from(
    open_pod: OpenPod,
    http: aiohttp.ClientSession,
    base: str,
    origins: tuple[str, ...],
    expected: tuple[object, str],
) -> None:
    """Pages of listed origins bring it, over HTTPS, so that theirs can be strict sessions; no others do."""
    settings = Settings(public_url=base, cors_origins=origins)
    pod = await open_pod(settings=settings)
    async with http.post(pod.url, json=[HANDSHAKE | LONG], headers=JANE) as response:
        given = response.cookies["BAYEUX_BROWSER"]
        assert (given["secure"], given["samesite"], given["httponly"]) == (*expected, True)


async def test_crowded_browser_polls(open_pod: OpenPod, make_client: MakeClient) -> None:
    """Of a browser's sessions only so many are held; the others are answered at once and asked to poll."""
    pod = await open_pod(settings=Settings(bayeux_sessions_per_browser=1))
    one, two = [await make_client(at=pod).open() for _ in range(2)]
    for client in (one, two):
        client.browser = "b1"
    held = one.hold()
    await pod.holds()
    began = time.monotonic()
    _, reply = await two.connect()
    assert time.monotonic() - began < 3
    assert reply["successful"]
    assert reply["advice"] == {
        "reconnect": "retry", "interval": 2000, "multiple-clients": True, "timeout": 5000
    }  # fmt: skip
    two.browser = "b2"
    other = two.hold()
    await pod.holds(2)
    again = one.hold()
    assert (await held)[0] == 500
    await pod.holds(2)
    for task in (other, again):
        task.cancel()
