"""Probes that tell Bayeux servers apart, each a raw HTTP request, and what relay answers."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
import pytest

from tests.streaming.bayeux.conftest import MakeClient
from tests.streaming.bayeux.pods import ACCOUNT, CALLS, Client, Pod

JANE = {"Authorization": "Bearer demo-jane"}
HANDSHAKE = {
    "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"], "id": "1"
}  # fmt: skip
ADVICE = {"reconnect": "retry", "timeout": 5000, "interval": 0}
UNKNOWN = "402::Unknown client"
RENEW = {"reconnect": "handshake", "interval": 0}
STOP = {"reconnect": "none"}


async def raw(
    http: aiohttp.ClientSession, pod: Pod, body: bytes | str | None, *, method: str = "POST", **headers: str
) -> tuple[int, Any]:
    """Send a request and return status and JSON, or status and None for what is none."""
    sent = {**JANE, **{name.replace("_", "-"): value for name, value in headers.items()}}
    skipped = () if "Content_Type" in headers else ("Content-Type",)
    async with http.request(method, pod.url, data=body, headers=sent, skip_auto_headers=skipped) as response:
        text = await response.read()
        return response.status, (msgspec.json.decode(text) if response.status == 200 else None)


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 400), ("PUT", 405), ("DELETE", 405), ("HEAD", 405), ("PATCH", 405)]
)
async def test_other_methods(http: aiohttp.ClientSession, pod: Pod, method: str, status: int) -> None:
    """Messages are sent with POST."""
    async with http.request(method, pod.url, headers=JANE) as response:
        assert response.status == status
        assert response.headers.get("Allow") == ("POST" if status == 405 else None)


@pytest.mark.parametrize("agent", ["another", "Python/3.11 aiohttp/3.14.5"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Cookie": "JSESSIONID=x"}])
async def test_websocket_without_credentials_is_refused(
    http: aiohttp.ClientSession, pod: Pod, headers: dict[str, str], agent: str
) -> None:
    """An upgrade by nobody, whatever it calls itself, is a 401, upon which clients fall back to polling."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(pod.url, headers={**headers, "User-Agent": agent})
    assert refused.value.status == 401
    assert refused.value.headers is not None
    assert refused.value.headers["WWW-Authenticate"] == "Basic"


@pytest.mark.parametrize(
    ("path", "headers", "offered"),
    [
        ("", JANE, True),
        ("", {**JANE, "Origin": "https://pages.example"}, False),
        ("", {"Cookie": "JSESSIONID=demo-jane", "Origin": "https://pages.example"}, True),
        ("", {**JANE, "Cookie": "JSESSIONID=another", "Origin": "https://pages.example"}, False),
        ("/handshake", JANE, False),
    ],
    ids=[
        "program",
        "page",
        "page by its cookie",
        "page that need not be its cookie's user",
        "CometD's client, refused before",
    ],
)
async def test_websocket_is_offered_to_who_can_bring_credentials(
    http: aiohttp.ClientSession, pod: Pod, path: str, headers: dict[str, str], offered: bool
) -> None:
    """A page cannot send a header with an upgrade: unless it has the session cookie it is left to poll."""
    async with http.post(pod.url + path, json=[HANDSHAKE], headers=headers) as response:
        [reply] = await response.json()
    assert reply["supportedConnectionTypes"] == [*["websocket"] * offered, "long-polling"]


@pytest.mark.parametrize("body", [b"", b"x", b"[", b"[]", b"7", b"[7]", b'[{"channel":'])
async def test_malformed_bodies(http: aiohttp.ClientSession, pod: Pod, body: bytes) -> None:
    """What holds no messages is a fault of the transport."""
    assert await raw(http, pod, body) == (400, None)


