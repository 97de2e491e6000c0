"""RingCentral's own package for Python, unmodified, over plain HTTP: requests, tokens and its WebSocket."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import ClientSession
from ringcentral import SDK
from ringcentral.http.api_exception import ApiException
from ringcentral.websocket.events import WebSocketEvents

from tests.harness.demo import JANE, JOHN, User
from tests.harness.process import RelayProcess
from tests.harness.ringcentral import CLIENT, EXTENSION, OWN_CALLS
from tests.harness.v3 import V3
from tests.waiting import eventually

TELEPHONY = "/restapi/v1.0/account/~/telephony"
SUBSCRIPTION = "/restapi/v1.0/subscription"


async def ask(method: Any, *given: Any, **named: Any) -> Any:
    """Call the package, which waits for its answers; return the body as it reads it."""
    answer = await asyncio.to_thread(method, *given, **named)
    text = answer.text()
    return json.loads(text) if text else answer.response().status_code


@pytest.fixture
async def platform(relay: RelayProcess) -> Any:
    """Give the package, with Jane logged in by her token."""
    found = SDK(*CLIENT, relay.url).platform()
    await asyncio.to_thread(found.login, jwt=JANE.token)
    return found


async def ringing(http: ClientSession, relay: RelayProcess, user: User) -> None:
    """Have a user answer what rings."""
    v3 = V3(http, relay.url, user)
    [leg] = await eventually(v3.calls)
    await v3.on_leg("answer", leg["id"])


async def test_a_call(platform: Any, relay: RelayProcess, http: ClientSession) -> None:
    """Bodies, bodiless requests and deletions are taken as the package sends them."""
    body = {"from": {"deviceId": JANE.device}, "to": {"extensionNumber": JOHN.extension}}
    session = (await ask(platform.post, f"{TELEPHONY}/call-out", body))["session"]
    path = f"{TELEPHONY}/sessions/{session['id']}"
    party = f"{path}/parties/{session['parties'][0]['id']}"
    await ringing(http, relay, JOHN)
    assert (await ask(platform.post, f"{party}/hold"))["status"]["code"] == "Hold"
    assert (await ask(platform.post, f"{party}/unhold"))["status"]["code"] == "Answered"
    assert (await ask(platform.patch, party, {"muted": True}))["muted"] is True
    assert (await ask(platform.get, party))["muted"] is True
    presence = await ask(platform.get, f"{EXTENSION}/presence", {"detailedTelephonyState": "true"})
    assert presence["activeCalls"][0]["telephonySessionId"] == session["id"]
    assert await ask(platform.delete, path) == 204
    with pytest.raises(ApiException, match="Operation is not allowed"):
        await ask(platform.post, f"{party}/hold")


@pytest.mark.filterwarnings("ignore:username-password login will soon be deprecated:UserWarning")
async def test_tokens(platform: Any, relay: RelayProcess) -> None:
    """It refreshes, logs out, and logs in by password too."""
    before = platform.auth().access_token()
    await asyncio.to_thread(platform.refresh)
    assert platform.auth().access_token() != before
    assert (await ask(platform.get, EXTENSION))["extensionNumber"] == JANE.extension
    await asyncio.to_thread(platform.logout)
    assert await asyncio.to_thread(platform.logged_in) is False
    for login in ({"username": "john", "password": "demo"}, {"username": "+15550100001", "password": "demo"}):
        other = SDK(*CLIENT, relay.url).platform()
        await asyncio.to_thread(other.login, extension=JOHN.extension, **login)
        assert (await ask(other.get, EXTENSION))["extensionNumber"] == JOHN.extension
    with pytest.raises(ApiException, match="Invalid resource owner credentials"):
        await asyncio.to_thread(SDK(*CLIENT, relay.url).platform().login, jwt="nonsense")


async def test_its_websocket(platform: Any, relay: RelayProcess, http: ClientSession) -> None:
    """A subscription is made, told, changed and removed, over the package's own path with a slash."""
    sdk = SDK(*CLIENT, relay.url)
    await asyncio.to_thread(sdk.platform().login, jwt=JANE.token)
    client = sdk.create_web_socket_client()
    told: list[Any] = []
    made: list[Any] = []
    client.on(WebSocketEvents.receiveSubscriptionNotification, told.append)
    client.on(WebSocketEvents.subscriptionCreated, made.append)
    running = asyncio.create_task(client.create_new_connection())
    await eventually(lambda: client.get_connection_info() is not None)
    await client.create_subscription([OWN_CALLS])
    await eventually(lambda: made)
    body = {"from": {"deviceId": JANE.device}, "to": {"extensionNumber": JOHN.extension}}
    session = (await ask(platform.post, f"{TELEPHONY}/call-out", body))["session"]
    await eventually(lambda: len(told) >= 2)
    assert [head["type"] for head, _ in told] == ["ServerNotification"] * 2
    codes = [event["body"]["parties"][0]["status"]["code"] for _, event in told]
    assert codes == ["Setup", "Answered"]
    [subscription] = made[:1]
    await client.update_subscription(subscription, [f"{OWN_CALLS}?statusCode=Disconnected"])
    await eventually(lambda: len(made) == 2)
    await ringing(http, relay, JOHN)
    party = f"{TELEPHONY}/sessions/{session['id']}/parties/{session['parties'][0]['id']}"
    await ask(platform.post, f"{party}/hold")
    await ask(platform.delete, f"{TELEPHONY}/sessions/{session['id']}")
    await eventually(lambda: len(told) >= 3)
    assert [event["body"]["parties"][0]["status"]["code"] for _, event in told] == [*codes, "Disconnected"]
    await client.remove_subscription(subscription)
    await client.close_connection()
    await asyncio.gather(running, return_exceptions=True)
