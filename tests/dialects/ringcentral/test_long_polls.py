from __future__ import annotations

import asyncio
from typing import Any

import pytest
from multidict import MultiDict

from relay.dialects.ringcentral import long_polls
from relay.dialects.ringcentral.failures import ApiError
from relay.dialects.ringcentral.long_polls import LONG_POLLS, LONGEST_WAIT, LongPolls, wish
from tests.dialects.ringcentral.face import Answer, Face
from tests.dialects.ringcentral.office import answer, inbound, session_path
from tests.waiting import eventually

NEVER = "timeout=9999"
"""Longer than a test may take."""


def polls(face: Face) -> LongPolls:
    """Return those who wait."""
    assert face.client.app is not None
    return face.client.app[LONG_POLLS]


async def begin(face: Face, path: str, query: str = NEVER) -> asyncio.Task[Answer]:
    """Ask for a session, and return once the request waits."""
    before = polls(face).waiting
    asked = asyncio.create_task(face.get(f"{path}?{query}"))
    await eventually(lambda: polls(face).waiting > before)
    return asked


async def test_a_poll_whose_token_is_revoked_tells_nothing(face: Face) -> None:
    """It is released at once, and refused as any request with that token."""
    party, _ = await inbound(face)
    path = session_path(party)
    asked = await begin(face, path)
    other = asyncio.create_task(face.get(f"{path}?{NEVER}", "admin"))
    await eventually(lambda: polls(face).waiting == 2)
    await face.oauth("revoke", token=await face.token("jane"))
    refused = await asked
    assert (refused.status, refused.code) == (401, "OAU-213")
    assert not other.done()
    other.cancel()


def codes(session: dict[str, Any]) -> list[str]:
    """Return the status code of each party."""
    return [party["status"]["code"] for party in session["parties"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, (0, None)),
        ({"timestamp": "1763717404218"}, (0, 1_763_717_404_218)),
        ({"timeout": "20", "timestamp": "2025-11-21T09:30:04.218Z"}, (20, 1_763_717_404_218)),
        ({"timeout": "20", "timestamp": "2025-11-21T10:30:04.218 01:00"}, (20, 1_763_717_404_218)),
        ({"timeout": "999999999"}, (LONGEST_WAIT, None)),
    ],
)
def test_what_is_waited_for(query: dict[str, str], expected: tuple[int, int | None]) -> None:
    """Seconds up to the longest wait, and a time in either form; a plus sign may have become a space."""
    assert wish(MultiDict(query)) == expected


@pytest.mark.parametrize(
    "query",
    [
        *({"timeout": given} for given in ("", "-1", "1.5", "soon", "1e3", "\u0661", "1" * 30)),
        *(
            {"timestamp": given}
            for given in ("", "-1", "now", "2025-11-21", "2025-13-21T00:00:00Z", "1" * 16)
        ),
    ],
)
def test_what_cannot_be_waited_for(query: dict[str, str]) -> None:
    """The parameter is named, as with any other."""
    with pytest.raises(ApiError) as refused:
        wish(MultiDict(query))
    assert (refused.value.status, refused.value.code) == (400, "CMN-101")
    assert refused.value.details == {"parameterName": next(iter(query))}


async def test_a_long_poll_is_answered_when_the_session_changes(face: Face) -> None:
    """Whoever waits is told of the next change, with the session as it is after that."""
    _, callee = await inbound(face, answered=False)
    asked = await begin(face, session_path(callee))
    await answer(face, callee, "jane")
    told = await asked
    assert (told.status, codes(told.body)) == (200, ["Answered", "Answered"])
    assert polls(face).waiting == 0


async def test_a_long_poll_hears_nothing_of_other_sessions(face: Face) -> None:
    """Only a change of the session itself ends the wait."""
    caller, _ = await inbound(face)
    asked = await begin(face, session_path(caller))
    await face.call_out("john", extensionNumber="220")
    await face.post(f"{session_path(caller)}/parties/{caller['id'][:-1]}2/hold")
    assert codes((await asked).body) == ["Answered", "Hold"]


async def test_a_long_poll_is_answered_at_once_for_what_it_has_missed(face: Face) -> None:
    """A change after ``timestamp`` is told without a wait; the same time again waits for the next one."""
    placed = face.clock.now
    caller, callee = await inbound(face, answered=False)
    face.clock.now += 1
    await answer(face, callee, "jane")
    path = session_path(caller)
    assert codes((await face.get(f"{path}?{NEVER}&timestamp={placed}")).body) == ["Answered", "Answered"]
    asked = await begin(face, path, f"{NEVER}&timestamp={face.clock.now}")
    face.clock.now += 1
    await face.ask(callee, "hold")
    assert codes((await asked).body) == ["Answered", "Hold"]


async def test_a_long_poll_is_answered_when_its_time_is_over(face: Face) -> None:
    """With the session as it is, after the seconds asked for; without a timeout at once."""
    caller, _ = await inbound(face)
    path = session_path(caller)
    for query in ("timeout=1", f"timestamp={face.clock.now}", "timeout=0"):
        told = await face.get(f"{path}?{query}")
        assert (told.status, codes(told.body)) == (200, ["Answered", "Answered"])
    assert polls(face).waiting == 0


async def test_nobody_waits_for_a_session_that_has_ended(face: Face) -> None:
    """Nothing can change any more."""
    caller, _ = await inbound(face)
    asked = await begin(face, session_path(caller))
    await face.request("DELETE", session_path(caller))
    assert codes((await asked).body) == ["Disconnected", "Disconnected"]
    ended = await face.get(f"{session_path(caller)}?{NEVER}&timestamp={face.clock.now}")
    assert codes(ended.body) == ["Disconnected", "Disconnected"]


async def test_a_client_that_leaves_waits_no_longer(face: Face) -> None:
    """A dropped connection leaves nothing behind."""
    caller, _ = await inbound(face)
    asked = await begin(face, session_path(caller))
    asked.cancel()
    await eventually(lambda: polls(face).waiting == 0)


async def test_a_process_that_stops_answers_whoever_waits(face: Face) -> None:
    """Nobody keeps it from ending, and nobody begins to wait."""
    caller, _ = await inbound(face)
    asked = await begin(face, session_path(caller))
    assert face.client.app is not None
    await polls(face).drain(face.client.app)
    assert (await asked).status == 200
    assert (await face.get(f"{session_path(caller)}?{NEVER}")).status == 200


async def test_requests_beyond_the_limit_do_not_wait(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes while as many wait as may is answered at once."""
    monkeypatch.setattr(long_polls, "MOST_WAITING", 1)
    caller, callee = await inbound(face)
    asked = await begin(face, session_path(caller))
    assert (await face.get(f"{session_path(caller)}?{NEVER}")).status == 200
    await face.ask(callee, "hold")
    assert (await asked).status == 200


async def test_a_session_that_is_not_ones_own_is_not_waited_for(face: Face) -> None:
    """Refused as without a timeout."""
    caller, _ = await inbound(face)
    assert (await face.get(f"{session_path(caller)}?{NEVER}", "john")).status == 403
    assert (await face.get(f"/telephony/sessions/s-{'0' * 32}?{NEVER}")).status == 404
    assert (await face.get(f"{session_path(caller)}?timeout=x")).body["parameterName"] == "timeout"
