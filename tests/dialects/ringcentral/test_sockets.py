"""WebSockets: opened with a token, subscribed on, told, and gone on with after a drop, by any process."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError

from relay.streaming.stream import Limits
from tests.conftest import OpenStore
from tests.dialects.ringcentral.calls import ACCOUNT
from tests.dialects.ringcentral.conftest import Serve
from tests.dialects.ringcentral.face import Face
from tests.dialects.ringcentral.socket import EVERY, OWN, Socket, connect, opened, subscribed, token_of
from tests.engines import Server
from tests.waiting import eventually

JANES = OWN.replace("/account/~/extension/~", "/account/400100000001/extension/400100000210")
CALL = ["2 Setup", "4 Answered"]


async def test_a_connection_begins_with_its_details(face: Face) -> None:
    """The first message tells the limits, and what to recover with."""
    socket, details = await opened(face)
    assert socket.wsc["sequence"] == 1
    assert details.pop("creationTime").endswith("Z")
    assert details == {
        "maxConnectionsPerSession": 50,
        "recoveryBufferSize": 100,
        "recoveryTimeout": 180,
        "idleTimeout": 1800,
        "absoluteTimeout": 86400,
        "maxActiveRequests": 10,
    }


async def test_a_subscription_lives_on_its_connection(face: Face) -> None:
    """It is made, read, changed, renewed and deleted by requests; there is one, and it shows as others do."""
    socket, _ = await opened(face)
    made = await socket.subscribe(OWN, "nonsense", path=EVERY)
    assert made["eventFilters"] == [JANES]
    assert made["deliveryMode"] == {"transportType": "WebSocket", "encryption": False}
    assert [one["filter"] for one in made["disabledFilters"]] == ["nonsense"]
    assert (made["status"], made["expiresIn"] in (86_399, 86_400)) == ("Active", True)
    assert made["uri"].endswith(f"{EVERY}/{made['id']}")
    own = f"{EVERY}/{made['id']}"
    wanted = {"eventFilters": [f"{OWN}?direction=Inbound"]}
    head, changed = await socket.ask("PUT", own, wanted)
    assert (head["status"], changed["eventFilters"]) == (200, [f"{JANES}?direction=Inbound"])
    assert "disabledFilters" not in changed
    for method, path in (("GET", own), ("POST", f"{own}/renew"), ("PUT", own)):
        head, shown = await socket.ask(method, path)
        assert (head["status"], shown["eventFilters"]) == (200, changed["eventFilters"])
        assert head["headers"]["WSG-SubscriptionId"] == made["id"]
    _, listed = await socket.ask("GET", EVERY)
    assert [one["id"] for one in listed["records"]] == [made["id"]]
    head, body = await socket.ask("POST", EVERY, {**wanted, "deliveryMode": {"transportType": "WebSocket"}})
    assert (head["status"], body["errorCode"]) == (403, "SUB-505")
    head, body = await socket.ask("DELETE", own)
    assert (head["status"], body, "WSG-SubscriptionId" in head["headers"]) == (204, None, False)
    head, body = await socket.ask("GET", own)
    assert (head["status"], body["errorCode"]) == (404, "CMN-102")
    assert (await socket.subscribe())["id"] != made["id"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", EVERY, {}, 400, "CMN-101"),
        (
            "POST",
            EVERY,
            {"eventFilters": [OWN], "deliveryMode": {"transportType": "WebHook"}},
            400,
            "CMN-101",
        ),
        (
            "POST",
            EVERY,
            {"eventFilters": ["x"], "deliveryMode": {"transportType": "WebSocket"}},
            400,
            "SUB-508",
        ),
        (
            "POST",
            EVERY,
            {
                "eventFilters": [f"{EVERY}/~?threshold=60&interval=15"],
                "deliveryMode": {"transportType": "WebSocket"},
            },
            400,
            "SUB-516",
        ),
        ("GET", f"{EVERY}/00000000-0000-0000-0000-000000000000", None, 404, "CMN-102"),
        ("GET", "/restapi/v1.0/account/~", None, 404, "CMN-120"),
        ("PATCH", f"{EVERY}/x", None, 404, "CMN-102"),
        ("", "", None, 404, "CMN-120"),
    ],
)
async def test_a_request_that_cannot_be_met_is_answered(
    face: Face, method: str, path: str, body: Any, status: int, code: str
) -> None:
    """Errors have the form that they have over HTTP, and the connection goes on."""
    socket, _ = await opened(face)
    head, answer = await socket.ask(method, path, body)
    assert (head["type"], head["status"], answer["errors"][0]["errorCode"]) == ("ClientRequest", status, code)
    await socket.subscribe()


async def test_calls_are_told_as_they_happen(face: Face) -> None:
    """Each notification is the envelope that webhooks get, made out to the subscription."""
    socket = await subscribed(face)
    other = await subscribed(face, "john")
    await face.talk()
    assert await socket.hears(2) == CALL
    [first, _] = socket.notified
    assert first["event"] == JANES
    assert first["ownerId"] == "400100000210"
    assert first["body"]["parties"][0]["extensionId"] == "400100000210"
    assert await other.hears(3) == ["3 Setup", "5 Proceeding", "6 Answered"]
    assert (face.stats.sockets, face.stats.notifications) == (2, 5)
    heads = [head for head, _ in socket.messages if head["type"] == "ServerNotification"]
    assert all(head["messageId"].startswith("evt_") and head["status"] == 200 for head in heads)


async def test_a_heartbeat_is_echoed(face: Face) -> None:
    """With its id, whether or not there is a subscription."""
    socket, _ = await opened(face)
    await socket.say({"type": "Heartbeat", "messageId": "h"})
    head, body = await socket.next()
    assert (head["type"], head["messageId"], body) == ("Heartbeat", "h", None)


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", "[{},{},{}]", '[{"type":1}]', "[{},7]", "[" * 5000])
async def test_what_is_no_message_closes_the_connection(face: Face, text: str) -> None:
    """It says why first."""
    socket, _ = await opened(face)
    await socket.connection.send_str(text)
    assert await socket.closed() == 1007
    head, _ = socket.messages[-1]
    assert (head["type"], head["status"]) == ("Error", 400)


async def test_a_type_that_is_not_known_is_told(face: Face) -> None:
    """The connection goes on."""
    socket, _ = await opened(face)
    await socket.say({"type": "Nonsense", "messageId": "n"})
    head, _ = await socket.next()
    assert (head["type"], head["messageId"], head["status"]) == ("Error", "n", 400)
    await socket.subscribe()


async def test_binary_messages_are_not_taken(face: Face) -> None:
    """The close says so."""
    socket, _ = await opened(face)
    await socket.connection.send_bytes(b"[]")
    assert await socket.closed() == 1003


@pytest.mark.parametrize("token", ["", "x", f"00-{'0' * 64}", "access"])
async def test_a_token_that_is_not_good_is_told_on_the_socket(face: Face, token: str) -> None:
    """Published clients wait for an error message there; an access token opens nothing."""
    given = await face.token("jane") if token == "access" else token
    socket = await connect(face, given)
    assert await socket.closed() == 1008
    assert face.stats.refused == 1
    [(head, body)] = socket.messages
    assert (head["type"], head["status"], body["errorCode"]) == ("Error", 401, "TokenInvalid")
    assert body["errors"][0]["errorCode"] == "OAU-213"


async def test_a_token_opens_one_session_and_recovers_it(face: Face) -> None:
    """A second session needs another; published clients come back to theirs with the same."""
    token = await token_of(face)
    socket = await connect(face, token)
    await socket.next()
    again = await connect(face, token)
    assert await again.closed() == 1008
    back = await connect(face, token, socket.wsc["token"])
    _, details = await back.next()
    assert details["recoveryState"] == "Successful"


async def test_pages_of_other_origins_open_nothing(face: Face) -> None:
    """A page may open sockets where it may call from."""
    with pytest.raises(WSServerHandshakeError, match="403"):
        await connect(face, await token_of(face), headers={"Origin": "https://evil.example"})


async def test_a_deleted_subscription_tells_nothing(face: Face) -> None:
    """The connection stays."""
    socket = await subscribed(face)
    made = (await socket.ask("GET", EVERY))[1]["records"][0]
    await socket.ask("DELETE", f"{EVERY}/{made['id']}")
    await face.talk()
    await socket.subscribe()
    await face.control.simulate_inbound(ACCOUNT, "+12025550123", "210")
    await socket.hears(1)
    assert socket.told[0].startswith("3 ")


async def test_a_stopping_process_sends_its_clients_away(face: Face, serve: Serve) -> None:
    """Each is told that it goes, and goes on elsewhere; a new one is not taken."""
    sockets = [await subscribed(face, user) for user in ("jane", "john", "alex")]
    token = await token_of(face)
    await asyncio.gather(face.sockets.drain(), *(_expect(socket, 1001) for socket in sockets))
    with pytest.raises(WSServerHandshakeError, match="503"):
        await connect(face, token)
    await face.talk()
    back, details = await opened(await serve(), wsc=sockets[0].wsc["token"])
    assert details["recoveryState"] == "Successful"
    assert await back.hears(2) == CALL
    assert (len(face.sockets), face.stats.sockets) == (0, 0)


async def test_a_client_may_take_its_time_to_answer_a_close(face: Face) -> None:
    """The connection is not broken off meanwhile, so that it reads what it was told before."""
    token = await token_of(face)
    socket = await connect(face, token, autoclose=False)
    await socket.next()
    draining = asyncio.create_task(face.sockets.drain())
    assert (await socket.connection.receive(timeout=10)).type is WSMsgType.CLOSE
    assert (await face.get(EVERY)).status == 200  # an end of the connection would have come by now
    assert not draining.done()
    await socket.connection.close()
    assert socket.connection.close_code == 1001
    await draining


async def test_a_socket_that_opens_as_the_process_stops_is_sent_away_too(face: Face) -> None:
    """Its request had come before, and waited for the store meanwhile."""
    token, store = await token_of(face), face.journal.store
    await store.call("CLIENT", "PAUSE", "500")
    asked = store.batches
    opening = asyncio.create_task(connect(face, token))
    await eventually(lambda: store.batches > asked)
    draining = asyncio.create_task(face.sockets.drain())
    assert await (await opening).closed() == 1001
    await draining


async def test_a_client_that_does_not_read_is_cut_off(face: Face) -> None:
    """What waits for it is bounded; it comes back and misses nothing."""
    face.sockets._limits = Limits(buffer_bytes=100_000, socket_bytes=4096)
    socket = await subscribed(face)
    response = socket.connection._response
    assert response.connection is not None
    assert response.connection.transport is not None
    response.connection.transport.pause_reading()
    heartbeat = {"type": "Heartbeat", "messageId": "h" * 60_000}

    async def cut_off() -> bool:
        with suppress(ConnectionError):
            await socket.say(heartbeat)
        return face.stats.cut_buffer == 1 and face.stats.sockets == 0

    await eventually(cut_off, every=0.001)
    await face.talk()
    back, details = await opened(face, wsc=socket.wsc["token"])
    assert details["recoveryState"] == "Successful"
    assert await back.hears(2) == CALL


@pytest.mark.parametrize(("which", "code"), [("_idle", "WSG-902"), ("_absolute", "WSG-903")])
async def test_a_connection_does_not_last_for_ever(face: Face, which: str, code: str) -> None:
    """Whoever says nothing for too long, or has been there for too long, is told so."""
    setattr(face.sockets, which, 0.2)
    socket, _ = await opened(face)
    assert await socket.closed() == 1001
    head, body = socket.messages[-1]
    assert (head["type"], body["errorCode"]) == ("Error", code)


async def test_a_journal_that_lost_events_closes_the_connection(face: Face, server: Server) -> None:
    """The client comes back, and begins anew."""
    socket = await subscribed(face)
    await face.talk()
    await socket.hears(2)
    with server.client as client:
        client.flushall()
    assert await socket.closed() == 1013
    face._tokens.clear()
    _, details = await opened(face, wsc=socket.wsc["token"])
    assert details["recoveryState"] == "Failed"


async def test_requests_count_as_they_do_over_http(serve: Serve) -> None:
    """A request too many is refused; answers tell where the user stands."""
    face = await serve(rate_limits=True, ringcentral_limits=(50, 1, 10, 50))
    socket, _ = await opened(face)
    await socket.subscribe()
    head, _ = await socket.ask("GET", EVERY)
    assert head["headers"]["X-Rate-Limit-Group"] == "light"
    head, body = await socket.ask("PUT", f"{EVERY}/x")
    assert (head["status"], body["errorCode"]) == (429, "CMN-301")


async def test_connections_outlast_the_store(
    faulty_server: Server, open_store: OpenStore, serve_on: Serve
) -> None:
    """One that asks nothing is told on as before; a request has the client come back; none is opened."""
    face = await serve_on(await open_store(faulty_server.url))
    quiet, asking, token = await subscribed(face), await subscribed(face), await token_of(face)
    faulty_server.kill()
    await asking.say({"type": "Heartbeat", "messageId": "h"})
    assert (await asking.next())[0]["messageId"] == "h"
    own = f"{EVERY}/{(await asking.ask('GET', EVERY))[1]['records'][0]['id']}"
    wanted = {"type": "ClientRequest", "messageId": "m", "method": "DELETE", "path": own}
    await asking.say(wanted)
    assert await asking.closed() == 1013
    with pytest.raises(WSServerHandshakeError, match="503"):
        await connect(face, token)
    faulty_server.start()

    async def back_again() -> bool:
        return (await face.get("/extension/~")).status == 200

    await eventually(back_again)
    await face.talk()
    assert await quiet.hears(2) == CALL
    back, details = await opened(face, wsc=asking.wsc["token"])
    assert details["recoveryState"] == "Successful"
    assert await back.hears(2) == CALL


async def test_an_admin_follows_the_whole_account(face: Face) -> None:
    """Each leg is told on the path of its extension, or of the account."""
    socket, _ = await opened(face, "admin")
    await socket.subscribe("/restapi/v1.0/account/~/telephony/sessions")
    await face.call_out("jane", phoneNumber="+12025550123")
    await socket.hears(3)
    account = "/restapi/v1.0/account/400100000001"
    assert {body["event"] for body in socket.notified} == {JANES, f"{account}/telephony/sessions"}
    assert {body["ownerId"] for body in socket.notified} == {"400100000001"}


async def _expect(socket: Socket, code: int) -> None:
    assert await socket.closed() == code