async def test_bodies_are_bounded(http: aiohttp.ClientSession, pod: Pod) -> None:
    """A body that is too large is refused, told or untold its length."""

    async def chunks() -> Any:
        for _ in range(40):
            yield b" " * 10_000

    assert await raw(http, pod, b" " * 400_000) == (413, None)
    async with http.post(
        pod.url, data=chunks(), headers={**JANE, "Content-Type": "application/json"}
    ) as sent:
        assert sent.status == 413


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json;charset=UTF-8", "application/json; charset=iso-8859-1", ""],
)
async def test_json_bodies(http: aiohttp.ClientSession, pod: Pod, content_type: str) -> None:
    """JSON is read in any usual character set, and where no type is given; a lone object is one message."""
    headers = {"Content_Type": content_type} if content_type else {}
    status, replies = await raw(http, pod, msgspec.json.encode(HANDSHAKE), **headers)
    assert (status, replies[0]["successful"]) == (200, True)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "multipart/form-data", "application/json; charset=klingon"]
)
async def test_other_bodies(http: aiohttp.ClientSession, pod: Pod, content_type: str) -> None:
    """Bodies of other types are refused."""
    assert await raw(http, pod, msgspec.json.encode([HANDSHAKE]), Content_Type=content_type) == (415, None)


async def test_form_bodies(http: aiohttp.ClientSession, pod: Pod) -> None:
    """A form's message fields are messages."""
    body = urlencode({"message": msgspec.json.encode([HANDSHAKE]).decode()})
    status, replies = await raw(http, pod, body, Content_Type="application/x-www-form-urlencoded")
    assert (status, replies[0]["successful"]) == (200, True)


async def test_responses_are_json_that_is_not_kept(http: aiohttp.ClientSession, pod: Pod) -> None:
    """The type is what every client expects, and no cache keeps an answer."""
    async with http.post(pod.url, json=[HANDSHAKE], headers=JANE) as response:
        assert response.headers["Content-Type"].lower() == "application/json; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-cache, no-store"


@pytest.mark.parametrize(
    "path",
    ["", "/", "/handshake", "/handshake/", "/connect", "/disconnect", "/subscribe", "/unsubscribe"],
)
async def test_every_path_is_the_same_endpoint(client: Client, path: str) -> None:
    """Clients use the base path or paths below it, with messages of any kind."""
    assert (await client.send([HANDSHAKE], path=path))[1][0]["successful"]


async def test_cookie_is_set_by_a_handshake_only(http: aiohttp.ClientSession, pod: Pod) -> None:
    """A successful handshake sets CometD's browser cookie, unless the client has one; nothing else does."""

    async def cookies(message: dict[str, Any], **headers: str) -> dict[str, Any]:
        async with http.post(pod.url, json=[message], headers={**JANE, **headers}) as response:
            return dict(response.cookies)

    morsel = (await cookies(HANDSHAKE))["BAYEUX_BROWSER"]
    assert (morsel["path"], morsel["httponly"], morsel["secure"]) == ("/", True, "")
    assert await cookies(HANDSHAKE, Cookie="BAYEUX_BROWSER=x") == {}
    assert await cookies({**HANDSHAKE, "version": "2.0"}) == {}
    assert await cookies({"channel": "/meta/connect"}) == {}


async def test_handshake_reply(client: Client) -> None:
    """A handshake's reply has everything a client needs, and a client id it did not choose."""
    _, [reply] = await client.send([{**HANDSHAKE, "id": 7, "clientId": "mine", "ext": {"x": 1}}])
    assert reply.pop("clientId").isalnum()
    assert reply == {
        "id": 7, "channel": "/meta/handshake", "successful": True, "version": "1.0",
        "supportedConnectionTypes": ["websocket", "long-polling"], "advice": ADVICE,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"version": None}, "402:version:parameter_missing"),
        ({"version": "2.0"}, "300:2.0:Version mismatch"),
        ({"minimumVersion": "2.0"}, "300:2.0:Version mismatch"),
        ({"supportedConnectionTypes": None}, "402:supportedConnectionTypes:parameter_missing"),
        ({"supportedConnectionTypes": ["iframe"]}, "301:iframe:Connection types not supported"),
    ],
)
async def test_impossible_handshakes(client: Client, fields: dict[str, Any], error: str) -> None:
    """A handshake that cannot succeed is refused for good."""
    _, [reply] = await client.send([{**HANDSHAKE, **fields}])
    assert reply == {
        "id": "1", "channel": "/meta/handshake", "successful": False, "error": error, "advice": STOP
    }  # fmt: skip


