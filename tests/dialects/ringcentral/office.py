"""Calls of the demo's people that several tests over HTTP begin with."""

from __future__ import annotations

from typing import Any, Final

from relay.calls.commands import Conference, Consult
from relay.directory.model import Principal
from tests.dialects.ringcentral.calls import ACCOUNT, DIRECTORY, JANE, JOHN, OUTSIDE
from tests.dialects.ringcentral.face import Face, path_of

ALEX: Final = "c2a1d9f4-0e4b-4f0c-8a55-90b7c4d1e733"
PHONES: Final = {"jane": JANE.device_id, "john": JOHN.device_id, "alex": ALEX}
USERS: Final = {user.login: Principal(ACCOUNT, user) for user in DIRECTORY.users(ACCOUNT)}
Party = dict[str, Any]


def session_path(party: Party) -> str:
    """Return the path of a party's session below the account."""
    return path_of(party).partition("/parties/")[0]


def session_id(party: Party) -> str:
    """Return the id of a party's session."""
    return session_path(party).rpartition("/")[2]


async def codes(face: Face, party: Party, user: str = "jane") -> list[str]:
    """Return each party's code, and reason if it has one, in a party's session."""
    session = (await face.get(session_path(party), user)).body
    statuses = [one["status"] for one in session["parties"]]
    return [" ".join((one["code"], *([one["reason"]] if "reason" in one else []))) for one in statuses]


async def answer(face: Face, party: Party, user: str) -> None:
    """Have a user pick up."""
    answered = await face.ask(party, "answer", {"deviceId": PHONES[user]}, user)
    assert answered.status == 200, answered.body


async def inbound(face: Face, user: str = "jane", *, answered: bool = True) -> tuple[Party, Party]:
    """Have somebody call in from outside, and the user answer; return the two parties."""
    extension = {"jane": "210", "john": "200", "alex": "220"}[user]
    placed = await face.control.simulate_inbound(ACCOUNT, OUTSIDE.number, extension)
    path = f"/telephony/sessions/s-{placed.id.replace('-', '')}"
    caller, callee = (await face.get(path, user)).body["parties"]
    if answered:
        await answer(face, callee, user)
    return caller, await face.party(callee, user)


async def consulting(face: Face) -> tuple[Party, Party, Party]:
    """Have jane talk to john, consult alex, and alex answer; return jane's parties and john's."""
    caller, callee = (await face.talk())["parties"]
    [session] = await face.control.live(USERS["jane"])
    accepted = await face.control.act(USERS["jane"], leg=session.parties[0].id, action=Consult("220"))
    consult = (await face.get(f"/telephony/sessions/s-{accepted.session.id.replace('-', '')}")).body
    await answer(face, consult["parties"][1], "alex")
    return caller, consult["parties"][0], callee


async def conferring(face: Face) -> tuple[str, list[Party]]:
    """Have jane talk to john and add alex, who answers; return the session's id and its parties."""
    session = await face.talk()
    [call] = await face.control.live(USERS["jane"])
    await face.control.act(USERS["jane"], leg=call.parties[0].id, action=Conference("220"))
    path = f"/telephony/sessions/{session['id']}"
    await answer(face, (await face.get(path)).body["parties"][2], "alex")
    return session["id"], (await face.get(path)).body["parties"]
