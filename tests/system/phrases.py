"""Every operation as it is asked for in each dialect that has it, and what its answer means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from relay.calls.capabilities import Operation
from relay.calls.model import Party, RecordingState, Session
from relay.dialects.gws import identifiers as gws
from relay.dialects.ringcentral import identifiers as ringcentral
from tests.harness.demo import TENANT, User
from tests.system.dialects import Reply, Request, owner


class Wish(NamedTuple):
    """What is asked of a leg."""

    session: Session
    party: Party
    to: str = ""
    """An extension or a number outside."""
    other: tuple[Session, Party] | None = None
    """The leg in a second call."""
    target: Party | None = None
    """Another leg of the call."""
    number: int = 0
    """Makes user data new."""

    @property
    def user(self) -> User:
        """Whose leg it is."""
        return owner(self.party)


Phrase = Callable[[Wish], tuple[str, dict[str, Any]]]
"""Name and parameters of the operation."""


def _plain(name: str) -> Phrase:
    return lambda wish: (name, {})


def _leading(name: str, destination: Callable[[str], Any]) -> Phrase:
    return lambda wish: (name, {"destination": destination(wish.to)})


def _paired(name: str, parameter: str, other: Callable[[tuple[Session, Party]], str]) -> Phrase:
    return lambda wish: (name, {parameter: other(wish.other)} if wish.other else {})


def _of_target(name: str, called: Callable[[Party], str]) -> Phrase:
    return lambda wish: (name, {"participant": called(wish.target) if wish.target else "nobody"})


def _uri(other: tuple[Session, Party]) -> str:
    return f"/me/calls/{gws.call_id(other[0].id)}"


GWS: Final[dict[Operation, Phrase]] = {
    Operation.ANSWER: _plain("Answer"),
    Operation.HANGUP: _plain("Hangup"),
    Operation.HOLD: _plain("Hold"),
    Operation.RETRIEVE: _plain("Retrieve"),
    Operation.MUTE: _plain("MuteCall"),
    Operation.UNMUTE: _plain("UnmuteCall"),
    Operation.SEND_DTMF: lambda wish: ("SendDtmf", {"digits": "1"}),
    Operation.SET_USER_DATA: lambda wish: ("UpdateUserData", {"userData": {"k": wish.number}}),
    Operation.TRANSFER: _leading("SingleStepTransfer", lambda to: {"phoneNumber": to}),
    Operation.CONFERENCE: _leading("SingleStepConference", lambda to: {"phoneNumber": to}),
    Operation.CONSULT: _leading("InitiateTransfer", str),
    Operation.COMPLETE_TRANSFER: _paired("CompleteTransfer", "consultCallUri", _uri),
    Operation.COMPLETE_CONFERENCE: _paired("CompleteConference", "consultCallUri", _uri),
    Operation.SWAP: _paired("SwapCalls", "otherCallUri", _uri),
    Operation.MERGE: _paired("MergeWithOtherCall", "otherCallUri", _uri),
    Operation.REMOVE_PARTICIPANT: _of_target(
        "RemoveParticipantFromConference", lambda party: party.address.number
    ),
    Operation.CLEAR: _plain("ClearCall"),
    Operation.START_RECORDING: _plain("StartCallRecording"),
    Operation.STOP_RECORDING: _plain("StopCallRecording"),
    Operation.PAUSE_RECORDING: _plain("PauseCallRecording"),
    Operation.RESUME_RECORDING: _plain("ResumeCallRecording"),
}

V3: Final[dict[Operation, Phrase]] = {
    **{
        Operation(name): _plain(name)
        for name in (
            "answer", "reject", "hangup", "hold", "retrieve", "mute", "unmute", "start-recording",
            "stop-recording", "pause-recording", "resume-recording",
        )
    },
    **{Operation(name): _leading(name, str) for name in ("transfer", "conference", "consult")},
    **{
        Operation(name): _paired(name, "other_call_leg_id", lambda other: other[1].id)
        for name in ("complete-transfer", "complete-conference", "swap", "merge")
    },
    Operation.SEND_DTMF: lambda wish: ("send-dtmf", {"digits": "1"}),
    Operation.SET_USER_DATA: lambda wish: ("set-user-data", {"user_data": {"k": wish.number}}),
    Operation.REMOVE_PARTICIPANT: _of_target("remove-participant", lambda party: party.id),
}  # fmt: skip


def _number(to: str) -> dict[str, str]:
    return {"phoneNumber" if to.startswith("+") else "extensionNumber": to}


def _party(other: tuple[Session, Party] | None) -> dict[str, str]:
    if other is None:
        return {}
    session = ringcentral.telephony_session_id(other[0].id)
    return {"telephonySessionId": session, "partyId": ringcentral.party_id(*other)}


def _recorded(*, active: bool) -> Callable[[Wish], tuple[str, str, Any]]:
    def phrase(wish: Wish) -> tuple[str, str, Any]:
        last = wish.party.recordings[-1].id if wish.party.recordings else "none"
        return "PATCH", f"/recordings/{last}", {"active": active}

    return phrase


RINGCENTRAL: Final[dict[Operation, Callable[[Wish], tuple[str, str, Any]]]] = {
    Operation.ANSWER: lambda wish: ("POST", "/answer", {"deviceId": wish.user.device}),
    Operation.REJECT: lambda wish: ("POST", "/reject", None),
    Operation.HOLD: lambda wish: ("POST", "/hold", None),
    Operation.RETRIEVE: lambda wish: ("POST", "/unhold", {}),
    Operation.MUTE: lambda wish: ("PATCH", "", {"muted": True}),
    Operation.UNMUTE: lambda wish: ("PATCH", "", {"party": {"muted": False}}),
    Operation.TRANSFER: lambda wish: ("POST", "/transfer", _number(wish.to)),
    Operation.FORWARD: lambda wish: ("POST", "/forward", _number(wish.to)),
    Operation.REPLY: lambda wish: ("POST", "/reply", {"replyWithText": "I will call back"}),
    Operation.PARK: lambda wish: ("POST", "/park", {}),
    Operation.PICK_UP: lambda wish: ("POST", "/pickup", {"deviceId": wish.user.device}),
    Operation.BRIDGE: lambda wish: ("POST", "/bridge", _party(wish.other)),
    Operation.START_RECORDING: lambda wish: ("POST", "/recordings", None),
    Operation.PAUSE_RECORDING: _recorded(active=False),
    Operation.RESUME_RECORDING: _recorded(active=True),
}


def says_what_it_is_already(operation: Operation, party: Party) -> bool:
    """Tell whether RingCentral answers 200 to what changes nothing: its PATCHes set a state."""
    recording = {
        Operation.PAUSE_RECORDING: RecordingState.PAUSED,
        Operation.RESUME_RECORDING: RecordingState.RECORDING,
    }
    if operation in (Operation.MUTE, Operation.UNMUTE):
        return party.muted is (operation is Operation.MUTE)
    return operation in recording and party.recording is recording[operation]


def _in_gws(operation: Operation, wish: Wish) -> Request:
    name, parameters = GWS[operation](wish)
    body = {"operationName": name, **parameters}
    return Request(wish.user, "POST", f"/api/v2/me/calls/{gws.call_id(wish.session.id)}", body)


def _in_v3(operation: Operation, wish: Wish) -> Request:
    name, parameters = V3[operation](wish)
    return v3_command(wish.user, name, call_leg_id=wish.party.id, **parameters)


def v3_command(user: User, name: str, **payload: Any) -> Request:
    """Return a command in v3's published shape."""
    who = {"tenant_id": TENANT, "user_extension": user.extension}
    return Request(user, "POST", "/v3/call_control/", {"command": name, "user": who, "payload": payload})


