"""The same calls as each dialect shows them: compared with one another, and with what was told last."""

from __future__ import annotations

from typing import Any, Final

from relay.calls.lines import beside, lines_of
from relay.calls.model import Party, Session
from relay.dialects.gws import identifiers as gws
from relay.dialects.gws.capabilities import listed
from relay.dialects.ringcentral import identifiers as ringcentral
from tests.harness.demo import ADMIN
from tests.system.dialects import AGENTS, Pair, Request, owner, without
from tests.system.listeners import Listeners
from tests.system.phrases import session_path

STATES: Final = {
    ("Dialing", "ringing", "Setup"),
    ("Dialing", "ringing", "Proceeding"),
    ("Dialing", "ringing", "Answered"),  # the switch took the leg, nobody answered yet
    ("Ringing", "ringing", "Setup"),
    ("Ringing", "ringing", "Proceeding"),
    ("Established", "answered", "Answered"),
    ("Held", "held", "Hold"),
    ("Held", "held", "Parked"),
}
"""The states of one leg that go together: GWS, v3, RingCentral."""

OVER: Final = ("Disconnected", "Gone")


async def check_views(pair: Pair, told: Listeners, sessions: list[Session]) -> None:
    """Check that all three dialects show the live calls, and show them alike."""
    calls, legs = await _of_each_user(pair)
    live = [
        (session, party) for session in sessions for party in session.parties if party.live and party.ours
    ]
    assert set(legs) == {party.id for _, party in live}
    assert set(calls) == {(owner(party).number, gws.call_id(session.id)) for session, party in live}
    shown = await pair.read(*(Request(ADMIN, "GET", session_path(session)) for session in sessions))
    parties = {party["id"]: party for session in shown for party in session["parties"]}
    lines = lines_of(sessions)
    for session, party in live:
        call = calls[owner(party).number, gws.call_id(session.id)]
        of_session = [parties[one] for one in {ringcentral.party_id(session, one) for one in session.parties}]
        third = parties[ringcentral.party_id(session, party)]
        assert set(call["capabilities"]) == set(listed(session, party, beside(party, lines)))
        _check_alike(call, legs[party.id], third, of_session)
        _check_told(told, owner(party).number, call, legs[party.id], third)
    _check_symmetry(live, calls)


async def _of_each_user(
    pair: Pair,
) -> tuple[dict[tuple[str, str], dict[str, Any]], dict[str, dict[str, Any]]]:
    """Return GWS's calls by number and id, and v3's legs by id, as their users and an admin read them."""
    gws_requests = [Request(user, "GET", "/api/v2/me/calls?fields=*") for user in AGENTS]
    v3_requests = [Request(user, "GET", "/v3/calls/") for user in (*AGENTS, ADMIN)]
    bodies = await pair.read(*gws_requests, *v3_requests)
    lists = [body["calls"] for body in bodies]
    calls = {
        (user.number, call["id"]): call
        for user, own in zip(AGENTS, lists[: len(AGENTS)], strict=True)
        for call in own
    }
    *own_legs, everybodys = lists[len(AGENTS) :]
    legs = {leg["id"]: leg for own in own_legs for leg in own}
    assert sorted(legs) == sorted(leg["id"] for leg in everybodys)
    assert all(legs[leg["id"]] == leg for leg in everybodys)
    return calls, legs


def _check_alike(
    call: dict[str, Any], leg: dict[str, Any], party: dict[str, Any], of_session: list[dict[str, Any]]
) -> None:
    assert (call["state"], leg["state"], party["status"]["code"]) in STATES
    assert (call["mute"] == "On") is leg["muted"] is party["muted"]
    assert without(call.get("userData", {}), "GSIP_RECORD") == leg["user_data"]
    assert (leg["direction"] == "outbound") is (party["direction"] == "Outbound")
    if call["callType"] != "Consult":
        assert (call["callType"] == "Internal") is leg["internal"]
    running = {one["active"] for one in party.get("recordings", ())}
    assert running == {"Recording": {True}, "Paused": {False}}.get(call.get("recordingState", ""), set())
    others = [one for one in of_session if one["id"] != party["id"] and one["status"]["code"] not in OVER]
    if call["state"] in ("Established", "Held") and others:
        assert len(call["participants"]) == len(others)


def _same(one: Any, other: Any) -> None:
    assert one == other, f"{one}\n!=\n{other}"


def _check_told(
    told: Listeners, number: str, call: dict[str, Any], leg: dict[str, Any], party: dict[str, Any]
) -> None:
    """Check that who keeps what was told last knows what is read now."""
    last = told.gws[number, call["id"]]
    _same(without(last, "duration"), without(call, "duration"))
    event = told.v3[leg["id"]]
    _same({name: event[name] for name in leg}, leg)
    heard = told.ringcentral[party["id"]]
    _same(heard["status"]["code"], party["status"]["code"])
    for name in ("muted", "direction", "recordings"):
        _same(heard.get(name), party.get(name))


def _check_symmetry(live: list[tuple[Session, Party]], calls: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Check that of two in a call each shows the other, or neither does."""
    for session, party in live:
        shown = {
            one["phoneNumber"] for one in calls[owner(party).number, gws.call_id(session.id)]["participants"]
        }
        for other_session, other in live:
            if other_session.id == session.id and other.id != party.id:
                assert owner(other).number in shown
