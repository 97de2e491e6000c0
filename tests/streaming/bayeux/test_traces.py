"""Conversations as CometD's client and server have them, message by message."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import msgspec

from relay.streaming.bayeux.session import Ended
from relay.streaming.bayeux.sessions import Sessions
from tests.streaming.bayeux.conftest import OpenPod
from tests.streaming.bayeux.pods import ACCOUNT, CALLS, DIRECTORY, Pod, phone
from tests.streaming.publishing import Line

RETRY = {"reconnect": "retry", "timeout": 400, "interval": 0}


class Browser:
    """Posts payloads as CometD's JavaScript client does: chunked, on the paths it uses, with its cookie."""

    def __init__(self, http: aiohttp.ClientSession, pod: Pod) -> None:
        self._http = http
        self._pod = pod
        self._cookie = ""
        self.client = ""

    async def post(self, path: str, **message: Any) -> list[dict[str, Any]]:
        """Send one message and return the answer, the session's client id named C1."""
        if self.client:
            message["clientId"] = self.client

        async def chunks() -> Any:
            yield b"["
            yield msgspec.json.encode(message)
            yield b"]"

        headers = {"Authorization": "Bearer demo-jane", "Content-Type": "application/json;charset=UTF-8"}
        if self._cookie:
            headers["Cookie"] = self._cookie
        async with self._http.post(self._pod.url + path, data=chunks(), headers=headers) as response:
            assert response.status == 200
            for name, morsel in response.cookies.items():
                self._cookie = f"{name}={morsel.value}"
            replies: list[dict[str, Any]] = await response.json()
        for reply in replies:
            if "clientId" in reply:
                self.client, reply["clientId"] = reply["clientId"], "C1"
        return replies

    async def handshake(self, number: str) -> list[dict[str, Any]]:
        """Begin a session with all the library sends."""
        self.client = ""
        return await self.post(
            "/handshake",
            id=number,
            ext={"com.example.auth": {"token": "t0k"}},
            version="1.0",
            minimumVersion="1.0",
            channel="/meta/handshake",
            supportedConnectionTypes=["websocket", "long-polling"],
            advice={"timeout": 60000, "interval": 0},
        )

    async def subscribe(self, number: str) -> list[dict[str, Any]]:
        """Subscribe to calls."""
        return await self.post("/", id=number, channel="/meta/subscribe", subscription=CALLS)

    async def connect(self, number: str, **fields: Any) -> list[dict[str, Any]]:
        """Connect."""
        return await self.post(
            "/connect", id=number, channel="/meta/connect", connectionType="long-polling", **fields
        )


async def test_long_polling(open_pod: OpenPod, http: aiohttp.ClientSession) -> None:
    """A session from its handshake to its disconnect."""
    pod = await open_pod(timeout=0.4)
    browser, line = Browser(http, pod), Line(pod.journal, phone("jane"), account=ACCOUNT)

    assert await browser.handshake("1") == [
        {"id": "1", "channel": "/meta/handshake", "successful": True, "clientId": "C1", "version": "1.0",
         "supportedConnectionTypes": ["long-polling"], "advice": RETRY}
    ]  # fmt: skip
    subscribed, connected = await asyncio.gather(
        browser.subscribe("2"), browser.connect("3", advice={"timeout": 0})
    )
    assert subscribed == [
        {"id": "2", "channel": "/meta/subscribe", "subscription": CALLS, "successful": True}
    ]
    assert connected == [{"id": "3", "channel": "/meta/connect", "successful": True, "advice": RETRY}]

    held = asyncio.create_task(browser.connect("4"))
    await pod.holds()
    refused = {"id": "5", "channel": CALLS, "successful": False, "error": f"403:{CALLS}:publish_denied"}
    assert await browser.post("/", id="5", channel=CALLS, data={"seq": 1}) == [refused]
    await line.tones(1)
    assert await held == [
        {"data": 1, "channel": CALLS},
        {"id": "4", "channel": "/meta/connect", "successful": True},
    ]

    quiet = [{"id": "6", "channel": "/meta/connect", "successful": True}]
    assert await browser.connect("6") == quiet, "no advice: it is unchanged"

    held = asyncio.create_task(browser.connect("7", advice={"timeout": 5000}))
    await pod.holds()
    assert await browser.post("/", id="8", channel="/meta/unsubscribe", subscription=CALLS) == [
        {"id": "8", "channel": "/meta/unsubscribe", "subscription": CALLS, "successful": True}
    ]
    assert await browser.post("/disconnect", id="9", channel="/meta/disconnect") == [
        {"id": "9", "channel": "/meta/disconnect", "successful": True}
    ]
    assert await held == [
        {"id": "7", "channel": "/meta/connect", "successful": True, "advice": {"reconnect": "none"}}
    ]


async def test_new_session_after_the_old_one_is_gone(open_pod: OpenPod, http: aiohttp.ClientSession) -> None:
    """A connect of a session that is over leads to a handshake, and from there to events again."""
    pod = await open_pod(timeout=0.4)
    browser, line = Browser(http, pod), Line(pod.journal, phone("jane"), account=ACCOUNT)
    await browser.handshake("1")
    jane = await DIRECTORY.by_token("demo-jane")
    assert jane is not None
    await Sessions(pod.store, max_interval=1000).end(jane, browser.client, Ended.EXPIRED)

    assert await browser.connect("8") == [
        {"id": "8", "channel": "/meta/connect", "successful": False, "error": "402::Unknown client",
         "advice": {"reconnect": "handshake", "interval": 0}}
    ]  # fmt: skip
    assert (await browser.handshake("9"))[0]["successful"]
    await asyncio.gather(browser.subscribe("10"), browser.connect("11", advice={"timeout": 0}))
    await line.tones(1)
    assert (await browser.connect("12"))[0] == {"data": 1, "channel": CALLS}