def _in_ringcentral(operation: Operation, wish: Wish) -> Request:
    method, suffix, body = RINGCENTRAL[operation](wish)
    return Request(wish.user, method, f"{party_path(wish.session, wish.party)}{suffix}", body)


def session_path(session: Session) -> str:
    """Return a session's path at RingCentral."""
    named = ringcentral.telephony_session_id(session.id)
    return f"/restapi/v1.0/account/~/telephony/sessions/{named}"


def party_path(session: Session, party: Party) -> str:
    """Return a party's path at RingCentral."""
    return f"{session_path(session)}/parties/{ringcentral.party_id(session, party)}"


SAY: Final[Mapping[str, Callable[[Operation, Wish], Request]]] = {
    "gws": _in_gws,
    "v3": _in_v3,
    "ringcentral": _in_ringcentral,
}

HAS: Final[Mapping[str, Mapping[Operation, object]]] = {"gws": GWS, "v3": V3, "ringcentral": RINGCENTRAL}


def dial(dialect: str, user: User, to: str) -> Request:
    """Return the request that places a call from a user's phone."""
    if dialect == "v3":
        return v3_command(user, "click-to-dial", destination=to)
    if dialect == "gws":
        body = {"operationName": "Dial", "destination": {"phoneNumber": to}}
        return Request(user, "POST", f"/api/v2/me/devices/{user.device}/calls", body)
    body = {"from": {"deviceId": user.device}, "to": _number(to)}
    return Request(user, "POST", "/restapi/v1.0/account/~/telephony/call-out", body)


def accepted(dialect: str, reply: Reply) -> bool:
    """Tell whether a command was taken; what is refused must be so because of the call's state."""
    if dialect == "gws":
        assert (reply.status, reply.body["statusCode"]) in ((200, 0), (400, 2)), reply
        return reply.status == 200
    if dialect == "v3":
        assert reply.status == 202 or reply.body["code"] == "not_allowed_now", reply
        return reply.status == 202
    assert reply.status in (200, 201, 204, 409), reply
    return reply.status != 409


OF_RECORDINGS: Final = (Operation.PAUSE_RECORDING, Operation.RESUME_RECORDING)
"""What RingCentral asks of a recording by its id."""
