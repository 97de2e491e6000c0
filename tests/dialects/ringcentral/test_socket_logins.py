"""WebSockets end with the login they were opened by, whichever process ends it."""

from __future__ import annotations

import asyncio

from relay.journal.store import Store
from tests.dialects.ringcentral.conftest import Serve
from tests.dialects.ringcentral.face import APP, Face
from tests.dialects.ringcentral.socket import Socket, connect, opened, subscribed, token_of
from tests.engines import Server


async def _log_out(face: Face, user: str = "jane", token: str | None = None) -> None:
    given = token or await face.token(user)
    answer = await face.request("POST", "/restapi/oauth/revoke", None, data={"token": given}, headers=APP)
    assert answer.status == 200, answer.body
    face._tokens.pop(user, None)


async def _refused(socket: Socket) -> None:
    assert await socket.closed() == 1008
    head, body = socket.messages[-1]
    assert (head["type"], head["status"], body["errors"][0]["errorCode"]) == ("Error", 401, "OAU-213")


async def test_a_revoked_token_closes_its_sockets_at_every_process(face: Face, serve: Serve) -> None:
    """They are told why; what happens afterwards they are not told, nor are other logins disturbed."""
    elsewhere = await serve()
    elsewhere._tokens = face._tokens
    mine = [await subscribed(face), (await opened(face))[0], await subscribed(elsewhere)]
    face._tokens = {**face._tokens}
    face._tokens["jane"] = (await face.login())["access_token"]
    other, johns = await subscribed(face), await subscribed(face, "john")
    await asyncio.gather(_log_out(elsewhere), *map(_refused, mine))
    await face.talk()
    assert await other.hears(2)
    assert await johns.hears(1)
    assert [len(socket.notified) for socket in mine] == [0, 0, 0]
    assert (len(face.sockets), len(elsewhere.sockets)) == (2, 0)


async def test_a_refresh_token_ends_them_too(face: Face) -> None:
    """Whichever of a login's tokens is revoked, the login is over."""
    tokens = await face.login()
    face._tokens["jane"] = tokens["access_token"]
    socket = await subscribed(face)
    await _log_out(face, token=tokens["refresh_token"])
    await _refused(socket)


async def test_refreshing_leaves_sockets_open(face: Face) -> None:
    """The login goes on with other tokens, and ends with them."""
    tokens = await face.login()
    face._tokens["jane"] = tokens["access_token"]
    socket = await subscribed(face)
    answer = await face.oauth(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    face._tokens["jane"] = answer.body["access_token"]
    await face.talk()
    assert len(await socket.hears(2)) == 2
    await _log_out(face)
    await _refused(socket)


async def test_a_login_that_is_over_opens_and_recovers_nothing(face: Face) -> None:
    """Tokens for sockets that it was given are void; another login of the user recovers its session."""
    used, fresh = await token_of(face), await token_of(face)
    socket = await connect(face, used)
    await socket.next()
    socket.drop()
    await _log_out(face)
    for token, wsc in ((fresh, None), (used, socket.wsc["token"])):
        again = await connect(face, token, wsc)
        assert await again.closed() == 1008
    _, details = await opened(face, wsc=socket.wsc["token"])
    assert details["recoveryState"] == "Successful"


async def test_a_login_that_nobody_refreshed_ends_as_well(face: Face, store: Store) -> None:
    """No record tells of it: it is looked for from time to time."""
    face.sockets._look_seconds = 0.1
    socket = await subscribed(face)
    for key in await store.call("KEYS", "relay:*:token:*"):
        await store.call("DEL", key)
    await _refused(socket)


async def test_a_record_that_may_have_been_missed_is_made_up_for(face: Face, server: Server) -> None:
    """A store that lost what it had has lost the login, too."""
    socket, _ = await opened(face)
    with server.client as client:
        client.flushall()
    await _refused(socket)