async def test_handshake_with_companions(client: Client) -> None:
    """A handshake is processed, and whatever came beside it is not, whoever's session it names."""
    await client.handshake()
    publish = client.message("/service/x", data=1)
    status, replies = await client.send([publish, HANDSHAKE, {**HANDSHAKE, "id": "2"}])
    assert status == 200
    assert [(reply["channel"], reply.get("error")) for reply in replies] == [
        ("/meta/handshake", None),
        ("/service/x", UNKNOWN),
        ("/meta/handshake", UNKNOWN),
    ]


@pytest.mark.parametrize("client_id", [None, "", "x", "0007" + "0" * 32, 7])
@pytest.mark.parametrize(
    "message",
    [
        {"channel": "/meta/connect", "connectionType": "long-polling"},
        {"channel": "/meta/subscribe", "subscription": CALLS},
        {"channel": "/meta/subscribe", "subscription": "/meta/*"},
        {"channel": "/meta/unsubscribe", "subscription": CALLS},
        {"channel": "/meta/disconnect"},
        {"channel": "/service/x", "data": 1},
        {"channel": CALLS, "data": 1},
        {"channel": "/meta/foo"},
    ],
    ids=lambda message: message["channel"],
)
async def test_messages_without_a_session(client: Client, message: dict[str, Any], client_id: Any) -> None:
    """Nothing but a handshake is taken without a session; a connect is advised to begin one."""
    _, [reply] = await client.send([{"id": "7", **message, "clientId": client_id}])
    expected = {
        key: value
        for key, value in {"id": "7", **message}.items()
        if key in ("id", "channel", "subscription")
    }
    expected |= {"successful": False, "error": UNKNOWN}
    assert reply == (expected | {"advice": RENEW} if message["channel"] == "/meta/connect" else expected)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({}, "400::channel_missing"),
        ({"channel": "/meta/connect", "connectionType": "x"}, "301:x:Connection types not supported"),
        ({"channel": "/meta/subscribe"}, "403::subscription_missing"),
        ({"channel": "/meta/subscribe", "subscription": "/meta/*"}, "403:/meta/*:subscribe_denied"),
        ({"channel": "/meta/subscribe", "subscription": "/foo"}, "403:/foo:subscribe_denied"),
        ({"channel": "/meta/subscribe", "subscription": []}, "403::subscription_invalid"),
        ({"channel": "/meta/subscribe", "subscription": "/foo/*/bar"}, "403::subscription_invalid"),
        ({"channel": "/meta/subscribe", "subscription": "/foo/**/bar"}, "403::subscription_invalid"),
        ({"channel": "/meta/subscribe", "subscription": "//foo"}, "403::subscription_invalid"),
        ({"channel": "/meta/subscribe", "subscription": "/é"}, "403::subscription_invalid"),
        ({"channel": "/meta/subscribe", "subscription": "/service/x"}, None),
        ({"channel": "/meta/subscribe", "subscription": CALLS}, None),
        ({"channel": "/meta/unsubscribe", "subscription": "/v2/never"}, None),
        ({"channel": "/service/x", "data": None}, None),
        ({"channel": "/service/x"}, "400::data_missing"),
        ({"channel": CALLS, "data": 1}, f"403:{CALLS}:publish_denied"),
        ({"channel": "/foo", "data": 1}, "403:/foo:publish_denied"),
        ({"channel": "/v2/*", "data": 1}, "405:/v2/*:channel_invalid"),
        ({"channel": "/meta/foo", "data": 1}, "403:/meta/foo:publish_denied"),
        ({"channel": "/service/x", "data": 1, "id": []}, "405::message_id_invalid"),
    ],
)  # fmt: skip
async def test_messages_of_a_session(client: Client, message: dict[str, Any], error: str | None) -> None:
    """What a session may do, and how it is told what it may not."""
    await client.handshake()
    _, [reply] = await client.send([{"clientId": client.id, **message}])
    assert (reply["successful"], reply.get("error")) == (error is None, error)


