"""Websockets that drop: what was missed is told at any process, once."""

from __future__ import annotations

import time

import pytest

from relay.dialects.ringcentral.sockets.conversation import SETTLE_SECONDS
from relay.journal.store import Store
from tests.dialects.ringcentral.calls import JOHN
from tests.dialects.ringcentral.conftest import Serve
from tests.dialects.ringcentral.face import Face
from tests.dialects.ringcentral.socket import EVERY, OWN, opened, subscribed
from tests.waiting import eventually

CALL = ["2 Setup", "4 Answered"]


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same process", "other process"])
async def test_a_dropped_connection_misses_nothing(face: Face, serve: Serve, *, elsewhere: bool) -> None:
    """Whichever process it comes back to tells what happened meanwhile, once, and then what happens."""
    socket = await subscribed(face)
    session = await face.call_out("jane", extensionNumber="200")
    await socket.hears(2)
    socket.drop()
    party = session["parties"][0]
    answered = await face.ask(session["parties"][1], "answer", {"deviceId": JOHN.device_id}, "john")
    assert answered.status == 200
    await face.ask(party, "hold")
    back, details = await opened(await serve() if elsewhere else face, wsc=socket.wsc["token"])
    assert details["recoveryState"] == "Successful"
    assert back.wsc["sequence"] == socket.wsc["sequence"] + 1
    assert await back.hears(1) == ["7 Hold"]
    await face.ask(party, "unhold")
    assert await back.hears(2) == ["7 Hold", "8 Answered"]
    assert back.notified[-1]["subscriptionId"] == socket.notified[0]["subscriptionId"]
    assert (await back.ask("GET", f"{EVERY}/{back.notified[-1]['subscriptionId']}"))[0]["status"] == 200


async def test_what_was_missed_comes_after_a_pause(face: Face) -> None:
    """Published clients do not listen yet when the details of the connection come."""
    socket = await subscribed(face)
    socket.drop()
    await face.talk()
    began = time.monotonic()
    back, _ = await opened(face, wsc=socket.wsc["token"])
    await back.hears(2)
    assert time.monotonic() - began >= SETTLE_SECONDS


async def test_presence_is_made_up_for_too(face: Face, serve: Serve) -> None:
    """What the history of calls does not have is found in the journal."""
    socket, _ = await opened(face)
    await socket.subscribe(OWN.replace("telephony/sessions", "presence?detailedTelephonyState=true"))
    socket.drop()
    await face.talk()
    back, details = await opened(await serve(), wsc=socket.wsc["token"])
    assert details["recoveryState"] == "Successful"
    await back.next()
    assert [one["body"]["telephonyStatus"] for one in back.notified] == ["CallConnected"]


async def test_what_was_heard_is_not_told_again(face: Face) -> None:
    """The last ``wsc`` tells how far the client is, not how far it was written to."""
    socket = await subscribed(face)
    await socket.ask("GET", EVERY)
    before = socket.wsc["token"]
    await face.talk()
    await socket.hears(2)
    again, _ = await opened(face, wsc=before)
    assert await again.hears(2) == CALL
    later, _ = await opened(face, wsc=socket.wsc["token"])
    await later.say({"type": "Heartbeat", "messageId": "h"})
    assert (await later.next())[0]["type"] == "Heartbeat"


@pytest.mark.parametrize("what", ["nonsense", "unknown", "another's", "too late", "too much", "lost"])
async def test_a_session_that_cannot_be_recovered(face: Face, store: Store, what: str) -> None:
    """The connection begins anew, without a subscription, and says so."""
    socket = await subscribed(face)
    wsc = socket.wsc["token"]
    secret, _, position = wsc.split(".")
    match what:
        case "nonsense":
            wsc = "x"
        case "unknown":
            wsc = f"{secret[:3]}{'0' * 64}.1.{position}"
        case "too late":
            await store.call("DEL", *await store.call("KEYS", "*socket:*"))
        case "too much":
            session = await face.talk()
            for _ in range(51):
                await face.ask(session["parties"][0], "hold")
                await face.ask(session["parties"][0], "unhold")
        case "lost":
            wsc = f"{secret}.1.99999999999999-0"
    back, details = await opened(face, "john" if what == "another's" else "jane", wsc)
    assert details["recoveryState"] == "Failed"
    assert (face.stats.recovered, face.stats.unrecovered) == (0, 1)
    assert back.wsc["sequence"] == 1
    assert (await back.ask("GET", EVERY))[1]["records"] == []
    await back.subscribe()


async def test_a_session_is_kept_for_a_while_after_its_connection(face: Face, store: Store) -> None:
    """For as long as is published; a connection that lives keeps it."""
    socket = await subscribed(face)
    [key] = await store.call("KEYS", "*socket:*")
    assert await store.call("TTL", key) > 86_000
    await socket.connection.close()

    async def ending() -> bool:
        return bool(170 < await store.call("TTL", key) <= 180)

    await eventually(ending)


async def test_filters_that_change_miss_nothing(face: Face) -> None:
    """From the answer on events are chosen by the new filters, and none comes twice."""
    socket = await subscribed(face)
    session = await face.talk()
    await socket.hears(2)
    own = f"{EVERY}/{socket.notified[0]['subscriptionId']}"
    await socket.ask("PUT", own, {"eventFilters": [f"{OWN}?statusCode=Hold"]})
    for what in ("hold", "unhold", "hold"):
        await face.ask(session["parties"][0], what)
    assert await socket.hears(4) == [*CALL, "7 Hold", "9 Hold"]


async def test_filters_that_change_while_a_session_recovers(face: Face) -> None:
    """What was heard before the drop does not come again by the new ones."""
    socket = await subscribed(face)
    session = await face.talk()
    await socket.hears(2)
    own = f"{EVERY}/{socket.notified[0]['subscriptionId']}"
    socket.drop()
    back, _ = await opened(face, wsc=socket.wsc["token"])
    await back.ask("PUT", own, {"eventFilters": [f"{OWN}?direction=Outbound"]})
    await face.ask(session["parties"][0], "hold")
    assert await back.hears(1) == ["7 Hold"]