async def test_subscribe_with_a_fault_keeps_nothing(client: Client) -> None:
    """An array with one bad pattern subscribes to none of them."""
    await client.handshake()
    for bad in ("//bad", "/foo"):
        assert not (await client.subscribe("/v2/me/calls", bad))["successful"]
    found = await client.pod.store.call("HKEYS", client.pod.store.keys(ACCOUNT).bayeux(client.id))
    assert not [field for field in found if field.startswith(b"sub:")]


async def test_subscription_is_echoed_as_it_came(client: Client) -> None:
    """A reply repeats the subscription, a string or an array."""
    await client.handshake()
    assert (await client.subscribe(CALLS))["subscription"] == CALLS
    assert (await client.subscribe(CALLS, "/**"))["subscription"] == [CALLS, "/**"]
    assert (await client.ask("/meta/unsubscribe", subscription=[CALLS]))["subscription"] == [CALLS]


async def test_replies_come_in_order(client: Client) -> None:
    """A batch is processed message by message, and each has its reply."""
    await client.handshake()
    batch = [client.message("/service/x", data=number) for number in range(5)]
    _, replies = await client.send(batch)
    assert [reply["id"] for reply in replies] == [message["id"] for message in batch]
    assert replies[0] == {"id": batch[0]["id"], "channel": "/service/x", "successful": True}


async def test_without_credentials_nothing_is_done(http: aiohttp.ClientSession, pod: Pod) -> None:
    """Every message of somebody unknown is answered 401 with the advice not to come again, in HTTP 200."""
    messages: list[dict[str, Any]] = [
        HANDSHAKE,
        {"channel": "/meta/connect", "clientId": "x", "id": "2"},
        {"channel": CALLS, "data": 1},
    ]
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "nonsense"}):
        async with http.post(pod.url, json=messages, headers=headers) as response:
            assert response.status == 200
            replies = await response.json()
            assert not response.cookies
        for message, reply in zip(messages, replies, strict=True):
            echoed = {key: message[key] for key in ("id", "channel") if key in message}
            refused = {"successful": False, "error": "401::Authentication required", "advice": STOP}
            assert reply == echoed | refused


async def test_basic_credentials_are_taken(http: aiohttp.ClientSession, pod: Pod) -> None:
    """A user may come with login and password."""
    headers = {"Authorization": aiohttp.encode_basic_auth("jane", "demo")}
    async with http.post(pod.url, json=[HANDSHAKE], headers=headers) as response:
        assert (await response.json())[0]["successful"]


@pytest.mark.parametrize("other", ["john", "mallory"])
async def test_sessions_of_others_are_unknown(make_client: MakeClient, other: str) -> None:
    """A client id is worth nothing to another user, of the same account or not."""
    client = await make_client("jane").open(CALLS)
    thief = make_client(other)
    thief.id = client.id
    _, reply = await thief.connect()
    assert (reply["error"], reply["advice"]) == (UNKNOWN, RENEW)
    assert (await thief.ask("/meta/disconnect"))["error"] == UNKNOWN
    assert (await client.connect(timeout=0))[1]["successful"]


async def test_user_with_too_many_sessions_is_refused_another(client: Client) -> None:
    """Beyond the limit a handshake is denied, with the advice to try again."""
    replies = []
    for _ in range(13):
        replies += await asyncio.gather(*(client.send([HANDSHAKE]) for _ in range(78)))
    outcomes = [reply["successful"] for _, [reply] in replies]
    assert sorted(outcomes) == [False] * 14 + [True] * 1000
    refused = next(reply for _, [reply] in replies if not reply["successful"])
    assert refused["error"] == "403::handshake_denied"
    assert refused["advice"] == {"reconnect": "handshake", "interval": 1000}
